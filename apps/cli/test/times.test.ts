/** Times as they are printed: any number has a text. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isoTime } from "../src/times.ts";

test("a time is ISO 8601 to the end of the calendar, and a number beyond it", () => {
  assert.equal(isoTime(0), "1970-01-01T00:00:00.000Z");
  assert.equal(isoTime(1_700_000_000_001n), "2023-11-14T22:13:20.001Z");
  assert.equal(isoTime(8.64e15), "+275760-09-13T00:00:00.000Z");
  assert.equal(isoTime(8_640_000_000_000_001), "8640000000000001 ms after 1970");
  assert.equal(isoTime(2n ** 64n - 1n), "18446744073709551615 ms after 1970");
});
