/** Receipts: complete, verifiable offline and elsewhere; any change of them is found and located. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { fromHex, SeededRandom, toHex } from "@ioi/base";
import { readLog, verifyLog } from "@ioi/guardian/verify";
import { nodeCrypto } from "@ioi/host/crypto";
import { ioi } from "../lib/kernel.ts";
import { projectRoot } from "../report/conditions.ts";
import * as shapes from "../report/shapes.ts";
import { Place, until } from "./support.ts";

interface Verified {
  readonly ok: boolean;
  readonly size: number;
  readonly root: string;
  readonly checked: number;
  readonly firstBad: { readonly index: number; readonly reason: string } | null;
}

const seed = "receipts-1";

/** The exit of the stand-alone verifier, which shares no code with `ioi receipts verify`. */
const verifyAlone = (cwd: string, bundle: string, key: string): number | null =>
  spawnSync(
    process.execPath,
    [path.join(projectRoot, "apps/verify/src/main.ts"), bundle, "--key", key],
    { cwd },
  ).status;

let place: Place;
before(async () => {
  place = await Place.open();
  fs.writeFileSync(path.join(place.workspace, "a.txt"), "hi\n");
  await place.run("/read a.txt && /write b.txt words-of-mine && /delete b.txt && /list");
  await place.run("/read /etc/shadow");
  await place.quiet();
  // A checkpoint is signed when nothing was appended for a while.
  await until(async () => (await verifiedHere()).checked >= 12 || undefined);
});
after(async () => await place[Symbol.asyncDispose]());

const verified = (json: unknown): Verified => {
  assert.deepEqual(shapes.verifyReport(json, "$"), [], JSON.stringify(json));
  return json as Verified;
};

const verifiedHere = async (): Promise<Verified> =>
  verified((await place.ioi("receipts", "verify", "--json")).json);

/** The files of the log at rest, in a folder that is a data folder to the command line. */
const copyOf = (name: string): string => {
  const copy = place.scratch.folder(name);
  for (const file of ["FORMAT", "identity", "guardian/receipts.log", "guardian/checkpoints.log"]) {
    fs.cpSync(path.join(place.data, file), path.join(copy, file), { recursive: true });
  }
  return copy;
};

const verifyCopy = (copy: string) => ioi(["receipts", "verify", "--data", copy, "--json"]);

test("verify: 0, everything under a checkpoint; list has each leaf, contents only for the person", async () => {
  const { code, json } = await place.ioi("receipts", "verify", "--json");
  const report = verified(json);
  assert.equal(code, 0);
  assert.deepEqual([report.ok, report.firstBad, report.checked], [true, null, report.size]);
  assert.ok(report.size >= 12);
  const listed = await place.ioi("receipts", "list", "--json");
  assert.equal((listed.json as { receipts: unknown[] }).receipts.length, report.size);
  assert.ok(/"display":"fs::write [^"]*b\.txt/.test(listed.stdout));
  // At rest nothing of what was done can be read without the Guardian's keys.
  const log = fs.readFileSync(path.join(place.data, "guardian/receipts.log"), "latin1");
  assert.doesNotMatch(log, /b\.txt|a\.txt|words-of-mine|shadow/);
  assert.match(log, /fs::write/);
});

test(`one changed byte of receipts.log, at forty places (seed ${seed}): 6, and where`, async () => {
  const copy = copyOf("changed");
  const file = path.join(copy, "guardian/receipts.log");
  const checkpoints = fs.readFileSync(path.join(copy, "guardian/checkpoints.log"));
  const was = fs.readFileSync(file);
  const text = fs.readFileSync(path.join(copy, "identity/guardian.pub"), "utf8").trim();
  const key = fromHex(text) ?? new Uint8Array(0);
  const random = new SeededRandom(seed);
  for (let n = 0; n < 40; n++) {
    const at = random.below(was.length);
    const bytes = Buffer.from(was);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
    // Whole records before the byte: the index of the record that it stands in.
    const before = { receipts: was.subarray(0, at), checkpoints: undefined };
    const index = readLog(nodeCrypto, before, key).leaves.length;
    const found = verifyLog(nodeCrypto, { receipts: bytes, checkpoints }, key);
    assert.deepEqual([found.ok, found.firstBad?.index], [false, index], `byte ${at}`);
    // The command is the same function and its exit code.
    if (n % 5 !== 0) continue;
    fs.writeFileSync(file, bytes);
    const { code, json } = await verifyCopy(copy);
    assert.deepEqual([code, verified(json)], [6, found], `byte ${at}`);
  }
});

