/**
 * Exports: some or all leaves, one checkpoint, and the hashes that connect them. A bundle verifies
 * anywhere with the Guardian's public key alone; nothing in it is believed for being in it.
 *
 * A whole log carries no proofs, its root is computed again; a part carries one inclusion proof for
 * each leaf. With `consistency`, an earlier checkpoint is shown to be a prefix of this one.
 */
import { err, fromHex, ok, type Rejection, type Result, toHex } from "@ioi/base";
import {
  type Verifying,
  leafHash,
  MerkleTree,
  verifyConsistency,
  verifyInclusion,
} from "@ioi/crypto";
import { bundleEntriesMax } from "./limits.ts";
import { LeafOrder } from "./leaves.ts";
import {
  type FirstBad,
  noteOpener,
  type OpenNote,
  type ReadLog,
  type SignedRoot,
  softwareAnchor,
  type VerifyReport,
} from "./log.ts";

export interface BundleEntry {
  readonly index: number;
  /** Canonical leaf, in hex. */
  readonly leaf: string;
  /** Sibling hashes in hex, from the leaf up; absent in a whole log. */
  readonly proof?: readonly string[];
}

export interface Bundle {
  readonly schema: "ioi.receipts/1";
  readonly anchor: string;
  /** The signed note. */
  readonly checkpoint: string;
  readonly entries: readonly BundleEntry[];
  readonly consistency?: { readonly checkpoint: string; readonly proof: readonly string[] };
}

export type BundleError = Rejection<"E_RECEIPTS_UNCOVERED" | "E_BUNDLE_INVALID">;

const hexes = (hashes: readonly Uint8Array[]): readonly string[] => hashes.map(toHex);

/** A bundle of these leaves, or of all that the newest checkpoint covers. */
export const makeBundle = (
  log: ReadLog,
  indexes?: readonly number[],
): Result<Bundle, BundleError> => {
  const newest = log.checkpoints.at(-1);
  if (newest === undefined || newest.size === 0) {
    return err({ code: "E_RECEIPTS_UNCOVERED", message: "no checkpoint covers any receipt yet" });
  }
  const wanted = indexes ?? Array.from({ length: newest.size }, (_, index) => index);
  const entries: BundleEntry[] = [];
  for (const index of wanted) {
    const leaf = index < newest.size ? log.leaves[index] : undefined;
    if (leaf === undefined) {
      return err({
        code: "E_RECEIPTS_UNCOVERED",
        message: `receipt ${index} is not among the ${newest.size} that a checkpoint covers`,
      });
    }
    const proof = indexes && { proof: hexes(log.tree.inclusionProof(index, newest.size)) };
    entries.push({ index, leaf: toHex(leaf.bytes), ...proof });
  }
  return ok({
    schema: "ioi.receipts/1",
    anchor: softwareAnchor,
    checkpoint: newest.note,
    entries,
  });
};

/** One receipt: its inclusion, and that the log only grew since the first checkpoint over it. */
export const makeProof = (log: ReadLog, index: number): Result<Bundle, BundleError> => {
  const bundle = makeBundle(log, [index]);
  if (!bundle.ok) return bundle;
  const newest = log.checkpoints.at(-1);
  const first = log.checkpoints.find(({ size }) => size > index);
  if (newest === undefined || first === undefined || first.size === newest.size) return bundle;
  return ok({
    ...bundle.value,
    consistency: {
      checkpoint: first.note,
      proof: hexes(log.tree.consistencyProof(first.size, newest.size)),
    },
  });
};

const recordOf = (value: unknown): Readonly<Record<string, unknown>> | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : undefined;

const onlyFields = (value: Readonly<Record<string, unknown>>, names: readonly string[]): boolean =>
  Object.keys(value).every((key) => names.includes(key));

const isHexList = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((each) => typeof each === "string");

const parseEntry = (value: unknown): BundleEntry | undefined => {
  const entry = recordOf(value);
  if (entry === undefined || !onlyFields(entry, ["index", "leaf", "proof"])) return undefined;
  const { index, leaf, proof } = entry as { index: unknown; leaf: unknown; proof?: unknown };
  if (!Number.isSafeInteger(index) || (index as number) < 0) return undefined;
  if (typeof leaf !== "string") return undefined;
  if (proof === undefined) return { index: index as number, leaf };
  return isHexList(proof) ? { index: index as number, leaf, proof } : undefined;
};

