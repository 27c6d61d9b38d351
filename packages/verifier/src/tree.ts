/**
 * The Merkle tree of RFC 9162, section 2.1, as its definitions read: recursively. Slower than going
 * up level by level, and as close to the text as code can be; depth is at most 53.
 */
import { equalBytes } from "@ioi/base";
import { treeProofHashesMax } from "./limits.ts";
import { hashBytes, sha256 } from "./primitives.ts";

type Hash = Uint8Array;

export const leafHash = (leaf: Uint8Array): Hash => sha256(Uint8Array.of(0), leaf);
const node = (left: Hash, right: Hash): Hash => sha256(Uint8Array.of(1), left, right);

/** The largest power of two smaller than `size`. */
const split = (size: number): number => {
  let k = 1;
  while (2 * k < size) k *= 2;
  return k;
};

/** MTH(D[from:to]) over the leaves' hashes. */
export const rootOf = (leaves: readonly Hash[], from = 0, to: number = leaves.length): Hash => {
  const size = to - from;
  if (size === 0) return sha256();
  if (size === 1) return leaves[from] as Hash;
  const middle = from + split(size);
  return node(rootOf(leaves, from, middle), rootOf(leaves, middle, to));
};

export const areHashes = (proof: readonly Uint8Array[]): boolean =>
  proof.length <= treeProofHashesMax && proof.every(({ length }) => length === hashBytes);

/** The root that PATH(index, D[size]) leads to; undefined where the path has another length. */
const rootByPath = (
  index: number,
  size: number,
  leaf: Hash,
  path: readonly Hash[],
): Hash | undefined => {
  const top = path.at(-1);
  if (size === 1) return top === undefined ? leaf : undefined;
  if (top === undefined) return undefined;
  const k = split(size);
  const below = path.slice(0, -1);
  if (index < k) {
    const left = rootByPath(index, k, leaf, below);
    return left && node(left, top);
  }
  const right = rootByPath(index - k, size - k, leaf, below);
  return right && node(top, right);
};

/** Whether `leaf` stands at `index` of the tree of `size` leaves under `root`. */
export const includes = (
  claim: { readonly index: number; readonly size: number; readonly root: Hash },
  leaf: Hash,
  path: readonly Hash[],
): boolean => {
  if (claim.index >= claim.size || !areHashes(path)) return false;
  const root = rootByPath(claim.index, claim.size, leaf, path);
  return root !== undefined && equalBytes(root, claim.root);
};

interface Roots {
  readonly first: Hash;
  readonly second: Hash;
}

/** Both roots that SUBPROOF(m, D[n], whole) leads to. */
const rootsBySubproof = (
  m: number,
  n: number,
  whole: Hash | undefined,
  proof: readonly Hash[],
): Roots | undefined => {
  const top = proof.at(-1);
  if (m === n) {
    // The first tree itself, which the verifier holds; or one of its complete parts.
    const same = whole ?? top;
    if (same === undefined || proof.length !== (whole === undefined ? 1 : 0)) return undefined;
    return { first: same, second: same };
  }
  if (top === undefined) return undefined;
  const k = split(n);
  const below = proof.slice(0, -1);
  if (m <= k) {
    const left = rootsBySubproof(m, k, whole, below);
    return left && { first: left.first, second: node(left.second, top) };
  }
  const right = rootsBySubproof(m - k, n - k, undefined, below);
  return right && { first: node(top, right.first), second: node(top, right.second) };
};

/** Whether the tree of `first` is a prefix of the tree of `second`. Nothing extends the empty tree. */
export const isPrefix = (
  first: { readonly size: number; readonly root: Hash },
  second: { readonly size: number; readonly root: Hash },
  proof: readonly Hash[],
): boolean => {
  if (first.size === 0 || first.size > second.size || !areHashes(proof)) return false;
  const roots = rootsBySubproof(first.size, second.size, first.root, proof);
  return (
    roots !== undefined &&
    equalBytes(roots.first, first.root) &&
    equalBytes(roots.second, second.root)
  );
};
