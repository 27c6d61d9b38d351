// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import { fromHex, SeededRandom, toHex, unwrap } from "@ioi/base";
import { leafHash, MerkleTree, type PrivateKey, signCheckpoint } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { openFiles } from "@ioi/host/ports";
import { openWal } from "@ioi/storage";
import { verifyReceipts } from "@ioi/verifier";
import { type Leaf, leaf as leafSchema, schema } from "@ioi/wire";
import {
  type Bundle,
  checkpointRecordType,
  leafRecordType,
  type LogFiles,
  makeBundle,
  makeProof,
  parseBundle as parseOwn,
  readLog,
  softwareAnchor,
  verifyBundle as verifyOwn,
  type VerifyReport,
  verifyLog,
} from "../src/verify/index.ts";

/** Both verifiers on every bundle: the stand-alone one shares no code with ours and must agree. */
const verifyBundle: typeof verifyOwn = (provider, bundle, publicKey) => {
  const own = verifyOwn(provider, bundle, publicKey);
  const alone = unwrap(verifyReceipts(JSON.parse(JSON.stringify(bundle)), publicKey), "export");
  const said = ({ ok, firstBad, size, root }: VerifyReport): unknown[] => [
    ok,
    firstBad?.index,
    size,
    root,
  ];
  assert.deepEqual(said(alone), said(own), JSON.stringify([alone, own]));
  return own;
};
const parseBundle: typeof parseOwn = (value) => {
  const own = parseOwn(value);
  assert.equal(verifyReceipts(value, key.publicKey).ok, own.ok, JSON.stringify(value));
  return own;
};

/** `npm run check` looks at fewer; `npm test` at all. */
const inner = process.env["IOI_TEST"] === "inner";

const origin = "ioi.test/receipts";
const key = unwrap(nodeCrypto.importPrivate("ml-dsa-65", new Uint8Array(32).fill(7)), "key");
const other = unwrap(nodeCrypto.importPrivate("ml-dsa-65", new Uint8Array(32).fill(8)), "key");
const hash = new Uint8Array(32).fill(1);

const intent = (counter: bigint): Leaf => ({
  type: "intent",
  atMs: 1_000 + Number(counter),
  counter,
  session: "s1",
  agent: "planner",
  order: counter,
  actionId: hash,
  target: "fs::read",
  verdict: "allow",
  rules: ["scope-read"],
  asks: [],
  discharged: [],
  grants: [],
  policyHash: hash,
  grantsHash: hash,
  action: { commitment: hash, sealed: Uint8Array.of(1, 2, 3) },
});

const outcome = (counter: bigint, session = "s1"): Leaf => ({
  type: "outcome",
  atMs: 2_000 + Number(counter),
  counter,
  session,
  reportedBy: "driver",
  status: "confirmed",
  resultHash: hash,
  evidence: { bytes: "3" },
});

const policy: Leaf = { type: "policy", atMs: 1, policyHash: hash };
const fiveLeaves: readonly Leaf[] = [policy, intent(1n), outcome(1n), intent(2n), outcome(2n)];

