/**
 * Offline verification of a receipt log: two files and the Guardian's public key.
 *
 * What it shows: every leaf that a checkpoint covers is the leaf the Guardian signed for, in its
 * place; the log only grew from checkpoint to checkpoint. What it does not show: leaves after the
 * last checkpoint are whole and in order, but no signature covers them; a log cut back to an
 * earlier checkpoint passes unless the verifier holds a later one (`trusted`); whoever holds the
 * Guardian's key can write another log.
 *
 * Source: RFC 9162 (tree), C2SP tlog-checkpoint (note). Total on hostile bytes.
 */
import { equalBytes, err, ok, type Result, toHex, utf8Decode } from "@ioi/base";
import {
  type Verifying,
  leafHash,
  MerkleTree,
  parseCheckpoint,
  verifyCheckpoint,
} from "@ioi/crypto";
import { scanWal } from "@ioi/storage";
import type { Leaf } from "@ioi/wire";
import { LeafOrder } from "./leaves.ts";

/** Type of a leaf's record in `receipts.log`. */
export const leafRecordType = 1;
/** Type of a signed note's record in `checkpoints.log`. */
export const checkpointRecordType = 2;

/** What the Guardian signed: the root that so many leaves lead to. */
export interface SignedRoot {
  readonly size: number;
  readonly root: Uint8Array;
  readonly note: string;
}

/** Opens a note under the Guardian's key; the reason where it does not open. */
export type OpenNote = (note: string) => Result<SignedRoot, string>;

/**
 * Notes of one log under one key. The key alone is given: the first good note names the log, and
 * every later one must be of the same log.
 */
export const noteOpener = (provider: Verifying, publicKey: Uint8Array): OpenNote => {
  let origin: string | undefined;
  return (note) => {
    const parsed = parseCheckpoint(note);
    if (!parsed.ok) return err(parsed.error.message);
    const name = origin ?? parsed.value.checkpoint.origin;
    const verified = verifyCheckpoint(provider, { name, publicKey }, note);
    if (!verified.ok) return err(verified.error.message);
    origin = name;
    const { size, root } = verified.value;
    return ok({ size, root, note });
  };
};

/** The first thing that is wrong: the leaf from which on nothing is vouched for any more. */
export interface FirstBad {
  readonly index: number;
  readonly reason: string;
}

export interface VerifyReport {
  readonly schema: "ioi.verify/1";
  readonly ok: boolean;
  /** Whole leaves found. */
  readonly size: number;
  /** Root over all of them, in hex; null where none could be read. */
  readonly root: string | null;
  /** Leaves that a good checkpoint covers. */
  readonly checked: number;
  readonly firstBad: FirstBad | null;
  /** The public key that was used, in hex. */
  readonly key: string | null;
  readonly anchor: string;
}

/** Where rollback protection comes from. */
export const softwareAnchor = "software (no rollback protection)";

export interface LogFiles {
  /** Bytes of `guardian/receipts.log`. */
  readonly receipts: Uint8Array;
  /** Bytes of `guardian/checkpoints.log`; undefined where there is no such file. */
  readonly checkpoints: Uint8Array | undefined;
}

export interface ReadLog {
  readonly leaves: readonly { readonly bytes: Uint8Array; readonly leaf: Leaf }[];
  readonly tree: MerkleTree;
  /** Good ones, smallest first. */
  readonly checkpoints: readonly SignedRoot[];
  readonly firstBad: FirstBad | undefined;
}

const smaller = (a: FirstBad | undefined, b: FirstBad | undefined): FirstBad | undefined => {
  if (a === undefined) return b;
  return b === undefined || a.index <= b.index ? a : b;
};

interface Leaves {
  readonly leaves: { readonly bytes: Uint8Array; readonly leaf: Leaf }[];
  readonly firstBad: FirstBad | undefined;
}

const readLeaves = (bytes: Uint8Array): Leaves => {
  const order = new LeafOrder(true);
  const leaves: { bytes: Uint8Array; leaf: Leaf }[] = [];
  let firstBad: FirstBad | undefined;
  const scan = scanWal(bytes, ({ sequence, type, payload }) => {
    if (firstBad !== undefined) return;
    if (type !== leafRecordType) {
      firstBad = { index: sequence, reason: `a record of type ${type} is not a leaf` };
      return;
    }
    const checked = order.check(payload);
    if ("reason" in checked) firstBad = { index: sequence, reason: checked.reason };
    else leaves.push({ bytes: payload.slice(), leaf: checked.leaf });
  });
  const bad = scan.firstBad;
  return {
    leaves,
    firstBad: smaller(
      firstBad,
      bad === undefined ? undefined : { index: bad.index, reason: bad.reason },
    ),
  };
};

