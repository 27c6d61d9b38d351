import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { utf8Encode } from "@ioi/base";
import {
  generateSealingKeys,
  openBox,
  sealBox,
  sealedBoxHeaderBytes,
  sealingPublicKey,
} from "@ioi/crypto";
import { seededProvider } from "./seeded-provider.ts";

const seed = Number(process.env["IOI_SEED"] ?? 768);
const provider = seededProvider("sealed");
const keys = generateSealingKeys(provider);
const recipient = sealingPublicKey(keys);
const note = utf8Encode("for the instance alone");
const about = utf8Encode("ticket 7");

const sealed = (text = note, associatedData = about): Uint8Array => {
  const box = sealBox(provider, recipient, text, associatedData);
  assert.ok(box.ok);
  return box.value;
};

test("what is sealed opens, of any length", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.uint8Array({ maxLength: 40 }),
      (text, aad) => {
        const box = sealed(text, aad);
        assert.equal(box.length, sealedBoxHeaderBytes + text.length + 16);
        assert.deepEqual(openBox(provider, keys, box, aad), { ok: true, value: text });
      },
    ),
    { seed, numRuns: 10 },
  );
});

test("the same text sealed twice shares no ciphertext", () => {
  const [first, second] = [sealed(), sealed()];
  assert.notDeepEqual(first.subarray(6, 60), second.subarray(6, 60));
  assert.notDeepEqual(first.subarray(-40), second.subarray(-40));
});

test("a change anywhere, another key, other associated data: refused", () => {
  const box = sealed();
  fc.assert(
    fc.property(fc.nat(box.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
      const changed = box.map((byte, i) => (i === at ? byte ^ mask : byte));
      assert.equal(openBox(provider, keys, changed, about).ok, false);
    }),
    { seed, numRuns: 40 },
  );
  assert.equal(openBox(provider, keys, box, utf8Encode("ticket 8")).ok, false);
  const other = generateSealingKeys(provider);
  assert.equal(openBox(provider, other, box, about).ok, false);
  assert.equal(openBox(provider, { ...keys, x25519: other.x25519 }, box, about).ok, false);
  assert.equal(openBox(provider, { ...keys, mlKem768: other.mlKem768 }, box, about).ok, false);
  assert.equal(openBox(provider, keys, box, about).ok, true, "control: unchanged, it opens");
});

test("bytes cannot move between header and associated data", () => {
  const box = sealed(note, Uint8Array.of(1, 2));
  assert.equal(openBox(provider, keys, box.slice(0, -1), Uint8Array.of(1, 2)).ok, false);
  assert.equal(openBox(provider, keys, box, Uint8Array.of(1)).ok, false);
  assert.equal(openBox(provider, keys, box, Uint8Array.of(1, 2, 0)).ok, false);
});

test("a newer version is told apart from a broken one", () => {
  const codeOf = (box: Uint8Array): string | undefined => {
    const opened = openBox(provider, keys, box, about);
    return opened.ok ? undefined : opened.error.code;
  };
  const box = sealed();
  assert.equal(codeOf(box.with(4, 2)), "E_SEALED_VERSION");
  assert.equal(codeOf(box.with(5, 9)), "E_SEALED_VERSION");
  assert.equal(codeOf(box.with(4, 0)), "E_SEALED_INVALID");
  assert.equal(codeOf(box.with(0, 0)), "E_SEALED_INVALID");
  for (const length of [0, 4, 6, 38, sealedBoxHeaderBytes, sealedBoxHeaderBytes + 15]) {
    assert.equal(codeOf(box.slice(0, length)), "E_SEALED_INVALID", `${length} bytes`);
  }
});

test("a malformed recipient is refused", () => {
  for (const bad of [
    new Uint8Array(0),
    recipient.subarray(1),
    new Uint8Array(recipient.length),
    new Uint8Array(recipient.length).fill(255),
    Uint8Array.from([...recipient, 0]),
  ]) {
    const box = sealBox(provider, bad, note, about);
    assert.equal(box.ok, false);
  }
});

test("opening is total", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1300 }), (garbage) => {
      assert.equal(openBox(provider, keys, garbage, about).ok, false);
      const shaped = Uint8Array.from([...utf8Encode("IOIS"), 1, 1, ...garbage]);
      assert.equal(openBox(provider, keys, shaped, about).ok, false);
    }),
    { seed, numRuns: 40 },
  );
});
