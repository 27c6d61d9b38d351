/**
 * One order from two: what was found by words and what was found by vectors.
 *
 * Source: Cormack, Clarke and Buettcher, "Reciprocal Rank Fusion", 2009: each list gives 1 / (60 + rank).
 * With equal weights a weak embedder pushes good answers down, so it has no say where words have
 * answers: it only fills the places that words leave empty. Then no measure at k falls below that of
 * words alone, whatever the vectors say.
 */
const rankOffset = 60;

/** How many of each list are joined for `k` answers. */
export const fusionDepth = (k: number): number => Math.max(50, 2 * k);

/** Ids best first; each list names an id once. */
export const fuse = (
  byWords: readonly number[],
  byVectors: readonly number[],
  { k, isWeak }: { readonly k: number; readonly isWeak: boolean },
): readonly number[] => {
  if (isWeak) {
    const found = new Set(byWords);
    return [...byWords, ...byVectors.filter((id) => !found.has(id))].slice(0, k);
  }
  const scores = new Map<number, number>();
  for (const list of [byWords, byVectors]) {
    for (const [at, id] of list.entries()) {
      scores.set(id, (scores.get(id) ?? 0) + 1 / (rankOffset + at + 1));
    }
  }
  return [...scores]
    .toSorted(([a, x], [b, y]) => y - x || a - b)
    .slice(0, k)
    .map(([id]) => id);
};
