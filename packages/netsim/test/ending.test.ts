/** E1 in whole networks: what the end of an epoch waits for when the set changes. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { HostRule } from "@ioi/consensus";
import { member } from "@ioi/consensus/testing";
import { checkSafety, Network } from "@ioi/netsim";

/** Virtual milliseconds until two of three validators, F2(1) of which needs all, are in the next epoch. */
const entersAfter = async (isDown: boolean, changes: boolean, lacks: readonly HostRule[] = []) => {
  const members = ["a", "b", "c"].map((name) => member(name, 1n));
  const network = new Network({
    members,
    seed: "ending",
    epochBlocks: 6,
    protection: "counter",
    engine: { leaders: { views: 16n, leader: () => 0 } },
    without: new Map([0, 1, 2].map((host) => [host, lacks])),
  });
  const { entries } = network.judge.set;
  const [, , third] = entries;
  assert.ok(third !== undefined);
  if (changes) network.change({ type: "validator", entry: { ...third, power: 2n } });
  if (isDown) network.at(network.nowMs + 1, () => network.stop(2));
  for (let i = 1; i < 100; i++) network.at(network.nowMs + 100 * i, () => network.submit(1));
  const startMs = network.nowMs;
  const has = () => [0, 1].every((host) => network.node(host).course.number >= 1n);
  assert.ok(await network.run(20_000, has));
  assert.deepEqual(checkSafety(network), []);
  return network.nowMs - startMs;
};

test("E1: with all alive an end waits for the missing votes only, with one down for two seconds", async () => {
  const without = await entersAfter(false, true, ["E1-wait"]);
  assert.ok((await entersAfter(false, true)) - without <= 100);
  const down = await entersAfter(true, true, ["E1-wait"]);
  const waited = (await entersAfter(true, true)) - down;
  assert.ok(waited >= 1990 && waited <= 2100, `${waited} ms`);
  assert.equal(await entersAfter(true, false), await entersAfter(true, false, ["E1-wait"]));
});
