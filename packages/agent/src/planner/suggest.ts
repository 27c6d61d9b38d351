/** "Did you mean": the nearest of some names by edit distance (transpositions count as one). */
import { suggestionDistanceMax } from "../limits.ts";

const at = (row: readonly number[], index: number): number => row[index] as number;

/** Optimal string alignment distance; O(|a|·|b|), for short names. */
export const editDistance = (a: string, b: string): number => {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = at(previous, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let least = Math.min(at(previous, j) + 1, at(row, j - 1) + 1, substitution);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, at(before, j - 2) + 1);
      }
      row.push(least);
    }
    before = previous;
    previous = row;
  }
  return at(previous, b.length);
};

/** The nearest name, the first of equals; undefined where none is near. */
export const nearest = (word: string, names: readonly string[]): string | undefined => {
  let best: string | undefined;
  let least = suggestionDistanceMax + 1;
  for (const name of names) {
    if (Math.abs(name.length - word.length) >= least) continue;
    const distance = editDistance(word.toLowerCase(), name);
    if (distance < least && distance < name.length) {
      best = name;
      least = distance;
    }
  }
  return best;
};
