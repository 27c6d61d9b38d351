/**
 * How much a linear-time expression may take: its engine walks every state for every letter, so that
 * states times letters bound the time. What is beyond is not known.
 */
import type { RE2JS } from "re2js";

const sizes = new WeakMap<RE2JS, number>();

/** Whether an expression is tried on a text of so many letters. */
export const isWithinWork = (pattern: RE2JS, letters: number, workMax: number): boolean => {
  let size = sizes.get(pattern);
  if (size === undefined) {
    size = pattern.programSize();
    sizes.set(pattern, size);
  }
  return size * letters <= workMax;
};
