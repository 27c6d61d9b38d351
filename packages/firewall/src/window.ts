/**
 * When a rule counts: `when = { days = ["mon"], from = "09:00", to = "17:00", zone = "local" }`.
 *
 * The time is data of the decision, with the local zone's offset as whoever decides had it then; a
 * decision without a time knows nothing, which allows nothing and restricts all the same. A window
 * that ends before it begins runs over midnight and belongs to the day on which it began.
 */
import type { TextPosition } from "@ioi/base";
import { choiceOf, fieldsOf, listOf, type Reading, tableOf, textOf } from "./policy-reader.ts";
import type { TomlEntry, TomlNode } from "./toml.ts";
import { type Truth, truthOf, unknown } from "./truth.ts";

/** When a decision is made. */
export interface DecisionTime {
  /** Since 1970, UTC. */
  readonly nowMs: number;
  /** East of UTC, as the local zone has it now. */
  readonly localOffsetMinutes: number;
}

export interface TimeWindow {
  /** Sunday is 0; every day where the policy names none. */
  readonly days: ReadonlySet<number>;
  /** Minutes of the day: from the first, up to but without the last. */
  readonly from: number;
  readonly to: number;
  /** Minutes east of UTC; undefined: the local zone. */
  readonly offsetMinutes: number | undefined;
}

export const dayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;
const dayMinutes = 1440;
const minuteMs = 60_000;

export const windowTruth = (window: TimeWindow, time: DecisionTime | undefined): Truth => {
  if (time === undefined) return unknown;
  const offset = window.offsetMinutes ?? time.localOffsetMinutes;
  const minutes = Math.floor(time.nowMs / minuteMs) + offset;
  const day = Math.floor(minutes / dayMinutes);
  const minute = minutes - day * dayMinutes;
  // 1970 began on a Thursday.
  const weekday = (n: number): number => (((n + 4) % 7) + 7) % 7;
  const { from, to, days } = window;
  if (from < to) return truthOf(minute >= from && minute < to && days.has(weekday(day)));
  return truthOf(
    (minute >= from && days.has(weekday(day))) || (minute < to && days.has(weekday(day - 1))),
  );
};

/** Days from 1970 to a date of the Gregorian calendar (H. Hinnant, days_from_civil). */
export const daysSince1970 = (year: number, month: number, day: number): number => {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const ofEra = y - era * 400;
  const ofYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return (
    era * 146_097 + ofEra * 365 + Math.floor(ofEra / 4) - Math.floor(ofEra / 100) + ofYear - 719_468
  );
};

const bad = (reading: Reading, at: TextPosition, message: string): undefined => {
  reading.complaints.add("E_POLICY_VALUE", message, at);
  return undefined;
};

const minuteOf = (reading: Reading, node: TomlNode): number | undefined => {
  // TOML reads 09:00:00 as a time; 09:00 has to be a text.
  const text = node.type === "time" ? node.text : textOf(reading, node, 'a time as in "09:00"', 16);
  const parts = /^(\d{2}):(\d{2})(?::00)?$/.exec(text ?? "");
  if (parts === null) {
    return text === undefined ? undefined : bad(reading, node.at, 'expected a time as in "09:00"');
  }
  const minute = Number(parts[1]) * 60 + Number(parts[2]);
  const valid = Number(parts[2]) < 60 && minute <= dayMinutes;
  return valid ? minute : bad(reading, node.at, "a day ends at 24:00");
};

/** `local`, `UTC` or an offset as in +02:00. */
const offsetOf = (reading: Reading, node: TomlNode): number | "local" | undefined => {
  const text = textOf(reading, node, "a zone", 16);
  if (text === undefined || text === "local") return text;
  if (text === "UTC") return 0;
  const parts = /^([+-])(\d{2}):([0-5]\d)$/.exec(text);
  const minutes = parts === null ? Number.NaN : Number(parts[2]) * 60 + Number(parts[3]);
  if (!(minutes <= 14 * 60)) {
    return bad(reading, node.at, 'a zone is "local", "UTC" or an offset as in "+02:00"');
  }
  return parts?.[1] === "-" ? -minutes : minutes;
};

export const readWindow = (reading: Reading, { value }: TomlEntry): TimeWindow | undefined => {
  const table = tableOf(reading, value);
  if (table === undefined) return undefined;
  const before = reading.complaints.count;
  const fields = fieldsOf(reading, table, ["days", "from", "to", "zone"]);
  const read = <T>(key: string, how: (node: TomlNode) => T | undefined): T | undefined => {
    const entry = fields.get(key);
    return entry === undefined ? undefined : how(entry.value);
  };
  const days = read("days", (node) =>
    listOf(reading, node, dayNames.length)?.map((item) => {
      const name = choiceOf(reading, item, dayNames);
      return name === undefined ? -1 : dayNames.indexOf(name);
    }),
  );
  const from = read("from", (node) => minuteOf(reading, node));
  const to = read("to", (node) => minuteOf(reading, node));
  const zone = read("zone", (node) => offsetOf(reading, node));
  if (reading.complaints.count > before) return undefined;
  if (days === undefined && from === undefined && to === undefined) {
    return bad(reading, value.at, '"when" says neither days nor times');
  }
  const [first, last] = [from ?? 0, to ?? dayMinutes];
  if (first === last) return bad(reading, value.at, "a window that begins when it ends");
  return {
    days: new Set(days ?? [0, 1, 2, 3, 4, 5, 6]),
    from: first,
    to: last,
    offsetMinutes: zone === undefined || zone === "local" ? undefined : zone,
  };
};
