/**
 * Keys of a memory file. A master key opens the file; every memory and every segment has a key of its
 * own, wrapped under the key of its class, so that erasing one wrapped key forgets this and nothing
 * else. Section 5.2 and 8 of `specs/scs/format.md`.
 *
 * A frame's key seals exactly one content, so its nonce is constant; a segment's seals each of its
 * parts once, under their numbers; a class key wraps many, so their nonces are random (2^32 of them keep a collision below 2^-33).
 */
import { assert, concatBytes, uintBE } from "@ioi/base";
import { type CryptoProvider, domainBytes, domainHash, domains, type Hashing } from "@ioi/crypto";
import {
  encodeSegmentHead,
  recordTypes,
  type SegmentHead,
  type SegmentKind,
  wrappedKeyBytes,
} from "./layout.ts";
import type { KeySlot } from "./messages.ts";

export const keyBytes = 32;
const nonceBytes = 12;
const onlyNonce: Uint8Array = new Uint8Array(nonceBytes);

/** How a new file is to be opened. */
export type NewSlot =
  | { readonly type: "open" }
  | {
      readonly type: "passphrase";
      readonly passphrase: Uint8Array;
      readonly scrypt: {
        readonly log2Cost: number;
        readonly blockSize: number;
        readonly parallel: number;
      };
    }
  | { readonly type: "external"; readonly name: string; readonly key: Uint8Array };

/** What a caller has to open a file with. */
export type Unlock =
  | { readonly type: "none" }
  | { readonly type: "passphrase"; readonly passphrase: Uint8Array }
  | { readonly type: "external"; readonly name: string; readonly key: Uint8Array };

const slotData = (storeId: Uint8Array): Uint8Array => domainBytes(domains.scsSlot, storeId);

export const makeSlot = (
  provider: CryptoProvider,
  storeId: Uint8Array,
  master: Uint8Array,
  how: NewSlot,
): KeySlot => {
  const data = slotData(storeId);
  switch (how.type) {
    case "open":
      return { type: "open", key: master };
    case "passphrase": {
      const salt = provider.randomBytes(16);
      const key = provider.scrypt(how.passphrase, salt, how.scrypt);
      const sealed = provider.seal(key, onlyNonce, master, data);
      key.fill(0);
      return { type: "passphrase", salt, ...how.scrypt, sealed };
    }
    case "external": {
      assert(how.key.length === keyBytes, "an external key of another length");
      const nonce = provider.randomBytes(nonceBytes);
      const sealed = provider.seal(how.key, nonce, master, data);
      return { type: "external", name: how.name, nonce, sealed };
    }
  }
};

const openSlot = (
  provider: CryptoProvider,
  storeId: Uint8Array,
  slot: KeySlot,
  unlock: Unlock,
): Uint8Array | undefined => {
  const data = slotData(storeId);
  if (slot.type === "open") return slot.key;
  if (slot.type === "passphrase" && unlock.type === "passphrase") {
    const key = provider.scrypt(unlock.passphrase, slot.salt, slot);
    const master = provider.open(key, onlyNonce, slot.sealed, data);
    key.fill(0);
    return master;
  }
  return slot.type === "external" && unlock.type === "external" && slot.name === unlock.name
    ? provider.open(unlock.key, slot.nonce, slot.sealed, data)
    : undefined;
};

/** The master key, from the first slot that opens. */
export const openSlots = (
  provider: CryptoProvider,
  storeId: Uint8Array,
  slots: readonly KeySlot[],
  unlock: Unlock,
): Uint8Array | undefined => {
  for (const slot of slots) {
    const master = openSlot(provider, storeId, slot, unlock);
    if (master?.length === keyBytes) return master;
  }
  return undefined;
};

const numbers = (number: number, kept: number): Uint8Array =>
  concatBytes(uintBE(number, 8), uintBE(kept, 4));

/** Whose key: number of the memory or the segment, and its class. */
export interface KeyOwner {
  readonly of: "memory" | "segment";
  readonly number: number;
  readonly class: number;
}

export const keyHash = (hashing: Hashing, wrapped: Uint8Array): Uint8Array =>
  domainHash(hashing, domains.scsKey, wrapped);

/** What a frame's content commits to; the salt stands at its beginning. */
export const contentCommitment = (hashing: Hashing, content: Uint8Array): Uint8Array =>
  domainHash(hashing, domains.scsContent, content);

