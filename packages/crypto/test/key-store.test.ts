import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type KeyStoreAnchor,
  type KeyStoreRecord,
  openKeyStore,
  passphraseStoreKey,
  readKeyStoreAnchor,
  sealKeyStore,
} from "@ioi/crypto";
import { seededProvider } from "./seeded-provider.ts";

const seed = Number(process.env["IOI_SEED"] ?? 31);
const provider = seededProvider("key store");
const storeKey = provider.randomBytes(32);
const anchor: KeyStoreAnchor = { type: "software", salt: provider.randomBytes(16) };
const records: readonly KeyStoreRecord[] = [
  { name: "identity", kind: "ml-dsa-65", secret: provider.randomBytes(32) },
  { name: "seal-x25519", kind: "x25519", secret: provider.randomBytes(32) },
  { name: "seal-ml-kem", kind: "ml-kem-768", secret: provider.randomBytes(64) },
  { name: "sessions", kind: "secret", secret: provider.randomBytes(32) },
];
const store = sealKeyStore(provider, anchor, storeKey, records);

const judge = (bytes: Uint8Array, key = storeKey): { code?: string; message?: string } => {
  const opened = openKeyStore(provider, key, bytes);
  return opened.ok ? {} : opened.error;
};

test("what was sealed opens, also with no records", () => {
  assert.deepEqual(openKeyStore(provider, storeKey, store), { ok: true, value: records });
  assert.deepEqual(readKeyStoreAnchor(provider, store), { ok: true, value: anchor });
  const empty = sealKeyStore(provider, anchor, storeKey, []);
  assert.deepEqual(openKeyStore(provider, storeKey, empty), { ok: true, value: [] });
});

test("no secret is readable in the file", () => {
  const text = Buffer.from(store);
  for (const { secret } of records) assert.equal(text.includes(secret.subarray(0, 8)), false);
  assert.equal(text.includes("identity"), true, "names are");
});

test("every changed byte is noticed", () => {
  for (let at = 0; at < store.length; at++) {
    const changed = store.map((byte, i) => (i === at ? byte ^ 0x41 : byte));
    const { code } = judge(changed);
    assert.ok(code === "E_KEYSTORE_CORRUPT" || (code === "E_KEYSTORE_VERSION" && at <= 9), `${at}`);
  }
});

test("damage names the record; a wrong key is no damage; a newer version is neither", () => {
  const last = store.length - 1;
  assert.match(
    judge(store.with(last, (store[last] as number) ^ 1)).message ?? "",
    /record 4 of 4 \(sessions\)/,
  );
  const first = 72 + 1 + "identity".length + 3 + 12;
  assert.match(
    judge(store.with(first, (store[first] as number) ^ 1)).message ?? "",
    /record 1 of 4 \(identity\)/,
  );
  assert.match(judge(store.with(72, 200)).message ?? "", /record 1 of 4/);
  assert.match(judge(store.with(20, (store[20] as number) ^ 1)).message ?? "", /header/);
  assert.equal(judge(store, provider.randomBytes(32)).code, "E_KEYSTORE_LOCKED");
  assert.equal(judge(store.with(9, 2)).code, "E_KEYSTORE_VERSION");
  assert.equal(judge(store.with(9, 0)).code, "E_KEYSTORE_CORRUPT");
  for (let length = 0; length < store.length; length++) {
    assert.equal(judge(store.slice(0, length)).code, "E_KEYSTORE_CORRUPT", `${length} bytes`);
  }
  assert.match(judge(Uint8Array.from([...store, 0])).message ?? "", /after the last record/);
});

test("records cannot be swapped, dropped, or taken from another write", () => {
  const pair = records.slice(1, 2).concat(records.slice(3));
  const bytes = sealKeyStore(provider, anchor, storeKey, pair);
  const firstLength = 1 + "seal-x25519".length + 3 + 12 + 32 + 16;
  const header = bytes.slice(0, 72);
  const one = bytes.slice(72, 72 + firstLength);
  const two = bytes.slice(72 + firstLength);
  const join = (...parts: readonly Uint8Array[]): Uint8Array =>
    Uint8Array.from(parts.flatMap((part) => [...part]));
  assert.deepEqual(judge(join(header, one, two)), {}, "control: put together again it opens");
  assert.equal(judge(join(header, two, one)).code, "E_KEYSTORE_CORRUPT");
  assert.equal(judge(join(header, one)).code, "E_KEYSTORE_CORRUPT");
  assert.equal(judge(join(header, one, one)).code, "E_KEYSTORE_CORRUPT");
  const later = sealKeyStore(
    provider,
    { ...anchor, salt: provider.randomBytes(16) },
    storeKey,
    pair,
  );
  assert.equal(judge(join(later.slice(0, 72), one, two)).code, "E_KEYSTORE_CORRUPT");
});

test("a passphrase anchor keeps its parameters, and a header may not ask for too much", () => {
  const scrypt = { log2Cost: 4, blockSize: 8, parallel: 1 };
  const locked: KeyStoreAnchor = { type: "passphrase", salt: provider.randomBytes(16), scrypt };
  const key = passphraseStoreKey(provider, locked, "correct horse");
  const bytes = sealKeyStore(provider, locked, key, records);
  assert.deepEqual(readKeyStoreAnchor(provider, bytes), { ok: true, value: locked });
  assert.deepEqual(openKeyStore(provider, key, bytes), { ok: true, value: records });
  const greedy = sealKeyStore(
    provider,
    { ...locked, scrypt: { ...scrypt, log2Cost: 40 } },
    key,
    [],
  );
  const read = readKeyStoreAnchor(provider, greedy);
  assert.equal(read.ok ? undefined : read.error.code, "E_KEYSTORE_CORRUPT");
});

test("opening is total", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (garbage) => {
      assert.ok(judge(garbage).code);
      const shaped = Uint8Array.from([...store.subarray(0, 72), ...garbage]);
      assert.ok(judge(shaped).code);
    }),
    { seed, numRuns: 200 },
  );
});

test("names and secrets out of bounds, and doubles, are bugs of the writer", () => {
  const one = records[0] as KeyStoreRecord;
  for (const bad of [
    [{ ...one, name: "" }],
    [{ ...one, name: "a b" }],
    [{ ...one, name: "x".repeat(65) }],
    [{ ...one, secret: new Uint8Array(257) }],
    [one, one],
  ]) {
    assert.throws(() => sealKeyStore(provider, anchor, storeKey, bad), { name: "InvariantError" });
  }
});
