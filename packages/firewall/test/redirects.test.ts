/** Where a redirect leads: the same message on the same origin, or nothing that is followed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Action, CanonicalValue } from "@ioi/wire";
import { readRedirect } from "../src/net/redirects.ts";
import { permittedRequest } from "../src/net/request.ts";
import { parseCanonicalUrl } from "../src/net/url.ts";

const parse = (reference: string, base?: string): URL | undefined =>
  URL.parse(reference, base) ?? undefined;

const read = (location: string | undefined, status = 307): string => {
  const from = parseCanonicalUrl("https://a.example/mcp");
  assert.ok(from.ok);
  const redirect = readRedirect(status, location, from.value, parse);
  return redirect.type === "nowhere" ? redirect.type : `${redirect.type} ${redirect.url.text}`;
};

test("the same origin is the same scheme, host and port, however it is written", () => {
  for (const [location, url] of [
    ["/mcp/", "https://a.example/mcp/"],
    ["mcp/", "https://a.example/mcp/"],
    ["?x=1", "https://a.example/mcp?x=1"],
    ["//a.example/b", "https://a.example/b"],
    ["https://A.EXAMPLE:443/b#part", "https://a.example/b"],
    ["https://a.example./b", "https://a.example/b"],
    ["../../b/%2e%2e/c", "https://a.example/c"],
  ] as const) {
    assert.equal(read(location), `same ${url}`, location);
    assert.equal(read(location, 308), `same ${url}`, location);
  }
});

test("another origin is another server", () => {
  for (const location of [
    "http://a.example/mcp",
    "https://a.example:8443/mcp",
    "https://b.example/mcp",
    "//b.example/mcp",
    "https://a.example.b.example/",
    "https://sub.a.example/mcp",
    "https://127.0.0.1/",
    "https://0x7f.1/",
  ]) {
    assert.match(read(location), /^other /, location);
  }
});

test("a status that makes it another request is not followed", () => {
  for (const status of [300, 301, 302, 303, 305, 306]) {
    assert.equal(read("/mcp/", status), "other https://a.example/mcp/");
  }
});

test("what is no address, or is read in two ways, leads nowhere", () => {
  for (const location of [
    undefined,
    "",
    "/mcp",
    "#part",
    "https://user@a.example/b",
    "https://user:word@a.example/b",
    "\\\\b.example\\mcp",
    "/\\b.example/mcp",
    "https://a.example\\@b.example/",
    "/b c",
    "/b\tc",
    "/b\r\nx: y",
    "/b\0",
    "/b, /c",
    "/ä",
    "javascript:alert(1)",
    "file:///etc/passwd",
    "data:,x",
    "https://",
    "https://[::1",
    `/${"x".repeat(70_000)}`,
  ]) {
    assert.equal(read(location), "nowhere", JSON.stringify(location)?.slice(0, 60));
  }
});

test("the request of a redirected message goes to its address, and says from where", () => {
  const action = (address: CanonicalValue | undefined): Action => ({
    version: 1,
    target: "mcp::call",
    args: { server: "s", tool: "t", ...(address === undefined ? {} : { address }) },
    facts: { server: { realPath: "https://a.example/mcp", exists: true } },
  });
  const made = permittedRequest(action("https://a.example/b"));
  assert.ok(made.ok);
  assert.deepEqual(
    [made.value.url.text, made.value.from?.text],
    ["https://a.example/b", "https://a.example/mcp"],
  );
  const plain = permittedRequest(action(undefined));
  assert.ok(plain.ok && plain.value.from === undefined);
  for (const address of ["https://b.example/b", "http://a.example/b", "/b", "", 7, null]) {
    assert.equal(permittedRequest(action(address)).ok, false, String(address));
  }
});
