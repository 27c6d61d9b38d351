/** What a person says and sees: words, workspaces, the list of receipts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Leaf } from "@ioi/wire";
import fc from "fast-check";
import { receiptsPageMax, wordsCharsMax, workspaceComplaint } from "../src/index.ts";
import { codeOf, inWork, readOf, TestDriver, World, workspace, writeOf } from "./support.ts";

test("a session has the words in order, its folder and its agent", async () => {
  const world = await World.open();
  const openedMs = world.clock.wall();
  const id = await world.utter({ text: "first" });
  await world.clock.advance(5000);
  await world.utter({ session: id, text: "second", workspace: "" });
  assert.match(id, /^s-[0-9a-f]{12}$/);
  assert.deepEqual(world.core.ledger.sessions.get(id), {
    id,
    agent: "planner",
    openedMs,
    words: ["first", "second"],
    workspace,
    access: "write",
    scope: undefined,
    typed: new Set(),
    origins: { trusted: [], seen: [] },
    fresh: true,
    widened: [],
    cards: [],
    closed: undefined,
    vault: id,
  });
});

test("a session without a folder reaches none", async () => {
  const world = await World.open();
  const id = await world.utter({ workspace: "" });
  const driver = new TestDriver(world, id);
  assert.deepEqual(world.gate.openSession(id).roots, []);
  assert.equal((await world.propose(driver, readOf(inWork("a.txt")))).verdict, "deny");
});

test("the folder that was picked first stays", async () => {
  const world = await World.open();
  const id = await world.utter();
  await world.utter({ session: id, workspace: "/home/p/other" });
  assert.equal(world.core.ledger.sessions.get(id)?.workspace, workspace);
  const driver = new TestDriver(world, id);
  const other = readOf("/home/p/other/a.txt");
  assert.equal((await world.propose(driver, other)).verdict, "deny");
});

test("words are bounded over the whole session", async () => {
  const world = await World.open();
  const long = "x".repeat(wordsCharsMax);
  assert.equal(await codeOf(world.utter({ text: `${long}y` })), "E_WORDS_TOO_LONG");
  const id = await world.utter({ text: long });
  assert.equal(await codeOf(world.utter({ session: id, text: "y" })), "E_WORDS_TOO_LONG");
  const wide = "\u{1f600}".repeat(wordsCharsMax / 2);
  assert.equal(await codeOf(world.utter({ text: wide })), "", "of any letters");
  const next = await world.restart();
  assert.equal(next.core.ledger.sessions.get(id)?.words[0], long);
});

test("unknown sessions and agents without a name are refused", async () => {
  const world = await World.open();
  assert.equal(await codeOf(world.utter({ session: "s-000000000000" })), "E_SESSION_UNKNOWN");
  assert.equal(await codeOf(world.utter({ undoes: "s-000000000000" })), "E_SESSION_UNKNOWN");
  for (const agent of ["", "Planner", "../x", "a b", "a\n", "x".repeat(65)]) {
    assert.notEqual(await codeOf(world.utter({ agent })), "", JSON.stringify(agent));
  }
  assert.equal(world.core.receipts.size, 0);
});

test("an undo works where the other session did, on its vault, also after a restart", async () => {
  const world = await World.open();
  const first = await world.utter();
  await world.person.revoke(first, "done");
  const undo = await world.utter({ undoes: first, workspace: "/home/p/other" });
  const again = await world.utter({ undoes: undo, workspace: "" });
  for (const at of [world, await world.restart()]) {
    for (const id of [undo, again]) {
      const session = at.core.ledger.sessions.get(id);
      assert.deepEqual([session?.workspace, session?.vault], [workspace, first]);
    }
  }
});

const product = ["/home/p/ioi-data", "/opt/ioi"];

test("folders of the system and of the product are no workspaces", () => {
  for (const path of [
    "/",
    "/etc",
    "/etc/ssh",
    "/usr",
    "/usr/local/src",
    "/proc/self/root/home/p/work",
    "/sys",
    "/dev/shm",
    "/run/user/1000",
    "/lib64",
    "/opt/ioi",
    "/opt/ioi/packages",
    "/home/p/ioi-data",
    "/home/p/ioi-data/guardian",
    "",
    "work",
    "./work",
    "~/work",
    "/home/p/../../etc",
    "/home/./p",
    "/home//p",
    "/home/p/",
    "/home/p\u0000",
    "/home/p\n",
    "/home/\u007f",
    `/${"x".repeat(4096)}`,
  ]) {
    assert.notEqual(workspaceComplaint(path, product), undefined, JSON.stringify(path));
  }
});

test("the control: a person's own folders are, also beside and above the product's", () => {
  for (const path of [
    "/home/p/work",
    "/home/p",
    "/home/p/ioi-data-2",
    "/opt",
    "/opt/ioi2",
    "/tmp/x",
    "/root/w",
    "/etcetera",
    "/home/ä b/ß",
    "/srv/...",
  ]) {
    assert.equal(workspaceComplaint(path, product), undefined, path);
  }
});

test("whatever is accepted is absolute, normal, and outside all of them", () => {
  const segment = fc.constantFrom("etc", "home", "p", "ioi-data", "opt", "ioi", "..", ".", "", "a");
  const path = fc
    .array(segment, { minLength: 1, maxLength: 6 })
    .map((segments) => `/${segments.join("/")}`);
  fc.assert(
    fc.property(path, (text) => {
      if (workspaceComplaint(text, product) !== undefined) return;
      assert.equal(new URL(`file://${text}`).pathname, text);
      for (const folder of ["/etc", ...product]) {
        assert.ok(!`${text}/`.startsWith(`${folder}/`), `${text} in ${folder}`);
      }
    }),
    { numRuns: 2000, seed: 20_260_104 },
  );
});

test("a refused workspace opens no session", async () => {
  const world = await World.open();
  for (const bad of ["/etc", "/home/p/ioi-data", "relative"]) {
    assert.equal(await codeOf(world.utter({ workspace: bad })), "E_WORKSPACE_REFUSED");
  }
  assert.equal(world.core.receipts.size, 0);
});

test("receipts are listed from an index, by page and by session, with what they say", async () => {
  const world = await World.open();
  const one = await world.session("one");
  const two = await world.session("two");
  for (let n = 0; n < 3; n++) {
    await world.propose(one.driver, readOf(inWork(`one-${n}`)));
    await world.propose(two.driver, writeOf(inWork(`two-${n}`)));
  }
  const all = await world.person.receipts(0, 0, "");
  assert.deepEqual(
    all.map(({ index, leaf }) => [index, leaf.type]),
    [0, 1, 2, 3, 4, 5, 6, 7].map((index) => [index, index < 2 ? "session-open" : "intent"]),
  );
  assert.match(all[2]?.display ?? "", /fs::read .*one-0/);
  const mine = await world.person.receipts(0, 0, two.id);
  assert.deepEqual(
    mine.map(({ index }) => index),
    [1, 3, 5, 7],
  );
  assert.deepEqual(
    (await world.person.receipts(3, 2, "")).map(({ index }) => index),
    [3, 4],
  );
  assert.deepEqual(await world.person.receipts(8, 0, ""), []);
  assert.deepEqual(await world.person.receipts(1_000_000, 5, ""), []);
  assert.ok((await world.person.receipts(0, 1_000_000, "")).length <= receiptsPageMax);
});

test("one page of receipts is bounded", async () => {
  const world = await World.open();
  const leaf: Leaf = { type: "policy", atMs: 1, policyHash: new Uint8Array(32) };
  await Promise.all(Array.from({ length: receiptsPageMax + 10 }, () => world.core.commit(leaf)));
  assert.ok(world.core.receipts.size > receiptsPageMax);
  assert.equal((await world.person.receipts(0, 0, "")).length, receiptsPageMax);
  assert.equal((await world.person.receipts(0, 4_294_967_295, "")).length, receiptsPageMax);
});

test("who watches sees every leaf once it is durable, and none after leaving", async () => {
  const world = await World.open();
  const seen: string[] = [];
  const stop = world.core.watch((leaf) => {
    seen.push(leaf.type);
  });
  const { driver } = await world.session();
  world.files.setBytesMax(0);
  await codeOf(world.propose(driver, readOf(inWork("a"))));
  world.files.setBytesMax(Number.POSITIVE_INFINITY);
  await world.propose(driver, readOf(inWork("a")));
  stop();
  await world.propose(driver, readOf(inWork("a")));
  assert.deepEqual(seen, ["session-open", "intent"]);
});
