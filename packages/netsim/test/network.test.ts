/** Whole networks of engines: they agree whatever happens, and go on as soon as they can. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex } from "@ioi/base";
import { member } from "@ioi/consensus/testing";
import { nodeCrypto } from "@ioi/host/crypto";
import { calm, checkRoots, conflictsOf, type Faults, Network } from "@ioi/netsim";
import { consensusMessage, type ConsensusMessage, schema } from "@ioi/wire";

/** Over the wire and back: what a decoder refuses nobody could have sent. */
const reencoded = (message: ConsensusMessage): ConsensusMessage => {
  const decoded = schema.decode(consensusMessage, schema.encode(consensusMessage, message));
  assert.ok(decoded.ok);
  return decoded.value;
};

const members = (n: number) => Array.from({ length: n }, (_, i) => member(`${i}`, 1n));
const seed = process.env["IOI_SEED"] ?? `${Math.random()}`;

test("one validator alone commits what it is given, and then is still", async () => {
  const network = new Network({ members: members(1), seed: "alone" });
  network.demand(true);
  assert.ok(await network.run(2000, () => network.least() >= 5));
  network.demand(false);
  await network.run(1000);
  const { height } = network.node(0);
  await network.run(60_000);
  assert.equal(network.node(0).height, height);
  assert.equal(network.node(0).engine?.deadline(), undefined);
});

for (const n of [4, 7]) {
  test(`${n} validators agree in a calm network, a block for each round trip`, async (t) => {
    t.diagnostic(`seed ${seed}`);
    const network = new Network({ members: members(n), seed });
    network.mangle = (_from, _to, message) => reencoded(message);
    network.demand(true);
    assert.ok(await network.run(5000, () => network.least() >= 40), `height ${network.least()}`);
    assert.deepEqual(conflictsOf(network.nodes), []);
    assert.deepEqual(network.proofs, []);
    const all = network.node(0).held.filter(({ power }) => power === BigInt(n));
    assert.ok(all.length > 20, "late votes make commits stronger");
  });
}

test("the same with ML-DSA-44 in place of the twin", async () => {
  const signing = Array.from({ length: 4 }, (_, i) =>
    member(`${i}`, 1n, nodeCrypto.generate("ml-dsa-44")),
  );
  const network = new Network({ members: signing, seed: "native", provider: nodeCrypto });
  network.demand(true);
  assert.ok(await network.run(5000, () => network.least() >= 5), `height ${network.least()}`);
  assert.deepEqual(conflictsOf(network.nodes), []);
});

test("an idle network keeps its heartbeat and nothing else", async () => {
  const network = new Network({ members: members(4), seed });
  await network.run(21_000);
  const height = network.least();
  assert.ok(height >= 5 && height <= 11, `height ${height}`);
  assert.deepEqual(conflictsOf(network.nodes), []);
});

const rough: Faults = { delayMs: 10, jitterMs: 120, lost: 80, doubled: 50, crashes: 0 };

/** Faults for a while, then calm: nothing conflicts, and everybody goes on within the bound. */
const heals = async (
  network: Network,
  roughMs: number,
  boundMs: number,
  honest: readonly number[] = [...network.nodes.keys()],
): Promise<void> => {
  network.demand(true);
  await network.run(roughMs);
  assert.deepEqual(conflictsOf(network.nodes), [], `seed ${network.random.seed}`);
  network.faults = calm;
  network.passes = () => true;
  const reached = Math.max(...network.nodes.map(({ height }) => height));
  const goal = reached + 8;
  assert.ok(
    await network.run(boundMs, () => network.least(honest) >= goal),
    `${network.nodes.map(({ height }) => height).join(" ")} of ${goal}, seed ${network.random.seed}`,
  );
  assert.deepEqual(conflictsOf(network.nodes), [], `seed ${network.random.seed}`);
  assert.deepEqual(network.proofs, [], "nobody is framed");
  assert.deepEqual(checkRoots(network), [], `seed ${network.random.seed}`);
};

const runs = Number(process.env["IOI_RUNS"] ?? 2);

test("alone, after crashes between a signature and what follows from it", async () => {
  const network = new Network({
    members: members(1),
    seed: "0.8844239500729225/1/14",
    faults: { ...rough, crashes: 15 },
  });
  await heals(network, 6000, 3000);
});

for (const n of [1, 4, 7]) {
  test(`${n}: losses, delays, duplicates, and crashes between any two effects`, async (t) => {
    t.diagnostic(`seed ${seed}`);
    let crashes = 0;
    for (let run = 0; run < runs; run++) {
      const network = new Network({
        members: members(n),
        seed: `${seed}/${n}/${run}`,
        faults: { ...rough, crashes: n === 1 ? 15 : 60 },
      });
      await heals(network, 6000, 30_000);
      crashes += network.crashes;
    }
    assert.ok(crashes > 0, `${crashes} crashes`);
  });
}

test("partitions come and go", async (t) => {
  t.diagnostic(`seed ${seed}`);
  for (let run = 0; run < runs; run++) {
    const network = new Network({ members: members(4), seed: `${seed}/parts/${run}` });
    const { random } = network;
    network.demand(true);
    for (let phase = 0; phase < 8; phase++) {
      const sides = network.nodes.map(() => random.below(2));
      network.passes = (from, to) => sides[from] === sides[to];
      await network.run(random.below(1500));
    }
    await heals(network, 1000, 30_000);
  }
});

