/** Moments as files write them, without a clock or a locale. */
import { memoryTimeMsMax } from "../limits.ts";

const dayMs = 86_400_000;

/** Days from 1970-01-01 to a day of the Gregorian calendar; months from 1. */
const daysOf = (year: number, month: number, day: number): number => {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const ofEra = shifted - era * 400;
  const ofYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return (
    era * 146_097 + ofEra * 365 + Math.floor(ofEra / 4) - Math.floor(ofEra / 100) + ofYear - 719_468
  );
};

export interface Moment {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour?: number;
  readonly minute?: number;
  readonly second?: number;
  readonly ms?: number;
}

const daysOfMonth = (year: number, month: number): number =>
  daysOf(month === 12 ? year + 1 : year, (month % 12) + 1, 1) - daysOf(year, month, 1);

/** Milliseconds since 1970 of a moment in UTC; undefined before 1970, or where there is no such moment. */
export const msOf = (moment: Moment): number | undefined => {
  const { year, month, day, hour = 0, minute = 0, second = 0, ms = 0 } = moment;
  const isMoment =
    year >= 1970 &&
    year <= 9999 &&
    month >= 1 &&
    month <= 12 &&
    day >= 1 &&
    day <= daysOfMonth(year, month) &&
    hour <= 23 &&
    minute <= 59 &&
    second <= 59;
  if (!isMoment) return undefined;
  return daysOf(year, month, day) * dayMs + ((hour * 60 + minute) * 60 + second) * 1000 + ms;
};

const iso =
  /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:?\d\d)?)?$/;

/** A moment in ISO 8601; without an offset it is in UTC. */
export const isoMs = (text: string): number | undefined => {
  const match = iso.exec(text);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map((digits) => Number(digits ?? 0));
  const ms = Math.floor(Number(`0.${match[7] ?? "0"}`) * 1000);
  const at = msOf({ year, month, day, hour, minute, second, ms });
  const offset = /([+-])(\d\d):?(\d\d)/.exec(match[8] ?? "");
  if (at === undefined || offset === null) return at;
  const minutes = Number(offset[2]) * 60 + Number(offset[3]);
  const moved = at - (offset[1] === "-" ? -minutes : minutes) * 60_000;
  return moved >= 0 && moved <= memoryTimeMsMax ? moved : undefined;
};

/** A moment in JSON: ISO 8601, or a number of seconds or milliseconds since 1970. */
export const jsonMs = (value: unknown): number | undefined => {
  if (typeof value === "string") return isoMs(value);
  if (typeof value !== "number" || !(value >= 0)) return undefined;
  // Seconds until the year 5138, milliseconds from 1973 on.
  const ms = Math.floor(value < 1e11 ? value * 1000 : value);
  return ms <= memoryTimeMsMax ? ms : undefined;
};
