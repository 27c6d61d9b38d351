/**
 * Reads canonical CBOR (RFC 8949, 4.2.1; `specs/scs/format.md`) field by field: whoever reads says
 * what must come next, so nothing larger than what was asked for is ever made of hostile bytes.
 * Without imports; every complaint is a `Malformed`.
 */

/** What is wrong with bytes, on its way to a verdict. */
export class Malformed extends Error {}

export const must: (holds: boolean, what: string) => asserts holds = (holds, what) => {
  if (!holds) throw new Malformed(what);
};

/** Least value of each longer head: a shorter one would have held what is below. */
const least = [24, 0x100, 0x10000, 0x100000000] as const;
const skippedDepthMax = 8;

const continuation = (bytes: Uint8Array, at: number): number => {
  const byte = bytes[at] ?? 0;
  must(byte >> 6 === 2, "a text is not UTF-8");
  return byte & 63;
};

/** RFC 3629: no overlong forms, no surrogates. */
export const utf8 = (bytes: Uint8Array): string => {
  const parts: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const first = bytes[at++] as number;
    if (first < 0x80) {
      parts.push(String.fromCharCode(first));
      continue;
    }
    const more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
    must(first >= 0xc2 && first <= 0xf4, "a text is not UTF-8");
    let code = first & (0x3f >> more);
    for (let i = 0; i < more; i++) code = code * 64 + continuation(bytes, at++);
    const isShortest = code >= ([0x80, 0x800, 0x10000][more - 1] as number);
    must(isShortest && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff), "not UTF-8");
    parts.push(String.fromCodePoint(code));
  }
  return parts.join("");
};

export class StrictReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  #head(): { readonly major: number; readonly value: number } {
    const first = this.#bytes[this.#at++];
    must(first !== undefined, "it is cut off");
    const info = first & 31;
    if (info < 24) return { major: first >> 5, value: info };
    must(info <= 27, "a length is reserved or indefinite");
    const width = 1 << (info - 24);
    must(this.#at + width <= this.#bytes.length, "it is cut off");
    let value = 0;
    for (let i = 0; i < width; i++) value = value * 256 + (this.#bytes[this.#at++] as number);
    must(value >= (least[info - 24] as number), "a number is not in its shortest form");
    must(Number.isSafeInteger(value), "a number is too large");
    return { major: first >> 5, value };
  }

  #expect(major: number, what: string): number {
    const head = this.#head();
    must(head.major === major, `${what} was due`);
    return head.value;
  }

  #take(length: number): Uint8Array {
    must(length <= this.#bytes.length - this.#at, "it is cut off");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  integer(min = 0, max: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.#expect(0, "a number");
    must(value >= min && value <= max, "a number is out of range");
    return value;
  }

  /** A view of the bytes that were given. */
  bytes(min: number, max: number = min): Uint8Array {
    const length = this.#expect(2, "bytes");
    must(length >= min && length <= max, "bytes have another length");
    return this.#take(length);
  }

  text(charsMax: number): string {
    const length = this.#expect(3, "text");
    must(length <= 3 * charsMax, "a text is too long");
    const text = utf8(this.#take(length));
    must(text.length <= charsMax, "a text is too long");
    return text;
  }

  list<T>(max: number, item: () => T): T[] {
    const count = this.#expect(4, "a list");
    must(count <= max, "a list is too long");
    return Array.from({ length: count }, item);
  }

  /**
   * A map: `fields` are called in the order of the encoding, which is that of the keys. Every one of
   * `due` must be there; a key that is not known is refused, or stepped over where `open`.
   */
  map(
    fields: Readonly<Record<string, () => void>>,
    due: readonly string[],
    unknown: "refused" | "skipped" = "refused",
  ): void {
    const count = this.#expect(5, "a map");
    const found = new Set<string>();
    let last: Uint8Array | undefined;
    for (let i = 0; i < count; i++) {
      const from = this.#at;
      const key = this.text(64);
      const encoded = this.#bytes.subarray(from, this.#at);
      must(last === undefined || isBefore(last, encoded), "keys are not in order");
      last = encoded;
      found.add(key);
      const read = Object.hasOwn(fields, key) ? fields[key] : undefined;
      if (read === undefined) {
        must(unknown === "skipped", `field ${key} is not known`);
        this.#skip(0);
      } else read();
    }
    for (const key of due) must(found.has(key), `field ${key} is missing`);
  }

  #skip(depth: number): void {
    must(depth <= skippedDepthMax, "it is too deep");
    const { major, value } = this.#head();
    if (major === 2) this.#take(value);
    else if (major === 3) utf8(this.#take(value));
    else if (major === 4) for (let i = 0; i < value; i++) this.#skip(depth + 1);
    else if (major === 5) {
      let last: Uint8Array | undefined;
      for (let i = 0; i < value; i++) {
        const from = this.#at;
        this.text(64);
        const encoded = this.#bytes.subarray(from, this.#at);
        must(last === undefined || isBefore(last, encoded), "keys are not in order");
        last = encoded;
        this.#skip(depth + 1);
      }
    } else must(major <= 1 || (major === 7 && value >= 20 && value <= 22), "it is not canonical");
  }

  end(): void {
    must(this.#at === this.#bytes.length, "bytes follow it");
  }
}

/** Bytewise; encodings of texts are never prefixes of each other. */
const isBefore = (a: Uint8Array, b: Uint8Array): boolean => {
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] as number) - (b[i] ?? -1);
    if (difference !== 0) return difference < 0;
  }
  return false;
};
