/** The session machine by hand: every state, every verdict, crashes and stops. */
import assert from "node:assert/strict";
import test from "node:test";
import { exitOf, type Goal, type Verdict } from "../src/index.ts";
import { allowed, asked, begun, bytes, Driven, goalStart, refused } from "./support.ts";

test("a read goes through every state and ends as ioi.run/1", () => {
  const run = new Driven().give(goalStart("/read a.txt"));
  assert.equal(run.view().state, "planning");
  run.opened().planned();
  assert.equal(run.view().state, "proposing");
  run.prepared();
  assert.equal(run.effect("propose").headless, false);
  run.verdict(allowed(5n));
  assert.equal(run.view().state, "performing");
  assert.equal(run.effect("act").counter, 5n);
  run.outcome();
  assert.equal(run.effect("report").reportedBy, "driver");
  run.reported().planned().closed();
  assert.deepEqual(run.effect("finish"), { type: "finish", state: "done" });
  assert.deepEqual(run.view(), {
    schema: "ioi.run/1",
    session: "s-1",
    state: "done",
    model: null,
    actions: [
      {
        n: 1,
        target: "fs::read",
        display: "read /w/a.txt",
        verdict: "allow",
        rule: "r-1",
        rules: ["r-1"],
        reason: "because",
        instead: "",
        approval: null,
        ticket: { counter: 5, ttlMs: 5000 },
        outcome: {
          status: "confirmed",
          bytes: 3,
          handle: null,
          content: "hi\n",
          code: null,
          message: null,
          reversible: true,
          reportedBy: "driver",
          evidence: {},
          receipt: { index: 8, leafHash: "08".repeat(32) },
        },
        receipt: { index: 7, leafHash: "07".repeat(32) },
        timing: {
          gateUs: 1000,
          prepareUs: 300,
          proposeUs: 700,
          decideUs: 10,
          syncUs: 500,
          signUs: 50,
        },
      },
    ],
    says: [],
    saysAfter: [],
    saysDropped: 0,
    cost: { tokens: 0, usd: 0, actions: 1, wallMs: 80 },
    error: null,
  });
  assert.equal(exitOf(run.view()), 0);
});

test("a denial stops the sequence with its reason and what would be allowed", () => {
  const run = begun("/read /etc/shadow && /read a.txt").planned().prepared().verdict(refused);
  run.planned().closed();
  assert.equal(run.view().state, "failed");
  assert.deepEqual(run.view().error, {
    code: "E_ACTION_DENIED",
    message: "outside the workspace",
    next: "paths below /w",
    budget: null,
  });
  assert.equal(run.view().actions.length, 1);
  assert.equal(run.view().actions[0]?.verdict, "deny");
  assert.equal(exitOf(run.view()), 3);
});

test("headless, an ask is a denial", () => {
  const run = begun("/run true", { onAsk: "deny" }).planned().prepared();
  assert.equal(run.effect("propose").headless, true);
  run.verdict(asked("ap-1")).planned().closed();
  assert.equal(run.view().actions[0]?.verdict, "deny");
  assert.equal(exitOf(run.view()), 3);
});

test("pend rests, survives a restart, and goes on with a new nonce when approved", () => {
  const run = begun("/run true").planned().prepared().verdict(asked("ap-1"));
  assert.deepEqual(run.effect("publish"), {
    type: "publish",
    state: "waiting-approval",
    rests: true,
  });
  assert.equal(run.view().error?.code, "E_APPROVAL_PENDING");
  assert.equal(exitOf(run.view()), 4);
  run.give({ type: "restart" });
  assert.equal(run.view().state, "waiting-approval");
  run.opened().give({ type: "decision", approval: "ap-other", approved: true, reason: "" });
  assert.equal(run.view().state, "waiting-approval");
  run.give({ type: "decision", approval: "ap-1", approved: true, reason: "" }).prepared(2);
  assert.equal(run.effect("propose").sequence, 2 ** 32 + 2);
  run.verdict(allowed(9n));
  assert.deepEqual(run.effect("act").nonce, bytes(16, 2));
  run.outcome().reported().planned().closed();
  assert.equal(run.view().state, "done");
  assert.equal(run.view().actions.length, 1);
});

test("a denial by the person, and one that comes before the verdict it answers", () => {
  const run = begun("/run true").planned().prepared();
  run.give({ type: "decision", approval: "ap-1", approved: false, reason: "not today" });
  run.verdict(asked("ap-1")).planned().closed();
  assert.equal(run.view().error?.message, "not today");
  assert.equal(exitOf(run.view()), 3);
});

test("prompt waits and does not rest", () => {
  const run = begun("/run true", { onAsk: "prompt" }).planned().prepared().verdict(asked("ap-1"));
  assert.equal(run.effect("publish").rests, false);
});

