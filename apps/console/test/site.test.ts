/** What is served to whom, and that no path leads out of what is served. */
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { plainNames } from "../src/http/files.ts";
import { TestSite } from "./support.ts";

const pagesFolder = (): Disposable & { readonly path: string } => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "ioi-pages-"));
  return { path: folder, [Symbol.dispose]: () => fs.rmSync(folder, { recursive: true }) };
};

const buildPage = (pages: string, hash: string, body: string): void => {
  const folder = path.join(pages, hash);
  fs.mkdirSync(path.join(folder, "assets"), { recursive: true });
  fs.writeFileSync(path.join(folder, "index.html"), body);
  fs.writeFileSync(path.join(folder, "assets/main-1.js"), "1;");
  fs.writeFileSync(path.join(pages, "current"), `${hash}\n`);
};

test("without a cookie there is the page that redeems a link, and nothing else", async () => {
  await using site = await TestSite.open();
  const ask = (where: string) => site.ask({ path: where, headers: { cookie: "" } });
  for (const [where, type] of [
    ["/open", "text/html; charset=utf-8"],
    ["/open.js", "text/javascript; charset=utf-8"],
    ["/open.css", "text/css; charset=utf-8"],
    ["/open.svg", "image/svg+xml; charset=utf-8"],
  ] as const) {
    const { status, headers } = await ask(where);
    assert.deepEqual([status, headers["content-type"]], [200, type]);
  }
  const closed = await ask("/");
  assert.equal(closed.status, 401);
  assert.match(closed.text, /\.\/ioi open/);
  for (const where of ["/events", "/assets/a.js", "/main.js", "/anything", "/closed.html"]) {
    assert.equal((await ask(where)).status, 401, where);
  }
  const call = await site.ask({
    method: "POST",
    path: "/ioi.console.v1.Console/Overview",
    headers: { cookie: "" },
    body: "{}",
  });
  assert.equal(call.status, 401);
});

test("a link becomes the cookie of its place, once", async () => {
  await using site = await TestSite.open();
  const browser = "f".repeat(32);
  const { token } = site.links.make("app", browser);
  const redeem = (headers: Readonly<Record<string, string>> = {}) =>
    site.ask({
      method: "POST",
      path: "/redeem",
      headers: { cookie: "", ...headers },
      body: JSON.stringify({ token }),
    });
  assert.equal((await redeem({ "content-type": "text/plain" })).status, 415);
  assert.equal((await redeem({ origin: "http://evil.example" })).status, 403);
  const given = await redeem();
  assert.equal(given.status, 200);
  const [header = ""] = given.headers["set-cookie"] ?? [];
  assert.match(header, /^ioi-app=[^;]+; Path=\/; HttpOnly; Max-Age=\d+; SameSite=Strict$/);
  assert.equal(site.cookies.read("app", header.split(";")[0]), browser);
  assert.equal((await redeem()).status, 403);
});

test("every answer says what its page may do", async () => {
  await using site = await TestSite.open();
  for (const [place, ancestors, frames] of [
    ["app", "'none'", site.origin("frame")],
    ["approve", "'none'", "'none'"],
    ["frame", site.origin("app"), "'none'"],
  ] as const) {
    const { headers } = await site.ask({ place });
    const policy = String(headers["content-security-policy"]);
    for (const rule of [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "base-uri 'none'",
      "form-action 'none'",
      "require-trusted-types-for 'script'",
      `frame-ancestors ${ancestors}`,
      `frame-src ${frames}`,
    ]) {
      assert.ok(policy.split("; ").includes(rule), `${place}: ${rule}`);
    }
    assert.doesNotMatch(policy, /unsafe|\*/);
    assert.equal(headers["x-content-type-options"], "nosniff");
    assert.equal(headers["cross-origin-opener-policy"], "same-origin");
    assert.equal(headers["cross-origin-resource-policy"], "same-origin");
    assert.equal(headers["cache-control"], "no-store");
    assert.equal(headers["access-control-allow-origin"], undefined);
  }
});