test("many batches that a partition kept away are asked for without a storm", async () => {
  const network = new Network({ members: members(4), seed: "qa4/parts" });
  const { random } = network;
  network.demand(true);
  for (let phase = 0; phase < 5; phase++) {
    const sides = network.nodes.map(() => random.below(2));
    network.passes = (from, to) => sides[from] === sides[to];
    await network.run(random.below(1500));
  }
  const before = network.events;
  network.passes = () => true;
  await network.run(400);
  assert.ok(network.events - before < 20_000, `${network.events - before} events`);
});

test("powers that differ: the heavy ones suffice, the light ones do not", async () => {
  const skewed = [5n, 3n, 1n, 1n].map((power, i) => member(`${i}`, power));
  const network = new Network({ members: skewed, seed: "skewed" });
  network.passes = (from, to) => from < 2 && to < 2;
  network.demand(true);
  assert.ok(await network.run(40_000, () => network.least([0, 1]) >= 10), "8 of 10");
  const without = new Network({ members: skewed, seed: "skewed" });
  without.passes = (from, to) => from > 0 && to > 0;
  without.demand(true);
  await without.run(40_000);
  assert.equal(without.least(), 0);
  assert.equal(Math.max(...without.nodes.map(({ height }) => height)), 0, "5 of 10 is no majority");
});

test("T6: with as many leaders dead as may be, at least half the throughput is left", async (t) => {
  for (const [n, dead] of [
    [4, [1]],
    [7, [1, 3, 5]],
  ] as const) {
    const heightWithout = async (crashed: readonly number[]): Promise<number> => {
      const network = new Network({ members: members(n), seed: `dead/${n}` });
      for (const index of crashed) network.stop(index);
      network.demand(true);
      await network.run(6000);
      assert.deepEqual(conflictsOf(network.nodes), []);
      return network.least([0, 2]);
    };
    const [whole, rest] = [await heightWithout([]), await heightWithout(dead)];
    t.diagnostic(`n=${n}: ${whole} blocks, with ${dead.length} crashed ${rest}`);
    assert.ok(2 * rest >= whole, `${rest} of ${whole}`);
  }
});

test("a seed runs again to the same bytes", async () => {
  const trace = async (name: string): Promise<string> => {
    const network = new Network({
      members: members(4),
      seed: name,
      faults: { ...rough, crashes: 20 },
    });
    network.demand(true);
    await network.run(5000);
    return network.trace;
  };
  assert.equal(await trace("again"), await trace("again"));
  assert.notEqual(await trace("again"), await trace("another"));
});

test("malicious hosts with sound Guardians change nothing but the speed", async (t) => {
  t.diagnostic(`seed ${seed}`);
  for (let run = 0; run < runs; run++) {
    // They vote for what they must not, keep what they hear, and send what is old.
    const network = new Network({
      members: members(4),
      seed: `${seed}/malice/${run}`,
      faults: rough,
      without: new Map([
        [0, ["R2-lock", "R4-own-vote", "R5-nack", "R7-resend"]],
        [1, ["R2-lock", "R4-own-vote"]],
      ]),
    });
    const { random } = network;
    network.mangle = (from, _to, message) =>
      from === 0 && random.chance(2, 3) ? undefined : message;
    network.demand(true);
    await network.run(6000);
    assert.deepEqual(conflictsOf(network.nodes), [], `seed ${network.random.seed}`);
    assert.deepEqual(network.proofs, []);
    network.mangle = (_from, _to, message) => message;
    await heals(network, 100, 30_000, [1, 2, 3]);
  }
});

test("a leader with two copies of its Guardian is convicted, and the chain stops as one", async (t) => {
  t.diagnostic(`seed ${seed}`);
  const network = new Network({
    members: members(4),
    seed,
    broken: new Map([[0, ["G1-slot", "G1-lock"]]]),
  });
  network.demand(true);
  assert.ok(await network.run(20_000, () => network.least() >= 5));
  // It votes for another block in a slot that it has used.
  const { signer } = network.node(0);
  const view = network.node(1).engine?.view ?? 0n;
  const just = { view: view - 1n, digest: network.judge.anchor.digest };
  const sign = (name: number) =>
    signer.must({
      type: "sign",
      kind: "vote",
      view,
      digest: new Uint8Array(32).fill(name),
      just,
      seen: just,
    });
  network.inject(1, { type: "vote", envelope: sign(1) });
  network.inject(1, { type: "vote", envelope: sign(2) });
  const everyone = () => [1, 2, 3].every((index) => network.node(index).engine?.isStopped === true);
  assert.ok(await network.run(500, everyone), "within half a second");
  await network.run(100);
  const heights = network.nodes.map(({ height }) => height);
  await network.run(20_000);
  assert.deepEqual(
    network.nodes.map(({ height }) => height),
    heights,
    "nothing is signed any more",
  );
  for (const index of [1, 2, 3]) {
    assert.ok(network.node(index).signer.state.frozen);
    assert.deepEqual(
      network.node(index).proofs.map(({ registration }) => registration.index),
      [0],
    );
  }
  assert.deepEqual(conflictsOf(network.nodes), []);
  assert.equal(toHex(network.node(1).signer.state.last?.digest ?? new Uint8Array(0)).length, 64);
});
