/** What ends a session that would not end by itself, and what costs nothing. */
import assert from "node:assert/strict";
import test from "node:test";
import { errors, type Goal } from "../src/index.ts";
import { budgetEffect, budgetWords } from "../src/session/budget-words.ts";
import { allowed, asked, begun, bytes, type Driven, refused } from "./support.ts";

const folder: Goal = { text: "", kind: "folder", earlier: [], lost: [] };
const propose = (run: Driven, path: string): Driven =>
  run.give({
    type: "step",
    call: run.call,
    step: { type: "propose", target: "fs::read", args: { path } },
  });

test("a loop is broken, a typed repetition is not", () => {
  const run = begun("", { goal: folder });
  for (const counter of [1n, 2n, 3n, 4n]) {
    const { observation } = run.effect("ask-agent");
    // Told once, at the third time; a person would say the same.
    const repeats = observation.type === "outcome" ? observation.repeats : undefined;
    assert.equal(repeats, counter === 4n ? 3 : undefined);
    propose(run, "a").prepared().verdict(allowed(counter)).outcome().reported();
  }
  run.closed();
  assert.equal(run.view().error?.code, "E_AGENT_LOOP");
  const typed = begun("/read a && /read a && /read a && /read a");
  for (const counter of [1n, 2n, 3n, 4n]) typed.performed(counter);
  typed.planned().closed();
  assert.equal(typed.view().state, "done");
});

test("polling for a change is no loop; a denial and a refusal that repeat are", () => {
  const polls = begun("", { goal: folder });
  for (const counter of [1n, 2n, 3n, 4n, 5n]) {
    const resultHash = bytes(32, Number(counter));
    propose(polls, "a").prepared().verdict(allowed(counter)).outcome({ resultHash }).reported();
  }
  assert.equal(polls.view().error, null);
  const stubborn = begun("", { goal: folder });
  for (let i = 0; i < 4; i++) propose(stubborn, "a").prepared().verdict(refused);
  stubborn.closed();
  assert.equal(stubborn.view().error?.code, "E_AGENT_LOOP");
  const lost = begun("", { goal: folder });
  for (let i = 0; i < 4; i++) {
    propose(lost, "missing");
    const { call } = lost;
    const failure = { code: "E_FS_NOT_FOUND", message: "no such file", retryable: false } as const;
    lost.give({ type: "call-failed", call, ...failure });
  }
  lost.closed();
  assert.equal(lost.view().error?.code, "E_AGENT_LOOP");
});

test("invalid calls go back a bounded number of times, silence has an end", () => {
  const run = begun("", { goal: folder });
  const wrong = { type: "propose", target: "fs::read", args: { pth: "a" } } as const;
  for (let i = 0; i < 3; i++) {
    run.give({ type: "step", call: run.call, step: wrong });
    assert.deepEqual(run.effect("ask-agent").observation, {
      type: "invalid",
      code: "E_AGENT_CALL_INVALID",
      message: "fs::read: no argument pth",
    });
  }
  run.give({ type: "step", call: run.call, step: wrong }).closed();
  assert.equal(run.view().error?.code, "E_AGENT_INVALID_CALLS");
  const chatty = begun("", { goal: folder });
  for (let i = 0; i < 17; i++) {
    chatty.give({ type: "step", call: chatty.call, step: { type: "say", text: "hm" } });
  }
  chatty.closed();
  assert.equal(chatty.view().error?.code, "E_AGENT_SILENT");
});

