/**
 * Walking a memory file forward from its first record: which commits hold, what they committed, and
 * where what holds ends. Section 7 of `specs/scs/format.md`. A walk may begin
 * behind a commit that is known to hold: what a table says of all before it is not looked at again.
 *
 * A commit holds if it names its own place and number, the commit before, the hash of every record
 * since, the log that these make, and the superblock; and, where the key is known, its seal fits. The
 * walk never searches for a magic number: a record that a memory quotes is in a payload and is
 * stepped over.
 *
 * Behind the last commit that holds there may be an append that was interrupted, which nobody was
 * promised; or something that was promised and is damaged. The second is told from the first by
 * `evidence`: a hint, or a later commit that was only begun when the damaged one was durable.
 */
import { concatBytes, equalBytes, type FileHandle, FileWindow } from "@ioi/base";
import { domainHash, domains, type Hashing, leafHash, MerkleTree } from "@ioi/crypto";
import { schema } from "@ioi/wire";
import { type Due, dueAfter, type Entry, entryOf } from "./entries.ts";
import {
  beginsAsFile,
  checkRecordEnd,
  coveredPayload,
  decodeHint,
  decodeRecordHeader,
  fileMagicBytes,
  type Hint,
  hintBytes,
  hintOffset,
  type RecordHeader,
  recordBytes,
  recordHeaderBytes,
  recordsFrom,
  recordTypes,
} from "./layout.ts";
import { commitBytesMax, commitRecordsMax, scsWindowBytes } from "./limits.ts";
import { type CommitBody, commitBody } from "./messages.ts";

export const sealBytes = 32;

export interface Committed {
  readonly body: CommitBody;
  /** Where its first record begins, where the commit itself does, and where it ends. */
  readonly start: number;
  readonly offset: number;
  readonly end: number;
  readonly hash: Uint8Array;
  readonly seal: Uint8Array;
}

/** Where a walk begins that does not begin at the first record: behind a commit that holds. */
export interface Start {
  readonly last: Committed;
  /** Of the next record. */
  readonly sequence: number;
  /** Memories and segments so far. */
  readonly memories: number;
  readonly segments: number;
  /** Leaves so far; it grows with the walk. */
  readonly tree: MerkleTree;
}

export interface Walked {
  readonly last: Committed | undefined;
  /** Where what holds ends. */
  readonly end: number;
  /** Of the next record. */
  readonly sequence: number;
  /** Segments so far. */
  readonly segments: number;
  /** Leaves of the log, as far as it holds. */
  readonly tree: MerkleTree;
  /** Where the walk ended before the end of the file, and why. */
  readonly stopped: { readonly offset: number; readonly reason: string } | undefined;
  /** What shows that something behind `end` had been promised; undefined: nothing does. */
  readonly evidence: string | undefined;
}

/** Whether a commit's seal fits; undefined: the key is not known. */
export type CheckSeal = ((body: Uint8Array, seal: Uint8Array) => boolean) | undefined;

export interface WalkOptions {
  readonly hashing: Hashing;
  /** Of the file. */
  readonly size: number;
  readonly superblock: Uint8Array;
  readonly checkSeal: CheckSeal;
  /** Undefined: from the first record on. */
  readonly from?: Start | undefined;
  /** Called for every record of a commit that holds, in order. */
  readonly visit: (entry: Entry, commit: CommitBody) => void;
}

interface Range {
  readonly offset: number;
  readonly length: number;
}
type Steps<T> = Generator<Range, T, Uint8Array>;

const leafTypes: ReadonlySet<number> = new Set([
  recordTypes.frame,
  recordTypes.vector,
  recordTypes.tomb,
  recordTypes.supersede,
  recordTypes.shred,
  recordTypes.compacted,
]);

export const isLeafType = (type: number): boolean => leafTypes.has(type);

/** Bytes of a frame's payload before the sealed content. */
const frameHeadBytes = 48;

/** Of a frame: over its head and the hash of what is sealed, so that a proof needs not carry it. */
export const payloadDigest = (hashing: Hashing, type: number, payload: Uint8Array): Uint8Array =>
  type === recordTypes.frame && payload.length >= frameHeadBytes
    ? hashing.sha256(
        concatBytes(
          payload.subarray(0, frameHeadBytes),
          hashing.sha256(payload.subarray(frameHeadBytes)),
        ),
      )
    : hashing.sha256(coveredPayload(type, payload));

/** The leaf of a record in the log. */
export const logLeaf = (type: number, digest: Uint8Array): Uint8Array =>
  concatBytes(Uint8Array.of(type), digest);

export const spanHash = (hashing: Hashing, digests: readonly Uint8Array[]): Uint8Array =>
  domainHash(hashing, domains.scsSpan, concatBytes(...digests));

export const commitHash = (hashing: Hashing, payload: Uint8Array): Uint8Array =>
  domainHash(hashing, domains.scsCommit, payload);

