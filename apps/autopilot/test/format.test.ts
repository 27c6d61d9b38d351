import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ago,
  byteCount,
  count,
  dollars,
  duration,
  exact,
  grouped,
  micros,
  shortHash,
  shortPath,
} from "../src/pure/format.ts";

const table = <T>(show: (value: T) => string, rows: readonly (readonly [T, string])[]): void => {
  assert.deepEqual(
    rows.map(([value]) => show(value)),
    rows.map(([, text]) => text),
  );
};

test("durations carry one unit, or two where one would say too little", () => {
  table(duration, [
    [0, "0 ms"],
    [840.4, "840 ms"],
    [3210, "3.2 s"],
    [245_000, "4 min 05 s"],
    [7_800_000, "2 h 10 min"],
    [-1, ""],
    [Number.NaN, ""],
  ]);
  table(micros, [
    [12.4, "12 µs"],
    [34_000, "34 ms"],
  ]);
});

test("times are relative until the date says more", () => {
  const now = 1_795_000_000_000;
  const past = (ms: number): string => ago(now - ms, now);
  table(past, [
    [0, "now"],
    [-5000, "now"],
    [60_000, "1 min ago"],
    [3_600_000, "1 h ago"],
    [86_400_000, "1 day ago"],
    [3 * 86_400_000, "3 days ago"],
    [30 * 86_400_000, exact(now - 30 * 86_400_000).slice(0, 10)],
  ]);
  assert.match(exact(now), /^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$/);
  assert.equal(exact(Number.POSITIVE_INFINITY), "");
});

test("sizes, money and counts", () => {
  table(byteCount, [
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1.0 KiB"],
    [4_700, "4.6 KiB"],
    [1_048_576 * 250, "250 MiB"],
  ]);
  table(dollars, [
    [0, "$0"],
    [0.0013, "$0.0013"],
    [0.5, "$0.50"],
  ]);
  table(grouped, [
    [1, "1"],
    [1234, "1,234"],
    [12_345_678_901n, "12,345,678,901"],
  ]);
  assert.equal(count(1, "action"), "1 action");
  assert.equal(count(0n, "action"), "0 actions");
});

test("the home is a tilde, and nothing that only begins like it", () => {
  assert.equal(shortPath("/home/ada/x", "/home/ada"), "~/x");
  assert.equal(shortPath("/home/ada", "/home/ada"), "~");
  assert.equal(shortPath("/home/adam", "/home/ada"), "/home/adam");
  assert.equal(shortPath("/etc", "/"), "/etc");
  assert.equal(shortHash("0123456789abcdef"), "0123456789ab");
});