interface Notes {
  readonly notes: readonly string[];
  /** What is wrong with the file of notes itself. */
  readonly reason: string | undefined;
}

const readNotes = (bytes: Uint8Array | undefined): Notes => {
  if (bytes === undefined) return { notes: [], reason: undefined };
  const notes: string[] = [];
  let reason: string | undefined;
  const scan = scanWal(bytes, ({ sequence, type, payload }) => {
    const text = type === checkpointRecordType ? utf8Decode(payload) : undefined;
    if (text === undefined) reason ??= `checkpoint ${sequence} is not a note`;
    else if (reason === undefined) notes.push(text);
  });
  const bad = scan.firstBad;
  return {
    notes,
    reason: reason ?? (bad && `checkpoint ${bad.index}: ${bad.reason}`),
  };
};

interface Coverage {
  readonly checkpoints: SignedRoot[];
  readonly firstBad: FirstBad | undefined;
}

/** Each note in turn against the tree; the first bad one ends what is vouched for. */
const cover = (tree: MerkleTree, notes: readonly string[], open: OpenNote): Coverage => {
  const checkpoints: SignedRoot[] = [];
  let covered = 0;
  const bad = (reason: string): Coverage => ({
    checkpoints,
    firstBad: { index: covered, reason },
  });
  for (const [index, note] of notes.entries()) {
    const opened = open(note);
    if (!opened.ok) return bad(`checkpoint ${index}: ${opened.error}`);
    const { size, root } = opened.value;
    if (size < covered) return bad(`checkpoint ${index} covers fewer leaves than the one before`);
    if (size > tree.size) {
      return {
        checkpoints,
        firstBad: {
          index: tree.size,
          reason: `checkpoint ${index} covers ${size} leaves, the log has ${tree.size}`,
        },
      };
    }
    if (!equalBytes(tree.root(size), root)) {
      return bad(`leaves ${covered} to ${size - 1} do not lead to the root of checkpoint ${index}`);
    }
    checkpoints.push(opened.value);
    covered = size;
  }
  return { checkpoints, firstBad: undefined };
};

/** Reads and checks both files. What is returned was verified up to `firstBad`. */
export const readLog = (provider: Verifying, files: LogFiles, key: Uint8Array): ReadLog => {
  const { leaves, firstBad } = readLeaves(files.receipts);
  const tree = new MerkleTree(provider);
  for (const { bytes } of leaves) tree.append(leafHash(provider, bytes));
  const { notes, reason } = readNotes(files.checkpoints);
  const coverage = cover(tree, notes, noteOpener(provider, key));
  const covered = coverage.checkpoints.at(-1)?.size ?? 0;
  const badFile = reason === undefined ? undefined : { index: covered, reason };
  return {
    leaves,
    tree,
    checkpoints: coverage.checkpoints,
    // Where a leaf itself is damaged, that it is missing below a checkpoint is no second finding.
    firstBad: firstBad ?? coverage.firstBad ?? badFile,
  };
};

/** Verifies a log. `trusted`: a checkpoint from elsewhere that the log must extend. */
export const verifyLog = (
  provider: Verifying,
  files: LogFiles,
  key: Uint8Array,
  trusted?: SignedRoot,
): VerifyReport => {
  const log = readLog(provider, files, key);
  const { tree } = log;
  let firstBad = log.firstBad;
  if (firstBad === undefined && trusted !== undefined) {
    if (trusted.size > tree.size) {
      firstBad = {
        index: tree.size,
        reason: `the trusted checkpoint covers ${trusted.size} leaves, the log has ${tree.size}`,
      };
    } else if (!equalBytes(tree.root(trusted.size), trusted.root)) {
      firstBad = { index: 0, reason: "the log does not extend the trusted checkpoint" };
    }
  }
  return {
    schema: "ioi.verify/1",
    ok: firstBad === undefined,
    size: tree.size,
    root: toHex(tree.root()),
    checked: log.checkpoints.at(-1)?.size ?? 0,
    firstBad: firstBad ?? null,
    key: toHex(key),
    anchor: softwareAnchor,
  };
};
