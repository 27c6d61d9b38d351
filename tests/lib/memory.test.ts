// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { test } from "node:test";
import { hitsInMemory } from "./memory.ts";

test("a text that a process holds is found in its memory", () => {
  const text = randomUUID();
  assert.ok(hitsInMemory(process.pid, text).hits > 0);
});

test("where nothing was looked at there is no answer: no process, or none of the runtime", async () => {
  for (const pid of [0, 2 ** 22 + 1]) assert.throws(() => hitsInMemory(pid, "x"), /no process/);
  const other = spawn("sleep", ["60"]);
  try {
    await once(other, "spawn");
    const pid = other.pid ?? 0;
    assert.throws(() => hitsInMemory(pid, "x"), /nothing of process|EACCES/);
  } finally {
    other.kill("SIGKILL");
  }
});
