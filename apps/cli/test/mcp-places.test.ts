/** Places of `--network`: one spelling of each, and nothing that is none. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { OperationError } from "@ioi/base";
import { placeOf } from "../src/commands/mcp/places.ts";

test("a host has one spelling, and a port", () => {
  const places: readonly (readonly [given: string, host: string, port: number])[] = [
    ["a.example", "a.example", 443],
    ["A.Example:80", "a.example", 80],
    ["bücher.example", "xn--bcher-kva.example", 443],
    ["127.0.0.1:8080", "127.0.0.1", 8080],
    ["[::1]:8080", "::1", 8080],
    ["[0:0::1]", "::1", 443],
  ];
  for (const [given, host, port] of places) assert.deepEqual(placeOf(given), { host, port }, given);
});

test("what is no place is refused, whatever it looks like", () => {
  const bad = [
    "",
    ":80",
    "a:0",
    "a:70000",
    "a:80:90",
    "::1",
    "http://a",
    "a/b",
    "a b",
    "u@a",
    "*.a",
  ];
  for (const given of [...bad, "a.example:", "a\0b", "[::1", "a?b", "a#b", "x".repeat(300)]) {
    assert.throws(() => placeOf(given), OperationError, given);
  }
});
