/** A state that is taken over in a network that goes on: from the one honest host, with what was here before. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { member } from "@ioi/consensus/testing";
import { checkRoots, checkSafety, Network } from "@ioi/netsim";

const members = [0, 1, 2, 3, 4].map((i) => member(`${i}`, 1n));
const seed = process.env["IOI_SEED"] ?? `${Math.random()}`;

/** Host 4 was never there, and the chain is far beyond what its batches could be asked for. */
const grown = async (lines: string[], name = seed): Promise<Network> => {
  const network = new Network({
    members,
    seed: name,
    epochBlocks: 20,
    protection: "counter",
    onLine: (_at, node, line) => node === 4 && lines.push(line),
  });
  network.stop(4);
  for (let atMs = 1000; atMs < 40_000; atMs += 50) network.at(atMs, () => network.submit(1));
  assert.ok(await network.run(30_000, () => network.least([0, 1, 2, 3]) >= 120));
  return network;
};

const isBack = (network: Network): boolean =>
  network.node(4).ledger.height >= network.node(0).ledger.height - 3;

const isSame = (network: Network): void => {
  const [one, other] = [network.node(0), network.node(4)].map(({ ledger }) => ledger);
  const height = BigInt(Math.min(one?.height ?? 0, other?.height ?? 0));
  assert.deepEqual(other?.rootAt(height), one?.rootAt(height));
  assert.deepEqual(checkSafety(network), []);
  assert.deepEqual(checkRoots(network), []);
};

test("a fresh host takes over the state, most of its peers lying, and votes", async () => {
  // A liar is asked before the honest one.
  const lines: string[] = [];
  const network = await grown(lines, "liars first");
  let lies = 0;
  network.partLie = (from, _to, bytes) => {
    if (from === 0) return bytes;
    lies += 1;
    return from === 1 ? undefined : bytes.with(5, (bytes[5] ?? 0) ^ 1);
  };
  network.wake(4);
  const votes = () => isBack(network) && network.node(4).signer.state.counter > 0n;
  assert.ok(await network.run(30_000, votes), lines.slice(-20).join("\n"));
  assert.ok(lies > 0, "somebody lied");
  assert.ok(lines.some((line) => line.startsWith("has the state")));
  assert.equal(network.node(4).ledger.rootAt(1n), undefined, "nothing of before was executed");
  isSame(network);
});

test("what was taken over before a crash is not asked for again", async (t) => {
  t.diagnostic(`seed ${seed}`);
  const lines: string[] = [];
  const network = await grown(lines);
  network.wake(4);
  const some = () => (network.node(4).staged?.parts.size ?? 0) >= 5;
  assert.ok(await network.run(30_000, some));
  network.crash(4, 100);
  assert.ok(await network.run(30_000, () => isBack(network)), lines.slice(-20).join("\n"));
  assert.ok(lines.some((line) => /^takes over .* [5-9] parts of it are here/.test(line)));
  isSame(network);
});

test("where nobody gives a state that is true a host stops, says why, and begins again", async (t) => {
  t.diagnostic(`seed ${seed}`);
  const lines: string[] = [];
  const network = await grown(lines);
  network.partLie = (_from, _to, bytes) => bytes.with(5, (bytes[5] ?? 0) ^ 1);
  network.wake(4);
  const hasStopped = () => lines.some((line) => line.startsWith("stops taking over: Y7: 4 peers"));
  assert.ok(await network.run(10_000, hasStopped));
  assert.ok(!lines.some((line) => line.startsWith("has the state")));
  network.partLie = (_from, _to, bytes) => bytes;
  assert.ok(await network.run(30_000, () => isBack(network)), lines.slice(-20).join("\n"));
  isSame(network);
});
