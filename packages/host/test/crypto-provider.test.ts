/** The native provider against noble's independent implementations, both ways. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ed25519, x25519 } from "@noble/curves/ed25519.js";
import { ml_dsa44, ml_dsa65 } from "@noble/post-quantum/ml-dsa.js";
import { ml_kem768 } from "@noble/post-quantum/ml-kem.js";
import fc from "fast-check";
import { unwrap } from "@ioi/base";
import { keySizes, type SignatureAlgorithm } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";

/** `npm run check` looks at fewer; `npm test` at all. */
const inner = process.env["IOI_TEST"] === "inner";

const seed = Number(process.env["IOI_SEED"] ?? 204);
const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
const message = fc.uint8Array({ maxLength: 300 });

interface Oracle {
  readonly publicKey: (seed: Uint8Array) => Uint8Array;
  readonly sign: (message: Uint8Array, seed: Uint8Array) => Uint8Array;
  readonly verify: (signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array) => boolean;
}

const lattice = (scheme: typeof ml_dsa44): Oracle => ({
  publicKey: (key) => scheme.keygen(key).publicKey,
  sign: (text, key) => scheme.sign(text, scheme.keygen(key).secretKey),
  verify: (signature, text, publicKey) => scheme.verify(signature, text, publicKey),
});

const oracles: Readonly<Record<SignatureAlgorithm, Oracle>> = {
  ed25519: {
    publicKey: (key) => ed25519.getPublicKey(key),
    sign: (text, key) => ed25519.sign(text, key),
    verify: (signature, text, publicKey) => ed25519.verify(signature, text, publicKey),
  },
  "ml-dsa-44": lattice(ml_dsa44),
  "ml-dsa-65": lattice(ml_dsa65),
};

for (const algorithm of Object.keys(oracles) as SignatureAlgorithm[]) {
  const oracle = oracles[algorithm];

  test(`${algorithm}: each side accepts what the other signs, and neither a changed bit`, () => {
    fc.assert(
      fc.property(bytes(32), message, fc.nat(1 << 20), (secret, text, at) => {
        const key = unwrap(nodeCrypto.importPrivate(algorithm, secret), "import");
        assert.deepEqual(key.publicKey, oracle.publicKey(secret));
        assert.deepEqual(nodeCrypto.exportPrivate(key), secret);

        const ours = nodeCrypto.sign(key, text);
        assert.equal(oracle.verify(ours, text, key.publicKey), true);
        const theirs = oracle.sign(text, secret);
        assert.equal(nodeCrypto.verify(algorithm, key.publicKey, text, theirs), true);

        const place = at % theirs.length;
        const changed = theirs.map((byte, i) => (i === place ? byte ^ (1 << (at % 8)) : byte));
        assert.equal(nodeCrypto.verify(algorithm, key.publicKey, text, changed), false);
        assert.equal(oracle.verify(changed, text, key.publicKey), false);
        const other = Uint8Array.from([...text, 0]);
        assert.equal(nodeCrypto.verify(algorithm, key.publicKey, other, theirs), false);
      }),
      { seed, numRuns: inner ? 3 : algorithm === "ed25519" ? 40 : 10 },
    );
  });

  test(`${algorithm}: hostile keys and signatures are refused, not thrown at`, () => {
    const key = nodeCrypto.generate(algorithm);
    const signature = nodeCrypto.sign(key, Uint8Array.of(1));
    fc.assert(
      fc.property(
        fc.oneof(message, bytes(keySizes[algorithm].publicKey), fc.constant(key.publicKey)),
        fc.oneof(message, bytes(keySizes[algorithm].output), fc.constant(signature)),
        (publicKey, candidate) => {
          const expected = publicKey === key.publicKey && candidate === signature;
          const verdict = nodeCrypto.verify(algorithm, publicKey, Uint8Array.of(1), candidate);
          assert.equal(verdict, expected);
        },
      ),
      { seed, numRuns: 50 },
    );
  });
}

test("ML-DSA contexts separate signatures", () => {
  const key = nodeCrypto.generate("ml-dsa-44");
  const text = Uint8Array.of(1, 2, 3);
  const context = Uint8Array.of(9);
  const signature = nodeCrypto.sign(key, text, context);
  const verify = (given?: Uint8Array): boolean =>
    nodeCrypto.verify("ml-dsa-44", key.publicKey, text, signature, given);
  assert.equal(verify(context), true);
  assert.equal(verify(), false);
  assert.equal(verify(Uint8Array.of(8)), false);
  assert.equal(verify(new Uint8Array(256)), false);
  assert.equal(ml_dsa44.verify(signature, text, key.publicKey, { context }), true);
  assert.throws(() => nodeCrypto.sign(key, text, new Uint8Array(256)), { name: "InvariantError" });
});

