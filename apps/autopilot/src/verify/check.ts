/**
 * Verifies an export of receipts under a public key, and that it extends what this browser saw
 * before. The same code that `ioi receipts verify` runs; here with the browser's own hashes.
 *
 * What it shows, and what it does not, is said in `proved` and `notProved`, which the page prints
 * beside the result.
 */
import { equalBytes, fromHex, toHex } from "@ioi/base";
import { leafHash, MerkleTree, type Verifying } from "@ioi/crypto";
import { type Bundle, parseBundle, verifyBundle, type VerifyReport } from "@ioi/guardian/verify";

/** What the browser remembers of a log that verified. */
export interface Seen {
  readonly size: number;
  /** Hex. */
  readonly root: string;
  /** Hex of the key that it verified under. */
  readonly key: string;
  readonly atMs: number;
}

export interface Checked {
  readonly report: VerifyReport;
  /** `first`: nothing was remembered; `extends`: what was remembered is a prefix of this log. */
  readonly history: "first" | "extends" | "rolled-back" | "rewritten" | "other-key";
}

export const proved: readonly string[] = [
  "Every receipt is the one the Guardian signed for, in its place; none was changed, left out or put in.",
  "Every ticket has its own number, and every outcome belongs to a ticket that was given.",
  "The log holds all that this browser verified before.",
];

export const notProved: readonly string[] = [
  "That the key is your Guardian's: compare it once with ./ioi keys at the terminal.",
  "That what a driver reported is what happened outside it.",
  "That the machine was not rolled back before this browser first looked: the anchor is software.",
  "Receipts younger than the last checkpoint: they come with the next one.",
];

const rootAt = (provider: Verifying, bundle: Bundle, size: number): Uint8Array | undefined => {
  const tree = new MerkleTree(provider);
  for (const { leaf } of bundle.entries.slice(0, size)) {
    const bytes = fromHex(leaf);
    if (bytes === undefined) return undefined;
    tree.append(leafHash(provider, bytes));
  }
  return tree.size === size ? tree.root() : undefined;
};

const historyOf = (
  provider: Verifying,
  bundle: Bundle,
  report: VerifyReport,
  seen: Seen | undefined,
): Checked["history"] => {
  if (seen === undefined) return "first";
  if (seen.key !== report.key) return "other-key";
  if (seen.size > report.size) return "rolled-back";
  const then = rootAt(provider, bundle, seen.size);
  const root = fromHex(seen.root);
  return then !== undefined && root !== undefined && equalBytes(then, root)
    ? "extends"
    : "rewritten";
};

/** The result, or why there is none. */
export const checkExport = (
  provider: Verifying,
  exported: { readonly text: string; readonly identity: string },
  seen: Seen | undefined,
): Checked | { readonly failure: string } => {
  const key = fromHex(exported.identity.trim());
  if (key === undefined) return { failure: "the Guardian's key is not hex" };
  let value: unknown;
  try {
    value = JSON.parse(exported.text);
  } catch {
    return { failure: "the export is not JSON" };
  }
  const bundle = parseBundle(value);
  if (!bundle.ok) return { failure: bundle.error.message };
  const report = verifyBundle(provider, bundle.value, key);
  return {
    report,
    history: report.ok ? historyOf(provider, bundle.value, report, seen) : "first",
  };
};

/** SHA-256 of the raw key, as `ioi keys` prints it. */
export const keyFingerprint = (provider: Verifying, identity: string): string => {
  const key = fromHex(identity.trim());
  return key === undefined ? "" : toHex(provider.sha256(key));
};
