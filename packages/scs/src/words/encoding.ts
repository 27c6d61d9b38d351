/**
 * The bytes of a word index; `word-index.ts` says which. Reading is strict: one spelling for one index, and
 * lists that agree with the lengths of the memories, so that what is read can be searched and encoded
 * again to the same bytes. Work and memory are bounded by the bytes that are there: a term, which may share
 * all but its last byte with the one before, has at most `termCharsMax` characters; and memories are those
 * of a range that whoever reads knows to be as large as what is read.
 */
import {
  compareText,
  concatBytes,
  err,
  ok,
  type Rejection,
  type Result,
  utf8Decode,
  utf8Encode,
} from "@ioi/base";
import { termCharsMax, wordMemoriesMax } from "../limits.ts";
import type { ReadList } from "./lists.ts";

export type WordsError = Rejection<"E_SCS_DAMAGED">;

const version = 1;
/** Three bytes for each unit of UTF-16. */
const termBytesMax = termCharsMax * 3;

export interface EncodedTerm {
  readonly term: string;
  readonly memories: number;
  readonly list: Uint8Array;
}

class Writer {
  #bytes = new Uint8Array(65_536);
  #used = 0;

  number(value: number): void {
    this.#room(8);
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) {
      this.#bytes[this.#used++] = (rest % 0x80) | 0x80;
    }
    this.#bytes[this.#used++] = rest;
  }

  bytes(value: Uint8Array): void {
    this.#room(value.length);
    this.#bytes.set(value, this.#used);
    this.#used += value.length;
  }

  #room(bytes: number): void {
    if (this.#used + bytes <= this.#bytes.length) return;
    const grown = new Uint8Array(2 * (this.#used + bytes));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }

  end(): Uint8Array {
    return this.#bytes.slice(0, this.#used);
  }
}

const sharedBytes = (a: Uint8Array, b: Uint8Array): number => {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return at;
};

/** Memories by number with their lengths; terms by their bytes. */
export const encodeIndex = (
  memories: readonly (readonly [number, number])[],
  terms: readonly EncodedTerm[],
): Uint8Array => {
  const writer = new Writer();
  writer.number(version);
  writer.number(memories.length);
  let last = -1;
  for (const [id, length] of memories) {
    writer.number(id - last - 1);
    writer.number(length);
    last = id;
  }
  writer.number(terms.length);
  let before: Uint8Array = new Uint8Array();
  for (const { term, memories: count, list } of terms) {
    const bytes = utf8Encode(term);
    const shared = sharedBytes(before, bytes);
    writer.number(shared);
    writer.number(bytes.length - shared);
    writer.bytes(bytes.subarray(shared));
    writer.number(count);
    writer.bytes(list);
    before = bytes;
  }
  return writer.end();
};

/** What reading ends with; it does not leave this file. */
class Malformed extends Error {}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  number(max: number, what: string): number {
    const only = this.#bytes[this.#at] ?? 0x80;
    if (only < 0x80 && only <= max) {
      this.#at++;
      return only;
    }
    let value = 0;
    for (let scale = 1; scale < 2 ** 42; scale *= 0x80) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new Malformed("it ends too early");
      value += (byte & 0x7f) * scale;
      if (byte >= 0x80) continue;
      if (value > max || (byte === 0 && scale > 1)) break;
      return value;
    }
    throw new Malformed(`${what} is no number up to ${max} in its shortest form`);
  }

  bytes(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new Malformed("it ends too early");
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return bytes;
  }

  get at(): number {
    return this.#at;
  }

  since(start: number): Uint8Array {
    return this.#bytes.subarray(start, this.#at);
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }
}

export interface IndexSink {
  /** Numbers from here on alone, below `end`. */
  readonly first: number;
  readonly end: number;
  memory(id: number, length: number): void;
  /** A term that stands in what is read, with its list. */
  list(term: string, list: ReadList): void;
}

/** Terms that each memory still has to have, from `first` on. */
interface Missing {
  readonly first: number;
  readonly terms: Float64Array;
}

const readMemories = (reader: Reader, sink: IndexSink): Missing => {
  const count = reader.number(wordMemoriesMax, "the count of memories");
  const ids: number[] = [];
  const lengths: number[] = [];
  let last = -1;
  for (let i = 0; i < count; i++) {
    const id = last + 1 + reader.number(wordMemoriesMax, "a memory");
    if (id < sink.first || id >= sink.end) throw new Malformed("a memory is out of range");
    const length = reader.number(2 ** 31, "a length");
    sink.memory(id, length);
    ids.push(id);
    lengths.push(length);
    last = id;
  }
  const first = ids[0] ?? 0;
  const terms = new Float64Array(last + 1 - first);
  for (const [i, id] of ids.entries()) terms[id - first] = lengths[i] as number;
  return { first, terms };
};

const readList = (reader: Reader, memories: number, { first, terms }: Missing): ReadList => {
  const start = reader.at;
  let last = -1;
  for (let i = 0; i < memories; i++) {
    const step = reader.number(2 * wordMemoriesMax, "an entry");
    last += 1 + Math.floor(step / 2);
    const occurrences = step % 2 === 1 ? 1 : 2 + reader.number(2 ** 31, "a count of occurrences");
    const left = (terms[last - first] ?? 0) - occurrences;
    if (left < 0) throw new Malformed("a list names a memory more often than it has terms");
    terms[last - first] = left;
  }
  return { bytes: reader.since(start), memories, last };
};

const readTerms = (reader: Reader, missing: Missing, sink: IndexSink): void => {
  const count = reader.number(2 ** 32, "the count of terms");
  let before: Uint8Array = new Uint8Array();
  let last = "";
  for (let i = 0; i < count; i++) {
    const shared = reader.number(before.length, "what a term shares");
    const own = reader.bytes(reader.number(termBytesMax - shared, "a term's length"));
    const bytes = concatBytes(before.subarray(0, shared), own);
    const term = utf8Decode(bytes);
    const isLongest = shared === before.length || before[shared] !== own[0];
    const isTerm = term !== undefined && term.length <= termCharsMax;
    if (!isTerm || !isLongest || compareText(term, last) <= 0) {
      throw new Malformed("a term is malformed or out of order");
    }
    const memories = reader.number(wordMemoriesMax, "the count of a list");
    if (memories === 0) throw new Malformed("a term stands nowhere");
    sink.list(term, readList(reader, memories, missing));
    before = bytes;
    last = term;
  }
};

export const readIndex = (bytes: Uint8Array, sink: IndexSink): Result<undefined, WordsError> => {
  const reader = new Reader(bytes);
  try {
    if (reader.number(255, "the version") !== version) throw new Malformed("its version");
    const missing = readMemories(reader, sink);
    readTerms(reader, missing, sink);
    if (!reader.isAtEnd) throw new Malformed("more follows");
    for (const left of missing.terms) {
      if (left !== 0) throw new Malformed("a memory has more terms than the lists say");
    }
    return ok(undefined);
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return err({ code: "E_SCS_DAMAGED", message: `the word index: ${error.message}` });
  }
};
