/**
 * The words of a file. A segment holds a range of memories: the beginnings of the hashes of their texts, then
 * the word index of the range. Section 5.4 of `specs/scs/format.md`.
 *
 * To store memories, the hashes and the words of what is in no segment yet are enough, and those go to a
 * segment when they are `wordTailBytesMax`; segments are joined up to `wordSegmentBytesMax`. So storing
 * takes memory for about 15 bytes a memory. The first question loads all words.
 */
import { concatBytes, equalBytes, uintBE, utf8Encode } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import type { MemoryFile } from "../file.ts";
import type { KeptSegment } from "../kept.ts";
import { wordSegmentBytesMax, wordTailBytesMax } from "../limits.ts";
import type { NewSegment } from "../segments.ts";
import { countTerms, WordIndex } from "../words/index.ts";
import { nothing, textHashBytes, TextHashes } from "./text-hashes.ts";

/** The same for texts that differ in case and space alone. */
export const plainText = (text: string): string => text.toLowerCase().replace(/\s+/g, " ").trim();

const numberAt = (bytes: Uint8Array, at: number): number => {
  let number = 0;
  for (let i = at; i < at + textHashBytes; i++) number = number * 256 + (bytes[i] as number);
  return number;
};

const textHash = (hashing: Hashing, text: string): number =>
  numberAt(hashing.sha256(utf8Encode(plainText(text))), 0);

/** Words of the memories before `end`. */
interface Range {
  readonly words: Uint8Array;
  readonly end: number;
}

type Covered = Pick<KeptSegment, "first" | "count">;

const rangeOf = ({ first, count }: Covered, bytes: Uint8Array): Range | undefined => {
  const hashBytes = count * textHashBytes;
  if (bytes.length < hashBytes) return undefined;
  return { words: bytes.subarray(hashBytes), end: first + count };
};

const bytesOf = ({ parts }: KeptSegment): number =>
  parts.reduce((sum, { length }) => sum + length, 0);

/** What goes to the file in one commit, and numbers of the segments that it replaces. */
export interface Folded {
  readonly segments: readonly NewSegment[];
  readonly drop: readonly number[];
}

/** `undefined`: a memory that is forgotten. */
export type ReadText = (id: number) => Promise<string | undefined>;

export class WordStore {
  readonly #file: MemoryFile;
  readonly #hashing: Hashing;
  /** All words, once they were asked for. */
  #whole: WordIndex | undefined;
  /** Words of what is in no segment yet. */
  #tail = new WordIndex();
  #tailFirst = 0;
  /** Segments to be, before the tail: where more than one is due at once. */
  #ended: NewSegment[] = [];
  /** Nothing is taken from the file's segments: they are replaced. */
  #isAnew = false;
  readonly #hashes = new TextHashes();

  constructor(file: MemoryFile, hashing: Hashing) {
    this.#file = file;
    this.#hashing = hashing;
  }

  /** More is in no segment than should be. */
  get isFull(): boolean {
    return this.#ended.length > 0 || this.#tail.bytes >= wordTailBytesMax;
  }

  /** The first memory that has this text, but for case and space. */
  find(text: string): number | undefined {
    return this.#hashes.find(textHash(this.#hashing, text));
  }

