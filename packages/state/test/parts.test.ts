/** A tree in parts: what a receiver holds against the root, and what it does not take. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { equalBytes, SeededRandom, unwrap, utf8Encode } from "@ioi/base";
import {
  jellyfish,
  jellyfishCut,
  jellyfishPartEntries,
  jellyfishParts,
  MemoryStore,
} from "@ioi/state";
import { schema } from "@ioi/wire";
import { hashing } from "./support.ts";

const treeOf = (count: number, random: SeededRandom) => {
  const tree = jellyfish.open(new MemoryStore(), hashing);
  for (let i = 0; i < count; i++)
    tree.set(utf8Encode(`key ${i}`), random.fill(new Uint8Array(1 + random.below(40))));
  tree.commit(1n);
  const view = tree.at(1n);
  assert.ok(view.ok);
  return view.value;
};

const seed = process.env["IOI_SEED"] ?? `${Math.random()}`;

test("all parts together are the tree, at any depth and size", (t) => {
  t.diagnostic(`seed ${seed}`);
  const random = new SeededRandom(seed);
  for (const count of [0, 1, 2, 3, 17, 200]) {
    const view = treeOf(count, random);
    for (const depth of [0, 1, 4, 6]) {
      const { manifest, parts } = jellyfishCut(hashing, depth, view);
      const checks = jellyfishParts(hashing, depth);
      const hashes = checks.partsOf(view.root, manifest);
      assert.ok(hashes.ok, `${count} at ${depth}`);
      const tree = jellyfish.open(new MemoryStore(), hashing);
      for (const [index, bytes] of parts.entries()) {
        const hash: Uint8Array | undefined = hashes.value[index];
        assert.ok(hash !== undefined && checks.holds(index, hash, bytes).ok);
        for (const { key, value } of jellyfishPartEntries(bytes)) tree.set(key, value);
      }
      assert.deepEqual(tree.commit(1n), view.root);
    }
  }
});

test("a list or a part that was changed anywhere, cut or mixed up is not taken", (t) => {
  t.diagnostic(`seed ${seed}`);
  const random = new SeededRandom(seed);
  const view = treeOf(24, random);
  const { manifest, parts } = jellyfishCut(hashing, 2, view);
  const checks = jellyfishParts(hashing, 2);
  const hashes = checks.partsOf(view.root, manifest);
  assert.ok(hashes.ok);
  // What a label says matters only beside an empty half, so a change of it alone may lead to the same root;
  // the parts themselves are held against their hashes all the same.
  const same = (changed: Uint8Array): boolean => {
    const found = checks.partsOf(view.root, changed);
    return (
      found.ok &&
      found.value.every((hash, i) => equalBytes(hash, hashes.value[i] ?? hash.subarray(1)))
    );
  };
  for (let at = 0; at < manifest.length; at++) {
    const changed = manifest.with(at, (manifest[at] ?? 0) ^ (1 << random.below(8)));
    assert.ok(!checks.partsOf(view.root, changed).ok || same(changed), `byte ${at}`);
    assert.ok(!checks.partsOf(view.root, manifest.subarray(0, at)).ok);
  }
  for (const [index, bytes] of parts.entries()) {
    const hash: Uint8Array | undefined = hashes.value[index];
    assert.ok(hash !== undefined);
    for (let at = 0; at < bytes.length; at++) {
      const changed = bytes.with(at, (bytes[at] ?? 0) ^ (1 << random.below(8)));
      assert.ok(!checks.holds(index, hash, changed).ok, `byte ${at} of part ${index}`);
    }
    const other = parts[(index + 1) % parts.length] ?? bytes;
    assert.ok(!checks.holds(index, hash, other).ok);
    assert.ok(!checks.holds(index, hash, new Uint8Array()).ok);
  }
  assert.ok(!jellyfishParts(hashing, 3).partsOf(view.root, manifest).ok, "of another depth");
});

test("a part that is called empty has no hash that somebody could fill", (t) => {
  t.diagnostic(`seed ${seed}`);
  const random = new SeededRandom(seed);
  const listed = schema.array(
    schema.record({ hash: schema.bytes(32), leaves: schema.int(0, 2) }),
    16,
  );
  const listOf = (manifest: Uint8Array) => unwrap(schema.decode(listed, manifest), "a list");
  const checks = jellyfishParts(hashing, 4);
  const view = treeOf(1, random);
  const honest = listOf(jellyfishCut(hashing, 4, view).manifest);
  assert.ok(checks.partsOf(view.root, schema.encode(listed, honest)).ok, "the control");
  // One leaf more, hidden in each part that is empty.
  const lie = listOf(jellyfishCut(hashing, 4, treeOf(1, random)).manifest);
  const hash = lie.find(({ leaves }) => leaves === 1)?.hash ?? new Uint8Array(32);
  for (const [at, { leaves }] of honest.entries()) {
    if (leaves > 0) continue;
    const filled = schema.encode(listed, honest.with(at, { hash, leaves: 0 }));
    assert.ok(!checks.partsOf(view.root, filled).ok, `part ${at}`);
  }
});
