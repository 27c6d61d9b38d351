/**
 * Numbers and times as the page shows them: a number and its unit, short, the same everywhere.
 * Pure: the time now is an argument, and no locale is asked.
 */

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

const pad = (value: number): string => String(value).padStart(2, "0");

/** `840 ms`, `3.2 s`, `4 min 05 s`, `2 h 10 min`. */
export const duration = (ms: number): string => {
  if (!Number.isFinite(ms) || ms < 0) return "";
  if (ms < second) return `${Math.round(ms)} ms`;
  if (ms < minute) return `${(ms / second).toFixed(1)} s`;
  if (ms < hour)
    return `${Math.floor(ms / minute)} min ${pad(Math.floor((ms % minute) / second))} s`;
  return `${Math.floor(ms / hour)} h ${pad(Math.floor((ms % hour) / minute))} min`;
};

/** `120 µs`, `3.4 ms`: what a step of the machinery took. */
export const micros = (us: number): string =>
  us < 1000 ? `${Math.round(us)} µs` : duration(us / 1000);

/** `now`, `5 min ago`, `3 h ago`, `2 days ago`, then the date. */
export const ago = (atMs: number, nowMs: number): string => {
  const past = nowMs - atMs;
  if (past < 45 * second) return "now";
  if (past < hour) return `${Math.max(1, Math.round(past / minute))} min ago`;
  if (past < day) return `${Math.round(past / hour)} h ago`;
  const days = Math.round(past / day);
  if (days < 14) return days === 1 ? "1 day ago" : `${days} days ago`;
  return exact(atMs).slice(0, 10);
};

/** Of the local clock, to the second: `2026-11-27 15:04:05`. */
export const exact = (atMs: number): string => {
  const date = new Date(atMs);
  if (Number.isNaN(date.getTime())) return "";
  const days = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  return `${days} ${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
};

const units = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** A number and its unit, apart, so that a column of them aligns. */
export const byteParts = (bytes: number): readonly [string, string] => {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return [
    unit === 0 || value >= 100 ? String(Math.round(value)) : value.toFixed(1),
    units[unit] ?? "",
  ];
};

export const byteCount = (bytes: number): string => byteParts(bytes).join(" ");

/** `$0.42`, `$0.0013`, `$0`. */
export const dollars = (usd: number): string => {
  if (usd === 0) return "$0";
  return usd >= 0.01 ? `$${usd.toFixed(2)}` : `$${usd.toFixed(4)}`;
};

/** `1 action`, `12,000 tokens`. */
export const count = (value: number | bigint, one: string, many = `${one}s`): string =>
  `${grouped(value)} ${Number(value) === 1 ? one : many}`;

/** `12,345`. */
export const grouped = (value: number | bigint): string =>
  String(value).replaceAll(/\B(?=(\d{3})+$)/g, ",");

/** The home folder as `~`. */
export const shortPath = (path: string, home: string): string => {
  if (home === "" || home === "/") return path;
  if (path === home) return "~";
  return path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path;
};

/** The first hex digits of a hash. */
export const shortHash = (hex: string): string => (hex.length > 12 ? hex.slice(0, 12) : hex);
