/**
 * Which memories hold which words: an index that is searched by BM25 and committed.
 *
 * A pure function of the texts by their numbers: added in any parts, loaded from any parts, and made to
 * forget, it encodes to the same bytes as one that never held what it forgot. Encoding, numbers as LEB128
 * in its shortest form:
 *
 * - version u8 = 1, which names tokeniser, stemmer and tables too;
 * - count of memories; of each, by number: (number - previous - 1), length in terms;
 * - count of terms; of each, in order of their bytes: bytes shared with the one before, count of further
 *   bytes, those bytes, count of memories, and its list as `lists.ts` has it.
 *
 * Bounds: `wordMemoriesMax` numbers, `wordListBytesMax` bytes of lists, `queryTermsMax` terms a query.
 */
import { assert, compareText, err, type Result } from "@ioi/base";
import { domainHash, domains, type Hashing } from "@ioi/crypto";
import { queryTermsMax, wordMemoriesMax } from "../limits.ts";
import { meanLength, scoreOf, weightOf } from "./bm25.ts";
import { encodeIndex, readIndex, type WordsError } from "./encoding.ts";
import { type List, Lists, type ReadList } from "./lists.ts";
import { type CountedTerms, countTerms, queryTerms } from "./tokenise.ts";

export interface WordAnswer {
  readonly id: number;
  /** Above 0; comparable within one search alone. */
  readonly score: number;
}

/** Bytes of a term and of a memory besides its lists, about. */
const termBytes = 160;
const memoryBytes = 5;

/** The better has the higher score; of equal ones, the lower number. */
const isBetter = (a: WordAnswer, b: WordAnswer): boolean =>
  a.score > b.score || (a.score === b.score && a.id < b.id);

export class WordIndex {
  readonly #terms = new Map<string, List>();
  readonly #lists = new Lists();
  /** The number of the first that was added: what is kept by number begins there. */
  #base = 0;
  /** By number; of what is not there, undefined behind `#isHeld`. */
  #lengths = new Uint32Array(1024);
  #isHeld = new Uint8Array(1024);
  #last = -1;
  #size = 0;
  #total = 0;
  /** Forgotten, but still in the lists. */
  readonly #gone = new Set<number>();
  #scores = new Float64Array(0);

  /** Memories in it. */
  get size(): number {
    return this.#size;
  }

  /** The highest number that was ever added, or -1. */
  get last(): number {
    return this.#last;
  }

  /** Bytes that it takes, about. */
  get bytes(): number {
    return this.#lists.bytes + termBytes * this.#terms.size + memoryBytes * this.#size;
  }

  has(id: number): boolean {
    return this.#isHeld[id - this.#base] === 1;
  }

  /** Numbers rise. A text without a word is held, and found by nothing. */
  add(id: number, text: string): void {
    this.addCounted(id, countTerms(text));
  }

  /** The same, of a text that was counted already. */
  addCounted(id: number, { terms, length }: CountedTerms): void {
    this.#hold(id, length);
    for (const [term, occurrences] of terms) {
      this.#lists.append(this.#listOf(term), id, occurrences);
    }
  }

  /** Takes a memory out; what is not there is out already. */
  remove(id: number): void {
    if (!this.has(id)) return;
    this.#isHeld[id - this.#base] = 0;
    this.#size--;
    this.#total -= this.#lengthOf(id);
    this.#gone.add(id);
  }

