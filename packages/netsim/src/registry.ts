/**
 * What the application of a simulated network says of its validators: who is in the next set, and when an
 * epoch has to end before its time. Part of the state that every header names.
 *
 * A change that is not allowed is skipped, as any transaction that fails. Who may ask for one is not looked
 * at. Invariants: entries are a valid set; who was evicted does not come back; a session is replaced only by
 * one that names it and its lease (specs/consensus, A3); no lease is registered that ends too far above the
 * end of the epoch (V8), it waits. Bound: `changesMax` changes of one batch.
 */
import { assert, concatBytes, equalBytes, Lru, toHex, utf8Encode } from "@ioi/base";
import {
  leaseAheadMax,
  sessionId,
  type TrustedSets,
  ValidatorSet,
  verifyDivergence,
} from "@ioi/consensus";
import type { TestProvider } from "@ioi/consensus/testing";
import type { Hashing } from "@ioi/crypto";
import { divergenceProof, schema, type ValidatorEntry, validatorEntry } from "@ioi/wire";
import { registriesMax } from "./limits.ts";

/** An entry takes the place of the one of its Guardian. */
export const setChange = schema.union({
  validator: { entry: validatorEntry },
  leave: { gid: schema.bytes(32) },
  evict: { proof: divergenceProof },
});
export type SetChange = schema.Infer<typeof setChange>;

/** What follows an epoch that a block ends. */
export interface Succession {
  readonly set: ValidatorSet;
  readonly leaseEnd: bigint;
  /** It does not wait for the epoch's last block. */
  readonly isUrgent: boolean;
}

export class Registry {
  readonly entries: readonly ValidatorEntry[];
  readonly hash: Uint8Array;
  /** Guardians, in hex, in the order in which they went. */
  readonly evicted: readonly string[];
  readonly #provider: TestProvider;
  readonly #set: ValidatorSet;
  /** Hosts that execute the same change share what follows from it. */
  readonly #after = new Lru<string, Registry>(registriesMax);
  readonly #successions = new WeakMap<
    ValidatorSet,
    { readonly from: bigint; readonly next: Succession }
  >();

  constructor(provider: TestProvider, set: ValidatorSet, evicted: readonly string[] = []) {
    this.#provider = provider;
    this.#set = set;
    this.entries = set.entries;
    this.evicted = evicted;
    this.hash = registryHash(provider, set.hash, evicted);
  }

  after(change: SetChange, sets: TrustedSets): Registry {
    const key = toHex(this.#provider.sha256(schema.encode(setChange, change)));
    const known = this.#after.get(key);
    if (known !== undefined) return known;
    const next = this.#changed(change, sets) ?? this;
    this.#after.set(key, next);
    return next;
  }

  /** What a block of that view says where it ends an epoch of that set. */
  succession(current: ValidatorSet, view: bigint): Succession {
    const known = this.#successions.get(current);
    if (known !== undefined && view >= known.from) return known.next;
    const rows = this.entries.map((entry) => this.#row(entry, current));
    const taken = rows.map(({ entry, held, lease }) =>
      lease !== undefined && lease > view + leaseAheadMax ? held : entry,
    );
    const leases = rows.flatMap(({ lease }) => (lease === undefined ? [] : [lease]));
    const due = leases.filter((lease) => lease <= view + leaseAheadMax);
    const next: Succession = {
      set: due.length === leases.length ? this.#set : this.#setOf(taken),
      leaseEnd: due.reduce((a, b) => (a > b ? a : b), 0n),
      isUrgent: due.length > 0 || this.evicted.some((gid) => isIn(current, gid)),
    };
    if (due.length === leases.length) {
      const last = leases.reduce((a, b) => (a > b ? a : b), 0n);
      this.#successions.set(current, { from: last - leaseAheadMax, next });
    }
    return next;
  }

  /** `lease`: of the session that the entry replaces, where it replaces one of the current set. */
  #row(
    entry: ValidatorEntry,
    current: ValidatorSet,
  ): { readonly entry: ValidatorEntry; readonly held: ValidatorEntry; readonly lease?: bigint } {
    const index = current.indexOf(entry.gid);
    const held = index === undefined ? entry : current.entry(index);
    if (equalBytes(held.sessionKey, entry.sessionKey)) return { entry, held };
    return { entry, held, lease: entry.succeeds?.lease ?? 0n };
  }

  #changed(change: SetChange, sets: TrustedSets): Registry | undefined {
    switch (change.type) {
      case "validator":
        return this.#with(change.entry);
      case "leave":
        return this.#without(toHex(change.gid));
      case "evict": {
        const verdict = verifyDivergence(this.#provider, sets, change.proof);
        return verdict.ok ? this.#without(toHex(verdict.value), true) : undefined;
      }
    }
  }

  #with(entry: ValidatorEntry): Registry | undefined {
    const gid = toHex(entry.gid);
    const at = this.entries.findIndex((each) => toHex(each.gid) === gid);
    const held = this.entries[at];
    if (this.evicted.includes(gid)) return undefined;
    const isSame = held === undefined || equalBytes(held.sessionKey, entry.sessionKey);
    if (!isSame && !this.#replaces(held, entry)) return undefined;
    const entries = held === undefined ? [...this.entries, entry] : this.entries.with(at, entry);
    const set = ValidatorSet.from(this.#provider, entries);
    return set.ok ? new Registry(this.#provider, set.value, this.evicted) : undefined;
  }

  /** By a session that names it; or both name the same one, and neither has signed yet. */
  #replaces(held: ValidatorEntry, { succeeds }: ValidatorEntry): boolean {
    if (succeeds === undefined) return false;
    const before = held.succeeds?.session;
    return (
      equalBytes(succeeds.session, sessionId(this.#provider, held.sessionKey)) ||
      (before !== undefined && equalBytes(succeeds.session, before))
    );
  }

  #without(gid: string, isEvicted = false): Registry | undefined {
    const entries = this.entries.filter((each) => toHex(each.gid) !== gid);
    if (entries.length === this.entries.length || entries.length === 0) return undefined;
    const evicted = isEvicted ? [...this.evicted, gid] : this.evicted;
    return new Registry(this.#provider, this.#setOf(entries), evicted);
  }

  #setOf(entries: readonly ValidatorEntry[]): ValidatorSet {
    const set = ValidatorSet.from(this.#provider, entries);
    assert(set.ok, "entries of a valid set");
    return set.value;
  }
}

export const registryHash = (
  hashing: Hashing,
  setHash: Uint8Array,
  evicted: readonly string[],
): Uint8Array => hashing.sha256(concatBytes(setHash, utf8Encode(evicted.join(" "))));

const isIn = ({ entries }: ValidatorSet, gid: string): boolean =>
  entries.some((each) => toHex(each.gid) === gid);
