/**
 * What an effect did, as data: one list of changes from a state before to a state after. The same
 * list is the plan, the intent that is durable before the effect, the record that undo reads, and
 * what is compared with the world after a crash.
 *
 * Invariants: paths are absolute and canonical; changes stand in the order in which they are made;
 * undo is the same list backwards with the two states exchanged.
 */
import { type Infer, schema, type Schema } from "@ioi/wire";
import { xattrBytesMax } from "../limits.ts";

const { array, bool, bytes, int, oneOf, optional, record, text, u64, union } = schema;

/** A point in time to the nanosecond; seconds may be before 1970. */
export const timespec = record({
  s: int(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
  n: int(0, 999_999_999),
});
export type Timespec = Infer<typeof timespec>;

export const times = record({ atime: timespec, mtime: timespec });
export type Times = Infer<typeof times>;

export const attribute = record({ name: text(255), value: bytes(undefined, xattrBytesMax) });

/** One file, folder or link as it stands at a path. */
export const entry = record({
  kind: oneOf("file", "directory", "symlink"),
  mode: int(0, 0o7777),
  /** Absent in a plan where the effect leaves it to the system. */
  uid: optional(int()),
  gid: optional(int()),
  /** As `uid`. */
  times: optional(times),
  size: optional(int()),
  sha256: optional(bytes(32)),
  /** Where a link points; never followed. */
  target: optional(text(4096)),
  attributes: optional(array(attribute, 256)),
});
export type Entry = Infer<typeof entry>;

export const change = union({
  /** Absent `before`: nothing was there. Absent `after`: nothing is there. */
  put: {
    path: text(4096),
    before: optional(entry),
    after: optional(entry),
    /** Number of the copy of what was there. */
    blob: optional(int()),
    /** Name beside the path that is used while the change is made. */
    temporary: text(64),
    /** In a record: this change was made. */
    made: bool,
  },
  /** The same object under another name. */
  rename: {
    from: text(4096),
    to: text(4096),
    entry,
    /** Over names, kinds, modes, sizes and times of a folder's content. */
    digest: optional(bytes(32)),
    made: bool,
  },
});
export type Change = Infer<typeof change>;
export type Put = Extract<Change, { type: "put" }>;
export type Rename = Extract<Change, { type: "rename" }>;

/** A folder whose own times an effect moved, because names in it changed. */
export const folderTimes = record({ path: text(4096), before: times, after: optional(times) });
export type FolderTimes = Infer<typeof folderTimes>;

export const effect = record({
  version: int(1, 1),
  counter: u64,
  target: text(64),
  actionId: bytes(32),
  /** `running`: a staged command, nothing applied. `intent`: being made. Else what became of it. */
  phase: oneOf("running", "intent", "confirmed", "partial", "no-effect", "unknown"),
  atMs: int(),
  /** What was lost is in the vault, so the effect can be undone. */
  reversible: bool,
  changes: array(change, 65_536),
  folders: array(folderTimes, 65_536),
  /** Counter of the effect that this one undoes. */
  undoes: optional(u64),
}) as Schema<Effect>;

export interface Effect {
  readonly version: number;
  readonly counter: bigint;
  readonly target: string;
  readonly actionId: Uint8Array;
  readonly phase: "running" | "intent" | "confirmed" | "partial" | "no-effect" | "unknown";
  readonly atMs: number;
  readonly reversible: boolean;
  readonly changes: readonly Change[];
  readonly folders: readonly FolderTimes[];
  readonly undoes?: bigint;
}

export const timespecOf = (ns: bigint): Timespec => {
  const n = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  return { s: Number((ns - n) / 1_000_000_000n), n: Number(n) };
};

export const nanoseconds = (time: Timespec): bigint =>
  BigInt(time.s) * 1_000_000_000n + BigInt(time.n);

export const sameTime = (a: Timespec, b: Timespec): boolean => a.s === b.s && a.n === b.n;
