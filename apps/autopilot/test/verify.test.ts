/** The browser's verifier against the native one, and against logs that were meddled with. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex } from "@ioi/base";
import { leafHash, MerkleTree, signCheckpoint } from "@ioi/crypto";
import type { Bundle } from "@ioi/guardian/verify";
import { nodeCrypto } from "@ioi/host/crypto";
import { leaf as leafSchema, schema } from "@ioi/wire";
import { checkExport, keyFingerprint, type Seen } from "../src/verify/check.ts";
import { browserVerifying } from "../src/verify/provider.ts";

const key = nodeCrypto.generate("ml-dsa-65");
const identity = toHex(key.publicKey);

/** A log of so many changes of policy, as the Guardian would have signed it. */
const logOf = (size: number, signer = key, first = 0): Bundle => {
  const leaves = Array.from({ length: size }, (_, index) =>
    schema.encode(leafSchema, {
      type: "policy",
      atMs: 1_795_000_000_000 + first + index,
      policyHash: new Uint8Array(32).fill(index),
    }),
  );
  const tree = new MerkleTree(nodeCrypto);
  for (const bytes of leaves) tree.append(leafHash(nodeCrypto, bytes));
  const checkpoint = { origin: "ioi/test", size, root: tree.root(), extensions: [] };
  return {
    schema: "ioi.receipts/1",
    anchor: "software (no rollback protection)",
    checkpoint: signCheckpoint(nodeCrypto, signer, checkpoint),
    entries: leaves.map((bytes, index) => ({ index, leaf: toHex(bytes) })),
  };
};

const check = (bundle: unknown, seen?: Seen, under = identity) => {
  const found = checkExport(
    browserVerifying,
    { text: JSON.stringify(bundle), identity: under },
    seen,
  );
  assert.ok(!("failure" in found), JSON.stringify(found));
  return found;
};

const seenOf = (bundle: Bundle): Seen => {
  const { report } = check(bundle);
  return { size: report.size, root: report.root ?? "", key: report.key ?? "", atMs: 0 };
};

test("signatures and hashes are judged as by the native provider", () => {
  const bytes = new TextEncoder().encode("as it is");
  const signature = nodeCrypto.sign(key, bytes);
  const both = (with_: Uint8Array, said: Uint8Array): readonly boolean[] =>
    [browserVerifying, nodeCrypto].map((each) =>
      each.verify("ml-dsa-65", key.publicKey, said, with_),
    );
  assert.deepEqual(both(signature, bytes), [true, true]);
  const turned = signature.slice();
  turned[7] = (turned[7] ?? 0) ^ 1;
  assert.deepEqual(both(turned, bytes), [false, false]);
  assert.deepEqual(both(signature, bytes.slice(1)), [false, false]);
  assert.deepEqual(both(signature.slice(1), bytes), [false, false]);
  assert.deepEqual(both(new Uint8Array(0), bytes), [false, false]);
  assert.equal(browserVerifying.verify("ed25519", key.publicKey, bytes, signature), false);
  assert.equal(browserVerifying.verify("ml-dsa-65", new Uint8Array(3), bytes, signature), false);
  assert.deepEqual(browserVerifying.sha256(bytes), nodeCrypto.sha256(bytes));
  assert.equal(keyFingerprint(browserVerifying, identity), toHex(nodeCrypto.sha256(key.publicKey)));
});

test("a good log verifies, and extends what was seen of it", () => {
  const { report, history } = check(logOf(9));
  assert.deepEqual([report.ok, report.checked, history], [true, 9, "first"]);
  assert.equal(check(logOf(9), seenOf(logOf(4))).history, "extends");
  assert.equal(check(logOf(9), seenOf(logOf(9))).history, "extends");
});

test("a log that went back, was rewritten or changed hands is told apart", () => {
  assert.equal(check(logOf(4), seenOf(logOf(9))).history, "rolled-back");
  assert.equal(check(logOf(9, key, 1), seenOf(logOf(4))).history, "rewritten");
  const other = nodeCrypto.generate("ml-dsa-65");
  const theirs = logOf(9, other);
  assert.equal(check(theirs, seenOf(logOf(4)), toHex(other.publicKey)).history, "other-key");
});

test("whatever is altered is found", () => {
  const good = logOf(5);
  const [first, ...rest] = good.entries;
  const { leaf = "" } = first ?? {};
  const altered = { index: 0, leaf: `${leaf.slice(0, -1)}${leaf.endsWith("0") ? "1" : "0"}` };
  for (const bad of [
    { ...good, entries: [altered, ...rest] },
    { ...good, entries: rest },
    { ...good, entries: good.entries.slice(0, 4) },
    { ...good, checkpoint: logOf(4).checkpoint },
    { ...good, checkpoint: logOf(5, nodeCrypto.generate("ml-dsa-65")).checkpoint },
  ]) {
    assert.equal(check(bad).report.ok, false);
  }
});

test("what is no export says so", () => {
  for (const text of ["", "{", "[]", "{}", '{"schema":"ioi.receipts/2"}', '"x"', "null"]) {
    assert.ok("failure" in checkExport(browserVerifying, { text, identity }, undefined), text);
  }
  const text = JSON.stringify(logOf(1));
  assert.ok("failure" in checkExport(browserVerifying, { text, identity: "xyz" }, undefined));
});
