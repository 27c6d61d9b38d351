/** Networks that live through ends of epochs: sets that change, sessions that are replaced, hosts left behind. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { blockHash, LightClient } from "@ioi/consensus";
import { chain, doubleVote, firstEpoch, genesis, member, twin } from "@ioi/consensus/testing";
import {
  checkFraming,
  checkRoots,
  checkSafety,
  cloneGuardian,
  killGuardian,
  Network,
  type NetworkOptions,
  outlive,
  restartGuardian,
  restoreGuardian,
} from "@ioi/netsim";

const members = (n: number) => Array.from({ length: n }, (_, i) => member(`${i}`, 1n));
const seed = process.env["IOI_SEED"] ?? `${Math.random()}`;

/** Ten blocks a second or so, for a minute. */
const networkOf = (options: Partial<NetworkOptions> = {}): Network => {
  const network = new Network({
    members: members(4),
    seed,
    epochBlocks: 6,
    protection: "counter",
    ...options,
  });
  for (let atMs = 1000; atMs < 61_000; atMs += 100) network.at(atMs, () => network.submit(1));
  return network;
};

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

test("validators join, leave and change their power at the end of an epoch", async (t) => {
  t.diagnostic(`seed ${seed}`);
  const joiners = [member("new", 2n)];
  const network = networkOf({ joiners });
  const [joiner] = joiners;
  assert.ok(joiner !== undefined);
  network.change({ type: "validator", entry: joiner.entry });
  network.change({ type: "leave", gid: network.judge.set.entry(3).gid });
  network.change({ type: "validator", entry: { ...network.judge.set.entry(0), power: 3n } });
  const signs = () => network.node(4).signer.state.counter > 0n;
  assert.ok(await network.run(20_000, () => network.least() >= 20 && signs()), "who joined signs");
  const { set } = network.node(0).judge;
  assert.deepEqual(
    set.entries.map(({ power }) => power),
    [3n, 1n, 1n, 2n],
  );
  assert.equal(network.node(3).me, undefined, "who left does not");
  holds(network);
});

test("a host that was down for some epochs comes back through synchronisation, most of its peers lying", async (t) => {
  t.diagnostic(`seed ${seed}`);
  const network = networkOf({ members: members(5), twins: [] });
  network.stop(4);
  await network.run(6000);
  const reached = network.node(0).height;
  assert.ok(reached >= 30, `${reached}`);
  // Three of four answer with what is not the chain's, or with nothing.
  network.lie = (from, _to, chunk) => {
    if (from === 0) return chunk;
    if (from === 1) return { ...chunk, blocks: chunk.blocks.toReversed() };
    return from === 2 ? undefined : { blocks: [] };
  };
  network.wake(4);
  assert.ok(await network.run(30_000, () => network.node(4).height > reached + 10));
  const signs = () => network.node(4).signer.state.counter > 0n;
  assert.ok(await network.run(10_000, signs), "it takes part again");
  holds(network);
});

test("where all peers lie a host stops with a reason, and comes back once one does not", async (t) => {
  t.diagnostic(`seed ${seed}`);
  const lines: string[] = [];
  const network = networkOf({ onLine: (_at, node, line) => node === 3 && lines.push(line) });
  network.stop(3);
  await network.run(6000);
  const before = network.node(3).height;
  network.lie = (_from, _to, chunk) => ({ ...chunk, blocks: chunk.blocks.toReversed() });
  network.wake(3);
  await network.run(4000);
  assert.equal(network.node(3).height, before, "nothing is taken");
  assert.ok(network.node(3).failures > 0);
  assert.ok(
    lines.some((line) => line.startsWith("stops synchronising: Y4: 3 peers answered wrongly")),
  );
  network.lie = (_from, _to, chunk) => chunk;
  const { height } = network.node(0);
  assert.ok(await network.run(20_000, () => network.node(3).height > height));
  holds(network);
});

/** Of all that is committed: it is what every checker says, and the chain goes on. */
const goesOn = async (network: Network, of: readonly number[] = [0, 1, 2, 3]): Promise<void> => {
  const goal = network.least(of) + 12;
  assert.ok(await network.run(30_000, () => network.least(of) >= goal), `seed ${seed}`);
};

test("A3: a Guardian that lost its state signs again with another session, above every view of the old", async (t) => {
  t.diagnostic(`seed ${seed}`);
  const network = networkOf({ epochBlocks: 1000 });
  await network.run(2000);
  const old = network.node(2).judge.set.sessions[2];
  const { leaseEnd } = network.node(2).signer.state;
  killGuardian(network, 2);
  const hasSigned = () => {
    const { signer, course } = network.node(2);
    return course.number > 0n && signer.state.counter > 3n;
  };
  assert.ok(await network.run(10_000, hasSigned), "it signs again");
  const { judge } = network.node(2);
  assert.equal(
    judge.context.epoch.number,
    1n,
    "the registration ended the epoch, long before its last block",
  );
  assert.ok(judge.anchor.view >= leaseEnd, `${judge.anchor.view} is not below ${leaseEnd}`);
  assert.notDeepEqual(judge.set.sessions[2], old);
  assert.deepEqual(judge.set.entry(2).succeeds, { session: old, lease: leaseEnd });
  await goesOn(network);
  holds(network);
});

