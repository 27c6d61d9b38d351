// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import {
  appendFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { encodeHeader, journalStep, SessionMachine } from "@ioi/agent";
import { SeededRandom, toHex, unwrap } from "@ioi/base";
import { ReceiptLog } from "@ioi/guardian";
import { nodeCrypto } from "@ioi/host/crypto";
import { openFiles } from "@ioi/host/ports";
import { startOf } from "@ioi/host/proc";
import { openWal } from "@ioi/storage";
import type { Leaf } from "@ioi/wire";
import { folderPaths, runningKernel } from "../src/kernel/folder.ts";
import { runWith, temporaryFolder } from "./support.ts";

const identity = unwrap(nodeCrypto.importPrivate("ml-dsa-65", new Uint8Array(32).fill(9)), "key");
const hash = new Uint8Array(32).fill(1);

const leaves: readonly Leaf[] = [
  { type: "policy", atMs: 1_700_000_000_000, policyHash: hash },
  {
    type: "intent",
    atMs: 1_700_000_000_001,
    counter: 1n,
    session: "s1",
    agent: "planner",
    order: 1n,
    actionId: hash,
    target: "fs::read",
    verdict: "allow",
    rules: ["scope-read"],
    asks: [],
    discharged: [],
    grants: [],
    policyHash: hash,
    grantsHash: hash,
    action: { commitment: hash, sealed: hash },
  },
  {
    type: "outcome",
    atMs: 1_700_000_000_002,
    counter: 1n,
    session: "s1",
    reportedBy: "driver",
    status: "confirmed",
    resultHash: hash,
    evidence: {},
  },
];

/** A data folder at rest, with a checkpoint after the second leaf and, unless told, the last. */
const dataFolder = async (root: string, lastCheckpoint = true): Promise<string> => {
  const data = join(root, "D");
  for (const name of ["guardian", "identity", "device", "logs", "workload/journals"]) {
    mkdirSync(join(data, name), { recursive: true });
  }
  writeFileSync(join(data, "FORMAT"), '{"format":1}\n');
  writeFileSync(join(data, "identity/guardian.pub"), `${toHex(identity.publicKey)}\n`);
  const log = await ReceiptLog.open(
    {
      files: openFiles(join(data, "guardian")),
      random: new SeededRandom("log"),
      provider: nodeCrypto,
      identity,
      origin: "ioi.test/receipts",
      durable: true,
    },
    () => undefined,
  );
  for (const [index, each] of leaves.entries()) {
    await log.append(each);
    if (index === 1 || (index === 2 && lastCheckpoint)) await log.checkpoint();
  }
  await log.close();
  return data;
};

test("receipts verify: 0 for a sound log, 6 and the index for any changed byte", async () => {
  using folder = temporaryFolder();
  const data = await dataFolder(folder.path);
  const verify = () => runWith(["receipts", "verify", "--data", data, "--json"]);
  const sound = await verify();
  assert.equal(sound.exit, 0);
  const report = JSON.parse(sound.out);
  assert.deepEqual(Object.keys(report), [
    "schema",
    "ok",
    "size",
    "root",
    "checked",
    "firstBad",
    "key",
    "anchor",
  ]);
  assert.deepEqual([report.ok, report.size, report.checked], [true, 3, 3]);
  const file = join(data, "guardian/receipts.log");
  const bytes = readFileSync(file);
  for (let at = 0; at < bytes.length; at += 13) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 0xff;
    writeFileSync(file, changed);
    const { exit, out } = await verify();
    assert.equal(exit, 6, `byte ${at}`);
    assert.ok(Number.isSafeInteger(JSON.parse(out).firstBad.index), `byte ${at}`);
  }
  writeFileSync(file, bytes);
  const text = await runWith(["receipts", "verify", "--data", data]);
  assert.match(text.out, /^good: 3 receipts.*\n.*3 of them checked.*\n.*no rollback protection/);
});

test("receipts export verifies elsewhere with the public key alone", async () => {
  using here = temporaryFolder();
  using there = temporaryFolder();
  const data = await dataFolder(here.path);
  const bundle = join(there.path, "receipts.json");
  const key = join(there.path, "guardian.pub");
  const exported = await runWith(["receipts", "export", bundle, "--data", data, "--json"]);
  assert.equal(exported.exit, 0);
  assert.deepEqual(JSON.parse(exported.out).receipts, 3);
  assert.equal(statSync(bundle).mode & 0o777, 0o600);
  writeFileSync(key, readFileSync(join(data, "identity/guardian.pub")));
  const verify = (...more: readonly string[]) =>
    runWith(["receipts", "verify", "--bundle", bundle, "--json", ...more], { cwd: there.path });
  assert.equal((await verify("--key", key)).exit, 0);
  assert.equal((await verify("--key", toHex(identity.publicKey))).exit, 0);
  assert.equal((await verify("--key", "ff".repeat(1952))).exit, 6);
  assert.equal((await verify()).exit, 2);
  assert.equal((await verify("--key", bundle)).exit, 5);
  const text = readFileSync(bundle, "utf8");
  const at = text.indexOf('"leaf":"') + 30;
  writeFileSync(bundle, text.slice(0, at) + (text[at] === "0" ? "1" : "0") + text.slice(at + 1));
  assert.equal((await verify("--key", key)).exit, 6);
  const again = await runWith(["receipts", "export", bundle, "--data", data]);
  assert.match(again.err, /E_CLI_OUT/);
});

