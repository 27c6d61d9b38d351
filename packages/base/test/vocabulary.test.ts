import assert from "node:assert/strict";
import { test } from "node:test";
import {
  addMs,
  assert as check,
  err,
  instant,
  InvariantError,
  msBetween,
  neverAborted,
  ok,
  OperationError,
  SignalSource,
  steadyWall,
  unreachable,
  unwrap,
  wallMs,
} from "../src/index.ts";

test("results", () => {
  assert.deepEqual(ok(1), { ok: true, value: 1 });
  assert.deepEqual(err("no"), { ok: false, error: "no" });
  assert.equal(unwrap(ok(1), "one"), 1);
  assert.throws(() => unwrap(err({ code: "E_X" }), "one"), {
    name: "InvariantError",
    message: 'one: {"code":"E_X"}',
  });
});

test("assertions are bugs", () => {
  check(true, "fine");
  assert.throws(() => check(false, "broken"), new InvariantError("broken"));
  assert.throws(() => unreachable("x" as never), InvariantError);
});

test("operation errors keep what they are told", () => {
  const cause = new Error("disk");
  const error = new OperationError("E_X", "it failed", {
    cause,
    retryable: true,
    next: "wait",
    at: { file: "f", line: 1, column: 2 },
  });
  assert.equal(error.name, "OperationError");
  assert.equal(error.code, "E_X");
  assert.equal(error.cause, cause);
  assert.equal(error.retryable, true);
  assert.equal(error.next, "wait");
  assert.deepEqual(error.at, { file: "f", line: 1, column: 2 });
  const plain = new OperationError("E_X", "it failed");
  assert.equal(plain.retryable, false);
  assert.equal("cause" in plain, false);
});

test("time", () => {
  const start = instant(5n);
  assert.equal(addMs(start, 1.5), 1_500_005n);
  assert.equal(addMs(start, -0.000_005), 0n);
  assert.equal(msBetween(start, addMs(start, 2.25)), 2.25);
  assert.equal(msBetween(addMs(start, 3), start), -3);
  assert.equal(wallMs(7), 7);
});

test("a steady wall clock follows forward and never goes back", () => {
  let [ns, wall] = [0n, 1000];
  const steady = steadyWall({ now: () => instant(ns), wall: () => wallMs(wall) });
  const pass = (ms: number): void => {
    ns += BigInt(ms * 1e6);
    wall += ms;
  };
  assert.equal(steady(), 1000);
  pass(5);
  assert.equal(steady(), 1005);
  wall -= 600;
  assert.equal(steady(), 1005);
  pass(10.5);
  assert.equal(steady(), 1015);
  pass(10.5);
  assert.equal(steady(), 1026, "the halves of milliseconds are not lost");
  // A sleep of the machine: the monotonic clock stood still.
  wall += 5000;
  assert.equal(steady(), 5426);
});

test("a signal is aborted once, and tells everybody who still listens", () => {
  const source = new SignalSource();
  const heard: string[] = [];
  const leaving = (): void => void heard.push("left");
  source.signal.addEventListener("abort", () => heard.push("one"), { once: true });
  source.signal.addEventListener("abort", leaving);
  source.signal.addEventListener("abort", () => heard.push("two"));
  source.signal.removeEventListener("abort", leaving);
  source.signal.throwIfAborted();
  assert.equal(source.signal.aborted, false);
  source.abort("why");
  source.abort("again");
  assert.deepEqual(heard, ["one", "two"]);
  assert.equal(source.signal.aborted, true);
  assert.equal(source.signal.reason, "why");
  assert.throws(
    () => source.signal.throwIfAborted(),
    (reason) => reason === "why",
  );
  assert.equal(neverAborted.aborted, false);
});
