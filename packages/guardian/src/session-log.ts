/**
 * `session.log`: what the session that votes for the local chain has signed, as its Guardian keeps it. It
 * begins with the epoch's start and its signature; every further record is the whole state. It starts anew,
 * under another salt, after `sessionRecordsMax` states and with each epoch, so that a newer log need not
 * begin with the bytes of an older one: two of them are compared by what only rises.
 *
 * Invariant: comparing changes nothing in either folder.
 * Bounds: `sessionRecordsMax` records; a longer log is refused.
 */
import { equalBytes, type Files } from "@ioi/base";
import { type GuardianState, resumeGuardian } from "@ioi/consensus";
import { scanFile, type WalRecord } from "@ioi/storage";
import { schema } from "@ioi/wire";
import { headerBytesMax, sessionRecordsMax } from "./limits.ts";

export const sessionPath = "session.log";
export const startRecord = 1;
export const stateRecord = 2;

export const startSchema = schema.record({
  version: schema.int(1, 1),
  /** What the session's key is derived from. */
  nonce: schema.bytes(32),
  /** A canonical `consensusStart`. */
  start: schema.bytes(undefined, 16_384),
  signature: schema.bytes(undefined, 8192),
});

export const stateSchema = schema.record({
  version: schema.int(1, 1),
  counter: schema.u64,
  leaseEnd: schema.u64,
  /** A canonical `guardianSeal`. */
  seal: schema.optional(schema.bytes(undefined, 8192)),
  /** Canonical, of the last block that was voted for in this epoch. */
  header: schema.optional(schema.bytes(undefined, headerBytesMax)),
});

interface Kept {
  readonly boots: bigint;
  readonly state: GuardianState;
}

const keptOf = ({ type, payload }: WalRecord): Kept | undefined => {
  const record = schema.decode(stateSchema, payload);
  if (type !== stateRecord || !record.ok || record.value.seal === undefined) return undefined;
  const { counter, seal } = record.value;
  const state = resumeGuardian(seal, counter);
  return state.ok ? { boots: counter, state: state.value } : undefined;
};

/**
 * Its states in their order, or why they cannot be read. An append that was interrupted was never
 * answered with: it is left out.
 */
const readStates = async (files: Files): Promise<readonly Kept[] | string> => {
  const states: Kept[] = [];
  let complaint: string | undefined;
  await using handle = await files.open(sessionPath, "read");
  const { firstBad } = await scanFile(handle, await handle.size(), (record) => {
    if (record.sequence === 0 || complaint !== undefined) return;
    const kept = keptOf(record);
    if (kept === undefined) complaint = `its record ${record.sequence} is no state`;
    else if (record.sequence >= sessionRecordsMax) complaint = "it has too many records";
    else states.push(kept);
  });
  if (firstBad !== undefined && firstBad.kind !== "tail") return firstBad.reason;
  return complaint ?? states;
};

/** What would be signed again if `next` stood where `present` stands, two folders of a Guardian. */
export const sessionTakenBack = async (
  present: Files,
  next: Files,
): Promise<string | undefined> => {
  if ((await present.stat(sessionPath)) === undefined) return undefined;
  if ((await next.stat(sessionPath)) === undefined) return "the chain's session is not in it";
  const [before, after] = [await readStates(present), await readStates(next)];
  if (typeof before === "string") return `${sessionPath} of the folder cannot be read: ${before}`;
  if (typeof after === "string") return `${sessionPath} of the backup cannot be read: ${after}`;
  const [mine, theirs] = [before.at(-1), after.at(-1)];
  if (mine === undefined || theirs === undefined) return "the chain's session has no state";
  if (!equalBytes(mine.state.session, theirs.state.session))
    return "the chain's session is another";
  const rising = (kept: Kept): readonly (readonly [string, bigint])[] => [
    ["epoch", kept.state.epoch.number],
    ["view", kept.state.slot.view],
    ["envelope", kept.state.counter],
    ["start", kept.boots],
    ["certified view", kept.state.high.view],
    ["end of the lease", kept.state.leaseEnd],
  ];
  const others = new Map(rising(theirs));
  for (const [what, value] of rising(mine)) {
    const other = others.get(what) ?? 0n;
    if (other < value) return `the chain's session is at ${what} ${value}, there at ${other}`;
  }
  // As far back as the log goes, it has to be the same history.
  const { counter, trace } = mine.state;
  const same = after.find(({ state }) => state.counter === counter);
  const differs = same !== undefined && !equalBytes(same.state.trace, trace);
  return differs ? `the chain's session signed another envelope ${counter}` : undefined;
};
