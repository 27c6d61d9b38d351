/**
 * Verifies an export of receipts (`ioi.receipts/1`) with the Guardian's public key alone.
 *
 * A second implementation on purpose: it shares no code with the product beyond the vocabulary and
 * the definition of a leaf, so that an auditor need not believe the product about itself. What a
 * good report shows: every receipt given is the one that the Guardian signed for, in its place. What
 * it does not show: that the key is the Guardian's; receipts after the checkpoint; that the machine
 * was not rolled back (`anchor`); that the world is as a driver reported.
 */
import { equalBytes, err, ok, type Rejection, type Result, toHex } from "@ioi/base";
import { leaf as leafSchema, schema } from "@ioi/wire";
import { hexesOf, hexOf, objectOf } from "./form.ts";
import { exportEntriesMax, treeProofHashesMax } from "./limits.ts";
import { type Checkpoint, openNote } from "./note.ts";
import { includes, isPrefix, leafHash, rootOf } from "./tree.ts";

export type FormError = Rejection<"E_VERIFY_FORM">;

export interface ReceiptsReport {
  readonly schema: "ioi.verify/1";
  readonly ok: boolean;
  /** Receipts that the checkpoint covers. */
  readonly size: number;
  readonly root: string | null;
  /** Receipts of the export that were found good. */
  readonly checked: number;
  readonly firstBad: { readonly index: number; readonly reason: string } | null;
  readonly key: string;
  readonly anchor: string;
}

interface Entry {
  readonly index: number;
  readonly leaf: string;
  readonly proof: unknown;
}

interface Export {
  readonly checkpoint: string;
  readonly entries: readonly Entry[];
  readonly consistency: Consistency | undefined;
}

interface Consistency {
  readonly checkpoint: string;
  readonly proof: readonly string[];
}

const anchor = "software (no rollback protection)";

const isTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((each) => typeof each === "string");

const consistencyOf = (value: unknown): Consistency | undefined => {
  const fields = objectOf(value, ["checkpoint", "proof"]);
  const checkpoint = fields?.["checkpoint"];
  const proof = fields?.["proof"];
  return typeof checkpoint === "string" && isTexts(proof) ? { checkpoint, proof } : undefined;
};

const entryOf = (value: unknown): Entry | undefined => {
  const fields = objectOf(value, ["index", "leaf", "proof"]);
  const index = fields?.["index"];
  const leaf = fields?.["leaf"];
  const proof = fields?.["proof"];
  return Number.isSafeInteger(index) &&
    (index as number) >= 0 &&
    typeof leaf === "string" &&
    (proof === undefined || isTexts(proof))
    ? { index: index as number, leaf, proof }
    : undefined;
};

const readExport = (value: unknown): Result<Export, FormError> => {
  const bad = (message: string): Result<Export, FormError> =>
    err({ code: "E_VERIFY_FORM", message });
  const fields = objectOf(value, ["schema", "anchor", "checkpoint", "entries", "consistency"]);
  if (fields?.["schema"] !== "ioi.receipts/1") return bad("it is no export of receipts");
  const checkpoint = fields["checkpoint"];
  const list = fields["entries"];
  if (typeof checkpoint !== "string" || !Array.isArray(list)) return bad("a field is missing");
  if (list.length > exportEntriesMax) return bad(`it has more than ${exportEntriesMax} receipts`);
  const entries: Entry[] = [];
  for (const each of list) {
    const entry = entryOf(each);
    const last = entries.at(-1)?.index ?? -1;
    if (entry === undefined) return bad(`receipt ${entries.length} of the file is malformed`);
    if (entry.index <= last) return bad("the receipts are not in order");
    entries.push(entry);
  }
  const given = fields["consistency"];
  const consistency = consistencyOf(given);
  if (given !== undefined && consistency === undefined) return bad("consistency is malformed");
  return ok({ checkpoint, entries, consistency });
};

