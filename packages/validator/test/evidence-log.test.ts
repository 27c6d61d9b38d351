/** R8: what was seen is found again, within its window and its room, and nobody is convicted by a disk. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type EngineEffect,
  Evidence,
  envelopesPerGuardianMax,
  verifyDivergence,
} from "@ioi/consensus";
import {
  blockOn,
  type Certified,
  chain,
  digestOf,
  genesis,
  judgeOf,
  member,
  Signer,
  twin,
} from "@ioi/consensus/testing";
import { Bench } from "@ioi/consensus/testing-bench";
import { SimFiles, SimLog, SimRandom } from "@ioi/sim";
import { EvidenceLog, evidenceFolder, evidenceWindowMs } from "@ioi/validator";
import type { Envelope } from "@ioi/wire";

const place = (over: { bytesMax?: number; fileBytesMax?: number } = {}) => ({
  files: new SimFiles({ seed: "evidence" }),
  random: new SimRandom("evidence"),
  log: new SimLog(),
  ...over,
});

const kept = (effects: readonly EngineEffect[]): readonly Envelope[] =>
  effects.flatMap((effect) => (effect.type === "keep" ? [effect.envelope] : []));
const convicted = (effects: readonly EngineEffect[]): readonly string[] =>
  effects.flatMap((effect) => (effect.type === "divergence" ? [effect.proof.kind] : []));

const keepAll = async (log: EvidenceLog, envelopes: readonly Envelope[], nowMs = 1000) => {
  for (const envelope of envelopes) await log.keep(envelope, nowMs);
};

test("an offence against what was seen before a restart is found after it, and only by what was kept", async () => {
  const options = place();
  const bench = new Bench();
  const log = await EvidenceLog.open(options);
  const { view, tc } = bench.late();
  const block = bench.block(view, bench.first);
  const rival = blockOn(bench.judge, genesis, bench.first, view, { payloadRoot: digestOf(1) });
  const heard = [
    ...bench.hear(bench.proposal(block, tc)),
    ...bench.hear({ type: "vote", envelope: bench.committee.signer(1).vote(block) }),
  ];
  await keepAll(log, kept(heard));
  await log.close();
  const again = await EvidenceLog.open(options);
  const found = await again.newest(0n);
  assert.ok(found.length >= 5, "the proposal, a vote, three time-outs of the certificate");
  const copy = new Bench();
  copy.late();
  const other = copy.committee.signer(1).vote(rival);
  bench.engine = bench.boot(bench.wal, { kept: found });
  assert.deepEqual(convicted(bench.hear({ type: "vote", envelope: other })), ["K1"]);
  bench.engine = bench.boot(bench.wal);
  assert.deepEqual(convicted(bench.hear({ type: "vote", envelope: other })), [], "control");
  const forged = found.map((each) => ({ ...each, signature: new Uint8Array(32) }));
  bench.engine = bench.boot(bench.wal, { kept: forged });
  assert.deepEqual(convicted(bench.hear({ type: "vote", envelope: other })), [], "not believed");
  await again.close();
});

const members = ["a", "b", "c"].map((name) => member(name, 1n));
const judge = judgeOf(members);
const [first] = members;
assert.ok(first !== undefined);
const blockAt = (view: bigint, tag = 1): Certified =>
  blockOn(judge, genesis, new Bench().first, view, { payloadRoot: digestOf(tag) });

/** A vote for every view: more than memory keeps. */
const votes = (count: number): readonly Envelope[] => {
  const signer = new Signer(judge, first);
  return Array.from({ length: count }, (_, i) => signer.vote(blockAt(BigInt(i + 1))));
};