/** A log as the Guardian writes it: after `at` leaves, a checkpoint signed by `key`. */
const writeLog = async (
  leaves: readonly (Leaf | Uint8Array)[],
  checkpointsAt: readonly number[],
  signer: PrivateKey<"ml-dsa-65"> = key,
): Promise<LogFiles> => {
  const folder = mkdtempSync(join(tmpdir(), "ioi-verify-"));
  try {
    const files = openFiles(folder);
    const random = new SeededRandom("log");
    const options = { files, random, repairHint: "none" };
    const tree = new MerkleTree(nodeCrypto);
    await using log = await openWal({ ...options, path: "receipts.log" });
    await using notes = await openWal({ ...options, path: "checkpoints.log" });
    for (const each of leaves) {
      const bytes = each instanceof Uint8Array ? each : schema.encode(leafSchema, each);
      await log.appendDurable(leafRecordType, bytes);
      tree.append(leafHash(nodeCrypto, bytes));
      if (!checkpointsAt.includes(tree.size)) continue;
      const root = tree.root();
      const note = signCheckpoint(nodeCrypto, signer, {
        origin,
        size: tree.size,
        root,
        extensions: [],
      });
      await notes.appendDurable(checkpointRecordType, Buffer.from(note));
    }
    await log.close();
    await notes.close();
    return {
      receipts: readFileSync(join(folder, "receipts.log")),
      checkpoints: readFileSync(join(folder, "checkpoints.log")),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
};

let sound: LogFiles;
before(async () => {
  sound = await writeLog(fiveLeaves, [2, 5]);
});

const verify = (files: LogFiles, publicKey = key.publicKey) =>
  verifyLog(nodeCrypto, files, publicKey);

test("a sound log verifies with the public key alone", () => {
  const tree = new MerkleTree(nodeCrypto);
  for (const each of fiveLeaves) {
    tree.append(leafHash(nodeCrypto, schema.encode(leafSchema, each)));
  }
  assert.deepEqual(verify(sound), {
    schema: "ioi.verify/1",
    ok: true,
    size: 5,
    root: toHex(tree.root()),
    checked: 5,
    firstBad: null,
    key: toHex(key.publicKey),
    anchor: softwareAnchor,
  });
});

test("any changed byte of either file is found", () => {
  const flip = (bytes: Uint8Array, at: number): Uint8Array => {
    const changed = Uint8Array.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 0x41;
    return changed;
  };
  for (let at = 0; at < sound.receipts.length; at += inner ? 11 : 1) {
    const report = verify({ ...sound, receipts: flip(sound.receipts, at) });
    assert.equal(report.ok, false, `byte ${at} of the leaves`);
    assert.ok(Number.isSafeInteger(report.firstBad?.index), `byte ${at} names no leaf`);
  }
  const notes = sound.checkpoints ?? new Uint8Array();
  for (let at = 0; at < notes.length; at += 7) {
    const report = verify({ ...sound, checkpoints: flip(notes, at) });
    assert.equal(report.ok, false, `byte ${at} of the checkpoints`);
  }
});

test("a changed leaf is named by its index", () => {
  const sizes = fiveLeaves.map((each) => schema.encode(leafSchema, each).length + 36);
  let offset = 32;
  for (const [index, size] of sizes.entries()) {
    const receipts = Uint8Array.from(sound.receipts);
    receipts[offset + 40] = (receipts[offset + 40] ?? 0) ^ 1;
    assert.equal(verify({ ...sound, receipts }).firstBad?.index, index);
    offset += size;
  }
  assert.equal(offset, sound.receipts.length);
});

test("a log rewritten with fresh checksums fails against what was signed", async () => {
  const forged = await writeLog(
    [policy, intent(1n), { ...outcome(1n), status: "no-effect" } as Leaf, intent(2n), outcome(2n)],
    [],
  );
  const report = verify({ receipts: forged.receipts, checkpoints: sound.checkpoints });
  assert.equal(report.ok, false);
  assert.deepEqual(report.firstBad, {
    index: 2,
    reason: "leaves 2 to 4 do not lead to the root of checkpoint 1",
  });
  // The control: without the signed checkpoints the forgery is a log like any other.
  assert.equal(verify({ receipts: forged.receipts, checkpoints: undefined }).ok, true);
});

test("a log that was cut back is missed by its checkpoint", async () => {
  const short = await writeLog(fiveLeaves.slice(0, 3), []);
  const report = verify({ receipts: short.receipts, checkpoints: sound.checkpoints });
  assert.deepEqual(report.firstBad, {
    index: 3,
    reason: "checkpoint 1 covers 5 leaves, the log has 3",
  });
});

test("another key's checkpoints are not the Guardian's", async () => {
  const foreign = await writeLog(fiveLeaves, [5], other);
  assert.equal(verify(foreign).ok, false);
  assert.equal(verify(foreign, other.publicKey).ok, true);
});

test("a log cut back together with its checkpoints needs a checkpoint held elsewhere", async () => {
  const short = await writeLog(fiveLeaves.slice(0, 2), [2]);
  assert.equal(verify(short).ok, true);
  const held = readLog(nodeCrypto, sound, key.publicKey).checkpoints.at(-1);
  assert.ok(held !== undefined);
  assert.deepEqual(verifyLog(nodeCrypto, short, key.publicKey, held).firstBad, {
    index: 2,
    reason: "the trusted checkpoint covers 5 leaves, the log has 2",
  });
  assert.equal(verifyLog(nodeCrypto, sound, key.publicKey, held).ok, true);
});

test("leaves that contradict each other", async () => {
  const reasonOf = async (...leaves: (Leaf | Uint8Array)[]) =>
    verify(await writeLog(leaves, [])).firstBad;
  assert.deepEqual(await reasonOf(intent(2n), intent(2n)), {
    index: 1,
    reason: "ticket 2 follows ticket 2",
  });
  assert.deepEqual(await reasonOf(intent(1n), outcome(3n)), {
    index: 1,
    reason: "an outcome of ticket 3, which no intent names",
  });
  assert.deepEqual(await reasonOf(intent(1n), outcome(1n, "s2")), {
    index: 1,
    reason: "an outcome of ticket 1 under another session",
  });
  const garbage = await reasonOf(intent(1n), Uint8Array.of(0xff));
  assert.equal(garbage?.index, 1);
  assert.match(garbage?.reason ?? "", /^the leaf does not decode/);
});

test("leaves after the last checkpoint are whole but not checked", async () => {
  const report = verify(await writeLog(fiveLeaves, [3]));
  assert.deepEqual([report.ok, report.size, report.checked], [true, 5, 3]);
});

test("what is no log at all", () => {
  assert.equal(verify({ receipts: new Uint8Array(), checkpoints: undefined }).ok, false);
  const zeros = verify({ receipts: new Uint8Array(100), checkpoints: undefined });
  assert.deepEqual(zeros.firstBad, { index: 0, reason: "the file is not a log" });
});

const roundTrip = (bundle: Bundle): Bundle =>
  unwrap(parseBundle(JSON.parse(JSON.stringify(bundle))), "bundle");

test("an export of the whole log verifies elsewhere and misses nothing", () => {
  const log = readLog(nodeCrypto, sound, key.publicKey);
  const bundle = roundTrip(unwrap(makeBundle(log), "bundle"));
  const report = verifyBundle(nodeCrypto, bundle, key.publicKey);
  assert.deepEqual([report.ok, report.size, report.checked], [true, 5, 5]);
  assert.equal(verifyBundle(nodeCrypto, bundle, other.publicKey).ok, false);
  const without = { ...bundle, entries: bundle.entries.slice(0, 4) };
  assert.deepEqual(verifyBundle(nodeCrypto, without, key.publicKey).firstBad, {
    index: 4,
    reason: "the checkpoint covers 5 leaves, the export has 4",
  });
  const gap = { ...bundle, entries: bundle.entries.filter(({ index }) => index !== 0) };
  assert.deepEqual(verifyBundle(nodeCrypto, gap, key.publicKey).firstBad, {
    index: 1,
    reason: "leaf 0 is missing",
  });
});

test("an export of some receipts carries their proofs", () => {
  const log = readLog(nodeCrypto, sound, key.publicKey);
  for (let index = 0; index < 5; index++) {
    const bundle = roundTrip(unwrap(makeProof(log, index), "proof"));
    assert.equal(bundle.consistency === undefined, index >= 2);
    const report = verifyBundle(nodeCrypto, bundle, key.publicKey);
    assert.deepEqual([report.ok, report.checked], [true, 1], report.firstBad?.reason ?? "");
  }
});

test("any changed hex digit of a proof is found", () => {
  const log = readLog(nodeCrypto, sound, key.publicKey);
  const text = JSON.stringify(unwrap(makeProof(log, 1), "proof"));
  const spans = [...text.matchAll(/"[0-9a-f]{64,}"/g)];
  assert.ok(spans.length >= 4);
  for (const span of spans) {
    for (let at = span.index + 1; at < span.index + span[0].length - 1; at += 11) {
      const digit = text[at] === "0" ? "1" : "0";
      const changed = text.slice(0, at) + digit + text.slice(at + 1);
      const bundle = unwrap(parseBundle(JSON.parse(changed)), "bundle");
      assert.equal(verifyBundle(nodeCrypto, bundle, key.publicKey).ok, false, `digit ${at}`);
    }
  }
});

test("a receipt that no checkpoint covers cannot be exported", async () => {
  const log = readLog(nodeCrypto, await writeLog(fiveLeaves, [2]), key.publicKey);
  assert.equal(makeBundle(log, [1]).ok, true);
  for (const made of [makeBundle(log, [2]), makeProof(log, 99)]) {
    assert.equal(made.ok ? undefined : made.error.code, "E_RECEIPTS_UNCOVERED");
  }
  const none = readLog(nodeCrypto, await writeLog(fiveLeaves, []), key.publicKey);
  assert.equal(makeBundle(none).ok, false);
});

test("what is not an export is refused with a code", () => {
  const entry = { index: 0, leaf: "00" };
  const fine = { schema: "ioi.receipts/1", anchor: "", checkpoint: "x", entries: [entry] };
  assert.equal(parseBundle(fine).ok, true);
  const malformed: readonly unknown[] = [
    null,
    [],
    "x",
    { ...fine, schema: "ioi.receipts/2" },
    { ...fine, more: 1 },
    { ...fine, checkpoint: 1 },
    { ...fine, entries: {} },
    { ...fine, entries: [{ ...entry, index: -1 }] },
    { ...fine, entries: [{ ...entry, index: 0.5 }] },
    { ...fine, entries: [{ ...entry, extra: 1 }] },
    { ...fine, entries: [{ ...entry, leaf: 0 }] },
    { ...fine, entries: [{ ...entry, proof: [1] }] },
    { ...fine, entries: [entry, entry] },
    { ...fine, consistency: { checkpoint: 1, proof: [] } },
    { ...fine, consistency: { checkpoint: "x", proof: [], extra: 1 } },
  ];
  for (const value of malformed) {
    const parsed = parseBundle(value);
    assert.equal(parsed.ok ? undefined : parsed.error.code, "E_BUNDLE_INVALID");
  }
  const hostile = unwrap(parseBundle(fine), "bundle");
  assert.equal(verifyBundle(nodeCrypto, hostile, key.publicKey).ok, false);
  assert.equal(fromHex("0"), undefined);
});
