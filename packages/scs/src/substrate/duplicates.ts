/** What new memories say again. It is told; nothing is dropped. */
import type { VectorIndex } from "./vector-index.ts";
import { plainText, type WordStore } from "./word-store.ts";

/**
 * Looked for before they are stored: one that is there, or an earlier one of the same call. Asked with the
 * place of a new memory and the numbers that they were given.
 */
export const duplicatesOf = (
  texts: readonly string[],
  components: readonly Int16Array[] | undefined,
  words: WordStore,
  index: VectorIndex | undefined,
): ((i: number, ids: readonly number[]) => number | undefined) => {
  const firsts = new Map<string, number>();
  const found = texts.map((text, i): { there: number | undefined; earlier: number } => {
    const plain = plainText(text);
    const earlier = firsts.get(plain) ?? i;
    if (earlier === i) firsts.set(plain, i);
    const vector = components?.[i];
    const near = vector === undefined ? undefined : index?.nearest(vector);
    return { there: words.find(text) ?? near, earlier };
  });
  return (i, ids) => {
    const each = found[i];
    if (each?.there !== undefined || each === undefined || each.earlier === i) return each?.there;
    return ids[each.earlier];
  };
};
