/** Proofs offline: good ones verify, and with any character changed they do not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom, toHex, utf8Encode } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { type ChainProof, keyText, parseChainProof, verifyChainProof } from "@ioi/validator/verify";
import { verifyChain } from "@ioi/verifier";
import { formerProof } from "./former.ts";
import { freshFiles, identity, Life, params, stranger } from "./support.ts";

/** `npm run check` looks at fewer; `npm test` at all. */
const inner = process.env["IOI_TEST"] === "inner";

const proofs = async (): Promise<readonly ChainProof[]> => {
  const life = await Life.begin({ files: freshFiles("proofs") });
  for (const size of [2, 3, 9, 30]) {
    life.offer(size);
    await life.anchored(size);
  }
  await life.shown();
  const height = life.chain.shown ?? 0n;
  const made: ChainProof[] = [];
  for (const name of ["receipts/checkpoint", "receipts/9", "receipts/10", "chain/params", "x y"]) {
    const key = utf8Encode(name);
    const proved = await life.chain.query(key, height);
    assert.ok(proved.ok);
    const { value, proof, blockProof } = proved.value;
    made.push({
      schema: "ioi.chain-proof/2",
      key: keyText(key),
      value: value === undefined ? null : toHex(value),
      proof: toHex(proof),
      block: toHex(blockProof),
      signature: toHex(life.chain.startSignature),
      identity: toHex(identity.publicKey),
    });
  }
  await life.end();
  return made;
};

const made = await proofs();

const accepted = (value: unknown): boolean => {
  const parsed = parseChainProof(value);
  const good =
    parsed.ok && verifyChainProof(nodeCrypto, parsed.value, identity.publicKey, params.chain).ok;
  // The stand-alone verifier shares no code with this one, and must agree on every input.
  const alone = verifyChain(value, identity.publicKey, params.chain);
  assert.equal(alone.ok && alone.value.ok, good, JSON.stringify(value));
  return good;
};

test("what the node proves verifies with its key alone: values and absences", () => {
  for (const proof of made) {
    const verdict = verifyChainProof(nodeCrypto, proof, identity.publicKey);
    assert.deepEqual([verdict.ok, verdict.reason], [true, null]);
  }
  assert.deepEqual(
    made.map(({ value }) => value === null),
    [false, false, true, false, true],
  );
});

test("a proof that a former version printed verifies as it did, and altered it does not", () => {
  const former = formerProof();
  assert.equal(accepted(former), true);
  for (const name of ["value", "proof", "header", "counter", "signature", "identity"]) {
    const value = `${former[name]}`;
    const altered = `${value.slice(0, -1)}${value.at(-1) === "0" ? "1" : "0"}`;
    assert.equal(accepted({ ...former, [name]: altered }), false, name);
  }
  assert.equal(accepted({ ...former, block: "" }), false);
  assert.equal(accepted({ ...former, schema: "ioi.chain-proof/2" }), false);
});

test("another key, another chain, another value, a value as absent, an absence as a value", () => {
  const [proof, , absent] = made;
  assert.ok(proof !== undefined && absent !== undefined);
  assert.equal(verifyChainProof(nodeCrypto, proof, stranger.publicKey).ok, false);
  const swapped = { ...proof, identity: toHex(stranger.publicKey) };
  assert.equal(verifyChainProof(nodeCrypto, swapped, stranger.publicKey).ok, false);
  const chain = new Uint8Array(32);
  assert.equal(verifyChainProof(nodeCrypto, proof, identity.publicKey, chain).ok, false);
  assert.equal(accepted({ ...proof, value: null }), false);
  assert.equal(accepted({ ...absent, value: "00" }), false);
  assert.equal(accepted({ ...proof, key: "receipts/9" }), false);
  assert.equal(accepted({ ...proof, extra: "" }), false);
  for (const bad of [null, 3, "x", [], {}, { ...proof, proof: 5 }])
    assert.equal(accepted(bad), false);
});

test("any character changed, dropped or doubled: not accepted, and nothing throws", (t) => {
  const seed = process.env["IOI_SEED"] ?? `${Math.random()}`;
  t.diagnostic(`seed ${seed}`);
  const random = new SeededRandom(seed);
  for (const proof of made) {
    const text = JSON.stringify(proof);
    for (let i = 0; i < (inner ? 50 : 400); i++) {
      const at = random.below(text.length);
      const other = '0123456789abcdef"{},: x\u0000\u202e'[random.below(24)] ?? "0";
      const changed = [
        text.slice(0, at) + other + text.slice(at + 1),
        text.slice(0, at) + text.slice(at + 1),
        text.slice(0, at) + (text[at] ?? "") + text.slice(at),
      ][random.below(3)];
      if (changed === text) continue;
      let value: unknown;
      try {
        value = JSON.parse(`${changed}`);
      } catch {
        continue;
      }
      // Space around what stands between the fields changes nothing of the value.
      if (JSON.stringify(value) === text) continue;
      // One proof of absence can stand for a neighbouring key, too: another statement, and true.
      const { key } = value as Partial<ChainProof>;
      if (proof.value === null && key !== proof.key) {
        assert.ok(!made.some((other) => other.key === key && other.value !== null));
        continue;
      }
      assert.equal(accepted(value), false, `${proof.key} at ${at}`);
    }
  }
});