  isSame(a: number, b: number): boolean {
    const [x, y] = [this.#hashes.at(a), this.#hashes.at(b)];
    return x === y && x !== undefined && x !== nothing;
  }

  /** Numbers without gaps; undefined: forgotten. */
  add(id: number, text: string | undefined): void {
    if (text !== undefined) {
      const counted = countTerms(text);
      this.#whole?.addCounted(id, counted);
      this.#tail.addCounted(id, counted);
    }
    this.#hashes.push(text === undefined ? nothing : textHash(this.#hashing, text));
  }

  remove(id: number): void {
    this.#whole?.remove(id);
    this.#tail.remove(id);
    this.#hashes.clear(id);
  }

  /**
   * Hashes and tail of a file: from its segments, and of what is in none, from the memories. False: a
   * segment is not what it should be, and this store is of no use. What is between two segments is read
   * from the memories each time, until they are made anew. `anew`: all from the memories.
   */
  async load(from: "segments" | "anew", read: ReadText): Promise<boolean> {
    this.#isAnew = from === "anew";
    const readTo = async (end: number): Promise<void> => {
      for (let next = this.#hashes.length; next < end; next++) {
        this.add(next, await read(next));
        if (this.#tail.bytes >= wordTailBytesMax) this.#endTail();
      }
    };
    for (const segment of this.#segments()) {
      await readTo(segment.first);
      const hashBytes = segment.count * textHashBytes;
      const hashes = await this.#file.readSegment(segment, hashBytes);
      const isNext = segment.first === this.#hashes.length;
      if (hashes === undefined || hashes.length < hashBytes || !isNext) return false;
      if (this.#tail.last >= 0) this.#endTail();
      for (let i = 0; i < segment.count; i++) {
        this.#hashes.push(numberAt(hashes, i * textHashBytes));
      }
      this.#beginTail();
    }
    await readTo(this.#file.memories);
    return true;
  }

  /** Those of the file that hold. */
  #segments(): readonly KeptSegment[] {
    return this.#isAnew ? [] : lexOf(this.#file);
  }

  /** The index over all; undefined: a segment is not what it should be, and this store is of no use. */
  async whole(): Promise<WordIndex | undefined> {
    if (this.#whole !== undefined) return this.#whole;
    const all = new WordIndex();
    const parts = [
      ...this.#segments().map((segment) => ({
        first: segment.first,
        read: () => this.#readRange(segment),
      })),
      ...this.#ended.map((segment) => ({
        first: segment.first,
        read: () => Promise.resolve(rangeOf(segment, segment.bytes)),
      })),
    ];
    for (const { read } of parts.toSorted((a, b) => a.first - b.first)) {
      const range = await read();
      if (range === undefined || !all.load(range.words, range.end).ok) return undefined;
    }
    if (!all.load(this.#tail.encode()).ok) return undefined;
    this.#whole = all;
    return all;
  }

  async #readRange(segment: KeptSegment): Promise<Range | undefined> {
    const bytes = await this.#file.readSegment(segment);
    return bytes && rangeOf(segment, bytes);
  }

  #beginTail(): void {
    this.#tail = new WordIndex();
    this.#tailFirst = this.#hashes.length;
  }

  #endTail(): void {
    const count = this.#hashes.length - this.#tailFirst;
    this.#ended.push(this.#encode(this.#tailFirst, count, this.#tail));
    this.#beginTail();
  }

  #encode(first: number, count: number, words: WordIndex): NewSegment {
    const hashes = new Uint8Array(count * textHashBytes);
    for (let i = 0; i < count; i++) {
      hashes.set(uintBE(this.#hashes.at(first + i) ?? nothing, textHashBytes), i * textHashBytes);
    }
    const bytes = concatBytes(hashes, words.encode());
    return { kind: "lex", first, count, bytes };
  }

  /** What is in no segment yet, joined with those before it that are no larger. */
  async fold(): Promise<readonly Folded[]> {
    const replaced = this.#isAnew ? lexOf(this.#file).map(({ number }) => number) : [];
    const count = this.#hashes.length - this.#tailFirst;
    if (this.#ended.length > 0) {
      const last = count === 0 ? [] : [this.#encode(this.#tailFirst, count, this.#tail)];
      return [...this.#ended, ...last].map((segment, i) => ({
        segments: [segment],
        drop: i === 0 ? replaced : [],
      }));
    }
    if (count === 0) return [];
    const { segments, words } = await this.#joined();
    if (!words.load(this.#tail.encode()).ok) return [];
    const first = segments[0]?.first ?? this.#tailFirst;
    const segment = this.#encode(first, this.#hashes.length - first, words);
    return [{ segments: [segment], drop: [...replaced, ...segments.map(({ number }) => number)] }];
  }

  /** What the tail is joined with; nothing where a segment is not what it should be. */
  async #joined(): Promise<{
    readonly segments: readonly KeptSegment[];
    readonly words: WordIndex;
  }> {
    const segments = this.#joinable();
    const words = new WordIndex();
    for (const segment of segments) {
      const range = await this.#readRange(segment);
      const isRead = range !== undefined && words.load(range.words, range.end).ok;
      if (!isRead) return { segments: [], words: new WordIndex() };
    }
    return { segments, words };
  }

  /** Segments right before the tail that are no larger than what they would be joined with. */
  #joinable(): readonly KeptSegment[] {
    const joined: KeptSegment[] = [];
    let first = this.#tailFirst;
    let bytes = this.#tail.bytes;
    for (const segment of this.#segments().toReversed()) {
      bytes += bytesOf(segment);
      const isNext = segment.first + segment.count === first;
      const isSmall = segment.count <= this.#hashes.length - first && bytes <= wordSegmentBytesMax;
      if (!isNext || !isSmall) break;
      joined.unshift(segment);
      ({ first } = segment);
    }
    return joined;
  }

  /** Says that what `fold` gave is in the file. */
  folded(): void {
    this.#ended = [];
    this.#isAnew = false;
    this.#beginTail();
  }

  /** Segments that held something of these memories, without them. Called after `remove`. */
  async without(ids: readonly number[]): Promise<readonly NewSegment[]> {
    const anew: NewSegment[] = [];
    for (const segment of lexOf(this.#file)) {
      const { first, count } = segment;
      const held = ids.filter((id) => id >= first && id < first + count);
      if (held.length === 0) continue;
      const range = await this.#readRange(segment);
      const words = range && WordIndex.decode(range.words, range.end);
      if (words?.ok !== true) continue;
      for (const id of held) words.value.remove(id);
      anew.push(this.#encode(first, count, words.value));
    }
    return anew;
  }
}

/** The words of a file. `anew`: from its memories, as where a segment is damaged. */
export const loadWords = async (
  file: MemoryFile,
  hashing: Hashing,
  read: ReadText,
  from: "segments" | "anew" = "segments",
): Promise<WordStore> => {
  const words = new WordStore(file, hashing);
  return (await words.load(from, read)) ? words : await loadWords(file, hashing, read, "anew");
};

/** Whether both say the same of all memories; undefined: one of them is of no use. */
export const isSameWords = async (a: WordStore, b: WordStore): Promise<boolean | undefined> => {
  const [x, y] = [await a.whole(), await b.whole()];
  return x && y && equalBytes(x.encode(), y.encode());
};

export const lexOf = (file: MemoryFile): readonly KeptSegment[] =>
  file
    .segments()
    .filter(({ kind }) => kind === "lex")
    .toSorted((a, b) => a.first - b.first || a.count - b.count);
