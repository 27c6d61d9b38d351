import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { modelRequestUrl, readModelUrl } from "../src/index.ts";

describe("the base of a model's API", () => {
  const good: readonly (readonly [string, string, string])[] = [
    ["http://127.0.0.1:11434/v1", "http://127.0.0.1:11434/v1", "loopback"],
    ["HTTP://LocalHost:80/v1/", "http://localhost/v1", "loopback"],
    ["http://[::1]:1234/v1", "http://[::1]:1234/v1", "loopback"],
    ["https://api.anthropic.com:443/v1", "https://api.anthropic.com/v1", "named"],
    ["http://192.168.1.5:8000/v1", "http://192.168.1.5:8000/v1", "private"],
    ["https://8.8.8.8/v1", "https://8.8.8.8/v1", "public"],
  ];
  for (const [given, url, place] of good) {
    test(`${given} is ${url}`, () => {
      const read = readModelUrl(given);
      assert.deepEqual(read.ok && { url: read.value.url, place: read.value.place }, { url, place });
    });
  }

  const bad = [
    "",
    "ftp://localhost/v1",
    "http://user@127.0.0.1/v1",
    "http://127.0.0.1:0/v1",
    "http://127.0.0.1:70000/v1",
    "http://127.1/v1",
    "http://0x7f000001/v1",
    "http://2130706433/v1",
    "http://0177.0.0.1/v1",
    "https://169.254.169.254/v1",
    "https://0.0.0.0/v1",
    "https://[::ffff:127.0.0.1]/v1",
    "https://[fe80::1]/v1",
    "http://api.example.com/v1",
    "http://8.8.8.8/v1",
    "https://api.example.com/v1?key=1",
    "https://api.example.com/v1#x",
    "https://api.example.com/v1/../x",
    "https://api..com/v1",
    "https://api.example.com\n/v1",
    "https://api.example.com/%2e%2e",
    `https://api.example.com/${"a".repeat(3000)}`,
  ];
  for (const text of bad) {
    test(`${JSON.stringify(text.slice(0, 60))} is refused`, () => {
      assert.equal(readModelUrl(text).ok, false);
    });
  }

  test("one address for each protocol", () => {
    assert.deepEqual(
      ["openai", "anthropic", "gopher"].map((each) => modelRequestUrl(each, "http://localhost/v1")),
      ["http://localhost/v1/chat/completions", "http://localhost/v1/messages", undefined],
    );
  });
});
