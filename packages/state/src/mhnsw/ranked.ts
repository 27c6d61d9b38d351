/**
 * Nodes in the order of an index, and the two ways through a graph that follow it: the higher score
 * first, of equal ones the lower number. A pair of both is one number, so that comparing is comparing
 * numbers. Bounds: scores within 2^28 of zero, numbers of nodes below 2^24.
 */
const idRange = 2 ** 24;
const scoreBias = 2 ** 28;

/** Larger is better. */
export type Rank = number;

export const rankOf = (score: number, id: number): Rank =>
  (score + scoreBias) * idRange + (idRange - 1 - id);
export const idOf = (rank: Rank): number => idRange - 1 - (rank % idRange);
export const scoreOf = (rank: Rank): number => Math.floor(rank / idRange) - scoreBias;

export const bestFirst = (a: Rank, b: Rank): number => b - a;

/** A binary heap; `sign` 1 has the best on top, -1 the worst. */
export class Heap {
  readonly #sign: 1 | -1;
  readonly #items: Rank[] = [];

  constructor(sign: 1 | -1) {
    this.#sign = sign;
  }

  get size(): number {
    return this.#items.length;
  }

  /** Undefined where it is empty. */
  get top(): Rank | undefined {
    const top = this.#items[0];
    return top === undefined ? undefined : top * this.#sign;
  }

  push(rank: Rank): void {
    const items = this.#items;
    const item = rank * this.#sign;
    let at = items.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((items[parent] as number) >= item) break;
      items[at] = items[parent] as number;
      at = parent;
    }
    items[at] = item;
  }

  pop(): Rank | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (top === undefined || last === undefined) return undefined;
    if (items.length > 0) this.#sink(last);
    return top * this.#sign;
  }

  #sink(item: number): void {
    const items = this.#items;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      const right = items[child + 1];
      if (right !== undefined && right > (items[child] as number)) child++;
      if ((items[child] as number) <= item) break;
      items[at] = items[child] as number;
      at = child;
    }
    items[at] = item;
  }

  /** All of them, best first. */
  ranked(): Rank[] {
    return this.#items.map((item) => item * this.#sign).sort(bestFirst);
  }
}

/**
 * A beam search: goes on from the best node that it has not gone on from, keeps the best `ef`, ends
 * when none of those is left. Which they are does not depend on the order of a node's neighbours.
 */
export const beam = (
  start: Rank,
  ef: number,
  neighbours: (id: number) => ArrayLike<number>,
  score: (id: number) => number,
): Rank[] => {
  const seen = new Set([idOf(start)]);
  const [open, kept] = [new Heap(1), new Heap(-1)];
  open.push(start);
  kept.push(start);
  for (let best = open.pop(); best !== undefined; best = open.pop()) {
    if (kept.size >= ef && best < (kept.top as Rank)) break;
    const list = neighbours(idOf(best));
    for (let i = 0; i < list.length; i++) {
      const id = list[i] as number;
      if (seen.has(id)) continue;
      seen.add(id);
      const rank = rankOf(score(id), id);
      if (kept.size >= ef) {
        if (rank < (kept.top as Rank)) continue;
        kept.pop();
      }
      kept.push(rank);
      open.push(rank);
    }
  }
  return kept.ranked();
};

/** The best node that is reached by ever better ones. */
export const climb = (
  from: Rank,
  neighbours: (id: number) => ArrayLike<number>,
  score: (id: number) => number,
): Rank => {
  for (let best = from; ;) {
    let better = best;
    const list = neighbours(idOf(best));
    for (let i = 0; i < list.length; i++) {
      const id = list[i] as number;
      better = Math.max(better, rankOf(score(id), id));
    }
    if (better === best) return best;
    best = better;
  }
};
