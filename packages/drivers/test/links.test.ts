import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { linksOf } from "../src/net/links.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("links of a page", () => {
  const base = "https://example.com/docs/index.html";
  it("are resolved as a browser would, canonical, each once", () => {
    const page = `<base href="https://evil.net/"><a href="a.html">a</a>
      <A HREF='/b?c=d&amp;e=f#top'>b</A> <a class="x" href="https://Other.org/">c</a>
      <a href="a.html">again</a><a href="mailto:x@y.org">m</a><a href="javascript:1">j</a>
      <a href="https://user:pw@example.com/">u</a>`;
    assert.deepEqual(linksOf(bytes(page), "text/html; charset=utf-8", base), [
      "https://example.com/docs/a.html",
      "https://example.com/b?c=d&e=f",
      "https://other.org/",
    ]);
  });
  it("are found in text, and in nothing that is neither", () => {
    const text = "see https://example.com/x, or http://a.org/y.";
    const found = ["https://example.com/x", "http://a.org/y"];
    assert.deepEqual(linksOf(bytes(text), "text/plain", base), found);
    assert.deepEqual(linksOf(bytes(text), "image/png", base), []);
  });
  it("are bounded on hostile pages", () => {
    const many = Array.from({ length: 3000 }, (_, at) => `<a href="/${at}">x</a>`).join("");
    assert.equal(linksOf(bytes(many), "text/html", base).length, 512);
    assert.deepEqual(linksOf(bytes("<a ".repeat(300_000)), "text/html", base), []);
    assert.deepEqual(linksOf(new Uint8Array([255, 254, 0]), "text/html", base), []);
  });
});