test("an offence older than memory reaches is found in what was kept", async () => {
  const log = await EvidenceLog.open(place({ fileBytesMax: 20_000 }));
  const evidence = new Evidence(judge);
  const all = votes(2 * envelopesPerGuardianMax);
  for (const envelope of all) assert.equal(evidence.take(envelope, 0, 0).type, "new");
  await keepAll(log, all);
  const late = new Signer(judge, first).vote(blockAt(3n, 2));
  assert.equal(evidence.take(late, 0, 0).type, "old");
  const near = await log.near(late);
  assert.ok(near.length > 0 && near.length < 5, `${near.length} of ${all.length}`);
  const proof = evidence.recalled(late, near);
  assert.equal(proof?.kind, "K2", "a copy of it, from the start");
  const sets = { chain, setOf: () => judge.set.hash };
  assert.ok(verifyDivergence(twin, sets, proof ?? assert.fail()).ok);
  assert.equal(new Evidence(judge).recalled(late, []), undefined, "control: nothing was kept");
  const asked = Array.from({ length: 40 }, () => evidence.take(all[0] ?? late, 1, 0).type);
  assert.ok(
    asked.filter((type) => type === "old").length <= 16,
    "a flood asks the disk a few times",
  );
  await log.close();
});

const atEpoch = (envelope: Envelope, number: bigint): Envelope => ({
  ...envelope,
  epoch: { ...envelope.epoch, number },
});

test("the window: a file goes after a day and a whole epoch, and not before both", async () => {
  const options = place({ fileBytesMax: 2000 });
  const log = await EvidenceLog.open(options);
  const [one, ...rest] = votes(40);
  assert.ok(one !== undefined);
  await keepAll(log, [one, ...rest], 1000);
  assert.equal(log.sinceMs, 1000);
  const day = 1000 + evidenceWindowMs;
  await keepAll(
    log,
    rest.map((each) => atEpoch(each, 1n)),
    day + 1,
  );
  assert.equal(log.sinceMs, 1000, "a day is over, an epoch is not");
  await keepAll(
    log,
    rest.map((each) => atEpoch(each, 5n)),
    day + 2,
  );
  assert.equal(log.sinceMs, 1000, "its last file began when the next began");
  await keepAll(
    log,
    rest.map((each) => atEpoch(each, 5n)),
    2 * day + 3,
  );
  assert.ok((log.sinceMs ?? 0) > 1000);
  assert.deepEqual(await log.newest(0n), []);
  assert.equal(log.isShort, false);
  await log.close();
});

test("without room the oldest goes first, and that is said", async () => {
  const options = place({ bytesMax: 12_000, fileBytesMax: 3000 });
  const log = await EvidenceLog.open(options);
  await keepAll(log, votes(100));
  assert.ok(log.isShort);
  assert.ok(log.bytes <= 12_000 + 1000, `${log.bytes} bytes`);
  const found = await log.newest(0n);
  assert.equal(found.at(-1)?.view, 100n);
  assert.ok(found.length > 5 && found.length < 100);
  assert.ok(options.log.lines.some(({ event }) => event === "evidence-short"));
  await log.close();
  const again = await EvidenceLog.open(options);
  assert.deepEqual(await again.newest(0n), found);
});

test("a crash costs the end of it, a damaged file itself, and neither the node", async () => {
  const options = place({ fileBytesMax: 4000 });
  const log = await EvidenceLog.open(options);
  await keepAll(log, votes(30));
  const files = options.files.crash("power");
  const again = await EvidenceLog.open({ ...options, files });
  await again.keep(votes(31).at(-1) ?? assert.fail(), 2000);
  assert.equal((await again.newest(0n)).at(-1)?.view, 31n);
  await again.close();
  const [name] = await files.list(evidenceFolder);
  await files.replaceFile(`${evidenceFolder}/${name}`, new Uint8Array(5000).fill(7));
  const damaged = await EvidenceLog.open({ ...options, files });
  assert.equal((await damaged.newest(0n)).at(-1)?.view, 31n);
  assert.ok(options.log.lines.some(({ event }) => event === "evidence-damaged"));
  await damaged.close();
});