test("the log or its checkpoints cut, emptied, swapped or from another Guardian: 6", async () => {
  const copy = copyOf("cut");
  const receipts = path.join(copy, "guardian/receipts.log");
  const checkpoints = path.join(copy, "guardian/checkpoints.log");
  const was = { receipts: fs.readFileSync(receipts), checkpoints: fs.readFileSync(checkpoints) };
  assert.equal((await verifyCopy(copy)).code, 0, "the control: the copy itself is good");
  const damaged = async (file: string, bytes: Uint8Array, what: string): Promise<void> => {
    fs.writeFileSync(file, bytes);
    const { code, json, stdout } = await verifyCopy(copy);
    assert.equal(code, 6, `${what}: ${stdout}`);
    assert.ok(Number.isSafeInteger(verified(json).firstBad?.index), what);
    fs.writeFileSync(receipts, was.receipts);
    fs.writeFileSync(checkpoints, was.checkpoints);
  };
  await damaged(receipts, was.receipts.subarray(0, was.receipts.length >> 1), "half a log");
  await damaged(receipts, new Uint8Array(0), "an empty log");
  for (const share of [0.1, 0.5, 0.9]) {
    const bytes = Buffer.from(was.checkpoints);
    const at = Math.floor(share * bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    await damaged(checkpoints, bytes, `checkpoint byte ${at}`);
  }
  const other = path.join(copy, "identity/guardian.pub");
  const key = fs.readFileSync(other, "utf8");
  fs.writeFileSync(other, toHex(nodeCrypto.generate("ml-dsa-65").publicKey));
  assert.equal((await verifyCopy(copy)).code, 6, "another Guardian's key");
  fs.writeFileSync(other, key);
});

test("an export verifies elsewhere with the public key alone; a changed one does not", async () => {
  const elsewhere = place.scratch.folder("elsewhere");
  const at = (name: string): string => path.join(elsewhere, name);
  assert.equal((await place.ioi("receipts", "export", at("all.json"))).code, 0);
  assert.equal((await place.ioi("receipts", "export", at("all.json"))).code, 5, "it exists");
  fs.copyFileSync(path.join(place.data, "identity/guardian.pub"), at("guardian.pub"));
  const check = (bundle: string, key = "guardian.pub") =>
    ioi(["receipts", "verify", "--bundle", bundle, "--key", key, "--json"], { cwd: elsewhere });
  const good = await check("all.json");
  assert.equal(good.code, 0, good.stdout);
  const { checked, size } = verified(good.json);
  assert.deepEqual([checked, size > 10], [size, true]);
  assert.equal(verifyAlone(elsewhere, "all.json", "guardian.pub"), 0);

  const text = fs.readFileSync(at("all.json"), "utf8");
  const random = new SeededRandom(seed);
  const digits = [...text.matchAll(/[0-9a-f]{64,}/g)];
  for (let n = 0; n < 4; n++) {
    const run = random.pick(digits);
    const where = run.index + random.below(run[0].length);
    const digit = text[where] === "0" ? "1" : "0";
    fs.writeFileSync(at("bad.json"), text.slice(0, where) + digit + text.slice(where + 1));
    const bad = await check("bad.json");
    assert.ok(bad.code === 6 || bad.code === 2, `digit ${where}: exit ${bad.code}`);
    assert.equal(verifyAlone(elsewhere, "bad.json", "guardian.pub"), 6, `digit ${where}`);
  }
  fs.writeFileSync(at("foreign.pub"), toHex(nodeCrypto.generate("ml-dsa-65").publicKey));
  assert.equal((await check("all.json", "foreign.pub")).code, 6);
  assert.equal(verifyAlone(elsewhere, "all.json", "foreign.pub"), 6);
  const noKey = await ioi(["receipts", "verify", "--bundle", "all.json"], { cwd: elsewhere });
  assert.equal(noKey.code, 2);
});

test("prove and a single export: one receipt is in the log, and shows no other", async () => {
  const elsewhere = place.scratch.folder("proof");
  const key = path.join(elsewhere, "guardian.pub");
  fs.copyFileSync(path.join(place.data, "identity/guardian.pub"), key);
  const proof = await place.ioi("receipts", "prove", "2", "--json");
  assert.equal(proof.code, 0, proof.stderr);
  fs.writeFileSync(path.join(elsewhere, "proof.json"), proof.stdout);
  const args = ["receipts", "verify", "--bundle", "proof.json", "--key", key, "--json"];
  const proved = await ioi(args, { cwd: elsewhere });
  assert.equal(proved.code, 0, proved.stdout);
  assert.equal(verifyAlone(elsewhere, "proof.json", key), 0);
  const { entries } = proof.json as { entries: { index: number }[] };
  assert.deepEqual(
    entries.map(({ index }) => index),
    [2],
  );
  assert.equal((await place.ioi("receipts", "prove", "99999", "--json")).code, 5);
});
