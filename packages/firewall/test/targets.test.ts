/** Every target of the language: its rules load, are compared, linted, tested and decided. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Action, CanonicalValue, Facts } from "@ioi/wire";
import {
  type ArgumentSpec,
  canonicalise,
  decide,
  diffPolicies,
  lint,
  mustConstrain,
  networkTargets,
  type RawValue,
  targets,
  type TargetSpec,
  testPolicy,
} from "../src/index.ts";
import {
  complaints,
  context,
  hashing,
  home,
  parseUrl,
  policy,
  rule,
  session,
  verdict,
  withSession,
} from "./support.ts";

const zero = `eip155:1:0x${"0".repeat(40)}`;
const supplied = {
  page: "https://a.example/",
  app: "editor",
  from: zero,
  definition: "0".repeat(64),
  address: "https://a.example/",
  url: "https://models.example/v1",
  protocol: "openai",
  name: "m",
  origin: "user",
  agent: "a".repeat(64),
  price_in: 0,
  price_out: 0,
};
const env = { roots: session.roots, home, hashing, parseUrl, supplied, undriven: true as const };
const assumed = { ...context, undriven: true as const };

/** A value of the argument as an agent would give it, and a condition that holds of it. */
const sample = (spec: ArgumentSpec): readonly [RawValue, string] => {
  switch (spec.type) {
    case "path":
      return ["a.txt", '{ glob = "scope:/**" }'];
    case "paths":
      return [["a.txt"], '{ glob = "scope:/**" }'];
    case "text":
      if (spec.name === "method") {
        const [method = "x"] = spec.choices ?? [];
        return [method, `{ equals = "${method}" }`];
      }
      return spec.choices === undefined
        ? ["abcd", '{ matches = "a.*|editor|https?:.*|openai|m" }']
        : [spec.choices[0] ?? "", `{ one_of = ${JSON.stringify(spec.choices)} }`];
    case "integer":
      return [spec.min, `{ min = ${spec.min} }`];
    case "content":
      return ["hello", "{ bytes_max = 10 }"];
    case "argv":
      return [["/usr/bin/sort"], '{ program = "/usr/bin/sort" }'];
    case "url":
      return ["https://a.example/", '{ host = "a.example" }'];
    case "host":
      return ["a.example", '{ one_of = ["a.example", "*.b.example"] }'];
    case "emails":
      return [["ann@a.example"], '{ domain = "a.example" }'];
    case "amount":
      return ["0.50", '{ max = "0.5" }'];
    case "account":
      return [zero, '{ prefix = "eip155:1:" }'];
    case "element":
      return [{ snapshot: "s1", role: "button", name: "OK" }, '{ role = "button" }'];
    case "point":
      return [
        { snapshot: "s1", x: 1, y: 2 },
        "{ within = { x = 0, y = 0, width = 9, height = 9 } }",
      ];
    case "json":
      return [{ a: 1 }, ""];
    case "bytes":
      return ["0".repeat(64), `{ equals = "${"0".repeat(64)}" }`];
    case "headers":
      return [{ accept: "x" }, ""];
  }
};

const actionOf = (target: TargetSpec): Action => {
  const given = target.arguments.filter((spec) => spec.fromSession !== true);
  const raw = Object.fromEntries(given.map((spec) => [spec.name, sample(spec)[0]]));
  const made = canonicalise(target.name, raw, env);
  assert.ok(made.ok, `${target.name}: ${JSON.stringify(made)}`);
  const facts: Record<string, Facts> = {};
  const look = (key: string, realPath: string, kind: "file" | "directory"): void => {
    facts[key] = { realPath, exists: true, kind, nlink: 1, size: 1 };
  };
  for (const { name, type } of target.arguments) {
    const value = made.value.args[name] as CanonicalValue;
    if (type === "path") look(name, value as string, name === "cwd" ? "directory" : "file");
    if (type === "paths") look(`${name}.0`, (value as readonly string[])[0] as string, "file");
    if (type === "argv") {
      look("program", "/usr/bin/sort", "file");
      facts["program"] = { ...(facts["program"] as Facts), sha256: new Uint8Array(32) };
    }
  }
  return { version: 1, target: target.name, args: made.value.args, facts };
};

