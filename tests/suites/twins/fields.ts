/**
 * What the production engine holds, as an exploration reads it once `./opened.ts` opened it; and an
 * inventory of all its fields, so that a new one is read or left out for a reason, and never overlooked.
 *
 * Left out: options and functions, which never change; times, since time passes when it is let to; what
 * only sound Guardians' envelopes could fill (`_conviction`, and all of Evidence, which finds nothing in
 * them); strengths and counts of commits, which decide nothing; machines that nobody sets to work here
 * (Guards: S is not asked for; Ending: no epoch ends; Outlet: empty between inputs).
 */
import { assert } from "@ioi/base";
import type { Slot } from "@ioi/consensus";
import type { ConsensusBlock, ConsensusMessage, Envelope, TimeoutCert } from "@ioi/wire";
import type { Fields, Saved } from "./opened.ts";

interface Ref {
  readonly view: bigint;
  readonly digest: Uint8Array;
}

interface Lru<T> {
  readonly _entries: ReadonlyMap<string, T>;
}

export interface Ballot {
  readonly _groups: ReadonlyMap<string, ReadonlyMap<number, Envelope>>;
}

export interface OpenEngine {
  readonly _slot: Slot;
  readonly _isAsked: boolean;
  readonly _isRefused: boolean;
  readonly _proposals: ReadonlyMap<bigint, { readonly digest: Uint8Array }>;
  readonly _payloads: Lru<string>;
  readonly _opened: TimeoutCert | undefined;
  readonly _timeoutFor: bigint | undefined;
  readonly _rejectedView: bigint;
  readonly _rejectedTenure: bigint;
  readonly _building: Uint8Array | undefined;
  readonly _ready: { readonly key: string } | undefined;
  readonly _resend: { readonly _sent: readonly ConsensusMessage[]; readonly dueMs: number };
  readonly _tally: {
    readonly _votes: ReadonlyMap<bigint, Ballot>;
    readonly _timeouts: ReadonlyMap<bigint, Ballot>;
  };
  readonly _pace: {
    readonly view: bigint;
    readonly _isOver: boolean;
    readonly deadlineMs: number | undefined;
  };
  readonly _knows: {
    readonly tree: {
      readonly _nodes: ReadonlyMap<string, unknown>;
      readonly _certs: ReadonlyMap<string, Ref>;
      readonly _orphans: Lru<Ref>;
      readonly _root: Ref & { readonly height: bigint };
      readonly _high: Ref;
    };
    readonly missing: {
      readonly _wanted: ReadonlyMap<string, Uint8Array>;
      readonly _waiting: Lru<ConsensusBlock>;
    };
    readonly _certified: bigint;
  };
}

export const opened = (engine: object): OpenEngine => engine as OpenEngine;

/** Never written after the constructor. */
const constants = `_options _judge _set _schedule _leader _hashing _out _has _baseMs capacity`;

/** By class: what is read, then what is left out. */
const inventory: Readonly<Record<string, readonly [read: string, left: string]>> = {
  Engine: [
    `_knows _tally _pace _isAsked _isRefused _slot _resend _proposals _payloads _opened _timeoutFor
     _rejectedView _rejectedTenure _building _ready`,
    "_proposedMs _payloadWaits _isWaitedFor _othersWait _commits",
  ],
  Knowledge: [
    "tree missing _certified",
    "_evidence _observed _conviction _isOver _commits _strength",
  ],
  BlockTree: ["_nodes _certs _orphans _root _high", ""],
  MissingBlocks: ["_wanted _waiting", "_byParent"],
  Tally: ["_votes _timeouts", ""],
  Pacemaker: ["_view _isOver", "_enteredMs _runsFromMs _failed _failures"],
  Resend: ["_sent", "_view _dueMs"],
  Lru: ["_entries", ""],
};

const unread: ReadonlySet<string> = new Set([
  "Evidence",
  "Rate",
  "Outlet",
  "Ending",
  "Guards",
  "WeakSet",
]);
const complaintOf = (part: Fields): string | undefined => {
  const { name } = part.constructor;
  const known = inventory[name];
  if (known === undefined) {
    return unread.has(name) ? undefined : `the machine ${name}`;
  }
  const fields = new Set([constants, ...known].flatMap((text) => text.split(/\s+/u)));
  const stray = Object.keys(part).find((field) => !fields.has(field));
  return stray === undefined ? undefined : `${name}.${stray}`;
};

/** Merging would be guesswork otherwise. */
export const takeInventory = (saved: Saved): void => {
  for (const [part] of saved) {
    const complaint = complaintOf(part);
    assert(
      complaint === undefined,
      `tests/suites/twins/fields.ts does not know ${complaint ?? ""}`,
    );
  }
};
