/** Conditions on content: what is left for the holder of the bytes, and what it finds in them. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { utf8Encode } from "@ioi/base";
import type { Action, ContentTest } from "@ioi/wire";
import { decide, diffPolicies, testPolicy } from "../src/index.ts";
import { checkContent, checkContents, contentKinds, findKind } from "../src/content/index.ts";
import { contrary } from "../src/content/defer.ts";
import { complaints, parseUrl, policy, rule, ruleIds, verdict, withSession } from "./support.ts";

const typed = withSession({ words: ["https://a.example/"], urls: ["https://a.example/"] });
const reference = { sha256: new Uint8Array(32), length: 5, head: "" };
const post: Action = {
  version: 1,
  target: "net::post",
  args: { method: "POST", url: "https://a.example/", content: reference },
  facts: {},
};
const allowPost = rule("sites", "allow", "net::post", 'where.url = { host = "a.example" }');
const secretsStay = rule(
  "secrets-stay",
  "deny",
  ["net::post"],
  'where.content = { contains_kind = ["SECRET", "IBAN"] }\nreason = "They stay."',
);
const refused = (given: readonly string[], text: string): boolean => {
  const decision = decide(policy(...given), post, typed);
  assert.equal(decision.verdict, "allow");
  return checkContents(decision.obligations, utf8Encode(text)) !== undefined;
};
const key = "ghp_" + "Ab3".repeat(12);

describe("a rule on content", () => {
  it("that refuses is an obligation, kept where the bytes are", () => {
    const decision = decide(policy(allowPost + secretsStay), post, typed);
    assert.equal(decision.verdict, "allow");
    assert.deepEqual(decision.rules, [
      { id: "sites", effect: "allow", tier: "user", truth: "true" },
      { id: "secrets-stay", effect: "deny", tier: "user", truth: "deferred" },
    ]);
    const [obligation] = decision.obligations;
    assert.deepEqual(obligation, {
      type: "content",
      rule: "secrets-stay",
      reason: "They stay.",
      refuse: [
        [{ type: "kind", kind: "SECRET", negated: false }],
        [{ type: "kind", kind: "IBAN", negated: false }],
      ],
    });
    assert.equal(checkContents(decision.obligations, utf8Encode("all is well")), undefined);
    assert.deepEqual(checkContents(decision.obligations, utf8Encode(`token ${key}`)), {
      code: "E_CONTENT_REFUSED",
      rule: "secrets-stay",
      message: 'rule "secrets-stay" refuses this content: it holds SECRET. They stay.',
    });
    // Control: without the rule nothing is looked for.
    assert.deepEqual(decide(policy(allowPost), post, typed).obligations, []);
  });
  it("that allows fires with the obligation that it holds", () => {
    const small = rule(
      "greetings",
      "allow",
      "net::post",
      'where.url = { host = "a.example" }\nwhere.content = { matches = "^hello", bytes_max = 10 }',
    );
    assert.deepEqual([refused([small], "hello you"), refused([small], "bye")], [false, true]);
    const other = rule(
      "thanks",
      "allow",
      "net::post",
      'where.url = { host = "a.example" }\nwhere.content = { contains = "thanks" }',
    );
    const either = [small + other];
    assert.deepEqual(
      ["hello", "thanks", "bye"].map((text) => refused(either, text)),
      [false, false, true],
    );
    // An allowance that holds whatever the bytes are needs nothing else.
    assert.deepEqual(decide(policy(small + allowPost), post, typed).obligations, []);
    const large = { ...post, args: { ...post.args, content: { ...reference, length: 11 } } };
    assert.equal(verdict(policy(small), large, typed), "ask");
  });
  it("that asks does so, since nobody knows yet", () => {
    const ask = rule("q", "ask", "net::post", 'where.content = { contains = "x" }');
    const decision = decide(policy(allowPost + ask), post, typed);
    assert.deepEqual([decision.verdict, decision.asks], ["ask", [{ kind: "rule", id: "q" }]]);
  });
  it("is false where there is no content, and settled where all else is known", () => {
    const { content: _, ...bare } = post.args;
    const decision = decide(policy(allowPost + secretsStay), { ...post, args: bare }, typed);
    assert.deepEqual(
      [decision.verdict, ruleIds(decision), decision.obligations],
      ["allow", ["sites"], []],
    );
    const elsewhere = rule(
      "d",
      "deny",
      "net::post",
      'where.url = { host = "b.example" }\nwhere.content = { contains = "x" }',
    );
    assert.deepEqual(decide(policy(allowPost + elsewhere), post, typed).obligations, []);
    const whatever = rule(
      "d",
      "deny",
      "net::post",
      'where.content = { any = [{ bytes_max = 100 }, { contains = "x" }] }',
    );
    assert.equal(verdict(policy(allowPost + whatever), post, typed), "deny");
  });
  it("holds of what a model is told, as of every other request", () => {
    const told: Action = {
      version: 1,
      target: "model::infer",
      args: {
        model: "m",
        url: "https://models.example/v1",
        protocol: "openai",
        name: "m",
        price_in: 0,
        price_out: 0,
        prompt: reference,
        max_tokens: 1,
      },
      facts: {},
    };
    const compiled = policy(rule("m", "allow", "model::infer") + secretsStay);
    const decision = decide(compiled, told, typed);
    assert.deepEqual(
      [decision.verdict, decision.obligations.map((each) => each.type)],
      ["allow", ["content"]],
    );
  });
  it("is tried by its own examples and by tests of the policy", () => {
    const where = 'where.content = { contains_kind = "IBAN" }';
    const match = (text: string, which: string): string =>
      `${which} = [{ path = "scope:/a", content = "${text}", create = "any" }]`;
    const given = (text: string, which = "match"): readonly string[] =>
      complaints(
        `version = 1\n${rule("i", "deny", "fs::write", `${where}\n${match(text, which)}`)}`,
      );
    assert.deepEqual(given("DE89 3704 0044 0532 0130 00"), []);
    assert.match(given("DE89 3704 0044 0532 0130 01").join(""), /does not fire on its own match/);
    assert.deepEqual(given("nothing", "not_match"), []);
    const compiled = policy(
      rule("w", "allow", "fs::write", 'where.path = { glob = "scope:/**" }') +
        rule("i", "deny", "fs::write", where),
    );
    const file = (text: string, expected: string): string =>
      `[[test]]\ntarget = "fs::write"\nargs = { path = "a", content = "${text}" }\nverdict = "${expected}"\n`;
    const results = testPolicy(
      compiled,
      "t.toml",
      `version = 1\n${file("hello", "allow")}${file("GB82WEST12345698765432", "deny")}`,
      parseUrl,
    );
    assert.ok(results.ok);
    assert.deepEqual(
      results.value.map(({ ok }) => ok),
      [true, true],
    );
  });
  it("counts as a difference that is not worked out", () => {
    const diff = diffPolicies(policy(allowPost + secretsStay), policy(allowPost));
    assert.deepEqual([diff.undecided.includes("net::post"), diff.notWider], [true, false]);
  });
  it("says only what its kind knows", () => {
    const one = (text: string, expected: RegExp): void =>
      assert.match(
        complaints(
          `version = 1\n${rule("a", "deny", "fs::write", `where.content = ${text}`)}`,
        )[0] ?? "",
        expected,
      );
    one('{ contains_kind = ["SECRTE"] }', /did you mean "SECRET"/);
    one('{ contains = "" }', /every content holds the empty text/);
    one('{ matches = "(" }', /E_POLICY_PATTERN/);
    one('{ host = "x" }', /E_POLICY_NOT_AVAILABLE/);
  });
});

describe("checking", () => {
  const test = (text: string, negated = false): ContentTest => ({
    type: "contains",
    text,
    negated,
  });
  const obligation = (refuse: readonly (readonly ContentTest[])[]) =>
    ({ type: "content", rule: "r", reason: "", refuse }) as const;

  it("refuses where one list of tests holds whole, and agrees with its contrary", () => {
    const literal = fc.record({
      type: fc.constant("contains" as const),
      text: fc.constantFrom("a", "b", "c"),
      negated: fc.boolean(),
    });
    const alternatives = fc.array(fc.array(literal, { maxLength: 3 }), { maxLength: 3 });
    fc.assert(
      fc.property(
        alternatives,
        fc.string({ unit: fc.constantFrom("a", "b", "c", "d") }),
        (on, text) => {
          const bytes = utf8Encode(text);
          const naive = on.some((all) =>
            all.every((each) => text.includes(each.text) !== each.negated),
          );
          assert.equal(checkContent(obligation(on), bytes) !== undefined, naive);
          const not = contrary({ type: "depends", on });
          const other =
            not.type === "constant"
              ? not.value
              : not.type === "depends" && checkContent(obligation(not.on), bytes) !== undefined;
          assert.equal(other, !naive);
        },
      ),
      { numRuns: 300 },
    );
  });
  it("takes an expression with too many states for so many letters as found", () => {
    const pattern: ContentTest = { type: "matches", pattern: "[ab]{0,1000}[de]", negated: false };
    const bytes = new Uint8Array(65_536).fill(97);
    assert.ok(checkContent(obligation([[pattern]]), bytes) !== undefined);
    assert.equal(checkContent(obligation([[pattern]]), bytes.subarray(0, 1000)), undefined);
    // The same in a decision: whoever chooses the text does not choose how long it takes.
    const send = (query: string): Action => ({
      version: 1,
      target: "memory::recall",
      args: { query },
      facts: {},
    });
    const recall = rule(
      "d",
      "deny",
      "memory::recall",
      'where.query = { matches = "[ab]{0,1000}[de]" }',
    );
    const given = { ...typed, undriven: true as const };
    assert.equal(decide(policy(recall), send("a".repeat(4000)), given).verdict, "deny");
    assert.equal(decide(policy(recall), send("a".repeat(1000)), given).verdict, "ask");
  });
  it("reads what is no UTF-8, and takes what is too long for an expression as found", () => {
    const bytes = new Uint8Array([0xff, ...utf8Encode(key), 0xfe]);
    const secret: ContentTest = { type: "kind", kind: "SECRET", negated: false };
    assert.ok(checkContent(obligation([[secret]]), bytes) !== undefined);
    const pattern: ContentTest = { type: "matches", pattern: "zzz", negated: false };
    const long = new Uint8Array(1_048_577).fill(97);
    assert.ok(checkContent(obligation([[pattern]]), long) !== undefined);
    assert.ok(checkContent(obligation([[{ ...pattern, negated: true }]]), long) !== undefined);
    assert.equal(checkContent(obligation([[pattern]]), long.subarray(1)), undefined);
    assert.equal(checkContent(obligation([[test("b")]]), long), undefined);
  });
});

describe("detectors", () => {
  const found = (text: string): readonly string[] =>
    contentKinds.filter((kind) => findKind(text, kind).length > 0);

  it("find each kind by its structure", () => {
    const phrase = "legal winner thank year wave sausage worth useful legal winner thank yellow";
    for (const [text, kinds] of [
      ["write to Ann.Bee+x@mail.example.org.", ["EMAIL"]],
      ["call +49 (0)30 1234567 or 030/1234567", ["PHONE"]],
      ["IBAN: GB82 WEST 1234 5698 7654 32", ["IBAN"]],
      ["card 4111 1111 1111 1111", ["CARD"]],
      [`key ${key}`, ["SECRET"]],
      ["AKIAIOSFODNN7EXAMPLE", ["SECRET"]],
      ["password: hunter2-Tr0ub4dor", ["SECRET"]],
      ["-----BEGIN OPENSSH PRIVATE KEY-----", ["SECRET"]],
      ["postgres://me:s3cret@db.example/x", ["SECRET"]],
      [`my words: ${phrase}`, ["SEED_PHRASE"]],
      [phrase.toUpperCase().replaceAll(" ", ", "), ["SEED_PHRASE"]],
    ] as const) {
      for (const kind of kinds) assert.ok(found(text).includes(kind), `${kind}: ${text}`);
    }
  });
  it("find none in what only looks like one", () => {
    for (const text of [
      "on 2024-01-02 at 10:30, 192.168.10.200, version 1.22.333",
      "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==",
      "legal winner thank year wave sausage worth useful legal winner thank thank",
      "password: ${PASSWORD} and password = <secret>",
      "packages/firewall/src/content/obligations/and/some/more/folders.ts",
      "user at example dot org, @name, a@b",
    ]) {
      assert.deepEqual(found(text), [], text);
    }
    assert.ok(!found("GB82 WEST 1234 5698 7654 33").includes("IBAN"));
    assert.ok(!found("4111 1111 1111 1112").includes("CARD"));
  });
  const letters = fc.constantFrom(
    ..." \n-+().,:/@=_<>{}0123456789aAbBdDeEgGxXzZ",
    "é",
    "\ud83d",
    "٣",
  );

  it("never throw, and say places that are in the text", () => {
    fc.assert(
      fc.property(fc.string({ unit: letters, maxLength: 200 }), (text) => {
        for (const kind of contentKinds) {
          for (const { start, end } of findKind(text, kind)) {
            assert.ok(start >= 0 && start < end && end <= text.length);
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});
