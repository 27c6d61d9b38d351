/** Links are good once and for a minute; cookies are good where and for whom they were made. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeCrypto } from "@ioi/host/crypto";
import { Cookies } from "../src/auth/cookies.ts";
import { Links } from "../src/auth/links.ts";
import { cookieMs, linkMs, linksMax } from "../src/limits.ts";

const browser = "0123456789abcdef0123456789abcdef";

const clock = (startMs = 1_000_000) => {
  let nowMs = startMs;
  return { now: () => nowMs, set: (ms: number) => (nowMs = ms) };
};

test("a link is redeemed once", () => {
  const links = new Links(nodeCrypto, clock().now);
  const { token } = links.make("app", browser);
  assert.equal(links.redeem("app", token), browser);
  assert.equal(links.redeem("app", token), undefined);
});

test("a link is good for a minute and no longer", () => {
  const time = clock(0);
  const links = new Links(nodeCrypto, time.now);
  const first = links.make("app", browser);
  const second = links.make("app", browser);
  assert.equal(first.expiresMs, linkMs);
  time.set(linkMs - 1);
  assert.equal(links.redeem("app", first.token), browser);
  time.set(linkMs);
  assert.equal(links.redeem("app", second.token), undefined);
});

test("a link of one place is no link of another, and is spent by the try", () => {
  const links = new Links(nodeCrypto, clock().now);
  const { token } = links.make("frame", browser);
  assert.equal(links.redeem("app", token), undefined);
  assert.equal(links.redeem("frame", token), undefined);
});

test("what is no token stands for nobody", () => {
  const links = new Links(nodeCrypto, clock().now);
  const { token } = links.make("app", browser);
  for (const given of ["", "x", `${token}x`, token.slice(1), "__proto__", "é".repeat(43)]) {
    assert.equal(links.redeem("app", given), undefined);
  }
  assert.equal(links.redeem("app", token), browser);
});

test("of too many links the oldest is forgotten", () => {
  const links = new Links(nodeCrypto, clock().now);
  const first = links.make("app", browser);
  const more = Array.from({ length: linksMax }, () => links.make("app", browser));
  assert.equal(links.redeem("app", first.token), undefined);
  for (const { token } of more) assert.equal(links.redeem("app", token), browser);
});

const cookies = (time = clock(), fill = 1): Cookies =>
  new Cookies(nodeCrypto, new Uint8Array(32).fill(fill), time.now);

const valueOf = (header: string): string => header.split(";")[0] ?? "";

test("a cookie names its browser, at its place, among others, until it is too old", () => {
  const time = clock();
  const all = cookies(time);
  const header = all.issue("app", browser);
  assert.match(header, /; Path=\/; HttpOnly; Max-Age=604800; SameSite=Strict$/);
  const value = valueOf(header);
  assert.equal(all.read("app", value), browser);
  assert.equal(all.read("app", `a=b; ${value};c=d`), browser);
  assert.equal(cookies(time).read("app", value), browser, "another life of the console");
  time.set(time.now() + cookieMs - 1);
  assert.equal(all.read("app", value), browser);
  time.set(time.now() + 1);
  assert.equal(all.read("app", value), undefined);
});

test("a cookie of another place, key or time, changed or doubled, names nobody", () => {
  const time = clock();
  const all = cookies(time);
  const value = valueOf(all.issue("app", browser));
  const [name = "", rest = ""] = value.split("=");
  assert.equal(all.read("approve", value), undefined);
  assert.equal(all.read("approve", value.replace("ioi-app", "ioi-approve")), undefined);
  assert.equal(cookies(time, 2).read("app", value), undefined);
  assert.equal(all.read("app", `${value}; ${value}`), undefined);
  assert.equal(all.read("app", undefined), undefined);
  assert.equal(all.read("app", ""), undefined);
  for (let at = 0; at < rest.length; at++) {
    const other = rest[at] === "0" ? "1" : "0";
    const changed = rest.slice(0, at) + other + rest.slice(at + 1);
    if (changed === rest) continue;
    const read = all.read("app", `${name}=${changed}`);
    // The last digit of the code holds bits that stand for nothing.
    if (at < rest.length - 1) assert.equal(read, undefined, String(at));
  }
  time.set(time.now() - 1);
  assert.equal(all.read("app", value), undefined, "made in a future that was set back");
});
