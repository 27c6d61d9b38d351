/** The Guardian's keys: the first run, every later one, and what is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { equalBytes, unwrap, utf8Encode, wallMs } from "@ioi/base";
import { openBootKey } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { SimFiles } from "@ioi/sim";
import { bootKey, schema, signed } from "@ioi/wire";
import { type GuardianKeys, openGuardianKeys } from "../src/index.ts";
import { codeOf } from "./support.ts";

/** `npm run check` looks at fewer; `npm test` at all. */
const inner = process.env["IOI_TEST"] === "inner";

const now = wallMs(1_767_225_600_000);
const open = (files: SimFiles, mayCreate = true): Promise<GuardianKeys> =>
  openGuardianKeys(files, nodeCrypto, now, mayCreate);

const overwrite = async (
  files: SimFiles,
  path: string,
  change: (bytes: Uint8Array) => Uint8Array,
): Promise<void> => {
  await files.replaceFile(path, change(await files.readFile(path, 1_000_000)), 0o600);
};

const fresh = async (): Promise<SimFiles> => {
  const files = new SimFiles({ seed: "keys" });
  await open(files);
  return files;
};

test("the first run makes two files for their owner alone", async () => {
  const files = await fresh();
  assert.deepEqual(await files.list(""), ["keystore", "keystore.key"]);
  for (const path of ["keystore", "keystore.key"]) {
    assert.equal((await files.stat(path))?.mode, 0o600, path);
  }
});

test("a later run has the same identity and data keys, and another boot key", async () => {
  const files = new SimFiles({ seed: "keys" });
  const first = await open(files);
  const second = await open(files, false);
  assert.deepEqual(second.identity.publicKey, first.identity.publicKey);
  assert.deepEqual(second.sessionKey("s-1"), first.sessionKey("s-1"));
  assert.notDeepEqual(first.sessionKey("s-1"), first.sessionKey("s-2"));
  assert.notDeepEqual(second.ticketKey.publicKey, first.ticketKey.publicKey);
  assert.notDeepEqual(second.bootId, first.bootId);
});

test("two Guardians share nothing", async () => {
  const [one, two] = [await open(await fresh()), await open(await fresh())];
  assert.notDeepEqual(one.identity.publicKey, two.identity.publicKey);
  assert.notDeepEqual(one.sessionKey("s-1"), two.sessionKey("s-1"));
});

test("the boot certificate names this boot's key under the identity, and under no other", async () => {
  const keys = await open(await fresh());
  const other = await open(await fresh());
  const certificate = unwrap(schema.decode(signed, keys.bootCertificate), "certificate");
  const decode = (payload: Uint8Array) => schema.decode(bootKey, payload);
  const boot = unwrap(
    openBootKey(nodeCrypto, keys.identity.publicKey, certificate, decode),
    "boot key",
  );
  assert.deepEqual(boot, {
    version: 1,
    bootId: keys.bootId,
    publicKey: keys.ticketKey.publicKey,
    notBeforeMs: now,
  });
  const foreign = openBootKey(nodeCrypto, other.identity.publicKey, certificate, decode);
  assert.equal(foreign.ok, false);
});

test("no secret stands in the store in the clear", async () => {
  const files = await fresh();
  const keys = await open(files);
  const store = Buffer.from(await files.readFile("keystore", 1_000_000));
  const seed = nodeCrypto.exportPrivate(keys.identity);
  assert.equal(store.includes(seed), false);
  // The control: the store's key opens it, and the seed is in there.
  assert.ok(equalBytes(seed, nodeCrypto.exportPrivate((await open(files)).identity)));
});

test("every changed byte of the store is found, as every lost tail of it", async () => {
  const files = await fresh();
  const { length } = await files.readFile("keystore", 1_000_000);
  for (let at = 0; at < length; at += 3) {
    const damaged = files.crash("copy");
    await overwrite(damaged, "keystore", (bytes) => bytes.with(at, (bytes[at] ?? 0) ^ 1));
    assert.equal(await codeOf(open(damaged)), "E_GUARDIAN_KEYS", `byte ${at}`);
    await overwrite(damaged, "keystore", () => new Uint8Array(at));
    assert.equal(await codeOf(open(damaged)), "E_GUARDIAN_KEYS", `${at} zeros`);
  }
});

test("a store that does not open is left as it is", async () => {
  const files = await fresh();
  await overwrite(files, "keystore", (bytes) => bytes.subarray(0, 100));
  const before = await files.readFile("keystore", 1_000_000);
  const points = files.points;
  assert.equal(await codeOf(open(files)), "E_GUARDIAN_KEYS");
  assert.equal(files.points, points, "no change");
  assert.deepEqual(await files.readFile("keystore", 1_000_000), before);
});

test("a store of a newer version is refused and says so", async () => {
  const files = await fresh();
  await overwrite(files, "keystore", (bytes) => {
    const changed = bytes.with(9, 2);
    changed.set(nodeCrypto.sha256(changed.subarray(0, 64)).subarray(0, 8), 64);
    return changed;
  });
  await assert.rejects(open(files), { code: "E_GUARDIAN_KEYS", message: /version 2/ });
});

test("without its key file, or with another one, the store stays closed", async () => {
  const files = await fresh();
  const other = await fresh();
  await overwrite(files, "keystore.key", () => utf8Encode("not hex\n"));
  assert.equal(await codeOf(open(files)), "E_GUARDIAN_KEYS");
  await overwrite(files, "keystore.key", () => Uint8Array.of(0xff, 0xfe));
  assert.equal(await codeOf(open(files)), "E_GUARDIAN_KEYS");
  await overwrite(files, "keystore.key", () => new Uint8Array(10_000));
  assert.equal(await codeOf(open(files)), "E_GUARDIAN_KEYS");
  const key = await other.readFile("keystore.key", 1000);
  await overwrite(files, "keystore.key", () => key);
  assert.equal(await codeOf(open(files)), "E_GUARDIAN_KEYS");
  await files.remove("keystore.key");
  assert.equal(await codeOf(open(files)), "E_GUARDIAN_KEYS");
  assert.equal(await codeOf(open(files, false)), "E_GUARDIAN_KEYS");
});

test("a store that is too large to be one is refused in the same words", async () => {
  const files = await fresh();
  await overwrite(files, "keystore", () => new Uint8Array(100_000));
  assert.equal(await codeOf(open(files)), "E_GUARDIAN_KEYS");
});

test("where receipts exist, a missing store is never made anew", async () => {
  const files = await fresh();
  await files.remove("keystore");
  assert.equal(await codeOf(open(files, false)), "E_GUARDIAN_KEYS");
  assert.equal(await files.stat("keystore"), undefined);
});

test("a first run that stops anywhere is continued by the next, and an identity stays", async () => {
  for (let stopAt = 0; ; stopAt++) {
    const files = new SimFiles({ seed: "first" });
    files.stopAt(stopAt);
    let told: Uint8Array | undefined;
    try {
      told = (await open(files)).identity.publicKey;
    } catch (error) {
      if (!files.stopped) throw error;
    }
    for (let seed = 0; seed < (inner ? 1 : 8); seed++) {
      const survivor = files.crash(String(seed));
      const next = await open(survivor);
      if (told !== undefined) assert.deepEqual(next.identity.publicKey, told);
      assert.deepEqual((await open(survivor)).identity.publicKey, next.identity.publicKey);
    }
    if (told !== undefined) {
      assert.ok(stopAt > 6, `${stopAt} points`);
      return;
    }
  }
});
