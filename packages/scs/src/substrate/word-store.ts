/**
 * The words of a file: the index over all of them, and which of them lie in segments already. A segment
 * holds a range of memories: the beginnings of the hashes of their texts, then the word index of the
 * range. Section 5.7 of `specs/scs/format.md`.
 */
import { concatBytes, equalBytes, uintBE, utf8Encode } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import type { MemoryFile } from "../file.ts";
import type { KeptSegment } from "../kept.ts";
import type { NewSegment } from "../segments.ts";
import { countTerms, WordIndex } from "../words/index.ts";

/** Bytes of the hash of a text that are kept: enough to tell that it was there before. */
const textHashBytes = 6;
/** Of a memory that was forgotten. */
const nothing = 0;

/** The same for texts that differ in case and space alone. */
export const plainText = (text: string): string => text.toLowerCase().replace(/\s+/g, " ").trim();

const numberAt = (bytes: Uint8Array, at: number): number => {
  let number = 0;
  for (let i = at; i < at + textHashBytes; i++) number = number * 256 + (bytes[i] as number);
  return number;
};

const textHash = (hashing: Hashing, text: string): number =>
  numberAt(hashing.sha256(utf8Encode(plainText(text))), 0);

interface Range {
  readonly hashes: Uint8Array;
  readonly words: Uint8Array;
}

const rangeOf = ({ count }: KeptSegment, bytes: Uint8Array): Range | undefined => {
  const end = count * textHashBytes;
  if (bytes.length < end) return undefined;
  return { hashes: bytes.subarray(0, end), words: bytes.subarray(end) };
};

export class WordStore {
  readonly words = new WordIndex();
  readonly #hashing: Hashing;
  /** Words of what is in no segment yet. */
  #tail = new WordIndex();
  #tailFirst = 0;
  /** By memory, as numbers of 48 bits. */
  readonly #hashes: number[] = [];
  readonly #texts = new Map<number, number>();

  constructor(hashing: Hashing) {
    this.#hashing = hashing;
  }

  /** Memories that are in no segment yet. */
  get tail(): number {
    return this.#hashes.length - this.#tailFirst;
  }

  /** The first memory that has this text, but for case and space. */
  find(text: string): number | undefined {
    return this.#texts.get(textHash(this.#hashing, text));
  }

  isSame(a: number, b: number): boolean {
    const [x, y] = [this.#hashes[a], this.#hashes[b]];
    return x === y && x !== undefined && x !== nothing;
  }

  /** Numbers without gaps; undefined: forgotten. */
  add(id: number, text: string | undefined): void {
    if (text !== undefined) {
      const counted = countTerms(text);
      this.words.addCounted(id, counted);
      this.#tail.addCounted(id, counted);
    }
    this.#note(id, text === undefined ? nothing : textHash(this.#hashing, text));
  }

  #note(id: number, hash: number): void {
    this.#hashes.push(hash);
    if (hash !== nothing && !this.#texts.has(hash)) this.#texts.set(hash, id);
  }

  remove(id: number): void {
    this.words.remove(id);
    this.#tail.remove(id);
    const hash = this.#hashes[id];
    if (hash === undefined) return;
    this.#hashes[id] = nothing;
    if (this.#texts.get(hash) === id) this.#texts.delete(hash);
  }

  /**
   * All words of a file: from its segments, and of what is in none, from the memories. False: a segment
   * is not what it should be, and this store is of no use. What is between two segments is read from
   * the memories each time, until they are made anew.
   */
  async load(
    file: MemoryFile,
    segments: readonly KeptSegment[],
    read: (id: number) => Promise<string | undefined>,
  ): Promise<boolean> {
    let next = 0;
    const readTo = async (end: number): Promise<void> => {
      for (; next < end; next++) this.add(next, await read(next));
    };
    for (const segment of segments) {
      await readTo(segment.first);
      const range = await this.#readRange(file, segment);
      if (range === undefined || segment.first !== next) return false;
      if (!this.words.load(range.words).ok) return false;
      for (let i = 0; i < segment.count; i++) {
        this.#note(next++, numberAt(range.hashes, i * textHashBytes));
      }
      this.#endTail(next);
    }
    await readTo(file.info.memories);
    return true;
  }

  async #readRange(file: MemoryFile, segment: KeptSegment): Promise<Range | undefined> {
    const bytes = await file.readSegment(segment);
    return bytes && rangeOf(segment, bytes);
  }

  #endTail(next: number): void {
    this.#tail = new WordIndex();
    this.#tailFirst = next;
  }

  #encode(first: number, count: number, words: WordIndex): NewSegment {
    const hashes = new Uint8Array(count * textHashBytes);
    for (let i = 0; i < count; i++) {
      hashes.set(uintBE(this.#hashes[first + i] as number, textHashBytes), i * textHashBytes);
    }
    const bytes = concatBytes(hashes, words.encode());
    return { kind: "lex", first, count, bytes };
  }

  /** What is in no segment yet, as one, together with those before that are no larger. */
  async fold(file: MemoryFile): Promise<{ segment: NewSegment | undefined; drop: number[] }> {
    const count = this.tail;
    if (count === 0) return { segment: undefined, drop: [] };
    const before = lexOf(file);
    const joined: KeptSegment[] = [];
    let first = this.#tailFirst;
    for (const segment of before.toReversed()) {
      const isNext = segment.first + segment.count === first;
      if (!isNext || segment.count > this.#hashes.length - first) break;
      joined.unshift(segment);
      ({ first } = segment);
    }
    const words = new WordIndex();
    for (const segment of joined) {
      const range = await this.#readRange(file, segment);
      if (range === undefined || !words.load(range.words).ok)
        return { segment: undefined, drop: [] };
    }
    const loaded = words.load(this.#tail.encode());
    const segment = loaded.ok ? this.#encode(first, this.#hashes.length - first, words) : undefined;
    return { segment, drop: joined.map(({ number }) => number) };
  }

  equals(other: WordStore): boolean {
    return equalBytes(this.words.encode(), other.words.encode());
  }

  /** Says that what `fold` gave is in the file. */
  folded(): void {
    this.#endTail(this.#hashes.length);
  }

  /** Segments that held something of these memories, without them. Called after `remove`. */
  async without(file: MemoryFile, ids: readonly number[]): Promise<readonly NewSegment[]> {
    const anew: NewSegment[] = [];
    for (const segment of lexOf(file)) {
      const { first, count } = segment;
      const held = ids.filter((id) => id >= first && id < first + count);
      if (held.length === 0) continue;
      const range = await this.#readRange(file, segment);
      const words = range && WordIndex.decode(range.words);
      if (words?.ok !== true) continue;
      for (const id of held) words.value.remove(id);
      anew.push(this.#encode(first, count, words.value));
    }
    return anew;
  }
}

export const lexOf = (file: MemoryFile): readonly KeptSegment[] =>
  file
    .segments()
    .filter(({ kind }) => kind === "lex")
    .toSorted((a, b) => a.first - b.first || a.count - b.count);
