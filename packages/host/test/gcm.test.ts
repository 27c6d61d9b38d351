/** The runtime's AES-256-GCM by its symbols, against its interface; each opens what the other sealed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { gcmOf } from "@ioi/host/libc";

const seed = Number(process.env["IOI_SEED"] ?? 256);
const key = new Uint8Array(32).fill(9);
const sealers = { native: gcmOf(key, "seal"), platform: gcmOf(key, "seal", false) };
const openers = { native: gcmOf(key, "open"), platform: gcmOf(key, "open", false) };

test("both make the same bytes and tags, and open each other's", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 5000 }),
      fc.uint8Array({ maxLength: 40 }),
      fc.uint8Array({ minLength: 12, maxLength: 12 }),
      (plain, aad, nonce) => {
        const made = [sealers.native, sealers.platform].map((gcm) => {
          gcm.nonce.set(nonce);
          const sealed = new Uint8Array(plain.length);
          gcm.seal(aad, plain, sealed);
          return { sealed, tag: Uint8Array.from(gcm.tag) };
        });
        assert.deepEqual(made[0], made[1]);
        const [{ sealed, tag }] = made as [(typeof made)[number]];
        for (const gcm of [openers.native, openers.platform]) {
          gcm.nonce.set(nonce);
          gcm.tag.set(tag);
          const opened = Uint8Array.from(sealed);
          assert.equal(gcm.open(aad, opened, opened), true);
          assert.deepEqual(opened, plain);
          gcm.tag.set([(tag[0] ?? 0) ^ 1]);
          assert.equal(gcm.open(aad, sealed, new Uint8Array(sealed.length)), false);
        }
      },
    ),
    { seed, numRuns: 200 },
  );
});

test("it does one thing with one key, within its bytes, until it is closed", () => {
  const gcm = gcmOf(key, "seal");
  const refused = { code: "E_LIBC" };
  const none = new Uint8Array(0);
  assert.throws(() => gcm.open(none, none, none), refused);
  assert.throws(() => gcm.seal(none, new Uint8Array(9), new Uint8Array(8)), refused);
  gcm.close();
  gcm.close();
  assert.throws(() => gcm.seal(none, none, none), refused);
  assert.throws(() => gcmOf(new Uint8Array(16), "seal"), refused);
});
