/** R8: an offence from before a crash is convicted after it, by what was kept; on disks, too. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { anchorCert, envelopesPerGuardianMax } from "@ioi/consensus";
import { blockOn, Committee, digestOf, genesis, member, twin } from "@ioi/consensus/testing";
import { checkFraming, Network, runRemembered } from "@ioi/netsim";

const seed = process.env["IOI_SEED"] ?? `${Math.random()}`;
const runs = Number(process.env["IOI_RUNS"] ?? 6);
/** Envelopes of a Guardian, after as many of which an engine has lost the first ones. */
const forgotten = BigInt(envelopesPerGuardianMax);
const disk = { changesMax: 1_000_000, isCareless: false };

const convicted = (network: Network): readonly string[] =>
  network.proofs.map(({ kind, registration }) => `${kind} of ${registration.index}`);

test("an offence before a crash is convicted after it, and not by hosts that kept nothing", async (t) => {
  t.diagnostic(`seed ${seed}`);
  for (let run = 0; run < runs; run++) {
    const each = `${seed}/${run}`;
    const network = await runRemembered(each, twin);
    assert.ok(network.crashes >= 3);
    assert.equal(convicted(network).length, 3, `seed ${each}: ${convicted(network).join()}`);
    // The same view, or the same counter.
    assert.ok(convicted(network).every((text) => /^K[12] of 3$/.test(text)));
    assert.ok(network.nodes.slice(0, 3).every(({ freezes }) => freezes === 1));
    assert.deepEqual(checkFraming(network, [3]), []);
    const control = await runRemembered(each, twin, { areForgetful: true });
    assert.deepEqual(convicted(control), [], `seed ${each}`);
    const again = await runRemembered(each, twin);
    assert.equal(again.trace, network.trace, `seed ${each}`);
  }
});

test("R8: an engine asks for what its memory has lost, and is answered", async () => {
  const members = Array.from({ length: 4 }, (_, index) => member(`${index}`, 1n));
  const lines: string[] = [];
  const network = new Network({ members, seed, onLine: (_at, _node, line) => lines.push(line) });
  const { judge } = network;
  network.demand(true);
  const isLong = () => network.nodes.every(({ signer }) => signer.state.counter > 2n * forgotten);
  assert.ok(await network.run(60_000, isLong));
  // Three owners certify another block with copies of their Guardians, of long ago.
  const rival = blockOn(judge, genesis, anchorCert(judge.context, genesis), 1n, {
    payloadRoot: digestOf(9),
  });
  const qc = new Committee(members, twin, judge).certify(rival, [1, 2, 3]);
  lines.length = 0;
  network.inject(0, { type: "qc", qc }, 3);
  await network.run(100, () => network.node(0).proofs.length >= 3);
  assert.ok(
    lines.some((line) => /^recalled [1-9]/.test(line)),
    "what was kept comes back",
  );
  const who = new Set(network.proofs.map(({ registration }) => registration.index));
  assert.deepEqual(who, new Set([1, 2, 3]));
});

test("the same where the log stands on disks that lose what was not synced: byte for byte again", async () => {
  // A disk may have nothing of it: which of these seeds convict does not change.
  let found = 0;
  for (let run = 0; run < 6; run++) {
    const each = `disk ${run}`;
    const network = await runRemembered(each, twin, { disk });
    found += convicted(network).length;
    assert.deepEqual(checkFraming(network, [3]), []);
    const again = await runRemembered(each, twin, { disk });
    assert.equal(again.trace, network.trace, `seed ${each}`);
  }
  assert.ok(found > 0, "some disk had it");
});
