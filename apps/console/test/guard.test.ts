/** Host, Origin and where a request says that it comes from. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Asked, guard } from "../src/http/guard.ts";

const port = 9001;
const ask = (changes: Partial<Asked>): string => {
  const asked: Asked = {
    method: "GET",
    path: "/",
    host: "app.localhost:9001",
    origin: undefined,
    fetchSite: undefined,
    fetchDest: undefined,
    ...changes,
  };
  const verdict = guard(asked, port);
  return verdict.ok ? verdict.place : String(verdict.status);
};

test("three hosts are served and no other spelling of them", () => {
  assert.equal(ask({}), "app");
  assert.equal(ask({ host: "approve.localhost:9001" }), "approve");
  assert.equal(ask({ host: "approve.app.localhost:9001" }), "frame");
  for (const host of [
    undefined,
    "",
    "app.localhost",
    "app.localhost:9002",
    "APP.localhost:9001",
    "app.localhost.:9001",
    "app.localhost:09001",
    "localhost:9001",
    "127.0.0.1:9001",
    "[::1]:9001",
    "evil.example:9001",
    "app.localhost:9001.evil.example",
    "evil.app.localhost:9001",
    "user@app.localhost:9001",
    " app.localhost:9001",
  ]) {
    assert.equal(ask({ host }), "421", String(host));
  }
});

test("a foreign origin is refused, and a change without an origin", () => {
  const own = "http://app.localhost:9001";
  assert.equal(ask({ method: "POST", path: "/x", origin: own }), "app");
  assert.equal(ask({ method: "GET", path: "/x", origin: own }), "app");
  assert.equal(ask({ method: "POST", path: "/x" }), "403");
  for (const origin of [
    "null",
    "",
    "https://app.localhost:9001",
    "http://app.localhost",
    "http://app.localhost:9002",
    "http://approve.localhost:9001",
    "http://approve.app.localhost:9001",
    "http://evil.example",
    "http://app.localhost:9001/",
  ]) {
    for (const method of ["GET", "POST"]) {
      assert.equal(ask({ method, path: "/x", origin }), "403", `${method} ${origin}`);
    }
  }
});

test("only navigations come from other sites", () => {
  for (const fetchSite of ["cross-site", "same-site"]) {
    assert.equal(ask({ fetchSite, fetchDest: "document" }), "app");
    assert.equal(ask({ fetchSite, fetchDest: "document", path: "/open" }), "app");
    assert.equal(ask({ fetchSite, fetchDest: "document", path: "/events" }), "403");
    assert.equal(ask({ fetchSite, fetchDest: "iframe" }), "403");
    assert.equal(ask({ fetchSite, fetchDest: "empty", path: "/events" }), "403");
    assert.equal(ask({ fetchSite, fetchDest: "script", path: "/assets/a.js" }), "403");
    const frame = "approve.app.localhost:9001";
    assert.equal(ask({ host: frame, fetchSite, fetchDest: "iframe", path: "/open" }), "frame");
    const tab = "approve.localhost:9001";
    assert.equal(ask({ host: tab, fetchSite, fetchDest: "iframe", path: "/open" }), "403");
  }
  assert.equal(ask({ fetchSite: "same-origin", fetchDest: "empty", path: "/events" }), "app");
  assert.equal(ask({ fetchSite: "none", fetchDest: "document" }), "app");
});

test("other methods are refused", () => {
  for (const method of ["PUT", "DELETE", "OPTIONS", "HEAD", "CONNECT", "TRACE", "get", ""]) {
    assert.equal(ask({ method }), "405", method);
  }
});
