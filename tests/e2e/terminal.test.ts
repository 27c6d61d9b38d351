/**
 * Terminals through the whole kernel: one question, then typing; nothing real before the end; stop
 * and the session's end leave nothing. And what is large on its way to the Guardian goes through
 * shared memory.
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";
import { bulkBytesMin } from "@ioi/host/dataplane";
import { commandLineOf, type ProcessId } from "../lib/processes.ts";
import { Place, type Ran, ranOf, until } from "./support.ts";

let place: Place;
before(async () => {
  place = await Place.open();
});
afterEach(async () => await place.quiet());
after(async () => await place[Symbol.asyncDispose]());

/** Runs it up to its question. */
const asked = async (folder: string, text: string): Promise<Ran> => {
  const ran = await place.runIn(folder, text, "--on-ask", "pend");
  assert.deepEqual([ran.code, ran.action.verdict], [4, "ask"], ran.stderr);
  return ran;
};

const sleeping = (seconds: number): readonly ProcessId[] =>
  place.extra().filter((each) => commandLineOf(each) === `sleep ${seconds}`);

test("one question opens it, typing asks no more, closing applies, undo takes back", async () => {
  const folder = place.scratch.folder("terminal");
  fs.writeFileSync(path.join(folder, "a.txt"), "old\n");
  const text =
    '/shell open && /shell type "X=new" && /shell type "echo $X > a.txt; cat a.txt" && /read a.txt && /shell close';
  const { view, action } = await asked(folder, text);
  const card = await place.ioi("approve", action.approval ?? "", "--show");
  assert.match(card.stdout + card.stderr, /can run anything inside: .*; no network/);
  const approved = ranOf(await place.ioi("approve", action.approval ?? "", "--json"));
  assert.equal(approved.code, 0, approved.stderr);
  const shown = await place.show(view.session);
  const verdicts = shown.actions.map(({ target, verdict }) => `${target} ${verdict}`);
  assert.deepEqual(verdicts, [
    "sys::shell allow",
    "sys::shell allow",
    "sys::shell allow",
    "fs::read allow",
    "sys::shell allow",
  ]);
  const said = JSON.stringify(shown.actions[2]);
  assert.match(said, /\\nnew\\n/);
  assert.match(
    JSON.stringify(shown.actions[3]),
    /old/,
    "staged: the files driver sees the old one",
  );
  assert.equal(fs.readFileSync(path.join(folder, "a.txt"), "utf8"), "new\n");
  const types = (await place.receipts(view.session)).map(({ leaf }) => leaf.type);
  assert.equal(types.filter((type) => type === "outcome").length, 5, "each is receipted");
  const undone = await place.undo(view.session);
  assert.equal(undone.code, 0, undone.stderr);
  assert.equal(fs.readFileSync(path.join(folder, "a.txt"), "utf8"), "old\n");
});

test("who denies the question has no terminal, and typing without one is refused", async () => {
  const folder = place.scratch.folder("denied");
  const { view, action } = await asked(folder, '/shell open && /shell type "echo x > f"');
  await place.ioi("deny", action.approval ?? "");
  assert.equal((await place.show(view.session)).state, "failed");
  const without = await place.runIn(folder, '/shell type "echo x > f"');
  assert.deepEqual([without.code, without.view.error?.code], [5, "E_SHELL_NONE"]);
  assert.deepEqual(fs.readdirSync(folder), []);
});

test("a stop ends it with all it started; what it staged is dropped", async () => {
  const folder = place.scratch.folder("stopped");
  const line = "echo x > f; setsid sleep 631 & sleep 631";
  const { view, action } = await asked(
    folder,
    `/shell open && /shell type "${line}" && /shell close`,
  );
  const run = place.ioi("approve", action.approval ?? "");
  let early: string | undefined;
  void run.then(({ stdout, stderr }) => (early = stdout + stderr));
  await until(() => {
    // One that ended will start nothing: what it said is better than the end of the test's time.
    assert.equal(early, undefined);
    return sleeping(631).length === 2 ? true : undefined;
  });
  const stopped = await place.ioi("stop", view.session);
  // No wait: what is said is so.
  assert.deepEqual(sleeping(631), []);
  assert.equal(stopped.code, 0, stopped.stderr);
  await run;
  assert.deepEqual(fs.readdirSync(folder), []);
});

test("a session that ends without closing it leaves no process and no change", async () => {
  const folder = place.scratch.folder("left");
  const { action } = await asked(folder, '/shell open && /shell type "echo x > f; sleep 632 &"');
  assert.equal((await place.ioi("approve", action.approval ?? "")).code, 0);
  await place.quiet();
  assert.deepEqual(fs.readdirSync(folder), []);
});

const throughMemory = async (): Promise<{ messages: number; bytes: number; open: number }> => {
  const answer = await fetch(`http://${place.kernel.httpAddress}/metrics`);
  const text = await answer.text();
  const valueOf = (name: string): number => {
    const line = text
      .split("\n")
      .find((each) => each.startsWith(`ioi_dataplane_${name}{`) && each.includes("to-guardian"));
    return Number(line?.split(" ").at(-1) ?? 0);
  };
  return {
    messages: valueOf("messages_total"),
    bytes: valueOf("bytes_total"),
    open: valueOf("open"),
  };
};

test("a large proposal goes through shared memory, a small one does not", async () => {
  assert.equal((await throughMemory()).open, 1);
  const small = await place.run("/run echo small");
  assert.equal(small.code, 0, small.stderr);
  const before = await throughMemory();
  const script = `: ${"é".repeat(45_000)}`;
  const large = await place.run(`/run sh -c '${script}; echo large'`);
  assert.equal(large.code, 0, large.stderr);
  const now = await throughMemory();
  assert.equal(now.messages, before.messages + 1);
  assert.ok(
    now.bytes - before.bytes > Buffer.byteLength(script) &&
      Buffer.byteLength(script) > bulkBytesMin,
  );
  assert.equal(before.messages, 0);
});