test("a target without a driver is not available", () => {
  const run = begun("/open http://localhost").planned().planned().closed();
  assert.equal(run.view().actions[0]?.verdict, "unavailable");
  assert.equal(run.view().error?.code, "E_TARGET_UNAVAILABLE");
  assert.equal(exitOf(run.view()), 7);
});

test("help is an answer, an unknown command is a usage error", () => {
  const help = begun("/help").planned().planned().closed();
  assert.match(help.view().says[0] ?? "", /\/read PATH/);
  assert.equal(help.view().cost.actions, 0);
  assert.equal(exitOf(help.view()), 0);
  const unknown = begun("/raed a").planned().closed();
  assert.equal(exitOf(unknown.view()), 2);
});

test("what prepare refuses fails the command, not the machine", () => {
  const run = begun("/read missing").planned();
  run.give({
    type: "call-failed",
    call: run.call,
    code: "E_FILES_NOT_FOUND",
    message: "no such file",
    retryable: false,
  });
  run.planned().closed();
  assert.equal(run.view().error?.code, "E_FILES_NOT_FOUND");
  assert.equal(exitOf(run.view()), 5);
});

test("a program's exit code stops the sequence", () => {
  const run = begun("/run false && /list").planned().prepared().verdict(allowed(1n));
  run
    .outcome({ evidence: { exitCode: "1" } })
    .reported()
    .planned()
    .closed();
  assert.equal(run.view().error?.code, "E_PROGRAM_FAILED");
  assert.equal(run.view().actions.length, 1);
});

test("undo reverts what the session did, newest first", () => {
  const run = begun("/write a x && /move a b && /undo").performed(1n).performed(2n).planned();
  assert.deepEqual(run.effect("prepare").args, { counter: 2, paths: ["a", "b"] });
  run.prepared().verdict(allowed(3n)).outcome({ reversible: false }).reported().planned();
  assert.deepEqual(run.effect("prepare").args, { counter: 1, paths: ["a"] });
  run.prepared().verdict(allowed(4n)).outcome({ reversible: false }).reported();
  run.planned().closed();
  assert.equal(run.view().state, "done");
});

test("undo of an earlier session, or of nothing", () => {
  const goal: Goal = {
    text: "",
    kind: "undo",
    earlier: [{ counter: 7n, paths: ["/w/a"] }],
    lost: [],
  };
  const run = begun("", { goal }).planned();
  assert.deepEqual(run.effect("prepare").args, { counter: 7, paths: ["/w/a"] });
  run.prepared().verdict(allowed(8n)).outcome().reported().planned().closed();
  assert.equal(run.view().state, "done");
  const nothing = begun("/undo").planned().closed();
  assert.equal(nothing.view().error?.code, "E_NOTHING_TO_UNDO");
});

test("an undo says what it could not undo", () => {
  const run = begun("/write a x && /run make && /undo").performed(1n).planned().prepared();
  run.verdict(allowed(2n)).outcome({ evidence: { exitCode: "0", filesChanged: "2000" } });
  run.reported().planned();
  assert.deepEqual(run.effect("prepare").args, { counter: 1, paths: ["a"] });
  run.prepared().verdict(allowed(3n)).outcome().reported().planned().closed();
  assert.equal(run.view().error?.code, "E_UNDO_INCOMPLETE");
  assert.match(run.view().error?.message ?? "", /action 2/);
  const idle = begun("/run true && /undo").planned().prepared().verdict(allowed(1n));
  idle
    .outcome({ evidence: { exitCode: "0", filesChanged: "0" } })
    .reported()
    .planned()
    .closed();
  assert.equal(idle.view().error?.code, "E_NOTHING_TO_UNDO");
});

test("after kill -9 a pending effect is settled, never repeated", () => {
  const acting = (): Driven => begun("/write a x").planned().prepared().verdict(allowed(4n));
  const settling = (status: "confirmed" | "no-effect" | "unknown"): Driven => {
    const run = acting().give({ type: "restart" }).opened();
    assert.equal(run.effect("settle").counter, 4n);
    assert.ok(!run.has("act"));
    return run.give({ type: "settled", call: run.call, status, reversible: true });
  };
  const confirmed = settling("confirmed");
  assert.equal(confirmed.effect("report").status, "confirmed");
  confirmed.reported().planned().closed();
  assert.equal(confirmed.view().state, "done");

  const undone = settling("no-effect").reported();
  undone.prepared(2).verdict(allowed(5n));
  assert.equal(undone.effect("act").counter, 5n);

  const unknown = settling("unknown");
  assert.equal(unknown.view().state, "paused");
  assert.equal(unknown.view().error?.code, "E_OUTCOME_UNKNOWN");
  unknown.give({ type: "resolve", resolution: "happened" });
  assert.equal(unknown.effect("report").reportedBy, "person");
  unknown.reported().planned().closed();
  assert.equal(unknown.view().state, "done");

  const not = settling("unknown").give({ type: "resolve", resolution: "did-not-happen" });
  not.reported();
  assert.ok(not.has("prepare"));
});

