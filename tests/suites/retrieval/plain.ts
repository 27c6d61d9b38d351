/** BM25 as textbooks write it, in floating point, over words in lower case as they stand. */
export class PlainBm25 {
  readonly #lengths: readonly number[];
  readonly #mean: number;
  /** By word: occurrences by text. */
  readonly #words = new Map<string, Map<number, number>>();

  constructor(texts: readonly string[]) {
    this.#lengths = texts.map((text, id) => {
      const words = split(text);
      for (const word of words) {
        const held = this.#words.get(word) ?? new Map<number, number>();
        held.set(id, (held.get(id) ?? 0) + 1);
        this.#words.set(word, held);
      }
      return words.length;
    });
    this.#mean = this.#lengths.reduce((sum, length) => sum + length, 0) / texts.length;
  }

  search(query: string, k: number): readonly number[] {
    const scores = new Map<number, number>();
    const count = this.#lengths.length;
    for (const word of split(query)) {
      const held = this.#words.get(word) ?? new Map<number, number>();
      const idf = Math.log(1 + (count - held.size + 0.5) / (held.size + 0.5));
      for (const [id, tf] of held) {
        const norm = 1.2 * (0.25 + (0.75 * (this.#lengths[id] ?? 0)) / this.#mean);
        scores.set(id, (scores.get(id) ?? 0) + (idf * tf * 2.2) / (tf + norm));
      }
    }
    return [...scores]
      .toSorted(([a, x], [b, y]) => y - x || a - b)
      .slice(0, k)
      .map(([id]) => id);
  }
}

const split = (text: string): readonly string[] =>
  text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
