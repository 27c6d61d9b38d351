/** A data folder out and back, and one of the version before: nothing lost, nothing taken back. */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { layOutFormat1, receiptsInFixture, sessionsInFixture } from "../fixtures/data-format-1.ts";
import { layOutFormat2 } from "../fixtures/data-format-2.ts";
import { ioi, Scratch, TestKernel } from "../lib/kernel.ts";
import "./compile-cache.ts";
import { treeOf } from "./support.ts";

let scratch: Scratch;
let data: string;
let file: string;

const run = async (folder: string, text: string): Promise<void> => {
  const ran = await ioi(["run", "--data", folder, "--workspace", scratch.at("W"), text]);
  assert.equal(ran.code, 0, ran.stderr);
};

before(async () => {
  scratch = new Scratch();
  scratch.folder("W");
  fs.writeFileSync(scratch.at("W/a.txt"), "alpha\n");
  fs.writeFileSync(scratch.at("phrase"), "correct horse\n");
  data = scratch.at("data");
  file = scratch.at("one.backup");
  layOutFormat1(data);
});
after(() => scratch[Symbol.dispose]());

const code = ({ json }: { readonly json: unknown }): string =>
  (json as { readonly code?: string } | undefined)?.code ?? "";

const sizeOf = async (folder: string): Promise<number> => {
  const { code: exit, json } = await ioi(["receipts", "verify", "--data", folder, "--json"]);
  assert.equal(exit, 0, JSON.stringify(json));
  return (json as { readonly size: number }).size;
};

test("a folder of the version before is kept as it was, migrated, and all of it is there", async () => {
  assert.equal(await sizeOf(data), receiptsInFixture, "read without a change");
  assert.equal(fs.readFileSync(path.join(data, "FORMAT"), "utf8"), '{"format":1}\n');
  const listed = await ioi(["sessions", "list", "--data", data, "--json"]);
  assert.match(listed.stderr, /^migrated .*; as it was: .*backups\/format-1$/m);
  const { sessions } = listed.json as { readonly sessions: readonly { session: string }[] };
  assert.equal(sessions.length, sessionsInFixture);
  assert.equal(fs.readFileSync(path.join(data, "FORMAT"), "utf8"), '{"format":3}\n');
  for (const { session } of sessions) {
    const replayed = await ioi(["replay", session, "--data", data, "--json"]);
    assert.equal(replayed.code, 0, replayed.stderr);
  }
  await run(data, "/read a.txt");
  assert.ok((await sizeOf(data)) > receiptsInFixture);
});

test("keys leave the folder sealed, or in the open by word; never while a kernel runs", async () => {
  const silent = await ioi(["backup", file, "--data", data, "--json"]);
  assert.deepEqual([silent.code, code(silent)], [2, "E_CLI_USAGE"]);
  {
    await using _kernel = await TestKernel.start({ data });
    const busy = await ioi(["backup", file, "--data", data, "--plain", "--json"]);
    assert.deepEqual([busy.code, code(busy)], [5, "E_DATA_LOCKED"]);
  }
  assert.equal(fs.existsSync(file), false);
  const plain = await ioi(["backup", scratch.at("open"), "--data", data, "--plain"]);
  assert.equal(plain.code, 0, plain.stderr);
  assert.match(plain.stdout, /NOT sealed/);
  const phrase = ["--passphrase-file", scratch.at("phrase")];
  const sealed = await ioi(["backup", file, "--data", data, "--json", ...phrase]);
  assert.equal(sealed.code, 0, sealed.stderr);
  assert.equal((sealed.json as { readonly sealed: boolean }).sealed, true);
  assert.equal(fs.statSync(file).mode & 0o777, 0o600);
});

const restore = (from: string, into: string, ...more: readonly string[]) =>
  ioi(
    ["restore", from, "--data", into, "--json", "--passphrase-file", scratch.at("phrase")].concat(
      more,
    ),
  );

test("restored elsewhere it is the same folder, and goes on", async () => {
  const other = scratch.at("other");
  const { code: exit, stderr } = await restore(file, other);
  assert.equal(exit, 0, stderr);
  const bookkeeping = /^(?:\.|lock|run(?:\/.*)?|backups(?:\/.*)?)$/;
  // Times come back to the millisecond; the unit tests look at those.
  const kept = (folder: string) =>
    Object.entries(treeOf(folder))
      .filter(([name]) => !bookkeeping.test(name))
      .map(([name, facts]) => [name, ...facts.split(" ").toSpliced(2, 1)].join(" "));
  assert.deepEqual(kept(other), kept(data));
  assert.equal(await sizeOf(other), await sizeOf(data));
  await run(other, "/read a.txt");
});

