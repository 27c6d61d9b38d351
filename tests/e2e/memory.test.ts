/**
 * Memories in the product: kept in one run and found in another with a proof that somebody without
 * the file verifies, forgotten for good, vouched for by the Guardian.
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { fromHex, type OperationError } from "@ioi/base";
import { verifyCheckpoint } from "@ioi/crypto";
import { openGuardianKeys } from "@ioi/guardian";
import { nodeCrypto } from "@ioi/host/crypto";
import { openFiles, systemClock } from "@ioi/host/ports";
import { openMemoryFile } from "@ioi/scs";
import { type RecallTrust, verifyRecall } from "@ioi/verifier";
import { ioiHere } from "../lib/cli-here.ts";
import { type ActionView, Place, type Ran, ranOf, until } from "./support.ts";

let place: Place;
before(async () => {
  place = await Place.open();
});
after(async () => await place[Symbol.asyncDispose]());

/** The command line in this process: here it is memories that are looked at. */
const here = (...args: readonly string[]) => ioiHere([...args, "--data", place.data]);

const ask = async (text: string, ...more: readonly string[]): Promise<Ran> =>
  ranOf(await here("run", "--json", ...more, text));

const readKey = (): string =>
  fs.readFileSync(path.join(place.data, "identity", "guardian.pub"), "utf8").trim();

const contentOf = ({ outcome }: ActionView): string => outcome?.content ?? "";

/** What the receipt of an action on memories says that the file committed to. */
const trustOf = ({ outcome }: ActionView): RecallTrust => {
  const logRoot = fromHex(outcome?.evidence["log_root"] ?? "");
  const indexRoot = fromHex(outcome?.evidence["index_root"] ?? "");
  assert.ok(logRoot?.length === 32 && indexRoot?.length === 32, JSON.stringify(outcome));
  return { logRoot, indexRoot };
};

const proofOf = async (session: string, n = 1): Promise<Uint8Array> => {
  const { json } = await here("sessions", "show", session, "--proof", `${n}`, "--json");
  return new Uint8Array(Buffer.from((json as { base64: string }).base64, "base64"));
};

const forget = async (memory: number): Promise<void> => {
  const { code, action } = await ask(`/forget ${memory}`, "--on-ask", "pend");
  assert.deepEqual([code, action.verdict], [4, "ask"]);
  assert.match(action.reason, /gone for good/);
  const approved = await here("approve", action.approval ?? "", "--json");
  assert.equal(approved.code, 0, approved.stderr);
};

/** The memory file as whoever has the Guardian's keys opens it. */
const withKey = async (data: string) => {
  const files = openFiles(path.join(data, "guardian"));
  const { memoryKey } = await openGuardianKeys(files, nodeCrypto, systemClock.wall(), false);
  const folder = openFiles(path.join(data, "memory"));
  const at = { files: folder, path: "memory.scs", provider: nodeCrypto, now: () => 0 };
  return openMemoryFile(at, "read", { type: "external", name: "ioi/guardian", key: memoryKey });
};

const codeOf = async (work: Promise<unknown>): Promise<string> =>
  await work.then(
    () => "",
    (error: OperationError) => error.code,
  );

const key = "The key is under the mat.";

test("what one run keeps another finds, with a proof that stands without the file", async () => {
  const kept = await ask(`/recall the key && /remember ${key} && /remember Ann drinks tea.`);
  assert.match(contentOf(kept.action), /Nothing was ever remembered/);
  assert.deepEqual([kept.code, kept.view.actions[1]?.rule], [0, "remember-own"]);
  const found = await ask("/recall where is the key");
  assert.equal(found.code, 0, found.stderr);
  const content = contentOf(found.action);
  assert.ok(content.startsWith("1. memory 0 (typed by the person, "), content);
  assert.ok(content.includes(key) && content.includes("Proof verified, "), content);
  assert.match(content, /Not shown: .*nearest of all/);
  const [proof, trust] = [await proofOf(found.view.session), trustOf(found.action)];
  const verdict = verifyRecall(proof, trust);
  assert.ok(verdict.ok, JSON.stringify(verdict));
  const [first] = verdict.answers;
  assert.deepEqual(
    [first?.content.text, first?.content.origin],
    [key, { kind: "user", from: kept.view.session }],
  );
  assert.ok(verdict.search !== undefined, "the search by vectors is proved too");
  for (const at of [40, proof.length >> 1, proof.length - 3]) {
    const altered = proof.slice();
    altered[at] = (altered[at] ?? 0) ^ 1;
    assert.equal(verifyRecall(altered, trust).ok, false, `byte ${at}`);
  }
  const other = { ...trust, logRoot: new Uint8Array(32) };
  assert.equal(verifyRecall(proof, other).ok, false);
  // The Guardian vouches for the very roots that the receipt names.
  const { json } = await here("receipts", "memory", "--json");
  const said = json as { readonly store: string; readonly root: string; readonly note: string };
  const { evidence } = found.action.outcome ?? {};
  assert.deepEqual([said.store, said.root], [evidence?.["store"], evidence?.["log_root"]]);
  const publicKey = fromHex(readKey()) ?? new Uint8Array();
  const name = `ioi/scs/${said.store}`;
  assert.ok(verifyCheckpoint(nodeCrypto, { name, publicKey }, said.note).ok);
});

