/** Times as they are printed: one place, since what was signed may name one that no calendar has. */

/** ISO 8601, in UTC; beyond the calendar's end in milliseconds since 1970. */
export const isoTime = (ms: number | bigint): string => {
  const date = new Date(Number(ms));
  return Number.isNaN(date.valueOf()) ? `${ms} ms after 1970` : date.toISOString();
};