/** The CBOR that a commit's seal is over. */
export const commitBodyOf = ({ body }: Committed): Uint8Array => schema.encode(commitBody, body);

/** What the records since the last commit add up to. */
class Span {
  readonly entries: Entry[] = [];
  /** Header and digest of every record. */
  readonly digests: Uint8Array[] = [];
  /** Hashes of the log's new leaves. */
  readonly leaves: Uint8Array[] = [];
  due: Due;
  bytes = 0;

  constructor(due: Due) {
    this.due = due;
  }
}

/** What commits that hold add up to. */
interface State {
  last: Committed | undefined;
  end: number;
  sequence: number;
  /** What the next records must be about. */
  due: Due;
  readonly tree: MerkleTree;
}

export interface Whole {
  readonly header: RecordHeader;
  readonly head: Uint8Array;
  readonly payload: Uint8Array;
}

function* readWhole(offset: number, size: number): Steps<Whole | string> {
  if (offset + recordHeaderBytes > size) return "a record's header is cut off";
  const head = (yield { offset, length: recordHeaderBytes }).slice();
  const header = decodeRecordHeader(head);
  if (header === undefined) return "a record's header is damaged";
  const bytes = recordBytes(header.length);
  if (offset + bytes > size) return "a record is cut off";
  const rest = yield { offset: offset + recordHeaderBytes, length: bytes - recordHeaderBytes };
  const payload = rest.subarray(0, header.length);
  return checkRecordEnd(coveredPayload(header.type, payload), rest.subarray(header.length))
    ? { header, head, payload }
    : "a record is damaged";
}

/** What is wrong with a commit; undefined: it holds. `state` has its leaves already. */
const commitComplaint = (
  options: WalkOptions,
  state: State,
  span: Span,
  { body, offset }: { readonly body: CommitBody; readonly offset: number },
): string | undefined => {
  const { last, tree } = state;
  if (body.offset !== offset) return "a commit names another place";
  if (body.number !== (last === undefined ? 0 : last.body.number + 1)) {
    return "a commit has another number than is due";
  }
  const { previous } = body;
  const follows =
    last === undefined
      ? previous === undefined
      : previous?.offset === last.offset && equalBytes(previous.hash, last.hash);
  if (!follows) return "a commit follows another one";
  if (!equalBytes(body.span, spanHash(options.hashing, span.digests))) {
    return "a commit is of other records";
  }
  if (body.logSize !== tree.size || !equalBytes(body.logRoot, tree.root())) {
    return "a commit is of another log";
  }
  return equalBytes(body.parameters, options.superblock)
    ? undefined
    : "a commit is of another file";
};

export const readCommit = (
  payload: Uint8Array,
): { body: CommitBody; bytes: Uint8Array } | undefined => {
  if (payload.length < sealBytes) return undefined;
  const bytes = payload.subarray(0, payload.length - sealBytes);
  const decoded = schema.decode(commitBody, bytes);
  return decoded.ok ? { body: decoded.value, bytes } : undefined;
};

/** Ends the span with its commit; the reason where the commit does not hold. */
const takeCommit = (
  options: WalkOptions,
  state: State,
  span: Span,
  { header, payload }: Whole,
  offset: number,
): string | undefined => {
  const { hashing, checkSeal } = options;
  const commit = readCommit(payload);
  if (commit === undefined) return "a commit is malformed";
  const size = state.tree.size;
  for (const leaf of span.leaves) state.tree.append(leaf);
  const seal = payload.subarray(payload.length - sealBytes);
  const complaint =
    (span.due.part === 0 ? undefined : "a segment is cut off by a commit") ??
    commitComplaint(options, state, span, { body: commit.body, offset }) ??
    (checkSeal === undefined || checkSeal(commit.bytes, seal)
      ? undefined
      : "a commit's seal does not fit");
  if (complaint !== undefined) {
    state.tree.truncate(size);
    return complaint;
  }
  const end = offset + recordBytes(header.length);
  const start = state.end;
  const hash = commitHash(hashing, payload);
  state.last = { body: commit.body, start, offset, end, hash, seal: seal.slice() };
  state.end = end;
  state.sequence += span.digests.length + 1;
  state.due = span.due;
  return undefined;
};

/** Takes one record into the span; the reason where it does not belong there. */
const takeRecord = (
  { hashing }: WalkOptions,
  state: State,
  span: Span,
  whole: Whole,
  offset: number,
): string | undefined => {
  const { header, payload, head } = whole;
  const leaf = state.tree.size + span.leaves.length;
  const digest = payloadDigest(hashing, header.type, payload);
  const entry = entryOf(whole, offset + recordHeaderBytes, span.due, { leaf, digest });
  if (typeof entry === "string") return entry;
  span.bytes += recordBytes(header.length);
  span.digests.push(concatBytes(head, digest));
  if (span.bytes > commitBytesMax || span.digests.length > commitRecordsMax) {
    return "more stands here than between two commits may";
  }
  span.entries.push(entry);
  span.due = dueAfter(span.due, entry);
  if (isLeafType(header.type)) span.leaves.push(leafHash(hashing, logLeaf(header.type, digest)));
  return undefined;
};

