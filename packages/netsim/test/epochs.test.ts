/** Networks that live through ends of epochs: sets that change, sessions that are replaced, hosts left behind. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { blockHash, LightClient } from "@ioi/consensus";
import { chain, firstEpoch, genesis, member, twin } from "@ioi/consensus/testing";
import { checkFraming, checkRoots, checkSafety, Network, type NetworkOptions } from "@ioi/netsim";

const members = (n: number) => Array.from({ length: n }, (_, i) => member(`${i}`, 1n));
const seed = process.env["IOI_SEED"] ?? `${Math.random()}`;

const networkOf = (options: Partial<NetworkOptions> = {}): Network =>
  new Network({ members: members(4), seed, epochBlocks: 6, protection: "counter", ...options });

const holds = (network: Network): void => {
  assert.deepEqual(checkSafety(network), [], `seed ${seed}`);
  assert.deepEqual(checkRoots(network), [], `seed ${seed}`);
  assert.deepEqual(checkFraming(network), [], `seed ${seed}`);
};

const epochs = (network: Network): readonly bigint[] =>
  network.nodes.map(({ course }) => course.number);

test("four validators go from epoch to epoch, and a light client with them", async (t) => {
  t.diagnostic(`seed ${seed}`);
  const network = networkOf();
  network.demand(true);
  assert.ok(await network.run(20_000, () => network.least() >= 40), `${network.least()}`);
  holds(network);
  assert.ok(epochs(network).every((number) => number >= 5n));
  const node = network.node(1);
  const client = new LightClient(twin, {
    chain,
    epoch: firstEpoch,
    set: network.judge.set,
    anchor: genesis,
  });
  for (const [height, { cert, next }] of node.ends) {
    assert.ok(client.advance(cert, next).ok, `the end at ${height}`);
    assert.deepEqual(client.anchor.digest, blockHash(twin, cert.boundary));
  }
  assert.equal(client.epoch.number, node.course.number);
  assert.ok(node.newest !== undefined && client.verify(node.newest).ok);
});
