/**
 * Batches that a host did not hear, where everybody waits for its vote and only empty blocks are proposed:
 * it asks for them itself, whatever way it came back.
 */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { member } from "@ioi/consensus/testing";
import { checkRoots, checkSafety, Network, type NetworkOptions } from "@ioi/netsim";

/** The hosts that are up from now on are just a quorum. */
const late = 3;
const quorum = [0, 1, late];

/** Nothing waits to be ordered any more, and `height` blocks or more were committed. */
const atRest = async (network: Network, height: number, of: readonly number[]): Promise<number> => {
  for (let i = 0; i < 2 * height; i++) network.at(network.nowMs + 50 * i, () => network.submit(1));
  const isIdle = () => network.least(of) >= height && !network.node(0).ledger.waits;
  assert.ok(await network.run(60_000, isIdle), `height ${network.least(of)}`);
  return network.least(of);
};

const networkOf = (options: Partial<NetworkOptions> = {}): Network =>
  new Network({
    members: [0, 1, 2, late].map((i) => member(`${i}`, 1n)),
    seed: "late",
    ...options,
  });

/** Nobody gives it anything to order meanwhile, so it has no batch of its own. */
const stopLate = (network: Network): void => {
  network.stop(late);
  network.node(late).ledger.submit = () => undefined;
};

/** It has every block, and looks for no more. */
const takesOver = async (network: Network, from: number): Promise<void> => {
  network.wake(late);
  const node = network.node(late);
  assert.ok(await network.run(10_000, () => node.height >= from && node.sync === undefined));
  network.stop(2);
};

const goesOn = async (network: Network, from: number): Promise<void> => {
  const isOn = () =>
    network.least(quorum) >= from + 4 &&
    quorum.every((host) => network.node(host).ledger.height >= from);
  const heights = () => network.nodes.map((node) => `${node.height} ${node.ledger.height}`);
  assert.ok(await network.run(180_000, isOn), `blocks and states ${heights().join(", ")}`);
  assert.deepEqual(checkSafety(network), []);
  assert.deepEqual(checkRoots(network), []);
};

test("a host that took blocks over asks for their batches", async () => {
  const network = networkOf({ epochBlocks: 1000 });
  stopLate(network);
  const from = await atRest(network, 10, [0, 1, 2]);
  assert.equal(network.node(late).height, 0);
  await takesOver(network, from);
  await goesOn(network, from);
});

test("a host that fell while it waited for a batch asks for it again", async () => {
  const network = networkOf();
  const { ledger } = network.node(late);
  const hold = ledger.hold.bind(ledger);
  const isHeard = (): boolean => network.node(late).height < 5;
  ledger.hold = (bytes) => (isHeard() ? hold(bytes) : network.judge.provider.sha256(bytes));
  const from = await atRest(network, 10, quorum);
  assert.ok(ledger.height < from, "it misses some");
  network.stop(2);
  network.crash(late, 500);
  await network.run(400);
  ledger.hold = hold;
  await goesOn(network, from);
});

test("a host whose batches come before the state that it takes over asks for the rest", async () => {
  const lines: string[] = [];
  const onLine = (_atMs: number, node: number, line: string): void => {
    if (node === late) lines.push(line);
  };
  const network = networkOf({ epochBlocks: 1000, onLine });
  stopLate(network);
  const from = await atRest(network, 90, [0, 1, 2]);
  const { committed, ledger } = network.node(0);
  const batches = committed.flatMap(({ header }) => ledger.holds(header.payloadRoot) ?? []);
  // All but the first and the last: with the first one it is beyond the state.
  for (const bytes of batches.slice(1, -1)) network.node(late).ledger.hold(bytes);
  await takesOver(network, from);
  await goesOn(network, from);
  assert.ok(lines.some((line) => line.startsWith("takes over the state")));
  assert.ok(!lines.some((line) => line.startsWith("has the state")), "nor was it used");
});