function* readHints(size: number): Steps<readonly Hint[]> {
  const hints: Hint[] = [];
  for (const slot of [0, 1]) {
    const offset = hintOffset(slot);
    if (offset + hintBytes > size) continue;
    const hint = decodeHint(yield { offset, length: hintBytes });
    if (hint !== undefined) hints.push(hint);
  }
  return hints;
}

/**
 * A commit behind a damaged record that proves it had been promised. Steps from header to header;
 * where one is damaged nothing more can be said.
 */
function* laterCommit(from: number, size: number, due: number): Steps<number | undefined> {
  let offset = from;
  while (offset + recordHeaderBytes <= size) {
    const header = decodeRecordHeader(yield { offset, length: recordHeaderBytes });
    if (header === undefined) return undefined;
    const bytes = recordBytes(header.length);
    if (offset + bytes > size) return undefined;
    if (header.type === recordTypes.commit) {
      const whole = yield* readWhole(offset, size);
      const commit = typeof whole === "string" ? undefined : readCommit(whole.payload);
      // The commit that is due may have been begun only; the one after it was begun later.
      if (commit?.body.offset === offset && commit.body.number > due) return commit.body.number;
    }
    offset += bytes;
  }
  return undefined;
}

interface Advanced {
  readonly state: State;
  readonly stopped: Walked["stopped"];
}

/** As far as commits hold. */
function* advance(options: WalkOptions): Steps<Advanced> {
  const { hashing, size, visit, from } = options;
  const state: State = {
    last: from?.last,
    end: from?.last.end ?? recordsFrom,
    sequence: from?.sequence ?? 0,
    due: { memory: from?.memories ?? 0, segment: from?.segments ?? 0, part: 0, parts: 0 },
    tree: from?.tree ?? new MerkleTree(hashing),
  };
  let span = new Span(state.due);
  let offset = state.end;
  while (offset < size) {
    const whole = yield* readWhole(offset, size);
    if (typeof whole === "string") return { state, stopped: { offset, reason: whole } };
    const { header } = whole;
    const isCommit = header.type === recordTypes.commit;
    const reason =
      header.sequence === state.sequence + span.digests.length
        ? (isCommit ? takeCommit : takeRecord)(options, state, span, whole, offset)
        : "a record has another number than is due";
    if (reason !== undefined) return { state, stopped: { offset, reason } };
    if (isCommit && state.last !== undefined) {
      for (const entry of span.entries) visit(entry, state.last.body);
      span = new Span(state.due);
    }
    offset += recordBytes(header.length);
  }
  const reason = "records stand here that no commit follows";
  return { state, stopped: state.end < size ? { offset: state.end, reason } : undefined };
}

function* walk(options: WalkOptions): Steps<Walked> {
  const hints = yield* readHints(options.size);
  const { state, stopped } = yield* advance(options);
  const { last, end, sequence, tree } = state;
  const segments = state.due.segment;
  const due = last === undefined ? 0 : last.body.number + 1;
  const hinted = hints.map(({ commit }) => commit).find((commit) => commit >= due);
  let evidence = hinted === undefined ? undefined : `the file's hint names commit ${hinted}`;
  if (evidence === undefined && stopped !== undefined) {
    const later = yield* laterCommit(stopped.offset, options.size, due);
    if (later !== undefined) evidence = `commit ${later} stands behind it`;
  }
  if (evidence === undefined && end + fileMagicBytes <= options.size) {
    // No append begins like this: somebody joined two files, and what is behind is not to be cut off.
    const isFile = beginsAsFile(yield { offset: end, length: fileMagicBytes });
    if (isFile) evidence = "another memory file begins behind it";
  }
  return { last, end, sequence, segments, tree, stopped, evidence };
}

const drive = async <T>(steps: Steps<T>, handle: FileHandle, size: number): Promise<T> => {
  const window = new FileWindow(handle, size, scsWindowBytes);
  for (let step = steps.next(); ;) {
    if (step.done === true) return step.value;
    step = steps.next(await window.read(step.value.offset, step.value.length));
  }
};

/** Any bytes give a result; nothing is changed. */
export const walkFile = (handle: FileHandle, options: WalkOptions): Promise<Walked> =>
  drive(walk(options), handle, options.size);

export const hintsOf = (handle: FileHandle, size: number): Promise<readonly Hint[]> =>
  drive(readHints(size), handle, size);

/** The record that begins at `offset`; undefined: no whole one does. */
export const recordAt = async (
  handle: FileHandle,
  size: number,
  offset: number,
): Promise<Whole | undefined> => {
  const whole = await drive(readWhole(offset, size), handle, size);
  return typeof whole === "string" ? undefined : whole;
};
