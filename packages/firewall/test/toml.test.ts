/** The located tree against an independent reader of TOML. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parse } from "smol-toml";
import { defaultPolicy } from "../src/index.ts";
import { parseToml, type TomlNode } from "../src/toml.ts";

/** `npm run check` looks at fewer; `npm test` at all. */
const inner = process.env["IOI_TEST"] === "inner";

const plain = (node: TomlNode): unknown => {
  switch (node.type) {
    case "table":
      return Object.fromEntries([...node.entries].map(([key, { value }]) => [key, plain(value)]));
    case "array":
      return node.items.map(plain);
    case "integer":
      return node.value;
    case "float":
      return Number(node.text);
    case "time":
      return node.text;
    default:
      return node.value;
  }
};

const theirs = (text: string): unknown => {
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, walk(each)]));
  };
  return walk(parse(text, { integersAsBigInt: true }));
};

const ours = (text: string): unknown => {
  const tree = parseToml("t.toml", text);
  assert.ok(tree.ok, JSON.stringify(tree));
  return plain(tree.value);
};

const key = fc.stringMatching(/^[a-z]{1,3}$/);
const scalar = fc.oneof(
  fc.string({ maxLength: 8 }).map((text) => JSON.stringify(text)),
  fc.integer().map(String),
  fc.boolean().map(String),
  fc.integer({ min: -9, max: 9 }).map((value) => `${value}.5`),
);
const value = fc.oneof(
  scalar,
  fc.array(scalar, { maxLength: 3 }).map((items) => `[${items.join(", ")}]`),
  fc.dictionary(key, scalar, { maxKeys: 3 }).map(
    (record) =>
      `{ ${Object.entries(record)
        .map(([name, each]) => `${name} = ${each}`)
        .join(", ")} }`,
  ),
);
const lines = fc.array(
  fc.oneof(
    fc
      .tuple(fc.array(key, { minLength: 1, maxLength: 3 }), value)
      .map(([keys, each]) => `${keys.join(".")} = ${each}`),
    fc.array(key, { minLength: 1, maxLength: 3 }).map((keys) => `[${keys.join(".")}]`),
    fc.array(key, { minLength: 1, maxLength: 2 }).map((keys) => `[[${keys.join(".")}]]`),
    fc.constant("# [[{\"'"),
  ),
  { maxLength: 12 },
);

describe("TOML", () => {
  it("has the values that another reader finds", () => {
    assert.deepEqual(ours(defaultPolicy), theirs(defaultPolicy));
    const text =
      'a.b = 1\n"c d" = "\\u00e9"\n[[x]]\ny = [1, { z = true }]\n[[x]]\n[x.w]\nv = 1.5\n';
    assert.deepEqual(ours(text), theirs(text));
  });
  it("has them in random documents, and refuses what the other refuses", () => {
    let accepted = 0;
    const runs = inner ? 300 : 2000;
    fc.assert(
      fc.property(lines, (list) => {
        const text = list.join("\n");
        let expected: unknown;
        try {
          expected = theirs(text);
        } catch {
          assert.equal(parseToml("t.toml", text).ok, false, text);
          return;
        }
        const tree = parseToml("t.toml", text);
        assert.ok(tree.ok, `${text}\n${JSON.stringify(tree)}`);
        assert.deepEqual(plain(tree.value), expected);
        accepted++;
      }),
      { numRuns: runs, seed: Number(process.env["IOI_SEED"] ?? 20_261) },
    );
    assert.ok(accepted > runs / 10, `only ${accepted} documents were well-formed`);
  });
  it("has positions of keys and values", () => {
    const tree = parseToml("t.toml", "a = 1\n[b]\n  c.d = [2,\n 3]\n");
    assert.ok(tree.ok);
    const b = tree.value.entries.get("b");
    assert.deepEqual(b?.at, { file: "t.toml", line: 2, column: 2 });
    assert.ok(b.value.type === "table");
    const c = b.value.entries.get("c");
    assert.deepEqual(c?.at, { file: "t.toml", line: 3, column: 3 });
    assert.ok(c.value.type === "table");
    const d = c.value.entries.get("d");
    assert.deepEqual([d?.at.column, d?.value.at], [5, { file: "t.toml", line: 3, column: 9 }]);
    assert.ok(d?.value.type === "array");
    assert.deepEqual(d.value.items[1]?.at, { file: "t.toml", line: 4, column: 2 });
  });
});
