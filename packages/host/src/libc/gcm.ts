/**
 * AES-256-GCM through the OpenSSL that the runtime carries, with one context for a key: the
 * platform's interface makes a cipher and a new buffer for every message, which takes three times as
 * long as the encryption. Source: EVP_EncryptInit(3). The platform's own where its symbols are hidden.
 *
 * Invariants: one nonce for one message, which the caller sees to; nothing is read from or written
 * to memory but the caller's; a closed context is not used.
 */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from "node:crypto";
import ffi from "node:ffi";
import { OperationError } from "@ioi/base";
import { pointerTo } from "./ffi.ts";

const word = "u64";
const signatures = {
  EVP_aes_256_gcm: { arguments: [], return: "pointer" },
  EVP_CIPHER_CTX_new: { arguments: [], return: "pointer" },
  EVP_CIPHER_CTX_free: { arguments: [word], return: "void" },
  EVP_CIPHER_CTX_ctrl: { arguments: [word, "i32", "i32", word], return: "i32" },
  EVP_CipherInit_ex: { arguments: [word, word, word, word, word, "i32"], return: "i32" },
  EVP_CipherUpdate: { arguments: [word, word, word, word, "i32"], return: "i32" },
  EVP_CipherFinal_ex: { arguments: [word, word, word], return: "i32" },
} as const;

const nonceBytes = 12;
export const gcmTagBytes = 16;
const EVP_CTRL_AEAD_GET_TAG = 0x10;
const EVP_CTRL_AEAD_SET_TAG = 0x11;

const load = () => {
  try {
    return ffi.dlopen(null, signatures).functions;
  } catch {
    return undefined;
  }
};
const evp = load();

/** Of one key in one direction. */
export interface Gcm {
  /** 12 bytes; the caller changes them between messages. */
  readonly nonce: Uint8Array;
  /** The tag that was made, or that is to fit. */
  readonly tag: Uint8Array;
  /** Encrypts to `into`, of the same length, and makes the tag. */
  seal(aad: Uint8Array, plain: Uint8Array, into: Uint8Array): void;
  /** Decrypts to `into`, which may be the same bytes; false where the tag does not fit. */
  open(aad: Uint8Array, sealed: Uint8Array, into: Uint8Array): boolean;
  close(): void;
}

const closed = (): OperationError => new OperationError("E_LIBC", "the cipher is closed");

type Evp = NonNullable<typeof evp>;

class NativeGcm implements Gcm {
  readonly nonce = Buffer.allocUnsafeSlow(nonceBytes);
  readonly tag = Buffer.allocUnsafeSlow(gcmTagBytes);
  readonly #evp: Evp;
  readonly #written = Buffer.allocUnsafeSlow(4);
  readonly #last = Buffer.allocUnsafeSlow(gcmTagBytes);
  /** Where these stand; their memory does not move. */
  readonly #at: {
    readonly nonce: bigint;
    readonly tag: bigint;
    readonly written: bigint;
    readonly last: bigint;
  };
  readonly #direction: 0 | 1;
  #context: bigint;

  constructor(native: Evp, key: Uint8Array, direction: "seal" | "open") {
    this.#evp = native;
    this.#direction = direction === "seal" ? 1 : 0;
    this.#at = {
      nonce: pointerTo(this.nonce),
      tag: pointerTo(this.tag),
      written: pointerTo(this.#written),
      last: pointerTo(this.#last),
    };
    this.#context = BigInt(native.EVP_CIPHER_CTX_new());
    const cipher = BigInt(native.EVP_aes_256_gcm());
    if (this.#context === 0n) throw closed();
    this.#need(
      native.EVP_CipherInit_ex(this.#context, cipher, 0n, pointerTo(key), 0n, this.#direction),
    );
  }

  #need(answer: number): void {
    if (answer !== 1) throw new OperationError("E_LIBC", "the cipher refused its input");
  }

  #begin(direction: 0 | 1): void {
    if (this.#context === 0n || direction !== this.#direction) throw closed();
    const { nonce } = this.#at;
    this.#need(this.#evp.EVP_CipherInit_ex(this.#context, 0n, 0n, 0n, nonce, direction));
  }

  #update(into: bigint, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const { written } = this.#at;
    this.#need(
      this.#evp.EVP_CipherUpdate(this.#context, into, written, pointerTo(bytes), bytes.length),
    );
  }

  seal(aad: Uint8Array, plain: Uint8Array, into: Uint8Array): void {
    if (into.length !== plain.length) throw closed();
    this.#begin(1);
    this.#update(0n, aad);
    this.#update(pointerTo(into), plain);
    const { last, written, tag } = this.#at;
    this.#need(this.#evp.EVP_CipherFinal_ex(this.#context, last, written));
    this.#need(
      this.#evp.EVP_CIPHER_CTX_ctrl(this.#context, EVP_CTRL_AEAD_GET_TAG, gcmTagBytes, tag),
    );
  }

  open(aad: Uint8Array, sealed: Uint8Array, into: Uint8Array): boolean {
    if (into.length !== sealed.length) throw closed();
    this.#begin(0);
    const { last, written, tag } = this.#at;
    this.#need(
      this.#evp.EVP_CIPHER_CTX_ctrl(this.#context, EVP_CTRL_AEAD_SET_TAG, gcmTagBytes, tag),
    );
    this.#update(0n, aad);
    this.#update(pointerTo(into), sealed);
    return this.#evp.EVP_CipherFinal_ex(this.#context, last, written) === 1;
  }

  close(): void {
    if (this.#context === 0n) return;
    this.#evp.EVP_CIPHER_CTX_free(this.#context);
    this.#context = 0n;
  }
}

class PlatformGcm implements Gcm {
  readonly nonce = Buffer.alloc(nonceBytes);
  readonly tag = Buffer.alloc(gcmTagBytes);
  readonly #key: KeyObject;

  constructor(key: Uint8Array) {
    this.#key = createSecretKey(key);
  }

  seal(aad: Uint8Array, plain: Uint8Array, into: Uint8Array): void {
    const cipher = createCipheriv("aes-256-gcm", this.#key, this.nonce);
    cipher.setAAD(aad);
    into.set(cipher.update(plain));
    cipher.final();
    this.tag.set(cipher.getAuthTag());
  }

  open(aad: Uint8Array, sealed: Uint8Array, into: Uint8Array): boolean {
    const decipher = createDecipheriv("aes-256-gcm", this.#key, this.nonce);
    decipher.setAAD(aad);
    decipher.setAuthTag(this.tag);
    const plain = decipher.update(sealed);
    try {
      decipher.final();
    } catch {
      return false;
    }
    into.set(plain);
    return true;
  }

  close(): void {
    // The platform forgets by itself.
  }
}

/** `native`: false for the platform's interface, which is otherwise only the fallback. */
export const gcmOf = (key: Uint8Array, direction: "seal" | "open", native = true): Gcm => {
  if (key.length !== 32) throw new OperationError("E_LIBC", "a key is 32 bytes");
  return native && evp !== undefined ? new NativeGcm(evp, key, direction) : new PlatformGcm(key);
};
