/**
 * What stands between a fragment in shared memory and who takes it for the truth.
 *
 * raw: nothing; for two ends that are one program. checked: CRC-32 over a private copy, so that what
 * is changed while it is read is found, by accident or by a careless peer. sealed: AES-256-GCM with
 * the number of the fragment as its nonce, so that nobody without the key can change, repeat or
 * reorder one; a key serves one plane in one direction.
 */
import { crc32 } from "node:zlib";
import { OperationError } from "@ioi/base";
import { type Gcm, gcmOf, gcmTagBytes } from "../libc/index.ts";
import { slotWord } from "./slots.ts";

export type PlaneKind =
  | { readonly type: "raw" }
  | { readonly type: "checked" }
  | { readonly type: "sealed"; readonly key: Uint8Array };

const tagWords = gcmTagBytes / 4;

const broken = (what: string): OperationError => new OperationError("E_DATAPLANE_BROKEN", what);

export interface Guard {
  /** What is put into the slot; writes what belongs beside it into the slot's words. */
  close(n: number, plain: Uint8Array, flags: number, words: Int32Array): Uint8Array;
  /** The content of a private copy, or E_DATAPLANE_BROKEN; `words` is a private copy too. */
  open(n: number, copy: Uint8Array, flags: number, words: Int32Array): Uint8Array;
  /** Nothing is put or taken any more. */
  end(): void;
}

const nothingToEnd = (): void => undefined;

const raw: Guard = {
  close: (_n, plain) => plain,
  open: (_n, copy) => copy,
  end: nothingToEnd,
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
  end: nothingToEnd,
};

/**
 * What is encrypted is private before and after: a peer that writes while a tag is made or checked
 * could otherwise have it made over its own bytes.
 */
class Seal implements Guard {
  readonly #gcm: Gcm;
  readonly #nonce: DataView;
  readonly #tag: Int32Array;
  readonly #aad = Buffer.allocUnsafeSlow(4);
  readonly #sealed: Uint8Array;

  constructor(key: Uint8Array, direction: "seal" | "open", slotBytes: number) {
    if (key.length !== 32) throw new OperationError("E_DATAPLANE_REGION", "a key is 32 bytes");
    this.#gcm = gcmOf(key, direction);
    const { nonce, tag } = this.#gcm;
    this.#nonce = new DataView(nonce.buffer, nonce.byteOffset, nonce.length);
    this.#nonce.setUint32(0, 0);
    this.#tag = new Int32Array(tag.buffer, tag.byteOffset, tagWords);
    this.#sealed = Buffer.allocUnsafeSlow(direction === "seal" ? slotBytes : 0);
  }

  #prepare(n: number, flags: number): void {
    this.#nonce.setBigUint64(4, BigInt(n));
    this.#aad.writeInt32BE(flags);
  }

  close(n: number, plain: Uint8Array, flags: number, words: Int32Array): Uint8Array {
    this.#prepare(n, flags);
    const sealed = this.#sealed.subarray(0, plain.length);
    this.#gcm.seal(this.#aad, plain, sealed);
    words.set(this.#tag, slotWord.tag);
    return sealed;
  }

  open(n: number, copy: Uint8Array, flags: number, words: Int32Array): Uint8Array {
    this.#prepare(n, flags);
    this.#tag.set(words.subarray(slotWord.tag, slotWord.tag + tagWords));
    if (!this.#gcm.open(this.#aad, copy, copy)) {
      throw broken(`the seal of fragment ${n} does not fit`);
    }
    return copy;
  }

  end(): void {
    this.#gcm.close();
  }
}

export const guardOf = (kind: PlaneKind, direction: "seal" | "open", slotBytes: number): Guard =>
  kind.type === "raw"
    ? raw
    : kind.type === "checked"
      ? checked
      : new Seal(kind.key, direction, slotBytes);
