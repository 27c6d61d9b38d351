/** "Did you mean": the nearest of a few known names. */

const lengthMax = 64;

/** Edits (insert, delete, replace, swap of neighbours) from `a` to `b`. */
const distance = (a: string, b: string): number => {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(
        (last[j] as number) + 1,
        (row[j - 1] as number) + 1,
        (last[j - 1] as number) + cost,
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (before[j - 2] as number) + 1);
      }
      row.push(best);
    }
    before = last;
    last = row;
  }
  return last[b.length] as number;
};

/** The known name that `given` most likely meant; undefined where none is near. */
export const nearest = (given: string, known: Iterable<string>): string | undefined => {
  if (given.length > lengthMax) return undefined;
  const allowed = given.length <= 3 ? 1 : given.length <= 6 ? 2 : 3;
  let best: string | undefined;
  let bestDistance = allowed + 1;
  for (const name of known) {
    if (name.length > lengthMax || Math.abs(name.length - given.length) > allowed) continue;
    const edits = distance(given.toLowerCase(), name.toLowerCase());
    if (edits < bestDistance) [best, bestDistance] = [name, edits];
  }
  return best;
};

/** `; did you mean "x"?` or nothing. */
export const didYouMean = (given: string, known: Iterable<string>): string => {
  const name = nearest(given, known);
  return name === undefined ? "" : `; did you mean "${name}"?`;
};
