/** The parts of a simulated network, each by itself, and the checkers on networks that go wrong. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { OperationError, SeededRandom, toHex } from "@ioi/base";
import { anchorCert, type WalRecord, zeroHash } from "@ioi/consensus";
import { blockOn, Committee, member, twin, twinOf } from "@ioi/consensus/testing";
import { nodeCrypto } from "@ioi/host/crypto";
import {
  checkFraming,
  checkRoots,
  checkSafety,
  conflictsOf,
  decodeBatch,
  DiskJournal,
  encodeBatch,
  Ledger,
  mayFork,
  Network,
  Registry,
  runSplit,
  splitsOf,
} from "@ioi/netsim";

const seed = process.env["IOI_SEED"] ?? `${Math.random()}`;
const members = (n: number) => Array.from({ length: n }, (_, i) => member(`${i}`, 1n));

/** As a log without faults gives them back. */
const records = async (): Promise<readonly WalRecord[]> => {
  const committee = new Committee(members(3));
  const { block, child, cert } = committee.commit();
  const { view, digest } = cert.childQc;
  const given: readonly WalRecord[] = [
    { type: "block", block: { header: block.header, justify: block.justify } },
    { type: "qc", qc: cert.blockQc },
    { type: "block", block: { header: child.header, justify: child.justify } },
    { type: "envelope", envelope: committee.signer(0).timeout(9n, { view, digest }) },
  ];
  const journal = new DiskJournal(new SeededRandom("whole"));
  await journal.recover();
  for (const record of given) assert.ok(await journal.append(record));
  return await journal.recover();
};

/** How many of the records that were said to be durable are there after power went. */
const lostAfter = async (isCareless: boolean, run: number): Promise<number> => {
  const journal = new DiskJournal(new SeededRandom(`${seed}/${run}`), {
    changesMax: 40,
    isCareless,
  });
  await journal.recover();
  const given = await records();
  const kept: WalRecord[] = [];
  for (const record of given) {
    if (!(await journal.append(record))) break;
    kept.push(record);
  }
  journal.crash();
  const found = await journal.recover().catch((error: unknown) => {
    if (isCareless && error instanceof OperationError) return [];
    throw error;
  });
  const whole = kept.filter((_, at) => found[at] !== undefined);
  assert.deepEqual(found.slice(0, whole.length), whole);
  return kept.length - whole.length;
};

test("what a log says is durable is there after power goes; on a careless disk it is not", async (t) => {
  t.diagnostic(`seed ${seed}`);
  let careless = 0;
  for (let run = 0; run < 30; run++) {
    assert.equal(await lostAfter(false, run), 0, `seed ${seed}/${run}`);
    careless += await lostAfter(true, run);
  }
  assert.ok(careless > 0, "the control loses something");
});

test("a block that ran ahead is undone where another one is committed", () => {
  const { judge } = new Committee(members(1));
  const { anchor, context } = judge;
  const registry = new Registry(twin, judge.set);
  const sets = () => ({ chain: judge.context.chain, setOf: () => judge.set.hash });
  const [ahead, other] = [new Ledger(twin, registry, sets), new Ledger(twin, registry, sets)];
  const justify = anchorCert(context, anchor);
  const blocks = [5, 7].map((amount) => {
    const bytes = encodeBatch({
      changes: [],
      transfers: [{ number: amount, from: 1, to: 2, amount }],
    });
    for (const ledger of [ahead, other]) ledger.hold(bytes);
    return blockOn(judge, anchor, justify, BigInt(amount), { payloadRoot: twin.sha256(bytes) });
  });
  const [lost, kept] = blocks;
  assert.ok(lost !== undefined && kept !== undefined);
  const block = ({ header }: typeof lost) => ({ header, justify });
  ahead.runAhead(block(lost), toHex(lost.digest));
  assert.notDeepEqual(ahead.rootAt(1n), undefined);
  ahead.commit(block(kept), toHex(kept.digest));
  other.commit(block(kept), toHex(kept.digest));
  assert.equal(ahead.undone, 1);
  assert.deepEqual(ahead.rootAt(1n), other.rootAt(1n));
  assert.equal(ahead.executedAt(1), toHex(kept.digest));
});

test("a batch is changes and whole transfers, and nothing else is one", () => {
  const transfers = [{ number: 1, from: 2, to: 255, amount: 65_535 }];
  const { entry } = member("joins", 3n);
  const changes = [
    { type: "validator", entry },
    { type: "leave", gid: entry.gid },
  ] as const;
  for (const batch of [
    { changes: [], transfers },
    { changes, transfers: [] },
    { changes, transfers },
  ]) {
    const bytes = encodeBatch(batch);
    assert.deepEqual(decodeBatch(bytes), batch);
    for (let length = 0; length < bytes.length; length += 1 + Math.floor(length / 50)) {
      const cut = decodeBatch(bytes.subarray(0, length));
      assert.ok(cut === undefined || cut.transfers.length < batch.transfers.length, `${length}`);
    }
  }
  for (const bytes of [[0], [9], [1, 0, 1, 7], [1, 255, 255], [0, 1, 2, 3, 4, 5, 6, 7]]) {
    assert.equal(decodeBatch(Uint8Array.from(bytes)), undefined);
  }
  assert.equal(decodeBatch(new Uint8Array(1 + 8 * 65)), undefined);
});

test("broken Guardians fork where the rule of grades says so, and are convicted", async () => {
  let forks = 0;
  const provider = twinOf(nodeCrypto);
  const few = [...splitsOf([1n, 1n, 1n])].filter(({ broken }) => broken.length <= 1).slice(2, 6);
  for (const split of few) {
    const { network, conflicts } = await runSplit(split, "splits", provider);
    assert.equal(conflicts.length > 0, mayFork(split), JSON.stringify(split.broken));
    assert.deepEqual(checkSafety(network, split.broken), []);
    // Had they been sound, it would be a violation.
    assert.equal(checkSafety(network).length > 0, conflicts.length > 0);
    network.passes = () => true;
    await network.run(1000);
    assert.deepEqual(checkFraming(network, split.broken), []);
    if (conflicts.length === 0) continue;
    forks += 1;
    assert.ok(network.proofs.length > 0, "a fork shows who made it");
    assert.ok(checkFraming(network).length > 0);
  }
  assert.ok(forks > 0 && forks < few.length);
});

test("another state after the same block is found", async () => {
  const network = new Network({ members: members(4), seed: "roots" });
  network.submit(10);
  assert.ok(await network.run(5000, () => network.least() >= 2));
  assert.deepEqual(checkRoots(network), []);
  const { ledger, committed } = network.node(2);
  const top = committed.at(-1);
  assert.ok(top !== undefined);
  const header = { ...top.header, height: BigInt(ledger.height + 1), payloadRoot: zeroHash };
  ledger.restart();
  ledger.commit({ ...top, header }, "invented");
  assert.deepEqual(
    checkRoots(network).map(({ type }) => type),
    ["executed", "roots"],
  );
  assert.deepEqual(conflictsOf(network.nodes), []);
});