/** A bundle from parsed JSON; unknown fields are refused. */
export const parseBundle = (value: unknown): Result<Bundle, BundleError> => {
  const invalid = (message: string): Result<Bundle, BundleError> =>
    err({ code: "E_BUNDLE_INVALID", message });
  const fields = recordOf(value);
  if (fields?.["schema"] !== "ioi.receipts/1") return invalid("not an export of receipts");
  if (!onlyFields(fields, ["schema", "anchor", "checkpoint", "entries", "consistency"])) {
    return invalid("the export has a field that this version does not know");
  }
  const checkpoint = fields["checkpoint"];
  const list = fields["entries"];
  if (typeof checkpoint !== "string" || !Array.isArray(list)) {
    return invalid("the export lacks its checkpoint or its entries");
  }
  if (list.length > bundleEntriesMax) return invalid(`more than ${bundleEntriesMax} entries`);
  const entries: BundleEntry[] = [];
  for (const [position, each] of list.entries()) {
    const entry = parseEntry(each);
    if (entry === undefined) return invalid(`entry ${position} is malformed`);
    if (entry.index <= (entries.at(-1)?.index ?? -1)) return invalid("entries are out of order");
    entries.push(entry);
  }
  const bundle = { schema: "ioi.receipts/1", anchor: softwareAnchor, checkpoint, entries } as const;
  if (fields["consistency"] === undefined) return ok(bundle);
  const consistency = recordOf(fields["consistency"]);
  const proof = consistency?.["proof"];
  const earlier = consistency?.["checkpoint"];
  return typeof earlier === "string" &&
    isHexList(proof) &&
    onlyFields(consistency ?? {}, ["checkpoint", "proof"])
    ? ok({ ...bundle, consistency: { checkpoint: earlier, proof } })
    : invalid("the proof of consistency is malformed");
};

const bytesOf = (list: readonly string[]): readonly Uint8Array[] | undefined => {
  const all = list.map(fromHex);
  return all.every((each) => each !== undefined) ? all : undefined;
};

/** What is wrong with the entries; undefined where they all lead to the root. */
const checkEntries = (
  provider: Verifying,
  bundle: Bundle,
  checkpoint: SignedRoot,
): { readonly checked: number; readonly firstBad: FirstBad | undefined } => {
  const whole = bundle.entries.every(({ proof }) => proof === undefined);
  const order = new LeafOrder(whole);
  const tree = new MerkleTree(provider);
  let checked = 0;
  for (const { index, leaf, proof } of bundle.entries) {
    const bad = (reason: string): { checked: number; firstBad: FirstBad } => ({
      checked,
      firstBad: { index, reason },
    });
    const bytes = fromHex(leaf);
    if (bytes === undefined) return bad("the leaf is not hex");
    const judged = order.check(bytes);
    if ("reason" in judged) return bad(judged.reason);
    const hash = leafHash(provider, bytes);
    if (whole) {
      if (index !== tree.size) return bad(`leaf ${tree.size} is missing`);
      tree.append(hash);
    } else {
      const siblings = proof && bytesOf(proof);
      if (siblings === undefined) return bad("the proof of inclusion is missing or not hex");
      const { size, root } = checkpoint;
      const included = verifyInclusion(provider, {
        index,
        size,
        leafHash: hash,
        proof: siblings,
        root,
      });
      if (!included.ok) return bad(included.error.message);
    }
    checked++;
  }
  if (!whole) return { checked, firstBad: undefined };
  const complete = tree.size === checkpoint.size;
  const same = complete && toHex(tree.root()) === toHex(checkpoint.root);
  if (same) return { checked, firstBad: undefined };
  const reason = complete
    ? "the leaves do not lead to the root of the checkpoint"
    : `the checkpoint covers ${checkpoint.size} leaves, the export has ${tree.size}`;
  return { checked: 0, firstBad: { index: complete ? 0 : tree.size, reason } };
};

const checkConsistency = (
  provider: Verifying,
  bundle: Bundle,
  newest: SignedRoot,
  open: OpenNote,
): string | undefined => {
  if (bundle.consistency === undefined) return undefined;
  const earlier = open(bundle.consistency.checkpoint);
  if (!earlier.ok) return `the earlier checkpoint: ${earlier.error}`;
  const proof = bytesOf(bundle.consistency.proof);
  if (proof === undefined) return "the proof of consistency is not hex";
  const consistent = verifyConsistency(provider, {
    firstSize: earlier.value.size,
    firstRoot: earlier.value.root,
    secondSize: newest.size,
    secondRoot: newest.root,
    proof,
  });
  return consistent.ok ? undefined : `consistency: ${consistent.error.message}`;
};

/** Verifies an export with the public key alone. */
export const verifyBundle = (
  provider: Verifying,
  bundle: Bundle,
  key: Uint8Array,
): VerifyReport => {
  const open = noteOpener(provider, key);
  const report = (
    size: number,
    root: string | null,
    checked: number,
    firstBad: FirstBad | undefined,
  ): VerifyReport => ({
    schema: "ioi.verify/1",
    ok: firstBad === undefined,
    size,
    root,
    checked,
    firstBad: firstBad ?? null,
    key: toHex(key),
    anchor: softwareAnchor,
  });
  const first = bundle.entries[0]?.index ?? 0;
  const opened = open(bundle.checkpoint);
  if (!opened.ok) {
    return report(0, null, 0, { index: first, reason: `the checkpoint: ${opened.error}` });
  }
  const { size, root } = opened.value;
  const inconsistent = checkConsistency(provider, bundle, opened.value, open);
  if (inconsistent !== undefined) {
    return report(size, toHex(root), 0, { index: first, reason: inconsistent });
  }
  if (bundle.entries.length === 0) {
    return report(size, toHex(root), 0, { index: 0, reason: "the export holds no receipt" });
  }
  const { checked, firstBad } = checkEntries(provider, bundle, opened.value);
  return report(size, toHex(root), checked, firstBad);
};
