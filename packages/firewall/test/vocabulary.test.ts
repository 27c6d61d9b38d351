/** The words that an editor offers are words that the loader takes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { compilePolicy, vocabulary } from "../src/index.ts";
import { hashing } from "./support.ts";

/** Codes of the complaints about a text. */
const complaints = (text: string): readonly string[] => {
  const made = compilePolicy([{ tier: "user", file: "policy.toml", text }], hashing);
  return made.ok ? [] : made.error.map(({ code, message }) => `${code} ${message}`);
};

const unknown = (text: string): readonly string[] =>
  complaints(text).filter(
    (each) => each.startsWith("E_POLICY_UNKNOWN_KEY") || each.startsWith("E_POLICY_NOT_AVAILABLE"),
  );

const headers: Readonly<Record<string, string>> = {
  rule: "[[rule]]",
  workspace: "[workspace.w]",
  rate: '[rate."fs::write"]',
  tool: '[tool."s"."t"]',
};

const words = vocabulary();

test("every key that is offered for a table is one of it", () => {
  for (const [table, keys] of Object.entries(words.keys)) {
    for (const key of keys) {
      if (table === "when") continue;
      const header = table === "" ? "" : (headers[table] ?? `[${table}]`);
      const text = `version = 1\n${header}\n${key} = 1\n`.replace(
        /^(version = 1\n)\n?version/,
        "version",
      );
      assert.deepEqual(unknown(text), [], `${table} ${key}`);
    }
  }
  for (const key of words.keys["when"] ?? []) {
    const text = `version = 1\n[[rule]]\nid = "a"\nwhen = { ${key} = 1 }\n`;
    assert.deepEqual(unknown(text), [], `when ${key}`);
  }
  // The control: a word that is none is told.
  assert.equal(unknown("version = 1\n[defaults]\nverdikt = 1\n").length, 1);
});

test("every key that is offered for an argument is one of its conditions", () => {
  for (const target of words.targets) {
    for (const { name, type } of target.arguments) {
      for (const key of words.conditions[type] ?? []) {
        const where = `where.${name} = { ${key} = 1 }`;
        const rule = `[[rule]]\nid = "a"\neffect = "ask"\ntarget = ["${target.name}"]\n${where}\n`;
        assert.deepEqual(unknown(`version = 1\n${rule}`), [], `${target.name} ${where}`);
      }
    }
  }
});

test("every value that is offered is taken", () => {
  const rule = (effect: string): string =>
    `version = 1\n[[rule]]\nid = "a"\neffect = ${effect}\ntarget = ["fs::read"]\nwhere.path = { glob = "scope:/**" }\n`;
  for (const effect of words.values["effect"] ?? []) assert.deepEqual(complaints(rule(effect)), []);
  for (const verdict of words.values["verdict"] ?? []) {
    assert.deepEqual(complaints(`version = 1\n[defaults]\nverdict = ${verdict}\n`), []);
  }
});
