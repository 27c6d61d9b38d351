import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseDoctor } from "../src/pure/doctor.ts";
import {
  answerOf,
  earlierLook,
  isRunning,
  mayResume,
  parseRun,
  reachedBudget,
  restWords,
  saidAfter,
  toneOf,
} from "../src/pure/run.ts";

const action = (n: number, content: string | null, more: object = {}): object => ({
  n,
  target: "fs::read",
  display: "fs::read scope:/a.txt",
  verdict: "allow",
  rule: "scope-read",
  rules: ["scope-read"],
  reason: "fs::read is allowed by scope-read.",
  instead: "",
  approval: null,
  ticket: { counter: n, ttlMs: 30_000 },
  outcome: {
    status: "confirmed",
    bytes: 3,
    handle: null,
    content,
    code: null,
    message: null,
    reversible: true,
    reportedBy: "driver",
    evidence: { bytes: "3" },
    receipt: { index: 2, leafHash: "ab" },
  },
  receipt: { index: 1, leafHash: "cd" },
  timing: { gateUs: 1500, signUs: 3 },
  ...more,
});

const run = (actions: readonly object[]): string =>
  JSON.stringify({
    schema: "ioi.run/1",
    session: "s-1",
    state: "done",
    model: null,
    actions,
    says: ["On it.", "Done."],
    saysAfter: [0, actions.length],
    cost: { tokens: 0, usd: 0, actions: actions.length, wallMs: 12 },
    error: null,
  });

test("a session is read whole", () => {
  const view = parseRun(run([action(1, "hi\n")]));
  assert.deepEqual(view?.actions[0], {
    n: 1,
    target: "fs::read",
    display: "fs::read scope:/a.txt",
    verdict: "allow",
    rule: "scope-read",
    rules: ["scope-read"],
    reason: "fs::read is allowed by scope-read.",
    instead: "",
    approval: undefined,
    ticket: 1,
    outcome: {
      status: "confirmed",
      bytes: 3,
      content: "hi\n",
      hasMore: false,
      code: undefined,
      message: undefined,
      reversible: true,
      reportedBy: "driver",
      evidence: [["bytes", "3"]],
      receipt: { index: 2, leafHash: "ab" },
    },
    receipt: { index: 1, leafHash: "cd" },
    timing: [
      ["gateUs", 1500],
      ["signUs", 3],
    ],
  });
  assert.equal(view?.state, "done");
});

test("what was said stands where it was said, and the answer first", () => {
  const view = parseRun(run([action(1, "hi\n")]));
  assert.ok(view !== undefined);
  assert.deepEqual(answerOf(view), { text: "Done.", after: 1 });
  assert.deepEqual(saidAfter(view, 0), [{ text: "On it.", after: 0 }]);
  assert.deepEqual(saidAfter(view, 1), []);
  const running = { ...view, state: "performing" };
  assert.equal(answerOf(running), undefined);
  assert.deepEqual(saidAfter(running, 1), [{ text: "Done.", after: 1 }]);
});

test("a second look that found something else is compared with the first", () => {
  const view = parseRun(run([action(1, "a"), action(2, "a"), action(3, "b"), action(4, null)]));
  const looks = view?.actions.map((each) => view && earlierLook(view, each)?.n);
  assert.deepEqual(looks, [undefined, undefined, 2, undefined]);
});

test("whatever the console says, the page reads it or leaves it", () => {
  assert.equal(parseRun("{"), undefined);
  assert.equal(parseRun("[]"), undefined);
  assert.equal(parseDoctor('{"schema":"ioi.run/1"}'), undefined);
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
      const odd = {
        actions: [a, { outcome: b, ticket: a, timing: b }],
        cost: a,
        error: b,
        says: a,
      };
      assert.ok(parseRun(JSON.stringify({ ...odd, schema: "ioi.run/1" })) !== undefined);
      const report = { gaps: [a], mechanisms: b, processes: [b], anchor: a };
      assert.ok(parseDoctor(JSON.stringify({ ...report, schema: "ioi.doctor/1" })) !== undefined);
    }),
  );
});

test("states have a tone, those of another version too", () => {
  assert.equal(toneOf("waiting-approval"), "waits");
  assert.equal(toneOf("performing"), "running");
  assert.equal(toneOf("dreaming"), "quiet");
  assert.ok(isRunning("waiting-model") && !isRunning("paused"));
});

const paused = (error: object | null) => {
  const view = parseRun(JSON.stringify({ ...JSON.parse(run([])), state: "paused", error }));
  assert.ok(view !== undefined);
  return view;
};

test("the budget that is used up is the one that the session names", () => {
  const rested = (budget: object | null | string) =>
    paused({ code: "E_BUDGET_REACHED", message: "in words", next: null, budget });
  for (const [budget, expected, words] of [
    [{ what: "actions", limit: 1, used: 1 }, { what: "actions", limit: 1 }, "of 1 action is"],
    [{ what: "wallMs", limit: 90_000 }, { what: "minutes", limit: 1.5 }, "of 1.5 minutes is"],
    [{ what: "tokens", limit: 9, used: 8 }, { what: "tokens", limit: 9 }, "of 9 tokens"],
    [{ what: "usd", limit: 0.05, used: 0.04 }, { what: "dollars", limit: 0.05 }, "$0.05"],
    [{ what: "patience", limit: 1 }, undefined, "A budget of this task"],
    ["the budget of 1 action is used up", undefined, "A budget of this task"],
    [null, undefined, "A budget of this task"],
  ] as const) {
    const view = rested(budget);
    assert.deepEqual(reachedBudget(view), expected, JSON.stringify(budget));
    assert.ok(restWords(view).includes(words), restWords(view));
  }
});

test("a person ends a pause and a used-up budget; a card and a question are answered instead", () => {
  assert.equal(mayResume(paused(null)), true);
  assert.equal(mayResume(paused({ code: "E_BUDGET_REACHED", message: "x", next: null })), true);
  for (const code of ["E_APPROVAL_PENDING", "E_OUTCOME_UNKNOWN"]) {
    assert.equal(mayResume(paused({ code, message: "x", next: null })), false, code);
  }
  const running = { ...paused(null), state: "performing" };
  assert.equal(mayResume(running), false);
});