/** What is wrong with a leaf by itself or after the leaves before it; undefined: nothing. */
const leafComplaint = (
  bytes: Uint8Array,
  whole: boolean,
  seen: { counter: bigint; readonly sessionOf: Map<bigint, string> },
): string | undefined => {
  const decoded = schema.decode(leafSchema, bytes);
  if (!decoded.ok) return `it does not decode: ${decoded.error.message}`;
  const leaf = decoded.value;
  if (leaf.type === "intent") {
    if (leaf.counter <= seen.counter) return "its ticket's number does not rise";
    seen.counter = leaf.counter;
    seen.sessionOf.set(leaf.counter, leaf.session);
  } else if (leaf.type === "outcome" && whole) {
    if (seen.sessionOf.get(leaf.counter) !== leaf.session) return "no intent announced it";
  }
  return undefined;
};

interface Judged {
  readonly checked: number;
  readonly firstBad: ReceiptsReport["firstBad"];
}

const judgeEntries = (entries: readonly Entry[], checkpoint: Checkpoint): Judged => {
  const whole = entries.every(({ proof }) => proof === undefined);
  const seen = { counter: -1n, sessionOf: new Map<bigint, string>() };
  const hashes: Uint8Array[] = [];
  for (const { index, leaf, proof } of entries) {
    const bad = (reason: string): Judged => ({
      checked: hashes.length,
      firstBad: { index, reason },
    });
    const bytes = hexOf(leaf);
    if (bytes === undefined) return bad("it is not hex");
    const complaint = leafComplaint(bytes, whole, seen);
    if (complaint !== undefined) return bad(complaint);
    const hash = leafHash(bytes);
    if (whole) {
      if (index !== hashes.length) return bad(`receipt ${hashes.length} is missing`);
    } else {
      const path = hexesOf(proof, treeProofHashesMax);
      if (path === undefined) return bad("its path is missing or malformed");
      if (!includes({ ...checkpoint, index }, hash, path))
        return bad("its path does not lead there");
    }
    hashes.push(hash);
  }
  if (!whole) return { checked: hashes.length, firstBad: null };
  if (hashes.length !== checkpoint.size) {
    const reason = `the checkpoint covers ${checkpoint.size} receipts, here are ${hashes.length}`;
    return { checked: 0, firstBad: { index: hashes.length, reason } };
  }
  return equalBytes(rootOf(hashes), checkpoint.root)
    ? { checked: hashes.length, firstBad: null }
    : { checked: 0, firstBad: { index: 0, reason: "the receipts lead to another root" } };
};

/** What is wrong with the proof that an earlier checkpoint is a prefix; undefined: nothing. */
const consistencyComplaint = (
  consistency: Consistency | undefined,
  newest: Checkpoint,
  publicKey: Uint8Array,
): string | undefined => {
  if (consistency === undefined) return undefined;
  const proof = hexesOf(consistency.proof, treeProofHashesMax);
  if (proof === undefined) return "its proof is malformed";
  const earlier = openNote(consistency.checkpoint, publicKey, newest.origin);
  if (!earlier.ok) return `the earlier checkpoint: ${earlier.error}`;
  return isPrefix(earlier.value, newest, proof)
    ? undefined
    : "the log does not extend the earlier checkpoint";
};

/** The report on parsed JSON, or that it has not the form of an export. Total. */
export const verifyReceipts = (
  value: unknown,
  publicKey: Uint8Array,
): Result<ReceiptsReport, FormError> => {
  const read = readExport(value);
  if (!read.ok) return read;
  const { checkpoint, entries, consistency } = read.value;
  const report = (
    opened: Checkpoint | undefined,
    { checked, firstBad }: Judged,
  ): ReceiptsReport => ({
    schema: "ioi.verify/1",
    ok: firstBad === null,
    size: opened?.size ?? 0,
    root: opened === undefined ? null : toHex(opened.root),
    checked,
    firstBad,
    key: toHex(publicKey),
    anchor,
  });
  const nothing = (reason: string): Judged => ({
    checked: 0,
    firstBad: { index: entries[0]?.index ?? 0, reason },
  });
  const opened = openNote(checkpoint, publicKey);
  if (!opened.ok) return ok(report(undefined, nothing(`the checkpoint: ${opened.error}`)));
  const complaint = consistencyComplaint(consistency, opened.value, publicKey);
  if (complaint !== undefined) return ok(report(opened.value, nothing(complaint)));
  if (entries.length === 0) return ok(report(opened.value, nothing("there is no receipt")));
  return ok(report(opened.value, judgeEntries(entries, opened.value)));
};
