/**
 * The Jellyfish tree against penumbra `jmt`: the crate's own public vectors, read in place, and
 * sixty versions with proofs that the crate made (`vectors/jmt-crate.json`).
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { fromHex, toHex, utf8Encode } from "@ioi/base";
import { decodeJellyfishProof, jellyfish, MemoryStore, type StateView } from "@ioi/state";
import { hashing } from "./support.ts";

const folder =
  process.env["IOI_VECTORS"] ?? resolve(import.meta.dirname, "../../../../shared/vectors");
const publicVectors = join(folder, "jmt/sha2_256_vectors.json");

interface PublicVectors {
  readonly vectors: readonly {
    readonly expected_root: string;
    readonly data: readonly { readonly key: string; readonly value: string }[];
  }[];
}

const hex = (text: string): Uint8Array => {
  const bytes = fromHex(text);
  assert.ok(bytes !== undefined);
  return bytes;
};

test("public vectors of jmt", (t) => {
  if (!existsSync(publicVectors)) {
    t.skip(`no public vectors at ${publicVectors}`);
    return;
  }
  const { vectors } = JSON.parse(readFileSync(publicVectors, "utf8")) as PublicVectors;
  assert.ok(vectors.length > 0);
  for (const { expected_root, data } of vectors) {
    const tree = jellyfish.open(new MemoryStore(), hashing);
    for (const { key, value } of data) tree.set(hex(key), hex(value));
    assert.equal(toHex(tree.commit(0n)), expected_root);
  }
});

interface CrateVectors {
  readonly versions: readonly {
    readonly changes: readonly (readonly [string, string | null])[];
    readonly root: string;
    readonly proofs: readonly {
      readonly key: string;
      readonly value: string | null;
      readonly leaf: { readonly keyHash: string; readonly valueHash: string } | null;
      readonly siblings: readonly string[];
    }[];
  }[];
}

test("sixty versions with proofs of presence and absence, as the crate made them", () => {
  const file = join(import.meta.dirname, "../vectors/jmt-crate.json");
  const { versions } = JSON.parse(readFileSync(file, "utf8")) as CrateVectors;
  const tree = jellyfish.open(new MemoryStore(), hashing);
  let [present, absent] = [0, 0];
  for (const [index, { changes, root, proofs }] of versions.entries()) {
    for (const [key, value] of changes) {
      if (value === null) tree.delete(utf8Encode(key));
      else tree.set(utf8Encode(key), utf8Encode(value));
    }
    assert.equal(toHex(tree.commit(BigInt(index))), root, `root of version ${index}`);
    const view = tree.at(BigInt(index));
    assert.ok(view.ok);
    for (const { key, value, leaf, siblings } of proofs) {
      const bytes = utf8Encode(key);
      const proof: ReturnType<StateView["prove" | "proveAbsent"]> =
        value === null ? view.value.proveAbsent(bytes) : view.value.prove(bytes);
      assert.ok(proof.ok);
      const decoded = decodeJellyfishProof(proof.value);
      assert.ok(decoded.ok);
      assert.deepEqual(
        {
          leaf:
            decoded.value.leaf === undefined
              ? null
              : {
                  keyHash: toHex(decoded.value.leaf.keyHash),
                  valueHash: toHex(decoded.value.leaf.valueHash),
                },
          siblings: decoded.value.siblings.map(toHex),
        },
        { leaf, siblings },
      );
      if (value === null) absent++;
      else present++;
    }
  }
  assert.ok(present > 20 && absent > 20, `${present} present, ${absent} absent`);
});
