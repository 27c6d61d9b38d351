/**
 * BM25 in integers. Score of a memory = sum over the terms of a query of
 * idf x tf (k1 + 1) / (tf + k1 (1 - b + b x length / mean length)), rounded down for each term.
 *
 * Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009, with
 * idf = log2((N + 1) / (df + 1/2)), which is never negative. All of it is exact in a double: every number
 * stays below 2^52, so the order is the same on every engine.
 */

/** Bits behind the point of a logarithm. */
const logBits = 16;
const mantissaBits = 25;
/** One, in `k1`, `b` and what is computed of them. */
const one = 1000;
const k1 = 1200;
const b = 750;
/** Parts of one in the mean length. */
const meanParts = 256;
/** More occurrences than these in one memory say no more. */
const occurrencesMax = 255;

/** floor(2^16 log2 n) of a whole number below 2^52, digit by digit: square, and see whether it is 2. */
export const log2 = (n: number): number => {
  let whole = 0;
  for (let rest = n; rest >= 2; rest = Math.floor(rest / 2)) whole++;
  let mantissa = Math.floor((n * 2 ** mantissaBits) / 2 ** whole);
  let result = whole;
  for (let i = 0; i < logBits; i++) {
    mantissa = Math.floor((mantissa * mantissa) / 2 ** mantissaBits);
    result *= 2;
    if (mantissa >= 2 ** (mantissaBits + 1)) {
      mantissa = Math.floor(mantissa / 2);
      result += 1;
    }
  }
  return result;
};

/** What a term weighs that stands in `holding` of `memories` memories. */
export const weightOf = (memories: number, holding: number): number =>
  log2(2 * memories + 2) - log2(2 * holding + 1);

/** The mean length in parts; at least one part. */
export const meanLength = (memories: number, terms: number): number => {
  const whole = Math.floor(terms / memories);
  const rest = terms - whole * memories;
  return Math.max(1, whole * meanParts + Math.floor((rest * meanParts) / memories));
};

/** What `occurrences` of a term of this weight add to a memory of this length. */
export const scoreOf = (
  weight: number,
  occurrences: number,
  length: number,
  mean: number,
): number => {
  const tf = Math.min(occurrences, occurrencesMax);
  const relative = Math.floor((b * length * meanParts) / mean);
  const norm = Math.floor((k1 * (one - b + relative)) / one);
  return Math.floor((weight * tf * (k1 + one)) / (tf * one + norm));
};
