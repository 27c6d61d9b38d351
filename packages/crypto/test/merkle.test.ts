/** RFC 9162 trees against the public vectors and against the RFC's recursive definitions. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import {
  type Hashing,
  leafHash,
  MerkleTree,
  verifyConsistency,
  verifyInclusion,
} from "@ioi/crypto";

/** `npm run check` looks at fewer; `npm test` at all. */
const inner = process.env["IOI_TEST"] === "inner";

const provider: Hashing = {
  sha256: (bytes) => new Uint8Array(createHash("sha256").update(bytes).digest()),
};
const vectors =
  process.env["IOI_VECTORS"] ?? join(import.meta.dirname, "../../../../shared/vectors");
const parameters = { seed: Number(process.env["IOI_SEED"] ?? 9162), numRuns: 60 };

// The definitions of RFC 9162, sections 2.1.1, 2.1.3.1 and 2.1.4.1, as written there.

const H = (...parts: readonly (Uint8Array | number)[]): Uint8Array =>
  provider.sha256(
    Buffer.concat(parts.map((part) => (typeof part === "number" ? Uint8Array.of(part) : part))),
  );
const split = (n: number): number => {
  let k = 1;
  while (2 * k < n) k *= 2;
  return k;
};
const MTH = (d: readonly Uint8Array[]): Uint8Array => {
  if (d.length === 0) return H();
  if (d.length === 1) return H(0, d[0] as Uint8Array);
  const k = split(d.length);
  return H(1, MTH(d.slice(0, k)), MTH(d.slice(k)));
};
const PATH = (m: number, d: readonly Uint8Array[]): Uint8Array[] => {
  if (d.length === 1) return [];
  const k = split(d.length);
  return m < k
    ? [...PATH(m, d.slice(0, k)), MTH(d.slice(k))]
    : [...PATH(m - k, d.slice(k)), MTH(d.slice(0, k))];
};
const SUBPROOF = (m: number, d: readonly Uint8Array[], b: boolean): Uint8Array[] => {
  if (m === d.length) return b ? [] : [MTH(d)];
  const k = split(d.length);
  return m <= k
    ? [...SUBPROOF(m, d.slice(0, k), b), MTH(d.slice(k))]
    : [...SUBPROOF(m - k, d.slice(k), false), MTH(d.slice(0, k))];
};

const entries = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => Buffer.from(`entry ${i}`));

const grow = (d: readonly Uint8Array[]): MerkleTree => {
  const tree = new MerkleTree(provider);
  for (const entry of d) tree.append(leafHash(provider, entry));
  return tree;
};

test("roots and proofs are those of the definitions, at every size", () => {
  const d = entries(inner ? 20 : 40);
  const tree = grow(d);
  for (let size = 0; size <= d.length; size++) {
    const part = d.slice(0, size);
    assert.deepEqual(tree.root(size), MTH(part), `root of ${size}`);
    for (let index = 0; index < size; index++) {
      const proof = tree.inclusionProof(index, size);
      assert.deepEqual(proof.map(hex), PATH(index, part).map(hex), `leaf ${index} of ${size}`);
      const claim = { index, size, leafHash: tree.leaf(index), proof, root: tree.root(size) };
      assert.deepEqual(verifyInclusion(provider, claim), { ok: true, value: true });
    }
    for (let first = 1; first <= size; first++) {
      const proof = tree.consistencyProof(first, size);
      assert.deepEqual(proof.map(hex), SUBPROOF(first, part, true).map(hex), `${first} to ${size}`);
      const claim = {
        firstSize: first,
        firstRoot: tree.root(first),
        secondSize: size,
        secondRoot: tree.root(size),
        proof,
      };
      assert.deepEqual(verifyConsistency(provider, claim), { ok: true, value: true });
    }
  }
});

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

test("larger trees agree with the definitions at random places", () => {
  const d = entries(3000);
  const tree = grow(d);
  fc.assert(
    fc.property(fc.nat(2998), fc.nat(2998), (a, b) => {
      const size = Math.max(a, b) + 1;
      const index = Math.min(a, b);
      const part = d.slice(0, size);
      assert.deepEqual(tree.inclusionProof(index, size).map(hex), PATH(index, part).map(hex));
      const consistency = tree.consistencyProof(index + 1, size);
      assert.deepEqual(consistency.map(hex), SUBPROOF(index + 1, part, true).map(hex));
    }),
    { ...parameters, numRuns: inner ? 4 : 20 },
  );
});

/** A proof with one thing changed that a verifier must notice. */
const flip = (bytes: Uint8Array, at: number): Uint8Array =>
  bytes.map((byte, i) => (i === at % bytes.length ? byte ^ (1 << (at % 8)) : byte));

const mutated = (proof: readonly Uint8Array[], kind: number, at: number): Uint8Array[] => {
  const place = at % (proof.length + 1);
  const stray = provider.sha256(Uint8Array.of(at));
  if (kind === 0) return [...proof.slice(0, place), stray, ...proof.slice(place)];
  if (kind === 1 && proof.length > 0) return proof.slice(0, -1);
  if (kind === 2 && proof.length > 0) return proof.slice(1);
  if (kind === 3 && proof.length > 0) {
    return proof.map((hash, i) => (i === at % proof.length ? flip(hash, at) : hash));
  }
  return [...proof, new Uint8Array(at % 40)];
};

