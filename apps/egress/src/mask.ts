/**
 * A leased secret that a server sends back is not passed on: where its exact bytes stand in an
 * answer's headers or body, a mask of the same length stands instead, also across the borders of
 * pieces. What the server makes of it (encoded, cut, hashed) cannot be known here.
 *
 * Invariants: as many bytes go on as came, so that lengths and offsets stay true; nothing that could
 * be the beginning of a secret goes on before it is known not to be one.
 * Bounds: holds back less than the longest secret.
 */

/** Shorter ones are words of any text: masking them would spoil answers and hide nothing. */
const secretBytesMin = 8;
const label = "[secret]";

const maskOf = (length: number): Buffer => Buffer.from(label.padEnd(length, "*").slice(0, length));

/** A header's value, and the parts of it that are secret by themselves: `Bearer` is not. */
const needlesOf = (values: readonly string[]): readonly Buffer[] => {
  const found = new Set<string>();
  for (const value of values) {
    for (const part of [value, ...value.split(/\s+/)]) {
      found.add(part);
      found.add(encodeURIComponent(part));
    }
  }
  return [...found]
    .map((text) => Buffer.from(text, "latin1"))
    .filter(({ length }) => length >= secretBytesMin)
    .sort((a, b) => b.length - a.length);
};

export class Mask {
  readonly #needles: readonly Buffer[];
  #held: Buffer = Buffer.alloc(0);

  /** `values`: the headers' values that the lease added. */
  constructor(values: readonly string[]) {
    this.#needles = needlesOf(values);
  }

  /** A whole text. */
  text(text: string): string {
    if (this.#needles.length === 0) return text;
    const bytes = Buffer.from(text, "latin1");
    return this.#cover(bytes) ? bytes.toString("latin1") : text;
  }

  /** The part of a body that may go on. */
  push(piece: Uint8Array): Uint8Array {
    if (this.#needles.length === 0) return piece;
    const bytes = Buffer.concat([this.#held, piece]);
    this.#cover(bytes);
    const keep = this.#beginning(bytes);
    this.#held = bytes.subarray(bytes.length - keep);
    return bytes.subarray(0, bytes.length - keep);
  }

  /** What was held back: a long beginning of a secret is no more shown than the whole. */
  end(): Uint8Array {
    const rest = this.#held;
    this.#held = Buffer.alloc(0);
    return rest.length >= secretBytesMin ? maskOf(rest.length) : rest;
  }

  #cover(bytes: Buffer): boolean {
    let covered = false;
    for (const needle of this.#needles) {
      for (let at = bytes.indexOf(needle); at !== -1; at = bytes.indexOf(needle, at)) {
        maskOf(needle.length).copy(bytes, at);
        covered = true;
        at += needle.length;
      }
    }
    return covered;
  }

  /** How many of the last bytes may be the beginning of a secret. */
  #beginning(bytes: Buffer): number {
    let most = 0;
    for (const needle of this.#needles) {
      for (let length = Math.min(needle.length - 1, bytes.length); length > most; length--) {
        const tail = bytes.subarray(bytes.length - length);
        if (tail.equals(needle.subarray(0, length))) most = length;
      }
    }
    return most;
  }
}