test("a report that was lost is made again without the dead driver's signature", () => {
  const run = begun("/write a x").planned().prepared().verdict(allowed(4n)).outcome();
  assert.equal(run.effect("report").reportedBy, "driver");
  run.give({ type: "restart" }).opened();
  const { reportedBy, outcome } = run.effect("report");
  assert.deepEqual([reportedBy, outcome], ["workload", undefined]);
  const known = { code: "E_OUTCOME_INVALID", message: "known already", retryable: false };
  run
    .give({ type: "call-failed", call: run.call, ...known })
    .planned()
    .closed();
  assert.equal(run.view().state, "done");
});

test("an outcome that its driver calls unknown is resolved before it is reported", () => {
  const run = begun("/write a x").planned().prepared().verdict(allowed(4n));
  run.outcome({ status: "unknown" });
  assert.ok(!run.has("report"));
  run.give({ type: "resolve", resolution: "happened" });
  assert.deepEqual(
    [run.effect("report").status, run.effect("report").reportedBy],
    ["confirmed", "person"],
  );
});

test("a read that was lost is read again without asking anybody", () => {
  const run = begun("/read a").planned().prepared().verdict(allowed(4n));
  run.give({ type: "restart" }).opened();
  assert.equal(run.effect("report").status, "no-effect");
  run.reported();
  assert.ok(run.has("prepare"));
});

test("a second ticket with a counter that is not new is never acted on", () => {
  const run = begun("/write a x && /write b y").performed(4n).planned().prepared();
  run.verdict(allowed(4n));
  assert.ok(!run.has("act"));
  run.closed();
  assert.equal(run.view().error?.code, "E_GATE_REPLY_INVALID");
});

test("stop aborts, kills, reports, tells the gate, and only then says stopped", () => {
  const run = begun("/run sleep 9").planned().prepared().verdict(allowed(4n));
  run.give({ type: "stop", reason: "enough" });
  assert.ok(run.has("abort") && run.has("kill"));
  assert.equal(run.view().state, "performing");
  run.give({ type: "killed", call: run.call });
  assert.equal(run.effect("report").status, "unknown");
  run.reported();
  assert.equal(run.effect("close").state, "stopped");
  assert.equal(run.view().state, "planning");
  run.closed();
  assert.equal(run.view().state, "stopped");
  assert.equal(run.view().error?.code, "E_SESSION_STOPPED");
});

test("a ticket that arrives after the stop is reported as not used", () => {
  const run = begun("/write a x").planned().prepared();
  const proposal = run.call;
  run.give({ type: "stop", reason: "" }).give({ type: "killed", call: run.call });
  run.give({ type: "verdict", call: proposal, verdict: allowed(4n) });
  assert.ok(!run.has("act"));
  assert.deepEqual([run.effect("report").counter, run.effect("report").status], [4n, "no-effect"]);
});

test("a stop that nobody confirms does not say stopped", () => {
  const run = begun("/run sleep 9").planned().prepared().verdict(allowed(4n));
  run.give({ type: "stop", reason: "" });
  for (let i = 0; i < 40 && run.machine.state.stage !== "ended"; i++) {
    const away = { code: "E_AWAY", message: "away", retryable: true };
    run.give({ type: "call-failed", call: run.call, ...away });
    run.nowMs += 2000;
    run.give({ type: "tick" });
  }
  assert.equal(run.view().state, "failed");
  assert.equal(run.view().error?.code, "E_STOP_UNANSWERED");
});

test("a card that pauses shows the session as paused, and any answer goes on", () => {
  const limit: Verdict = { ...asked("ap-1"), asks: [{ kind: "cards", id: "minute" }] } as Verdict;
  const run = begun("/run true").planned().prepared().verdict(limit);
  assert.equal(run.view().state, "paused");
  assert.equal(run.view().error?.code, "E_APPROVAL_PENDING");
  run.give({ type: "decision", approval: "ap-1", approved: true, reason: "" }).prepared(2);
  run.verdict(allowed(9n)).outcome().reported().planned().closed();
  assert.equal(run.view().state, "done");
});

test("a sequence names the calls to the same target that follow", () => {
  const run = begun("/delete a && /delete b && /delete c && /read d && /delete e").planned();
  assert.deepEqual(run.prepared().effect("propose").alike, [{ path: "b" }, { path: "c" }]);
});
