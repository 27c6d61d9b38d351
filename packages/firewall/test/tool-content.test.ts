/** What a tool is given, looked at by what it holds: judged before anything is sent. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Action, JsonValue } from "@ioi/wire";
import { canonicalise, decide, diffPolicies } from "../src/index.ts";
import {
  complaints,
  hashing,
  home,
  parseUrl,
  policy,
  rule,
  ruleIds,
  withSession,
} from "./support.ts";

const call = (args: { readonly [name: string]: JsonValue }): Action => {
  const made = canonicalise(
    "mcp::call",
    { server: "notes", tool: "add", arguments: args },
    { roots: [], home, hashing, parseUrl, supplied: { definition: new Uint8Array(32) } },
  );
  assert.ok(made.ok, JSON.stringify(made));
  return { version: 1, target: "mcp::call", args: made.value.args, facts: {} };
};

const tools =
  '[tool.notes]\nadd = { group = "read", topics = "note", roles = { "*" = "content" } }\n';
const add = rule(
  "add",
  "allow",
  "mcp::call",
  'where.server = { equals = "notes" }\nwhere.tool = { equals = "add" }',
);
const deny = (where: string): string => rule("stay", "deny", "mcp::call", where);
const context = withSession({ words: ["look at my note"] });
const judged = (text: string, args: { readonly [name: string]: JsonValue }) =>
  decide(policy(tools + add + text), call(args), context);
const verdictOf = (text: string, args: { readonly [name: string]: JsonValue }): string =>
  judged(text, args).verdict;

const iban = "DE89370400440532013000";
const secret = `ghp_${"Ab3".repeat(12)}`;
const kinds = deny('where.arguments = { contains_kind = ["SECRET", "IBAN", "CARD"] }');

describe("a rule on what a tool is given", () => {
  it("refuses what it finds in any text, name or number, however deep, and leaves nothing to the driver", () => {
    const hiding: readonly { readonly [name: string]: JsonValue }[] = [
      { text: `pay to ${iban}` },
      { list: ["a", { deeper: [{ still: `token ${secret}` }] }] },
      { [`name ${iban}`]: true },
      { card: 4_111_111_111_111_111 },
    ];
    for (const args of hiding) {
      const decision = judged(kinds, args);
      assert.equal(decision.verdict, "deny", JSON.stringify(args));
      assert.deepEqual(ruleIds(decision), ["stay", "add"]);
      // Control: without the rule it goes.
      assert.equal(verdictOf("", args), "allow", JSON.stringify(args));
    }
    const decision = judged(kinds, { text: "all is well", count: 3, none: null });
    assert.equal(decision.verdict, "allow");
    assert.ok(decision.obligations.every(({ type }) => type !== "content"));
  });

  it("looks for words and patterns inside of texts", () => {
    const words = deny('where.arguments = { contains = ["confidential"] }');
    assert.equal(verdictOf(words, { a: { b: "strictly confidential!" } }), "deny");
    assert.equal(verdictOf(words, { a: { b: "strictly" } }), "allow");
    const pattern = deny('where.arguments = { matches = "[0-9]{4}-[0-9]{4}" }');
    assert.equal(verdictOf(pattern, { a: ["see 1234-5678 there"] }), "deny");
    assert.equal(verdictOf(pattern, { a: ["1234", "-5678"] }), "allow");
  });

  it("speaks of one field where it names it", () => {
    const body = deny('where."arguments.body" = { contains_kind = ["IBAN"] }');
    assert.equal(verdictOf(body, { body: `to ${iban}` }), "deny");
    assert.equal(verdictOf(body, { body: { more: ["x", iban] } }), "deny");
    assert.equal(verdictOf(body, { subject: iban, body: "x" }), "allow");
    assert.equal(verdictOf(body, { subject: iban }), "allow");
  });

  it("that allows does so where nothing of it is found", () => {
    const only = rule(
      "add",
      "allow",
      "mcp::call",
      'where.server = { equals = "notes" }\nwhere.tool = { equals = "add" }\nwhere.arguments = { not = { contains_kind = ["IBAN"] } }',
    );
    const verdict = (args: { readonly [name: string]: JsonValue }): string =>
      decide(policy(tools + only), call(args), context).verdict;
    assert.equal(verdict({ text: "x" }), "allow");
    assert.equal(verdict({ text: "x", more: [iban] }), "ask");
  });

  it("asks where it asks, and counts what is too long for its pattern as found", () => {
    const asks = rule("look", "ask", "mcp::call", 'where.arguments = { contains_kind = ["IBAN"] }');
    assert.equal(verdictOf(asks, { text: iban }), "ask");
    const slow = deny('where.arguments = { matches = "(a|b|ab){1,200}c" }');
    assert.equal(verdictOf(slow, { text: "ab".repeat(60_000) }), "deny");
  });

  it("finds it wherever it stands", () => {
    const place = fc.array(fc.oneof(fc.constant("list"), fc.string({ maxLength: 8 })), {
      maxLength: 6,
    });
    fc.assert(
      fc.property(place, fc.jsonValue({ maxDepth: 2 }), (path, beside) => {
        const clean = !/[0-9]{8}/.test(JSON.stringify(beside));
        let value: JsonValue = `x ${iban} y`;
        for (const name of path) {
          // oxlint-disable-next-line no-control-regex -- names with these are refused before
          const plain = name.replaceAll(/[\u0000-\u001f\u007f-\u009f]|__proto__/g, "");
          value = name === "list" ? [value] : { [plain]: value };
        }
        assert.equal(verdictOf(kinds, { value }), "deny");
        assert.equal(verdictOf(kinds, { value: "x", clean }), "allow");
      }),
      { numRuns: 25 },
    );
  });

  it("is written like any other rule, tried by its own examples, and undecided in a comparison", () => {
    const first = (text: string): string => complaints(`version = 1\n${text}`)[0] ?? "";
    assert.match(first(deny('where.arguments = { equals = "x" }')), /unknown key/);
    assert.match(first(deny("where.arguments = { contains_kind = [] }")), /E_POLICY/);
    assert.match(first(deny('where.arguments = { contains_kind = ["WHAT"] }')), /WHAT/);
    const tried = (text: string): string =>
      first(
        deny(
          `where.arguments = { contains_kind = ["IBAN"] }\nmatch = [{ server = "notes", tool = "add", arguments = { a = "${text}" } }]`,
        ),
      );
    assert.equal(tried(iban), "");
    assert.match(tried("x"), /does not fire on its own match/);
    const [one, two] = [policy(tools + add + kinds), policy(tools + add)];
    assert.deepEqual(diffPolicies(one, two).undecided, ["mcp::call"]);
  });
});
