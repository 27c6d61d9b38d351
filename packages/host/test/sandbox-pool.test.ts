/** Prepared launchers: what they start is what a start anew would have made. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  kindProfiles,
  LaunchPool,
  type SandboxSpec,
  spawnSandboxed,
  type SpawnOptions,
} from "../src/sandbox/index.ts";

const spec: SandboxSpec = {
  name: "pooled",
  kind: "command",
  ...kindProfiles.command,
  binds: [],
  masks: [],
};

const script =
  "cat /proc/self/mountinfo; grep -E '^(Seccomp|NoNewPrivs|Cap|Uid)' /proc/self/status; env | sort; " +
  "pwd; cat /proc/self/limits; ls -l /proc/self/fd | wc -l; hostname; echo err >&2; exit 7";

const options: SpawnOptions = {
  program: "/bin/sh",
  args: ["-c", script],
  env: { MARK: "one" },
  cwd: "/tmp",
  stdio: ["ignore", "pipe", "pipe"],
  detached: true,
};

const run = async (spawn: typeof spawnSandboxed, changes: Partial<SpawnOptions> = {}) => {
  const { child, started } = spawn(spec, { ...options, ...changes });
  const text = { out: "", err: "" };
  child.stdout?.setEncoding("utf8").on("data", (piece: string) => (text.out += piece));
  child.stderr?.setEncoding("utf8").on("data", (piece: string) => (text.err += piece));
  const start = await started;
  await once(child, "close");
  // Mounts have numbers of their own, and devices too.
  const out = text.out.replaceAll(/^\d+ \d+ \d+:\d+ /gm, "").replaceAll(/(inode|size)=\S+/g, "");
  return { out, err: text.err, ok: start.ok, code: child.exitCode };
};

test("a prepared launcher makes the same sandbox as a start anew", async () => {
  using pool = new LaunchPool();
  const cold = await run(spawnSandboxed);
  assert.equal(cold.code, 7);
  assert.equal(cold.err, "err\n");
  assert.deepEqual(await run(pool.spawn), cold);
  assert.equal(pool.taken, 0);
  await pool.prepared();
  assert.deepEqual(await run(pool.spawn), cold);
  assert.equal(pool.taken, 1);
  await pool.prepared();
  // Nothing of the one before is in the next.
  const other = await run(pool.spawn, { env: { OTHER: "two" } });
  assert.equal(pool.taken, 2);
  assert.equal(other.out, cold.out.replace("MARK=one", "OTHER=two"));
});

test("a launch of another shape starts anew", async () => {
  using pool = new LaunchPool();
  await run(pool.spawn);
  await pool.prepared();
  assert.equal((await run(pool.spawn, { stdio: ["pipe", "pipe", "pipe"] })).code, 7);
  const inherited = pool.spawn(spec, { ...options, stdio: ["ignore", "ignore", 2] });
  await once(inherited.child, "close");
  assert.equal(pool.taken, 0);
});

test("one that ended while it waited is not taken", async () => {
  using pool = new LaunchPool();
  await run(pool.spawn);
  await pool.prepared();
  const waiting = pool.waiting;
  assert.ok(waiting !== undefined);
  const ended = once(waiting, "exit");
  waiting.kill("SIGKILL");
  await ended;
  assert.equal((await run(pool.spawn)).code, 7);
  assert.equal(pool.taken, 0);
});

test("nor is one that ended a moment ago, of which this process has not heard", async () => {
  using pool = new LaunchPool();
  await run(pool.spawn);
  await pool.prepared();
  const { waiting } = pool;
  assert.ok(waiting?.pid !== undefined);
  waiting.kill("SIGKILL");
  const until = performance.now() + 5000;
  const stat = (): string => readFileSync(`/proc/${waiting.pid}/stat`, "latin1");
  while (!/\) Z /.test(stat()) && performance.now() < until);
  assert.equal(waiting.signalCode, null, "control: not heard of yet");
  assert.equal((await run(pool.spawn)).code, 7);
  assert.equal(pool.taken, 0);
});

test("nothing waits once the pool is gone, and what cannot start says so", async () => {
  const pool = new LaunchPool();
  await run(pool.spawn);
  await pool.prepared();
  const { waiting } = pool;
  assert.ok(waiting !== undefined);
  const missing = pool.spawn(spec, { ...options, program: "/bin/nothing" });
  missing.child.stdout?.resume();
  missing.child.stderr?.resume();
  assert.deepEqual((await missing.started).ok, true);
  await pool.prepared();
  const next = pool.waiting;
  assert.ok(next !== undefined);
  const ended = once(next, "exit");
  pool[Symbol.dispose]();
  await ended;
  assert.equal(pool.waiting, undefined);
});
