/** The word index of a memory file. */
export type { WordsError } from "./encoding.ts";
export { type CountedTerms, countTerms } from "./tokenise.ts";
export { type WordAnswer, WordIndex } from "./word-index.ts";
