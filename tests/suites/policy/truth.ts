/** Truth in words, as Kleene has it. */
export type Truth = "T" | "F" | "U";
export const and = (a: Truth, b: Truth): Truth =>
  a === "F" || b === "F" ? "F" : a === "U" || b === "U" ? "U" : "T";
export const or = (a: Truth, b: Truth): Truth =>
  a === "T" || b === "T" ? "T" : a === "U" || b === "U" ? "U" : "F";
export const not = (a: Truth): Truth => (a === "T" ? "F" : a === "F" ? "T" : "U");
export const truth = (value: boolean): Truth => (value ? "T" : "F");