const whereOf = (target: TargetSpec, keep: (spec: ArgumentSpec) => boolean): string =>
  target.arguments
    .filter((spec) => keep(spec) && sample(spec)[1] !== "")
    .map((spec) => `where.${spec.name} = ${sample(spec)[1]}`)
    .join("\n");

const typed = {
  ...withSession({
    words: [`abcd ann@a.example a.example ${zero} https://a.example/`],
    urls: ["https://a.example/"],
  }),
  undriven: true as const,
};

describe("every target of the language", () => {
  for (const target of targets.values()) {
    it(`${target.name} is refused, asked about and allowed by rules on its arguments`, () => {
      const action = actionOf(target);
      const everything = whereOf(target, () => true);
      const deny = policy(rule("a", "deny", target.name, everything));
      assert.equal(verdict(deny, action, assumed), "deny");
      const ask = policy(rule("a", "ask", target.name, everything));
      assert.ok(
        decide(ask, action, assumed).asks.some(({ kind, id }) => kind === "rule" && id === "a"),
      );
      // A program with a network is allowed by a rule that says where it may go.
      const network = networkTargets.has(target.name) ? "\nnetwork = []" : "";
      const where = whereOf(target, mustConstrain) + network;
      const allow = policy(rule("a", "allow", target.name, where));
      assert.ok(
        decide(allow, action, typed).rules.some(
          ({ id, effect }) => id === "a" && effect === "allow",
        ),
      );
      const loose = complaints(`version = 1\n${rule("a", "allow", target.name)}`);
      assert.equal(loose.length === 0, !target.arguments.some(mustConstrain));
      // It is known, compared and linted; the diff's example was decided under both.
      const diff = diffPolicies(policy(""), deny);
      assert.equal(diff.widened.length, 0);
      // What a script implies is not worked out.
      if (target.name !== "sys::exec") assert.deepEqual(diff.undecided, []);
      const notes = lint(deny).filter(({ code }) => code === "no-driver");
      assert.equal(notes.length, target.driver === undefined ? 1 : 0);
    });
  }
  it("is never allowed where nothing performs it, whatever rules and grants say", () => {
    let seen = 0;
    for (const target of targets.values()) {
      if (target.driver !== undefined) continue;
      seen++;
      const where = whereOf(target, mustConstrain);
      const compiled = policy(rule("a", "allow", target.name, where));
      const { undriven: _, ...real } = typed;
      const decision = decide(compiled, actionOf(target), real);
      assert.equal(decision.verdict, "deny", target.name);
      assert.equal(decision.rules[0]?.id, "builtin:not-available");
      const { undriven: __, ...without } = env;
      const made = canonicalise(target.name, {}, without);
      assert.ok(!made.ok && made.error.code === "E_TARGET_NOT_AVAILABLE");
    }
    assert.ok(seen > 0);
  });
  it("is judged by tests of a policy, with what the session supplies among the arguments", () => {
    const compiled = policy(
      rule("pay", "deny", "wallet::send", 'where.value = { min = "0.1" }') +
        rule("read", "allow", "browser::read", 'where.page = { host = "a.example" }'),
    );
    const file = `version = 1
[[test]]
target = "wallet::send"
args = { to = "${zero}", asset = "ETH", value = "0.10" }
verdict = "deny"
[[test]]
target = "browser::read"
args = { page = "https://a.example/x" }
verdict = "allow"
[[test]]
target = "browser::read"
args = { page = "https://b.example/x" }
verdict = "ask"
`;
    const results = testPolicy(compiled, "t.toml", file, parseUrl);
    assert.ok(results.ok);
    assert.deepEqual(
      results.value.map(({ ok, reason }) => (ok ? "ok" : reason)),
      ["ok", "ok", "ok"],
    );
  });
});