/** What the master key of one file derives. */
export class FileKeys {
  readonly #provider: CryptoProvider;
  readonly #master: Uint8Array;
  readonly #storeId: Uint8Array;
  readonly #salt: Uint8Array;
  readonly #classes = new Map<number, Uint8Array>();
  readonly #seal: Uint8Array;

  constructor(
    provider: CryptoProvider,
    master: Uint8Array,
    file: { readonly storeId: Uint8Array; readonly salt: Uint8Array },
  ) {
    this.#provider = provider;
    this.#master = master;
    this.#storeId = file.storeId;
    this.#salt = file.salt;
    this.#seal = this.#derive(domainBytes(domains.scsSeal, file.storeId));
  }

  #derive(info: Uint8Array): Uint8Array {
    return this.#provider.hkdfSha256(this.#master, this.#salt, info, keyBytes);
  }

  #classKey(kept: number): Uint8Array {
    const known = this.#classes.get(kept);
    if (known !== undefined) return known;
    const key = this.#derive(
      domainBytes(domains.scsKey, concatBytes(this.#storeId, uintBE(kept, 4))),
    );
    this.#classes.set(kept, key);
    return key;
  }

  #keyData({ of, number, class: kept }: KeyOwner): Uint8Array {
    const kind = Uint8Array.of(of === "segment" ? 1 : 0);
    return domainBytes(domains.scsKey, concatBytes(this.#storeId, kind, numbers(number, kept)));
  }

  /** A new key for a memory or a segment: itself, and wrapped. */
  makeKey(owner: KeyOwner): { readonly key: Uint8Array; readonly wrapped: Uint8Array } {
    const key = this.#provider.randomBytes(keyBytes);
    const nonce = this.#provider.randomBytes(nonceBytes);
    const sealed = this.#provider.seal(
      this.#classKey(owner.class),
      nonce,
      key,
      this.#keyData(owner),
    );
    const wrapped = concatBytes(nonce, sealed);
    assert(wrapped.length === wrappedKeyBytes, "a wrapped key of another length");
    return { key, wrapped };
  }

  unwrap(owner: KeyOwner, wrapped: Uint8Array): Uint8Array | undefined {
    const nonce = wrapped.subarray(0, nonceBytes);
    const sealed = wrapped.subarray(nonceBytes);
    return this.#provider.open(this.#classKey(owner.class), nonce, sealed, this.#keyData(owner));
  }

  #frameData(frame: number, kept: number): Uint8Array {
    return domainBytes(domains.scsFrame, concatBytes(this.#storeId, numbers(frame, kept)));
  }

  sealContent(frame: number, kept: number, key: Uint8Array, content: Uint8Array): Uint8Array {
    return this.#provider.seal(key, onlyNonce, content, this.#frameData(frame, kept));
  }

  openContent(
    frame: number,
    kept: number,
    key: Uint8Array,
    sealed: Uint8Array,
  ): Uint8Array | undefined {
    return this.#provider.open(key, onlyNonce, sealed, this.#frameData(frame, kept));
  }

  #partData(kind: SegmentKind, head: SegmentHead): Uint8Array {
    const type = Uint8Array.of(recordTypes[kind]);
    return domainBytes(
      domains.scsSegment,
      concatBytes(this.#storeId, type, encodeSegmentHead(head)),
    );
  }

  sealPart(kind: SegmentKind, head: SegmentHead, key: Uint8Array, bytes: Uint8Array): Uint8Array {
    const nonce = uintBE(head.part, nonceBytes);
    return this.#provider.seal(key, nonce, bytes, this.#partData(kind, head));
  }

  openPart(
    kind: SegmentKind,
    head: SegmentHead,
    key: Uint8Array,
    sealed: Uint8Array,
  ): Uint8Array | undefined {
    const nonce = uintBE(head.part, nonceBytes);
    return this.#provider.open(key, nonce, sealed, this.#partData(kind, head));
  }

  /** Of a commit's body. */
  sealCommit(body: Uint8Array): Uint8Array {
    return this.#provider.hmacSha256(this.#seal, domainBytes(domains.scsCommit, body));
  }

  checkCommit(body: Uint8Array, seal: Uint8Array): boolean {
    return this.#provider.equalSecret(this.sealCommit(body), seal);
  }
}
