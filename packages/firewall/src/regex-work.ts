/**
 * How much a linear-time expression may take: its engine walks every state for every letter, so that
 * states times letters bound the time. What is beyond is not known.
 */
import type { RE2JS } from "re2js";
import { regexRepeatsMax } from "./limits.ts";

/** Every `{n,m}` is written out when an expression is compiled: so often, all of them together. */
export const hasFewRepeats = (pattern: string): boolean => {
  let sum = 0;
  for (const [, least, most] of pattern.matchAll(/\{(\d{1,9})(?:,(\d{0,9}))?\}/g)) {
    sum += Number(most === undefined || most === "" ? least : most);
  }
  return sum <= regexRepeatsMax;
};

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