  /** The `k` best of those that `accept` takes, best first. */
  search(
    text: string,
    k: number,
    accept: (id: number) => boolean = () => true,
  ): readonly WordAnswer[] {
    this.#settle();
    if (this.#size === 0 || k <= 0) return [];
    const found = this.#score([...queryTerms(text)].slice(0, queryTermsMax));
    const answers: WordAnswer[] = [];
    for (const id of found) {
      const at = id - this.#base;
      const answer = { id, score: this.#scores[at] as number };
      this.#scores[at] = 0;
      const worst = answers[answers.length - 1];
      const isIn = answers.length < k || (worst !== undefined && isBetter(answer, worst));
      if (!isIn || answer.score === 0 || !accept(id)) continue;
      if (answers.length === k) answers.pop();
      answers.splice(placeOf(answers, answer), 0, answer);
    }
    return answers;
  }

  /** Leaves the sums in `#scores`; returns whose they are. */
  #score(query: readonly (readonly [string, number])[]): number[] {
    if (this.#scores.length < this.#lengths.length) {
      this.#scores = new Float64Array(this.#lengths.length);
    }
    const scores = this.#scores;
    const mean = meanLength(this.#size, this.#total);
    const found: number[] = [];
    for (const [term, times] of query) {
      const list = this.#terms.get(term);
      if (list === undefined) continue;
      const weight = weightOf(this.#size, list.memories);
      this.#lists.each(list, (id, occurrences) => {
        const at = id - this.#base;
        const before = scores[at] as number;
        const score = scoreOf(weight, occurrences, this.#lengths[at] as number, mean);
        if (before === 0 && score > 0) found.push(id);
        scores[at] = before + times * score;
      });
    }
    return found;
  }

  encode(): Uint8Array {
    this.#settle();
    const memories: [number, number][] = [];
    for (let id = this.#base; id <= this.#last; id++) {
      if (this.has(id)) memories.push([id, this.#lengthOf(id)]);
    }
    const terms = [...this.#terms].toSorted(([a], [b]) => compareText(a, b));
    return encodeIndex(
      memories,
      terms.map(([term, list]) => ({
        term,
        memories: list.memories,
        list: this.#lists.bytesOf(list),
      })),
    );
  }

  static decode(bytes: Uint8Array, end?: number): Result<WordIndex, WordsError> {
    return new WordIndex().load(bytes, end);
  }

  /**
   * Adds what another index holds, whose numbers are all higher and below `end`; after an error it is of
   * no use. Memory is taken for every number up to the highest, so `end` is for bytes of others.
   */
  load(bytes: Uint8Array, end: number = wordMemoriesMax): Result<this, WordsError> {
    this.#settle();
    const first = this.#last + 1;
    const read = readIndex(bytes, {
      memory: (id, length) => this.#hold(id, length),
      list: (term, list) => this.#join(term, list),
      first,
      end: Math.min(end, wordMemoriesMax),
    });
    return read.ok ? { ok: true, value: this } : err(read.error);
  }

  /** What is committed; as dear as encoding all of it. */
  hash(hashing: Hashing): Uint8Array {
    return domainHash(hashing, domains.scsWords, this.encode());
  }

  #lengthOf(id: number): number {
    return this.#lengths[id - this.#base] as number;
  }

  #hold(id: number, length: number): void {
    assert(
      Number.isInteger(id) && id > this.#last && id < wordMemoriesMax,
      `memory ${id} of words`,
    );
    if (this.#last < 0) this.#base = id;
    const at = id - this.#base;
    if (at >= this.#lengths.length) {
      const room = Math.min(
        wordMemoriesMax,
        Math.max(at + 1, Math.ceil(this.#lengths.length * 1.5)),
      );
      const [lengths, isHeld] = [new Uint32Array(room), new Uint8Array(room)];
      lengths.set(this.#lengths);
      isHeld.set(this.#isHeld);
      this.#lengths = lengths;
      this.#isHeld = isHeld;
    }
    this.#lengths[at] = length;
    this.#isHeld[at] = 1;
    this.#last = id;
    this.#size++;
    this.#total += length;
  }

  #join(term: string, { bytes, memories, last }: ReadList): void {
    const read = this.#lists.adopt({ bytes, memories, last });
    const list = this.#terms.get(term);
    if (list === undefined) {
      this.#terms.set(term, read);
      return;
    }
    this.#lists.each(read, (id, occurrences) => this.#lists.append(list, id, occurrences));
    this.#lists.drop(read);
  }

  #listOf(term: string): List {
    let list = this.#terms.get(term);
    if (list === undefined) {
      list = this.#lists.add();
      this.#terms.set(term, list);
    }
    return list;
  }

  /** One way through all lists for all that was forgotten since. */
  #settle(): void {
    if (this.#gone.size === 0) return;
    for (const [term, list] of this.#terms) {
      this.#lists.without(list, (id) => this.#gone.has(id));
      if (list.memories > 0) continue;
      this.#lists.drop(list);
      this.#terms.delete(term);
    }
    this.#gone.clear();
  }
}

/** Where an answer belongs among better and worse ones. */
const placeOf = (answers: readonly WordAnswer[], answer: WordAnswer): number => {
  let [low, high] = [0, answers.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isBetter(answers[middle] as WordAnswer, answer)) low = middle + 1;
    else high = middle;
  }
  return low;
};
