/** `ioi replay sim`: what happened in a seed, again. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { runWith } from "./support.ts";

interface Shown {
  readonly schema: string;
  readonly ok: boolean;
  readonly trace: string;
  readonly steps: readonly { readonly atMs: number; readonly node: number }[];
}

const shown = async (...options: readonly string[]): Promise<Shown> => {
  const { exit, out } = await runWith(["replay", "sim", "--seed", "s/4/1", "--json", ...options]);
  assert.equal(exit, 0);
  return JSON.parse(out) as Shown;
};

test("replay sim: the same events each time, fewer with --until and --node", async () => {
  const whole = await shown();
  assert.equal(whole.schema, "ioi.replay-sim/1");
  assert.ok(whole.ok && whole.steps.length > 100);
  assert.deepEqual(await shown(), whole);
  const few = await shown("--until", "1500", "--node", "2");
  assert.deepEqual(
    few.steps,
    whole.steps.filter(({ atMs, node }) => atMs <= 1500 && node === 2),
  );
  assert.equal(few.trace, whole.trace, "all of it was run");
});

test("replay sim: without a seed, and with too many validators, it is not run", async () => {
  assert.equal((await runWith(["replay", "sim"])).exit, 2);
  assert.equal((await runWith(["replay", "s1", "--node", "0"])).exit, 2, "of a network alone");
  assert.equal((await runWith(["replay", "sim", "--seed", "1", "--nodes", "257"])).exit, 2);
});