test("a used-up budget is told in words, and in the journal as ever", () => {
  for (const [budget, words, effect] of [
    [
      { what: "actions", limit: 2, used: 2 },
      "the budget of 2 actions is used up",
      "the budget of 2 actions is reached",
    ],
    [
      { what: "wallMs", limit: 300_000, used: 300_100 },
      "the budget of 5 minutes is used up",
      "the budget of 300000 ms is reached",
    ],
    [
      { what: "wallMs", limit: 61_000, used: 61_000 },
      "the budget of 1 minute and 1 second is used up",
      "the budget of 61000 ms is reached",
    ],
    [
      { what: "wallMs", limit: 500, used: 600 },
      "the budget of 500 ms is used up",
      "the budget of 500 ms is reached",
    ],
    [
      { what: "tokens", limit: 9, used: 8 },
      "the budget of 9 tokens is reached: 8 used",
      "the budget of 9 tokens is reached: 8 are used",
    ],
    [
      { what: "microusd", limit: 50_000, used: 40_000 },
      "the budget of $0.05 is reached: $0.04 spent",
      "the budget of $0.05 is reached: $0.04 are spent",
    ],
  ] as const) {
    assert.deepEqual([budgetWords(budget), budgetEffect(budget)], [words, effect]);
  }
});

test("a budget pauses, and fails where nobody can raise it", () => {
  const run = begun("/read a && /read b", { actionsMax: 1 }).performed(1n).planned();
  assert.equal(run.view().state, "paused");
  assert.deepEqual(run.view().error, {
    code: "E_BUDGET_REACHED",
    message: "the budget of 1 action is used up",
    next: errors.E_BUDGET_REACHED.next,
    budget: { what: "actions", limit: 1, used: 1 },
  });
  run.give({ type: "budget", actionsMax: 2 });
  run.performed(2n).planned().closed();
  assert.equal(run.view().state, "done");
  const headless = begun("/read a && /read b", { actionsMax: 1, onAsk: "deny" });
  headless.performed(1n).planned().closed();
  assert.equal(headless.view().state, "failed");
});

test("time waiting for a person or for a restart costs nothing, time that goes back neither", () => {
  const run = begun("/run true").planned().prepared().verdict(asked("ap-1"));
  const before = run.view().cost.wallMs;
  run.nowMs += 3_600_000;
  run.give({ type: "decision", approval: "ap-1", approved: true, reason: "" });
  assert.equal(run.view().cost.wallMs, before);
  run.nowMs += 3_600_000;
  run.give({ type: "restart" });
  assert.equal(run.view().cost.wallMs, before);
  run.nowMs -= 7_000_000;
  run.opened();
  assert.equal(run.view().cost.wallMs, before);
});

test("pause takes effect between two actions, resume goes on", () => {
  const run = begun("/read a && /read b").planned().prepared().give({ type: "pause" });
  assert.equal(run.view().state, "proposing");
  run.verdict(allowed(1n)).outcome().reported();
  assert.equal(run.view().state, "paused");
  run.give({ type: "resume" }).performed(2n).planned().closed();
  assert.equal(run.view().state, "done");
});

test("messages of the person reach the agent with its next question", () => {
  const run = begun("", { goal: folder });
  run.give({ type: "message", text: "one" });
  run.give({ type: "step", call: run.call, step: { type: "say", text: "hm" } });
  assert.deepEqual(run.effect("ask-agent").messages, ["one"]);
  run.give({ type: "step", call: run.call, step: { type: "say", text: "hm" } });
  assert.deepEqual(run.effect("ask-agent").messages, []);
});

test("a passing failure is tried again after a while, then given up", () => {
  const run = begun("/read a").planned().prepared();
  const away = { code: "E_GATE_AWAY", message: "away", retryable: true };
  for (let i = 0; i < 4; i++) {
    run.give({ type: "call-failed", call: run.call, ...away });
    const at = run.machine.deadline();
    assert.ok(at !== undefined && at > run.nowMs);
    run.give({ type: "tick" });
    assert.ok(!run.has("prepare"), "before its time");
    run.nowMs = at;
    run.give({ type: "tick" }).prepared();
    assert.ok(run.has("propose"));
  }
  run.give({ type: "call-failed", call: run.call, ...away }).closed();
  assert.equal(run.view().error?.code, "E_GATE_AWAY");
});