test("receipts prove and partial exports", async () => {
  using folder = temporaryFolder();
  const data = await dataFolder(folder.path);
  const proof = await runWith(["receipts", "prove", "1", "--data", data, "--json"]);
  assert.equal(proof.exit, 0);
  const file = join(folder.path, "proof.json");
  writeFileSync(file, proof.out);
  const key = join(data, "identity/guardian.pub");
  const check = await runWith(["receipts", "verify", "--bundle", file, "--json", "--key", key]);
  assert.equal(check.exit, 0);
  assert.equal(JSON.parse(check.out).checked, 1);
  assert.equal((await runWith(["receipts", "prove", "7", "--data", data])).exit, 5);
  const session = join(folder.path, "session.json");
  const more = ["--data", data, "--session", "s1", "--json"];
  const exported = await runWith(["receipts", "export", session, ...more]);
  assert.equal(JSON.parse(exported.out).receipts, 2);
  const none = await runWith(["receipts", "export", "x", "--data", data, "--session", "zz"]);
  assert.match(none.err, /E_SESSION_UNKNOWN/);
});

test("receipts after the last checkpoint are said to be uncovered", async () => {
  using folder = temporaryFolder();
  const data = await dataFolder(folder.path, false);
  const report = JSON.parse((await runWith(["receipts", "verify", "--data", data, "--json"])).out);
  assert.deepEqual([report.ok, report.size, report.checked], [true, 3, 2]);
  const file = join(folder.path, "part.json");
  const exported = await runWith(["receipts", "export", file, "--data", data, "--json"]);
  assert.equal(JSON.parse(exported.out).uncovered, 1);
  const uncovered = await runWith(["receipts", "prove", "2", "--data", data]);
  assert.match(uncovered.err, /E_RECEIPTS_UNCOVERED/);
});

test("a kernel that was killed does not count as running, whoever has its number now", async () => {
  using folder = temporaryFolder();
  const data = await dataFolder(folder.path);
  const { pid } = process;
  const found = (started: unknown): number | undefined => {
    mkdirSync(join(data, "run"), { recursive: true });
    const file = JSON.stringify({ pid, started, rpc: "", http: "" });
    writeFileSync(join(data, "run/kernel.json"), file);
    return runningKernel(folderPaths(data))?.pid;
  };
  assert.equal(found(startOf(pid)), pid, "the control: one that runs");
  assert.equal(found(undefined), undefined);
  assert.equal(found(startOf(1)), undefined);
  assert.equal((await runWith(["receipts", "list", "--data", data])).exit, 0);
});

test("receipts list reads the files when no kernel runs", async () => {
  using folder = temporaryFolder();
  const data = await dataFolder(folder.path);
  const listed = JSON.parse((await runWith(["receipts", "list", "--data", data, "--json"])).out);
  assert.deepEqual(
    listed.receipts.map(({ index, leaf }: { index: number; leaf: { type: string } }) => [
      index,
      leaf.type,
    ]),
    [
      [0, "policy"],
      [1, "intent"],
      [2, "outcome"],
    ],
  );
  const { out } = await runWith(["receipts", "list", "--data", data, "--session", "s1"]);
  assert.match(out, /ticket 1 fs::read: allow by scope-read\n/);
  assert.match(out, /ticket 1: confirmed, by driver\n$/);
});

test("keys: public in full, private by place and mode only", async () => {
  using folder = temporaryFolder();
  const data = await dataFolder(folder.path);
  const seed = "5e".repeat(32);
  const publicKey = "ab".repeat(32);
  writeFileSync(join(data, "device/terminal.key"), JSON.stringify({ publicKey, seed }), {
    mode: 0o600,
  });
  const { exit, out } = await runWith(["keys", "--data", data, "--json"]);
  assert.equal(exit, 0);
  assert.doesNotMatch(out, new RegExp(seed));
  const { keys } = JSON.parse(out);
  assert.equal(keys[0].publicKey, toHex(identity.publicKey));
  assert.equal(keys[0].fingerprint, toHex(nodeCrypto.sha256(identity.publicKey)));
  assert.deepEqual([keys[1].publicKey, keys[1].privateMode], [publicKey, "0600"]);
});

