/**
 * What stands between a fragment in shared memory and who takes it for the truth.
 *
 * raw: nothing; for two ends that are one program. checked: CRC-32 over a private copy, so that what
 * is changed while it is read is found, by accident or by a careless peer. sealed: AES-256-GCM with
 * the number of the fragment as its nonce, so that nobody without the key can change, repeat or
 * reorder one; a key serves one plane in one direction.
 */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from "node:crypto";
import { crc32 } from "node:zlib";
import { OperationError } from "@ioi/base";
import { slotWord } from "./slots.ts";

export type PlaneKind =
  | { readonly type: "raw" }
  | { readonly type: "checked" }
  | { readonly type: "sealed"; readonly key: Uint8Array };

const tagWords = 4;

const broken = (what: string): OperationError => new OperationError("E_DATAPLANE_BROKEN", what);

export interface Guard {
  /** What is put into the slot; writes what belongs beside it into the slot's words. */
  close(n: number, plain: Uint8Array, flags: number, words: Int32Array): Uint8Array;
  /** The content of a private copy, or E_DATAPLANE_BROKEN; `words` is a private copy too. */
  open(n: number, copy: Uint8Array, flags: number, words: Int32Array): Uint8Array;
}

const raw: Guard = {
  close: (_n, plain) => plain,
  open: (_n, copy) => copy,
};

const checked: Guard = {
  close: (n, plain, flags, words) => {
    words[slotWord.check] = crc32(plain, (n ^ flags) >>> 0) | 0;
    return plain;
  },
  open: (n, copy, flags, words) => {
    if ((crc32(copy, (n ^ flags) >>> 0) | 0) !== words[slotWord.check]) {
      throw broken(`the checksum of fragment ${n} does not fit`);
    }
    return copy;
  },
};

class Seal implements Guard {
  readonly #key: KeyObject;
  readonly #nonce = Buffer.alloc(12);
  readonly #aad = Buffer.alloc(4);

  constructor(key: Uint8Array) {
    if (key.length !== 32) throw new OperationError("E_DATAPLANE_REGION", "a key is 32 bytes");
    this.#key = createSecretKey(key);
  }

  #prepare(n: number, flags: number): void {
    this.#nonce.writeBigUInt64BE(BigInt(n), 4);
    this.#aad.writeInt32BE(flags);
  }

  close(n: number, plain: Uint8Array, flags: number, words: Int32Array): Uint8Array {
    this.#prepare(n, flags);
    const cipher = createCipheriv("aes-256-gcm", this.#key, this.#nonce);
    cipher.setAAD(this.#aad);
    const sealed = cipher.update(plain);
    cipher.final();
    const tag = cipher.getAuthTag();
    for (let i = 0; i < tagWords; i++) words[slotWord.tag + i] = tag.readInt32LE(4 * i);
    return sealed;
  }

  open(n: number, copy: Uint8Array, flags: number, words: Int32Array): Uint8Array {
    this.#prepare(n, flags);
    const tag = Buffer.alloc(4 * tagWords);
    for (let i = 0; i < tagWords; i++) tag.writeInt32LE(words[slotWord.tag + i] as number, 4 * i);
    const decipher = createDecipheriv("aes-256-gcm", this.#key, this.#nonce);
    decipher.setAAD(this.#aad);
    decipher.setAuthTag(tag);
    const plain = decipher.update(copy);
    try {
      decipher.final();
    } catch {
      throw broken(`the seal of fragment ${n} does not fit`);
    }
    return plain;
  }
}

export const guardOf = (kind: PlaneKind): Guard =>
  kind.type === "raw" ? raw : kind.type === "checked" ? checked : new Seal(kind.key);