test("the page that was built last is served, screens are its index, assets may be kept", async () => {
  using pages = pagesFolder();
  await using site = await TestSite.open({ pages: pages.path });
  const building = await site.ask({});
  assert.match(building.text, /not been built yet/);
  buildPage(pages.path, "a".repeat(32), "first");
  assert.equal((await site.ask({})).text, "first");
  assert.equal((await site.ask({ path: "/receipts" })).text, "first");
  const asset = await site.ask({ path: "/assets/main-1.js" });
  assert.deepEqual(
    [asset.status, asset.text, asset.headers["cache-control"]],
    [200, "1;", "private, max-age=31536000, immutable"],
  );
  buildPage(pages.path, "b".repeat(32), "second");
  assert.equal((await site.ask({})).text, "second");
  assert.equal((await site.ask({ path: "/assets/none.js" })).status, 404);
  fs.writeFileSync(path.join(pages.path, "current"), "../../etc\n");
  assert.match((await site.ask({})).text, /not been built yet/);
});

test("no path leads out of the folder", async () => {
  using pages = pagesFolder();
  const hash = "c".repeat(32);
  buildPage(pages.path, hash, "page");
  const outside = path.join(pages.path, "outside.txt");
  fs.writeFileSync(outside, "outside");
  fs.symlinkSync(outside, path.join(pages.path, hash, "link.txt"));
  fs.mkdirSync(path.join(pages.path, hash, "folder.txt"));
  fs.writeFileSync(path.join(pages.path, hash, ".hidden.txt"), "hidden");
  fs.writeFileSync(path.join(pages.path, hash, "there.txt"), "there");
  await using site = await TestSite.open({ pages: pages.path });
  assert.equal((await site.ask({ path: "/there.txt" })).text, "there");
  for (const where of [
    "/../outside.txt",
    "/%2e%2e/outside.txt",
    "/..%2foutside.txt",
    "/..\\outside.txt",
    "/assets/../../outside.txt",
    "//etc/passwd.txt",
    "/link.txt",
    "/folder.txt",
    "/.hidden.txt",
    "/there.txt%00.js",
    "/there.bin",
    "/there.txt/",
  ]) {
    for (const place of ["app", "approve", "frame"] as const) {
      const { status, text } = await site.ask({ place, path: where });
      assert.ok(status === 404 || status === 400, `${place} ${where} gives ${status}`);
      assert.doesNotMatch(text, /outside\b(?!\.)|hidden/);
    }
  }
  assert.equal((await site.ask({ path: `/${"a".repeat(3000)}` })).status, 414);
  assert.deepEqual(plainNames("/a/b-1_c.js"), ["a", "b-1_c.js"]);
  for (const given of ["", "/", "/a//b", "/.", "/..", "/a/../b", "/a\0b", "/a b", "/é"]) {
    assert.equal(plainNames(given), undefined, given);
  }
});

test("the approval page is JavaScript where it stands, without types", async () => {
  await using site = await TestSite.open();
  const { headers, text } = await site.ask({ place: "approve", path: "/main.js" });
  assert.equal(headers["content-type"], "text/javascript; charset=utf-8");
  assert.match(text, /from "\.\/card\.js"/);
  assert.doesNotMatch(text, /\.ts"|: KeyState/);
  assert.equal((await site.ask({ place: "approve", path: "/main.ts" })).status, 404);
  assert.equal((await site.ask({ place: "app", path: "/main.js" })).status, 404);
});

test("another user of the machine gets nothing, asked once for each connection", async () => {
  const asked: number[] = [];
  await using site = await TestSite.open({
    isOwn: async (callerPort) => {
      asked.push(callerPort);
      return false;
    },
  });
  for (const where of ["/", "/open", "/events", "/main.js"]) {
    const { status, text } = await site.ask({ path: where });
    assert.deepEqual([status, text], [403, "the page is another user's of this machine"]);
  }
  const call = { method: "POST", path: "/redeem", body: "{}" };
  assert.equal((await site.ask(call)).status, 403);
  assert.equal(asked.length, 5);
  assert.ok(asked.every((port) => port > 0));
});