test("logs: rotated files first, filters, JSON lines passed on", async () => {
  using folder = temporaryFolder();
  const data = await dataFolder(folder.path);
  const line = (time: string, process: string, session: string): string =>
    `${JSON.stringify({ time, level: "info", event: "tick", process, session })}\n`;
  writeFileSync(join(data, "logs/kernel.jsonl.1"), line("2026-01-01T00:00:00Z", "guardian", "s1"));
  writeFileSync(join(data, "logs/kernel.jsonl"), line("2026-01-02T00:00:00Z", "workload", "s2"));
  appendFileSync(join(data, "logs/kernel.jsonl"), '{"torn');
  const all = await runWith(["logs", "--data", data, "--json"]);
  assert.deepEqual(
    all.out
      .trim()
      .split("\n")
      .map((each) => JSON.parse(each).process),
    ["guardian", "workload"],
  );
  const one = await runWith(["logs", "--data", data, "--lines", "1"]);
  assert.equal(one.out, "2026-01-02T00:00:00Z INFO  workload     tick session=s2\n");
  const filtered = await runWith(["logs", "--data", data, "--process", "guardian"]);
  assert.match(filtered.out, /^2026-01-01.*guardian.*\n$/);
  const session = await runWith(["logs", "--data", data, "--session", "s2", "--json"]);
  assert.equal(JSON.parse(session.out).session, "s2");
});

test("uninstall lists and deletes nothing", async () => {
  using folder = temporaryFolder();
  const data = await dataFolder(folder.path);
  // What the launcher of commands leaves where it cannot write beside the program.
  const cache = join(folder.path, "home/.cache/ioi");
  mkdirSync(cache, { recursive: true });
  writeFileSync(join(cache, "code"), "12345");
  // One file of two names takes its room once.
  linkSync(join(data, "guardian/receipts.log"), join(data, "logs/again.log"));
  const env = { HOME: join(folder.path, "home") };
  const { exit, out } = await runWith(["uninstall", "--data", data, "--json"], { env });
  assert.equal(exit, 0);
  const { items, running, commands } = JSON.parse(out);
  assert.equal(running, null);
  assert.ok(commands.includes(`rm -r '${data}'`));
  const receipts = items.find(({ path }: { path: string }) => path === join(data, "guardian"));
  assert.ok(receipts.bytes > 0);
  const logs = items.find(({ path }: { path: string }) => path === join(data, "logs"));
  assert.equal(logs.bytes, 0);
  const compiled = items.find(({ path }: { path: string }) => path === cache);
  assert.equal(compiled.bytes, 5);
  assert.ok(commands.includes(`rm -r '${cache}'`));
  for (const path of [join(data, "guardian/receipts.log"), cache]) assert.ok(existsSync(path));
});

const writeJournal = async (data: string, change: boolean): Promise<string> => {
  const path = join(data, "workload/journals/s1.log");
  await using wal = await openWal({
    files: openFiles(join(data, "workload/journals")),
    path: "s1.log",
    random: new SeededRandom("journal"),
    repairHint: "none",
  });
  await wal.appendDurable(1, encodeHeader("s1"));
  const machine = new SessionMachine();
  const { record } = journalStep(machine, { type: "tick" }, 1_700_000_000_000, (bytes) =>
    nodeCrypto.sha256(change ? Uint8Array.of(0) : bytes),
  );
  await wal.appendDurable(1, record);
  await wal.close();
  return path;
};

test("replay: every effect as recorded, or the record that differs", async () => {
  using folder = temporaryFolder();
  const data = await dataFolder(folder.path);
  const path = await writeJournal(data, false);
  const replayed = await runWith(["replay", path, "--json"]);
  assert.equal(replayed.exit, 0, replayed.out);
  const report = JSON.parse(replayed.out);
  assert.deepEqual([report.ok, report.session, report.records], [true, "s1", 2]);
  const byName = await runWith(["replay", "s1", "--data", data]);
  assert.equal(byName.exit, 0, byName.err);
  const bytes = readFileSync(path);
  bytes[70] = (bytes[70] ?? 0) ^ 1;
  writeFileSync(path, bytes);
  const damaged = await runWith(["replay", path]);
  assert.match(damaged.err, /E_JOURNAL_CORRUPT.*record/);
  assert.equal((await runWith(["replay", "nothing", "--data", data])).exit, 5);
});

test("replay: a journal of other effects diverges, exit 6", async () => {
  using folder = temporaryFolder();
  const data = await dataFolder(folder.path);
  const { exit, err } = await runWith(["replay", await writeJournal(data, true)]);
  assert.equal(exit, 6);
  assert.match(err, /E_JOURNAL_DIVERGES.*record 1/);
});
