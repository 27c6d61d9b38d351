/**
 * Kleene's three values as numbers, so that `and` is a minimum, `or` a maximum and `not` a
 * reflection: F and U = F, T or U = T, not U = U.
 */
export type Truth = 0 | 1 | 2;

export const no: Truth = 0;
export const unknown: Truth = 1;
export const yes: Truth = 2;

export const truthOf = (value: boolean): Truth => (value ? 2 : 0);
export const truthNot = (value: Truth): Truth => (2 - value) as Truth;
export const truthAnd = (a: Truth, b: Truth): Truth => (a < b ? a : b);
export const truthOr = (a: Truth, b: Truth): Truth => (a > b ? a : b);
export const truthName = (value: Truth): "false" | "unknown" | "true" =>
  value === 2 ? "true" : value === 1 ? "unknown" : "false";
