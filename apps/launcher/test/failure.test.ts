/** The error of the ready line: exit code and next step from the catalogue that has its code. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { OperationError } from "@ioi/base";
import { failureLine } from "../src/failure.ts";

test("the exit code and next step are those of the catalogue", async () => {
  const own = await failureLine(new OperationError("E_LAUNCHER_HOST", "why"));
  assert.deepEqual(own, {
    code: "E_LAUNCHER_HOST",
    message: "why",
    next: "./ioi start --host 127.0.0.1",
    exit: 7,
  });
  // What a process answers to the greeting is an error of another package.
  for (const [code, exit] of [
    ["E_LAUNCHER_CONFIG", 2],
    ["E_PROCESS_CONFIG", 5],
    ["E_FILES_FULL", 5],
    ["E_POLICY_UNKNOWN_KEY", 5],
    ["E_RPC_UNAVAILABLE", 5],
  ] as const) {
    const line = await failureLine(new OperationError(code, "why"));
    assert.equal(line.exit, exit, code);
    assert.notEqual(line.next ?? "", "", code);
  }
});

test("the next step of the instance wins; an unknown code has no exit code; a bug is 1", async () => {
  const told = await failureLine(new OperationError("E_LAUNCHER_HOST", "why", { next: "this" }));
  assert.deepEqual([told.next, told.exit], ["this", 7]);
  const unknown = await failureLine(new OperationError("E_SOMEWHERE_ELSE", "why"));
  assert.deepEqual(unknown, { code: "E_SOMEWHERE_ELSE", message: "why" });
  const bug = await failureLine(new TypeError("a value of somebody"));
  assert.deepEqual(bug, { code: "E_LAUNCHER_BOOT", message: "TypeError", exit: 1 });
});
