/**
 * Actions on memories: whose words they are, what opens the memory file, and what it committed to.
 *
 * The file's key is derived from the key store and leaves the Guardian in a box that only the driver
 * instance which prepared the action can open, bound to that action. A claim that a text is the person's
 * own is compared with the words; a text that was pasted is nobody's own.
 *
 * What the file committed to stands in the outcomes of its driver; from there the Guardian signs
 * checkpoints of the file's log. A log that went back, or has another root at the same size, is signed
 * no more.
 */
import { equalBytes } from "@ioi/base";
import { type Decision, isTyped } from "@ioi/firewall";
import { toRemember } from "@ioi/agent";
import { sealBox, signCheckpoint } from "@ioi/crypto";
import type { Action } from "@ioi/wire";
import { type GuardianCore, rejected } from "./core.ts";
import type { SessionRecord } from "./ledger.ts";
import { isMemoryTarget, type MemoryState } from "./memory-states.ts";

const isOwn = (core: GuardianCore, session: SessionRecord, sha256: Uint8Array): boolean =>
  session.words.some(
    (text, at) =>
      (isTyped(text) || session.typed.has(at)) &&
      toRemember(text).some((said) => equalBytes(core.ports.provider.sha256(said), sha256)),
  );

interface Proposed {
  readonly session: SessionRecord;
  readonly action: Action;
  readonly actionId: Uint8Array;
  readonly sealTo: Uint8Array | undefined;
}

/** What an action says of its text's origin must be so: else nothing is decided. */
export const checkMemory = (core: GuardianCore, { session, action, sealTo }: Proposed): void => {
  if (!isMemoryTarget(action.target)) return;
  if (sealTo === undefined) {
    throw rejected("E_PROPOSAL_INVALID", "the driver did not say whom the file's key is sealed to");
  }
  const { content, origin } = action.args;
  if (action.target !== "memory::remember" || origin === "content") return;
  const { sha256 } = (content ?? {}) as { readonly sha256?: unknown };
  const own = origin === "user" && sha256 instanceof Uint8Array && isOwn(core, session, sha256);
  if (!own) throw rejected("E_PROPOSAL_INVALID", "the text is not what the person asked to keep");
};

/** What is allowed brings what opens the memory file, for this action alone. */
export const withMemoryKey = (
  core: GuardianCore,
  { action, actionId, sealTo }: Proposed,
  decision: Decision,
): Decision => {
  const wanted = decision.verdict === "allow" && isMemoryTarget(action.target);
  if (!wanted || sealTo === undefined) return decision;
  const box = sealBox(core.ports.provider, sealTo, core.keys.memoryKey, actionId);
  if (!box.ok) throw rejected("E_PROPOSAL_INVALID", `the driver's key: ${box.error.message}`);
  const note = action.target === "memory::share" ? noteOf(core) : undefined;
  const brought = { key: box.value, ...(note === undefined ? {} : { checkpoint: note }) };
  return {
    ...decision,
    obligations: [...decision.obligations, { type: "memory", ...brought }],
  };
};

export interface MemoryCheckpoint {
  /** C2SP signed note over `ioi/scs/<store>`. */
  readonly note: string;
  readonly state: MemoryState;
}

/** What goes along with memories that are given away; none where nothing is vouched for. */
const noteOf = (core: GuardianCore): string | undefined => {
  const { newest } = core.ledger.memory;
  return newest === undefined || newest.isBroken ? undefined : memoryCheckpoint(core).note;
};

/** What the Guardian vouches for of the memory file: what its driver last committed to. */
export const memoryCheckpoint = (core: GuardianCore): MemoryCheckpoint => {
  const state = core.ledger.memory.newest;
  if (state === undefined) throw rejected("E_MEMORY_UNKNOWN", "nothing was remembered yet");
  if (state.isBroken) {
    throw rejected("E_MEMORY_ROLLED_BACK", `the log of memory file ${state.store} went back`);
  }
  const { store, size, root } = state;
  const checkpoint = { origin: `ioi/scs/${store}`, size, root, extensions: [] };
  return { note: signCheckpoint(core.ports.provider, core.keys.identity, checkpoint), state };
};