test("an older copy of a Guardian's disk is not taken up; without a counter it is, and convicts", async (t) => {
  t.diagnostic(`seed ${seed}`);
  const run = async (protection: "counter" | "none"): Promise<Network> => {
    const network = networkOf({ protection, epochBlocks: 1000 });
    await network.run(1500);
    const held = restartGuardian(network, 1);
    await network.run(700);
    restoreGuardian(network, 1, held);
    await network.run(4000);
    return network;
  };
  const guarded = await run("counter");
  await goesOn(guarded);
  assert.ok(guarded.node(1).judge.set.entry(1).succeeds !== undefined, "another session");
  holds(guarded);
  const control = await run("none");
  assert.deepEqual(checkSafety(control), []);
  assert.ok(checkFraming(control).length > 0, "what it signed twice shows");
  assert.deepEqual(checkFraming(control, [1]), []);
});

test("K7: a copy that signs on after its session was replaced is convicted, and its validator goes", async (t) => {
  t.diagnostic(`seed ${seed}`);
  const network = networkOf({ epochBlocks: 1000, twins: [1], areClones: true });
  network.stop(4);
  await network.run(1500);
  cloneGuardian(network, 1, 4);
  // It says nothing until the other one has another session.
  network.stubborn.add(4);
  network.wake(4);
  const isCut = (host: number): boolean => host === 4;
  network.passes = (from, to) => isCut(from) === isCut(to);
  killGuardian(network, 1);
  assert.ok(await network.run(10_000, () => network.node(0).course.number === 1n));
  network.passes = () => true;
  outlive(network, 4);
  const isOut = () => network.node(0).judge.set.indexOf(network.node(1).plan.gid) === undefined;
  assert.ok(await network.run(10_000, isOut), "it is in no set any more");
  const [proof] = network.node(0).proofs;
  assert.equal(proof?.kind, "K7");
  await goesOn(network, [0, 2, 3]);
  assert.deepEqual(checkSafety(network), []);
  assert.deepEqual(checkFraming(network, [1]), []);
  assert.equal(network.node(0).judge.set.size, 3);
});

test("two copies of a Guardian that both go on are convicted", async (t) => {
  t.diagnostic(`seed ${seed}`);
  const network = networkOf({ twins: [2], areClones: true });
  network.stop(4);
  await network.run(1000);
  cloneGuardian(network, 2, 4);
  network.wake(4);
  const isShown = () => [0, 1, 3].every((index) => network.node(index).proofs.length > 0);
  assert.ok(await network.run(20_000, isShown));
  assert.deepEqual(checkFraming(network, [2]), []);
  assert.deepEqual(checkSafety(network, [2]), []);
});

test("E2: a leader that names another set than the state is voted down", async (t) => {
  t.diagnostic(`seed ${seed}`);
  // Every block ends its epoch, and every epoch begins with another leader.
  const network = networkOf({ epochBlocks: 1 });
  const malicious = network.node(1);
  const { ledger, judge, course } = malicious;
  const registryAt = ledger.registryAt.bind(ledger);
  const leave = { type: "leave", gid: judge.set.entry(0).gid } as const;
  // What it says itself; where others ended an epoch it follows.
  ledger.registryAt = (height) => {
    const real = registryAt(height);
    return malicious.ending === undefined ? real?.after(leave, course.sets) : real;
  };
  await goesOn(network, [0, 2, 3]);
  assert.ok(network.node(0).course.number > 0n);
  assert.equal(network.node(0).judge.set.size, 4, "nobody was put out");
  assert.deepEqual(checkSafety(network), []);
});

test("K10: a proof of an epoch long ago reaches everybody and stops nobody; without the rule all", async (t) => {
  t.diagnostic(`seed ${seed}`);
  const [, , , offender] = members(4);
  assert.ok(offender !== undefined);
  for (const isThere of [true, false]) {
    const lacks = isThere ? [] : (["K10-epoch"] as const);
    const network = networkOf({ without: new Map([0, 1, 2, 3].map((host) => [host, lacks])) });
    assert.ok(await network.run(20_000, () => epochs(network).every((number) => number >= 2n)));
    network.inject(0, { type: "divergence", proof: doubleVote(network.judge, offender) });
    await network.run(1000);
    assert.ok(
      network.nodes.every(({ proofs }) => proofs.length > 0),
      "it was passed on",
    );
    const before = network.least();
    const goesOn = await network.run(20_000, () => network.least() >= before + 8);
    assert.equal(goesOn, isThere, `heights from ${before}, seed ${seed}`);
  }
});
