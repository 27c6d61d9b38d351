/**
 * The name that a TLS client asks for, from the first record that goes up a tunnel: RFC 8446, section
 * 4.1.2, RFC 6066, section 3. A tunnel to one host must not carry a request for another. Pure.
 *
 * Bounds: `helloBytesMax`; whatever is no client hello is let through unread.
 */
import { helloBytesMax } from "../limits.ts";

export type HelloRead =
  /** More bytes are needed. */
  | { readonly type: "more" }
  /** No TLS, or a hello without a name. */
  | { readonly type: "none" }
  | { readonly type: "name"; readonly name: string }
  /** TLS that does not say what it says. */
  | { readonly type: "malformed" };

/** Reads what is long enough, once. */
class Cursor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  number(bytes: 1 | 2 | 3): number {
    const value = this.left < bytes ? -1 : this.#bytes.readUIntBE(this.#at, bytes);
    this.#at += bytes;
    return value;
  }

  take(bytes: number): Buffer | undefined {
    if (bytes < 0 || this.left < bytes) return undefined;
    this.#at += bytes;
    return this.#bytes.subarray(this.#at - bytes, this.#at);
  }

  /** A vector whose length stands before it in so many bytes. */
  vector(bytes: 1 | 2): Buffer | undefined {
    return this.take(this.number(bytes));
  }
}

const malformed: HelloRead = { type: "malformed" };

const nameIn = (extension: Buffer): HelloRead => {
  const list = new Cursor(extension).vector(2);
  if (list === undefined) return malformed;
  const names = new Cursor(list);
  const kind = names.number(1);
  const name = names.vector(2);
  if (kind !== 0 || name === undefined || names.left > 0) return malformed;
  return { type: "name", name: name.toString("latin1") };
};

const readHello = (hello: Buffer): HelloRead => {
  const body = new Cursor(hello);
  // Version and random.
  body.take(34);
  if (
    body.vector(1) === undefined ||
    body.vector(2) === undefined ||
    body.vector(1) === undefined
  ) {
    return malformed;
  }
  if (body.left === 0) return { type: "none" };
  const extensions = body.vector(2);
  if (extensions === undefined || body.left > 0) return malformed;
  const each = new Cursor(extensions);
  let found: HelloRead = { type: "none" };
  while (each.left > 0) {
    const kind = each.number(2);
    const value = each.vector(2);
    if (value === undefined) return malformed;
    if (kind !== 0) continue;
    if (found.type !== "none") return malformed;
    found = nameIn(value);
  }
  return found;
};

/** What the first bytes of a tunnel ask for. */
export const readClientHello = (bytes: Buffer): HelloRead => {
  if (bytes.length === 0) return { type: "more" };
  if (bytes[0] !== 22) return { type: "none" };
  // A hello may be cut into several records.
  const pieces: Buffer[] = [];
  const records = new Cursor(bytes);
  let collected = 0;
  for (;;) {
    if (records.left < 5) break;
    const kind = records.number(1);
    records.take(2);
    const record = records.take(records.number(2));
    if (kind !== 22) return malformed;
    if (record === undefined) break;
    pieces.push(record);
    collected += record.length;
    if (collected >= 4) {
      const message = Buffer.concat(pieces);
      if (message[0] !== 1) return { type: "none" };
      const length = message.readUIntBE(1, 3);
      if (length > helloBytesMax) return malformed;
      if (message.length >= 4 + length) return readHello(message.subarray(4, 4 + length));
    }
  }
  return bytes.length > helloBytesMax + 1024 ? malformed : { type: "more" };
};
