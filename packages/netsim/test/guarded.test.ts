/** Grade S in whole networks: it holds where F0 does not, and only with its rules. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { member, twin } from "@ioi/consensus/testing";
import { calm, checkGuarded, Network, runTwoFaced } from "@ioi/netsim";

const seeds = Array.from({ length: 12 }, (_, i) => `two-faced ${i}`);

test("a broken leader with two faces forks F0, and nothing that is called guarded", async () => {
  for (const nodes of [3, 5]) {
    let forks = 0;
    let objections = 0;
    for (const seed of seeds) {
      const found = await runTwoFaced(seed, twin, { nodes });
      assert.deepEqual(found.violations, [], seed);
      forks += found.conflicts.length > 0 ? 1 : 0;
      objections += found.objections;
    }
    assert.ok(forks >= 8, `${forks} of ${seeds.length} forked at F0 among ${nodes}`);
    assert.ok(objections >= forks, `${objections} were told who voted against`);
  }
});

test("control: without the wait, or without the votes in the answers, S forks too", async () => {
  for (const rule of ["GS5-wait", "GS2-votes"] as const) {
    let forked = 0;
    for (const seed of seeds) {
      const { violations } = await runTwoFaced(seed, twin, { nodes: 3, without: [rule] });
      forked += violations.length > 0 ? 1 : 0;
    }
    assert.ok(forked > 0, `${rule}: ${forked} of ${seeds.length}`);
  }
});

test("S is reached with f hosts down, after crashes, and for what was asked for", async () => {
  const members = ["a", "b", "c", "d"].map((name) => member(name, 1n));
  const network = new Network({ members, seed: "guarded", faults: { ...calm, delayMs: 5 } });
  network.demand(true);
  await network.run(2000);
  network.crash(1, 50);
  network.stop(3);
  await network.run(4000);
  network.guard(0, network.node(0).height);
  network.guard(1, network.node(1).height);
  await network.run(2000);
  const told = network.guarded
    .toSorted((a, b) => a.host - b.host)
    .map(({ host, effect }) => [host, effect.verdict, effect.power]);
  assert.deepEqual(told, [
    [0, "guarded", 3n],
    [1, "guarded", 3n],
  ]);
  assert.deepEqual(checkGuarded(network, [0, 1, 2]), []);
});

test("lost messages make no S", async () => {
  const members = ["a", "b", "c"].map((name) => member(name, 1n));
  const network = new Network({ members, seed: "lost" });
  network.demand(true);
  await network.run(1000);
  network.guard(0, network.node(0).height + 1);
  network.mangle = (from, _to, message) =>
    message.type === "guarded" && from === 1 ? undefined : message;
  network.stop(2);
  await network.run(4000);
  assert.deepEqual(
    network.guarded.map(({ effect }) => effect.verdict),
    ["unanswered"],
  );
});

test("alone S is what a commit is, at once", async () => {
  const network = new Network({ members: [member("a", 1n)], seed: "alone" });
  network.demand(true);
  await network.run(500);
  const { height } = network.node(0);
  network.guard(0, height + 1);
  await network.run(500, () => network.guarded.length > 0);
  const told = network.guarded.map(({ effect }) => [effect.verdict, effect.power, effect.height]);
  assert.deepEqual(told, [["guarded", 1n, BigInt(height + 1)]]);
});
