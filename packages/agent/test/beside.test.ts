/** What a running program asks for beside its action: kept, shown, and never what drives the session. */
import assert from "node:assert/strict";
import test from "node:test";
import type { SessionInput } from "../src/index.ts";
import { allowed, begun, bytes } from "./support.ts";

type Beside = Extract<SessionInput, { readonly type: "beside" }>;

const want = (more: Partial<Beside> = {}): Beside => ({
  type: "beside",
  key: 1,
  target: "net::connect",
  args: { host: "a.example", port: 443 },
  verdict: "ask",
  rules: [],
  asks: [{ kind: "default", id: "default" }],
  reason: "no rule allows it",
  instead: "",
  display: "net::connect a.example 443",
  ...more,
});

const acting = () => begun("/run --network curl x").planned().prepared().verdict(allowed(5n));

test("it stands among the actions, and the session waits for approval meanwhile", () => {
  const run = acting();
  assert.equal(run.view().state, "performing");
  run.give(want({ approval: "a-1" }));
  assert.equal(run.view().state, "waiting-approval");
  const [, beside] = run.view().actions;
  assert.deepEqual([beside?.n, beside?.verdict, beside?.approval], [2, "ask", "a-1"]);
  run.give(want({ verdict: "allow", ticket: { counter: 6n, ttlMs: 1 } }));
  assert.equal(run.view().state, "performing");
  const outcome = {
    status: "confirmed",
    bytes: 9,
    evidence: { mode: "tunnel" },
    reportedBy: "driver",
    receipt: { index: 3n, leafHash: bytes(32, 3) },
  } as const;
  run.give(want({ verdict: "allow", outcome }));
  assert.equal(run.view().actions.length, 2);
  assert.equal(run.view().actions[1]?.outcome?.evidence["mode"], "tunnel");
  // The action that runs goes on as it would without.
  run.outcome();
  assert.equal(run.effect("report").counter, 5n);
});

test("nothing begins where no program runs, and none of it drives the session", () => {
  const run = begun("/read a.txt").planned();
  assert.deepEqual(run.give(want()).effects, []);
  assert.equal(run.view().actions.length, 1);
});

test("a restart ends what asked; what was decided stays", () => {
  const run = acting();
  run.give(want({ approval: "a-1" }));
  run.give(want({ key: 2, verdict: "allow", ticket: { counter: 6n, ttlMs: 1 } }));
  run.give({ type: "restart" });
  const [, first, second] = run.view().actions;
  assert.deepEqual([first?.verdict, first?.reason], ["deny", "the program that asked has ended"]);
  assert.equal(second?.verdict, "allow");
});

test("the planner's --network is an argument of the action, and of nothing else", () => {
  const run = begun("/run --network curl --network");
  run.planned();
  const { args } = run.effect("prepare");
  assert.deepEqual(args, { argv: ["curl", "--network"], network: "egress" });
  const quoted = begun("/run '--network' curl");
  quoted.planned();
  assert.deepEqual(quoted.effect("prepare").args, { argv: ["--network", "curl"] });
});