test("what is cut or changed is 6 and restores nothing, not even half", async () => {
  const bytes = fs.readFileSync(file);
  const bad = scratch.at("bad");
  const into = scratch.at("never");
  for (const [what, content] of [
    ["cut", bytes.subarray(0, bytes.length - 9)],
    ["changed", Buffer.concat([bytes.subarray(0, 5000), Buffer.of(1), bytes.subarray(5001)])],
    ["empty", Buffer.alloc(0)],
  ] as const) {
    fs.writeFileSync(bad, content);
    const { code: exit, ...rest } = await restore(bad, into);
    assert.deepEqual([exit, code(rest)], [6, "E_BACKUP_CORRUPT"], what);
    assert.equal(fs.existsSync(into), false, what);
  }
  assert.deepEqual(
    fs.readdirSync(scratch.path).filter((name) => name.startsWith(".ioi-restore")),
    [],
  );
});

test("nothing that was signed is taken back: an older copy is refused, a newer one takes the place", async () => {
  const mixed = await restore(file, data);
  assert.deepEqual([mixed.code, code(mixed)], [5, "E_RESTORE_TARGET"]);
  await run(data, "/stat a.txt");
  const before = treeOf(data);
  const back = await restore(file, data, "--onto");
  assert.deepEqual([back.code, code(back)], [5, "E_RESTORE_ROLLBACK"]);
  const same = ([name]: readonly [string, string]): boolean => name !== "." && name !== "lock";
  assert.deepEqual(Object.entries(treeOf(data)).filter(same), Object.entries(before).filter(same));
  const newer = scratch.at("two.backup");
  const phrase = ["--passphrase-file", scratch.at("phrase")];
  assert.equal((await ioi(["backup", newer, "--data", data, ...phrase])).code, 0);
  const older = scratch.at("older");
  assert.equal((await restore(file, older)).code, 0);
  const forward = await restore(newer, older, "--onto");
  assert.equal(forward.code, 0, forward.stderr);
  const { previous } = forward.json as { readonly previous: string };
  assert.equal(fs.existsSync(path.join(previous, "FORMAT")), true);
  assert.equal(await sizeOf(older), await sizeOf(data));
});

test("a chain that began anew since, or is of the version before, is no reason to refuse a newer copy", async () => {
  const newer = scratch.at("anew");
  layOutFormat2(newer);
  const former = scratch.at("former");
  layOutFormat2(former);
  await run(newer, "/stat a.txt");
  const phrase = ["--passphrase-file", scratch.at("phrase")];
  const one = scratch.at("anew-1.backup");
  assert.equal((await ioi(["backup", one, "--data", newer, ...phrase])).code, 0);
  const session = path.join(newer, "guardian/session.log");
  const saltOf = () => fs.readFileSync(session).subarray(0, 32).toString("hex");
  const before = saltOf();
  assert.equal((await ioi(["chain", "reset", "--data", newer])).code, 0);
  await run(newer, "/stat a.txt");
  assert.notEqual(saltOf(), before, "control: the session's log is another");
  const two = scratch.at("anew-2.backup");
  assert.equal((await ioi(["backup", two, "--data", newer, ...phrase])).code, 0);
  for (const copy of [one, two]) {
    const { code: exit, stderr } = await restore(copy, former, "--onto");
    assert.equal(exit, 0, stderr);
  }
  const back = await restore(one, former, "--onto");
  assert.deepEqual([back.code, code(back)], [5, "E_RESTORE_ROLLBACK"]);
});

test("a folder of a newer version is refused, and nothing is written", async () => {
  const newer = scratch.at("newer");
  layOutFormat1(newer);
  fs.writeFileSync(path.join(newer, "FORMAT"), '{"format":4}\n');
  const before = treeOf(newer);
  const started = await ioi([
    "start",
    "--data",
    newer,
    "--port",
    "0",
    "--exit-when-ready",
    "--json",
  ]);
  assert.deepEqual([started.code, code(started)], [5, "E_DATA_NEWER"]);
  assert.deepEqual(treeOf(newer), before);
});
