/** Reports about the policy as the page reads them: whole ones, and what is none. */
import assert from "node:assert/strict";
import test from "node:test";
import { defaultPolicy } from "@ioi/firewall";
import { runPolicyTask } from "@ioi/guardian/policy-tasks";
import { nodeCrypto } from "@ioi/host/crypto";
import { parseUrl } from "@ioi/host/ports";
import {
  parseDiff,
  parseJudged,
  parseLearned,
  parseLint,
  parsePast,
  parseShadow,
  parseTests,
} from "../src/pure/policy.ts";

type Task = Parameters<typeof runPolicyTask>[0];

/** What the Guardian's thread answers. */
const answer = (task: Task): string => {
  const found = runPolicyTask(task, { hashing: nodeCrypto, parseUrl });
  assert.ok(found.type === "value");
  return JSON.stringify(found.value);
};

const policy = (text: string) => ({ file: "policy.toml", text });
const shipped = policy(defaultPolicy);
const stricter = policy(`${defaultPolicy}
[[rule]]
id = "no-reads"
effect = "deny"
target = ["fs::read"]
where.path = { glob = "scope:/**" }
`);

test("problems have their severity and place, errors first", () => {
  const wrong = parseLint(answer({ type: "check", policy: policy("version = 1\nefect = 1\n") }));
  assert.deepEqual(
    [wrong?.errors, wrong?.problems[0]?.severity, wrong?.problems[0]?.line],
    [1, "error", 2],
  );
  const good = parseLint(answer({ type: "check", policy: shipped }));
  assert.deepEqual([good?.errors, (good?.rules ?? 0) > 5], [0, true]);
});

test("a comparison says what is narrower, with an action, and whether nothing is wider", () => {
  const diff = parseDiff(answer({ type: "diff", before: shipped, after: stricter }));
  assert.deepEqual(
    diff?.narrowed.map(({ target, after }) => [target, after]),
    [["fs::read", "deny"]],
  );
  assert.deepEqual([diff?.notWider, diff?.same], [true, false]);
  assert.match(diff?.narrowed[0]?.args.join(" ") ?? "", /^path=scope:\//);
  const same = parseDiff(answer({ type: "diff", before: shipped, after: shipped }));
  assert.equal(same?.same, true);
});

test("a judged action has its rules with their lines, and what would change it", () => {
  const action = {
    target: "fs::read",
    arguments: '{"path":"scope:/a"}',
    words: "",
    headless: false,
  };
  const judged = parseJudged(answer({ type: "try", policy: stricter, action }));
  assert.equal(judged?.verdict, "deny");
  const rule = judged?.rules.find(({ id }) => id === "no-reads");
  assert.deepEqual([rule?.fired, rule?.own, (rule?.line ?? 0) > 100], [true, true, true]);
  assert.deepEqual(judged?.change, { type: "remove-rules", ids: ["no-reads"], verdict: "allow" });
});

test("tests have their results", () => {
  const tests = `version = 1
[[test]]
name = "n"
target = "fs::read"
args = { path = "scope:/a" }
verdict = "allow"
`;
  const held = parseTests(answer({ type: "test", policy: shipped, tests }));
  assert.deepEqual([held?.passed, held?.total, held?.results[0]?.ok], [1, 1, true]);
  const failed = parseTests(answer({ type: "test", policy: stricter, tests }));
  assert.deepEqual([failed?.passed, failed?.results[0]?.actual], [0, "deny"]);
});

test("nothing recorded: nothing learned, nothing counted", () => {
  const learned = parseLearned(answer({ type: "learn", policy: shipped, steps: [] }));
  assert.deepEqual([learned?.rules, learned?.diff.same], [0, true]);
  const shadow = parseShadow(answer({ type: "shadow", policy: shipped, past: [] }));
  assert.deepEqual([shadow?.actions, shadow?.rules], [0, []]);
});

test("what is no such report is none", () => {
  const parsers = [
    parseLint,
    parseDiff,
    parseTests,
    parseJudged,
    parsePast,
    parseLearned,
    parseShadow,
  ];
  for (const parse of parsers) {
    for (const json of ["", "{", "null", "[]", '{"schema":"ioi.other/1"}']) {
      assert.equal(parse(json), undefined);
    }
  }
});
