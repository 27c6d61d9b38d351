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

test("replay sim: broken Guardians of given powers fork, and the events of it are shown", async () => {
  const options = ["--seed", "forks", "--powers", "1,1,1,1", "--broken", "2"];
  const { exit, out } = await runWith(["replay", "sim", "--json", ...options]);
  const { story, broken, powers, steps } = JSON.parse(out);
  assert.equal(exit, 0, "no grade said that it would not");
  assert.deepEqual([story, broken.length, powers.length], ["broken", 2, 4]);
  assert.ok(steps.length > 100);
  const wrong = ["replay", "sim", "--seed", "1", "--powers"];
  for (const powers of ["1,0", "1,x", "", "1,,2"]) {
    assert.equal((await runWith([...wrong, powers])).exit, 2, powers);
  }
  assert.equal((await runWith([...wrong, "1,1", "--nodes", "3"])).exit, 2);
});

test("replay sim: without a seed, and with too many validators, it is not run", async () => {
  assert.equal((await runWith(["replay", "sim"])).exit, 2);
  assert.equal((await runWith(["replay", "s1", "--node", "0"])).exit, 2, "of a network alone");
  assert.equal((await runWith(["replay", "sim", "--seed", "1", "--nodes", "257"])).exit, 2);
});