test("one typed line of 200 characters is the person's own; longer is content, asks, and says why", async () => {
  const lineOf = (chars: number): string => `/remember ${"word ".repeat(chars)}`.slice(0, chars);
  const own = await ask(`${lineOf(199)}s`);
  assert.deepEqual([own.code, own.action.rule], [0, "remember-own"]);
  assert.match(contentOf(own.action), /These are your own words\./);
  const long = await ask(`${lineOf(200)}s`, "--on-ask", "pend");
  assert.deepEqual([long.code, long.action.verdict], [4, "ask"]);
  assert.match(long.action.reason, /kept as content, not as your words/);
  const approved = await here("approve", long.action.approval ?? "", "--json");
  assert.equal(approved.code, 0, approved.stderr);
  const kept = await until(async () => {
    const { state, actions } = await place.show(long.view.session);
    return state === "done" ? actions[0] : undefined;
  });
  assert.match(kept.outcome?.content ?? "", /It is content: one typed line of at most 200/);
  await using file = await withKey(place.data);
  const kinds = [own.action, kept].map(async ({ outcome }) => {
    return (await file.read(Number(outcome?.evidence["memory"]))).origin.kind;
  });
  assert.deepEqual(await Promise.all(kinds), ["user", "content"]);
});

test("sessions at once wait for each other, and nothing is lost", async () => {
  const texts = ["one", "two"].map((each) => `At once, number ${each}.`);
  const ran = await Promise.all(texts.map((text) => ask(`/remember ${text}`)));
  assert.deepEqual(
    ran.map(({ code }) => code),
    [0, 0],
  );
  await using file = await withKey(place.data);
  const all = await Promise.all(file.states().map(async ({ id }) => (await file.read(id)).text));
  for (const text of texts) assert.equal(all.filter((each) => each === text).length, 1, text);
});

test("what is forgotten is gone with the key in hand; proofs of the rest go on holding", async () => {
  const secret = "The safe opens with 7-31-9.";
  const ran = await ask(`/remember ${secret} && /recall what does Ann drink`);
  const [remembered, recalled] = ran.view.actions as readonly [ActionView, ActionView];
  const number = Number(remembered.outcome?.evidence["memory"]);
  const kept = { proof: await proofOf(ran.view.session, 2), trust: trustOf(recalled) };
  {
    // The control: with the key in hand it can be read.
    await using file = await withKey(place.data);
    assert.equal((await file.read(number)).text, secret);
  }
  await forget(number);
  {
    await using file = await withKey(place.data);
    assert.equal(file.states()[number]?.state, "forgotten");
    assert.equal(await codeOf(file.read(number)), "E_SCS_NO_MEMORY");
    assert.equal((await file.read(0)).text, key);
  }
  const after_ = await ask("/recall how does the safe open");
  assert.equal(after_.code, 0, after_.stderr);
  assert.ok(!contentOf(after_.action).includes("7-31-9"), contentOf(after_.action));
  assert.ok(verifyRecall(kept.proof, kept.trust).ok, "an old proof of another memory");
});

test("a backup holds the file, and what opens it", async () => {
  await place.end("stop");
  const [backup, phrase] = [place.scratch.at("one.backup"), place.scratch.at("phrase")];
  fs.writeFileSync(phrase, "correct horse\n");
  const made = await here("backup", backup, "--passphrase-file", phrase);
  assert.equal(made.code, 0, made.stderr);
  const elsewhere = place.scratch.at("E");
  const restored = await ioiHere([
    "restore",
    backup,
    "--data",
    elsewhere,
    "--passphrase-file",
    phrase,
  ]);
  assert.equal(restored.code, 0, restored.stderr);
  await using there = await withKey(elsewhere);
  assert.equal((await there.read(0)).text, key);
  await place.start();
});