test("every mutated proof is refused", () => {
  const d = entries(200);
  const tree = grow(d);
  fc.assert(
    fc.property(fc.nat(198), fc.nat(198), fc.nat(4), fc.nat(1_000_000), (a, b, kind, at) => {
      const size = Math.max(a, b) + 1;
      const index = Math.min(a, b);
      const inclusion = {
        index,
        size,
        leafHash: tree.leaf(index),
        proof: tree.inclusionProof(index, size),
        root: tree.root(size),
      };
      assert.equal(verifyInclusion(provider, inclusion).ok, true);
      const proof = mutated(inclusion.proof, kind, at);
      assert.equal(verifyInclusion(provider, { ...inclusion, proof }).ok, false);
      const wrongLeaf = { ...inclusion, leafHash: flip(inclusion.leafHash, at) };
      assert.equal(verifyInclusion(provider, wrongLeaf).ok, false);
      const wrongRoot = { ...inclusion, root: flip(inclusion.root, at) };
      assert.equal(verifyInclusion(provider, wrongRoot).ok, false);

      const consistency = {
        firstSize: index + 1,
        firstRoot: tree.root(index + 1),
        secondSize: size,
        secondRoot: tree.root(size),
        proof: tree.consistencyProof(index + 1, size),
      };
      assert.equal(verifyConsistency(provider, consistency).ok, true);
      const other = mutated(consistency.proof, kind, at);
      assert.equal(verifyConsistency(provider, { ...consistency, proof: other }).ok, false);
      const firstRoot = flip(consistency.firstRoot, at);
      assert.equal(verifyConsistency(provider, { ...consistency, firstRoot }).ok, false);
      const secondRoot = flip(consistency.secondRoot, at);
      assert.equal(verifyConsistency(provider, { ...consistency, secondRoot }).ok, false);
    }),
    parameters,
  );
});

test("verifiers are total: anything at all is judged, never thrown at", () => {
  const hash = fc.oneof(fc.uint8Array({ maxLength: 33 }), fc.constant(new Uint8Array(32)));
  const size = fc.oneof(
    fc.double(),
    fc.integer(),
    fc.bigInt({ min: -2n, max: 1n << 65n }),
    fc.constant(Number.NaN),
  );
  fc.assert(
    fc.property(size, size, hash, hash, fc.array(hash, { maxLength: 70 }), (a, b, x, y, proof) => {
      verifyInclusion(provider, { index: a, size: b, leafHash: x, proof, root: y });
      verifyConsistency(provider, {
        firstSize: a,
        firstRoot: x,
        secondSize: b,
        secondRoot: y,
        proof,
      });
    }),
    { ...parameters, numRuns: 500 },
  );
  const nonsense = { index: "1", size: null, leafHash: 3, proof: [null], root: undefined };
  assert.equal(verifyInclusion(provider, nonsense as never).ok, false);
  assert.equal(verifyConsistency(provider, {} as never).ok, false);
});

test("a proof for 2^64 - 1 leaves is judged without growing one", () => {
  const max = (1n << 64n) - 1n;
  const proof = Array.from({ length: 64 }, (_, i) => provider.sha256(Uint8Array.of(i)));
  const leaf = provider.sha256(Uint8Array.of(99));
  // Leaf 0: every sibling is to the right.
  const root = proof.reduce((node, sibling) => H(1, node, sibling), leaf);
  const claim = { index: 0n, size: max, leafHash: leaf, proof, root };
  assert.equal(verifyInclusion(provider, claim).ok, true);
  assert.equal(verifyInclusion(provider, { ...claim, index: max }).ok, false);
});

test("leaf and node hashes never meet: a node is no leaf", () => {
  const d = entries(2);
  const left = leafHash(provider, d[0] as Uint8Array);
  const right = leafHash(provider, d[1] as Uint8Array);
  const pretended = leafHash(provider, Buffer.concat([left, right]));
  assert.notDeepEqual(pretended, grow(d).root());
});

const jsonFiles = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".json"))
    .map((name) => join(folder, name));

const base64 = (text: string | null): Uint8Array =>
  new Uint8Array(Buffer.from(text ?? "", "base64"));

test("public vectors: inclusion and consistency", (t) => {
  const folder = join(vectors, "rfc9162");
  if (!existsSync(folder)) {
    t.skip(`no public vectors at ${folder}`);
    return;
  }
  let count = 0;
  for (const file of jsonFiles(folder)) {
    const v = JSON.parse(readFileSync(file, "utf8"));
    const proof = ((v.proof ?? []) as string[]).map(base64);
    const judged =
      "leafIdx" in v
        ? verifyInclusion(provider, {
            index: v.leafIdx,
            size: v.treeSize,
            leafHash: base64(v.leafHash),
            proof,
            root: base64(v.root),
          })
        : verifyConsistency(provider, {
            firstSize: v.size1,
            firstRoot: base64(v.root1),
            secondSize: v.size2,
            secondRoot: base64(v.root2),
            proof,
          });
    assert.equal(judged.ok, !v.wantErr, file);
    count++;
  }
  t.diagnostic(`${count} files`);
  assert.ok(count >= 196, `${count} vector files`);
});

test("a tree cut back is the tree that it was, and grows as that one would", () => {
  const leaves = Array.from({ length: 40 }, (_, n) => leafHash(provider, Uint8Array.of(n)));
  for (let size = 0; size <= 33; size++) {
    const [cut, plain] = [new MerkleTree(provider), new MerkleTree(provider)];
    for (const leaf of leaves.slice(0, 33)) cut.append(leaf);
    for (const leaf of leaves.slice(0, size)) plain.append(leaf);
    cut.truncate(size);
    assert.deepEqual([cut.size, cut.root()], [plain.size, plain.root()]);
    for (const leaf of leaves.slice(34)) for (const tree of [cut, plain]) tree.append(leaf);
    assert.deepEqual(cut.root(), plain.root());
  }
});