test("ML-KEM-768: both sides reach the same secret, whoever encapsulates", () => {
  fc.assert(
    fc.property(bytes(64), bytes(32), fc.nat(1087), (secret, entropy, at) => {
      const key = unwrap(nodeCrypto.importPrivate("ml-kem-768", secret), "import");
      const oracle = ml_kem768.keygen(secret);
      assert.deepEqual(key.publicKey, oracle.publicKey);

      const theirs = ml_kem768.encapsulate(key.publicKey, entropy);
      assert.deepEqual(nodeCrypto.decapsulate(key, theirs.cipherText), theirs.sharedSecret);
      const ours = nodeCrypto.encapsulate(oracle.publicKey);
      assert.ok(ours !== undefined);
      const opened = ml_kem768.decapsulate(ours.ciphertext, oracle.secretKey);
      assert.deepEqual(opened, ours.sharedSecret);

      // A changed ciphertext is rejected implicitly: the same other secret on both sides.
      const changed = theirs.cipherText.map((byte, i) => (i === at ? byte ^ 1 : byte));
      const rejected = nodeCrypto.decapsulate(key, changed);
      assert.deepEqual(rejected, ml_kem768.decapsulate(changed, oracle.secretKey));
      assert.notDeepEqual(rejected, theirs.sharedSecret);
    }),
    { seed, numRuns: inner ? 3 : 15 },
  );
  const key = nodeCrypto.generate("ml-kem-768");
  assert.equal(nodeCrypto.decapsulate(key, new Uint8Array(1087)), undefined);
  assert.equal(nodeCrypto.encapsulate(key.publicKey.subarray(1)), undefined);
  assert.equal(nodeCrypto.encapsulate(new Uint8Array(1184).fill(255)), undefined);
});

test("X25519: both sides agree; small-order points are refused", () => {
  fc.assert(
    fc.property(bytes(32), bytes(32), (left, right) => {
      const key = unwrap(nodeCrypto.importPrivate("x25519", left), "import");
      const theirs = x25519.getPublicKey(right);
      assert.deepEqual(key.publicKey, x25519.getPublicKey(left));
      assert.deepEqual(nodeCrypto.agree(key, theirs), x25519.getSharedSecret(left, theirs));
    }),
    { seed, numRuns: inner ? 5 : 30 },
  );
  const key = nodeCrypto.generate("x25519");
  for (const first of [0, 1]) {
    const point = new Uint8Array(32);
    point[0] = first;
    assert.equal(nodeCrypto.agree(key, point), undefined);
  }
  assert.equal(nodeCrypto.agree(key, new Uint8Array(31)), undefined);
});

test("AES-256-GCM opens what it sealed, and nothing else", () => {
  fc.assert(
    fc.property(bytes(32), bytes(12), message, message, fc.nat(1 << 20), (key, nonce, p, a, at) => {
      const sealed = nodeCrypto.seal(key, nonce, p, a);
      assert.equal(sealed.length, p.length + 16);
      assert.deepEqual(nodeCrypto.open(key, nonce, sealed, a), p);
      const changed = sealed.map((byte, i) => (i === at % sealed.length ? byte ^ 128 : byte));
      assert.equal(nodeCrypto.open(key, nonce, changed, a), undefined);
      assert.equal(nodeCrypto.open(key, nonce, sealed, Uint8Array.from([...a, 1])), undefined);
      assert.equal(nodeCrypto.open(key, nonce, sealed.subarray(0, 15), a), undefined);
    }),
    { seed, numRuns: 60 },
  );
  const ten = new Uint8Array(10);
  assert.throws(() => nodeCrypto.seal(ten, new Uint8Array(12), ten, ten), {
    name: "InvariantError",
  });
  assert.throws(() => nodeCrypto.open(new Uint8Array(32), ten, ten, ten), {
    name: "InvariantError",
  });
});

test("hashes, MAC and key derivation give the published values", () => {
  const hex = (value: Uint8Array): string => Buffer.from(value).toString("hex");
  const abc = new TextEncoder().encode("abc");
  assert.equal(
    hex(nodeCrypto.sha256(abc)),
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
  assert.equal(
    hex(nodeCrypto.sha512(abc)).slice(0, 64),
    "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a",
  );
  // RFC 4231, case 1; RFC 5869, case 1; RFC 7914, section 12 (first 32 bytes).
  const ones = new Uint8Array(20).fill(0x0b);
  assert.equal(
    hex(nodeCrypto.hmacSha256(ones, new TextEncoder().encode("Hi There"))),
    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
  );
  const salt = Uint8Array.from({ length: 13 }, (_, i) => i);
  const info = Uint8Array.from({ length: 10 }, (_, i) => 0xf0 + i);
  assert.equal(
    hex(nodeCrypto.hkdfSha256(new Uint8Array(22).fill(0x0b), salt, info, 42)),
    "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
  );
  const stretched = nodeCrypto.scrypt(
    new TextEncoder().encode("pleaseletmein"),
    new TextEncoder().encode("SodiumChloride"),
    { log2Cost: 14, blockSize: 8, parallel: 1 },
  );
  assert.equal(hex(stretched), "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2");
});

test("a private key of another provider, and seeds of the wrong length, are told apart", () => {
  const foreign = { algorithm: "ed25519", publicKey: new Uint8Array(32) } as const;
  assert.throws(() => nodeCrypto.sign(foreign, new Uint8Array(1)), { name: "InvariantError" });
  const short = nodeCrypto.importPrivate("ml-kem-768", new Uint8Array(32));
  assert.equal(short.ok ? undefined : short.error.code, "E_KEY_INVALID");
  assert.equal(nodeCrypto.equalSecret(Uint8Array.of(1, 2), Uint8Array.of(1, 2)), true);
  assert.equal(nodeCrypto.equalSecret(Uint8Array.of(1, 2), Uint8Array.of(1, 3)), false);
  assert.equal(nodeCrypto.equalSecret(Uint8Array.of(1, 2), Uint8Array.of(1)), false);
});

test("results are the caller's own: changing them changes nothing else", () => {
  const input = Uint8Array.of(1, 2, 3);
  const first = nodeCrypto.sha256(input);
  first.fill(0);
  assert.notDeepEqual(nodeCrypto.sha256(input), first);
  const random = nodeCrypto.randomBytes(8);
  assert.equal(random.buffer.byteLength, 8, "no slice of a shared pool");
});
