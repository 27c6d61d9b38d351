/** `ioi chain` without a kernel: what it says, and proofs from files. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { toHex, utf8Encode } from "@ioi/base";
import { anchorCert, Judge, quorumCertOf, ValidatorSet } from "@ioi/consensus";
import { blockOn, type Certified, member, Signer } from "@ioi/consensus/testing";
import { domains, signPayload } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { jellyfish, MemoryStore } from "@ioi/state";
import { type BlockProof, blockProof, consensusStart, type QuorumCert, schema } from "@ioi/wire";
import { runWith } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "ioi-chain-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const identity = nodeCrypto.generate("ml-dsa-65");
const data = join(folder, "data");
for (const name of ["identity", "orchestrator/chain", "run"]) {
  mkdirSync(join(data, name), { recursive: true });
}
writeFileSync(join(data, "FORMAT"), '{"format":1}\n');
writeFileSync(join(data, "identity/guardian.pub"), `${toHex(identity.publicKey)}\n`);
const chain = new Uint8Array(32).fill(3);
writeFileSync(join(data, "identity/genesis.json"), JSON.stringify({ chainId: toHex(chain) }));
writeFileSync(join(data, "orchestrator/chain/chain-0.log"), "x");

const session = nodeCrypto.generate("ml-dsa-44");

/** A state of two keys in a block that is committed, in an epoch whose start this identity signed. */
const proofOf = (key: string, ofChain: Uint8Array = chain) => {
  const tree = jellyfish.open(new MemoryStore(), nodeCrypto);
  tree.set(utf8Encode("a"), utf8Encode("1"));
  tree.set(utf8Encode("b"), utf8Encode("2"));
  const stateRoot = tree.commit(0n);
  const view = tree.at(0n);
  assert.ok(view.ok);
  const value = view.value.get(utf8Encode(key));
  const proof =
    value === undefined
      ? view.value.proveAbsent(utf8Encode(key))
      : view.value.prove(utf8Encode(key));
  assert.ok(proof.ok);
  const block = proofOfBlock(ofChain, stateRoot);
  const statement = schema.encode(consensusStart, block.start);
  const { signature } = signPayload(nodeCrypto, identity, domains.chainStart, statement);
  return {
    schema: "ioi.chain-proof/2",
    key,
    value: value === undefined ? null : toHex(value),
    proof: toHex(proof.value),
    block: toHex(schema.encode(blockProof, block)),
    signature: toHex(signature),
    identity: toHex(identity.publicKey),
  };
};

const proofOfBlock = (ofChain: Uint8Array, stateRoot: Uint8Array): BlockProof => {
  const alone = member("alone", 1n, session);
  const { entry } = alone;
  const set = ValidatorSet.from(nodeCrypto, [entry]);
  assert.ok(set.ok);
  const anchor = { view: 0n, digest: ofChain, height: 0n, timeMs: 0 };
  const epoch = { number: 0n, mode: "a-dmft" } as const;
  const judge = new Judge(nodeCrypto, { chain: ofChain, epoch }, set.value, anchor);
  const signer = new Signer(judge, alone, nodeCrypto);
  const vote = (block: Certified): QuorumCert => quorumCertOf(set.value, [signer.vote(block)]);
  const first = anchorCert(judge.context, anchor);
  const below = blockOn(judge, anchor, first, 1n, { stateRoot });
  const blockQc = vote(below);
  const above = blockOn(judge, below.header, blockQc, 2n);
  const start = { version: 1, chain: ofChain, epoch, validators: [entry], anchor, isDevnet: false };
  const commit = { block: below.header, child: above.header, blockQc, childQc: vote(above) };
  return { version: 1, start, epochs: [], commit };
};

const verify = async (content: unknown, ...more: readonly string[]) => {
  const file = join(folder, "proof.json");
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  return await runWith(["chain", "verify", file, "--data", data, "--json", ...more]);
};

test("a good proof is good: of a value and of an absence, by the folder's key or a given one", async () => {
  for (const key of ["a", "b", "c"]) {
    const ran = await verify(proofOf(key));
    assert.equal(ran.exit, 0, ran.out + ran.err);
    const verdict = JSON.parse(ran.out) as { readonly ok: boolean; readonly height: number };
    assert.deepEqual([verdict.ok, verdict.height], [true, 0]);
  }
  const given = await verify(proofOf("a"), "--key", join(data, "identity/guardian.pub"));
  assert.equal(given.exit, 0);
});

test("what is wrong exits 6 and says why", async () => {
  const good = proofOf("a");
  const bad: readonly (readonly [unknown, RegExp])[] = [
    [{ ...good, value: "32" }, /value/],
    [{ ...good, value: null }, /key itself/],
    [{ ...good, key: "b" }, /another key/],
    [{ ...good, signature: `00${good.signature.slice(2)}` }, /signature/],
    [{ ...good, block: `${good.block}00` }, /malformed/],
    [{ ...good, schema: "ioi.chain-proof/1" }, /unknown field/],
    [{ ...good, schema: "ioi.chain-proof/3" }, /not a proof/],
    [{ ...proofOf("a", new Uint8Array(32)) }, /another chain/],
    [{ ...good, identity: toHex(nodeCrypto.generate("ml-dsa-65").publicKey) }, /identity/],
    [{ ...good, more: 1 }, /unknown field/],
    [{}, /not a proof/],
    ["not JSON", /not JSON/],
    ["[", /not JSON/],
  ];
  for (const [content, why] of bad) {
    const ran = await verify(content);
    assert.equal(ran.exit, 6, ran.out + ran.err);
    assert.match(ran.out, why);
  }
});

test("without a kernel, status, block and proof say so; a height must be one", async () => {
  for (const words of [
    ["status"],
    ["block"],
    ["proof", "a"],
    ["prove", "block", "--out", join(folder, "none.proof")],
  ]) {
    const ran = await runWith(["chain", ...words, "--data", data, "--json"]);
    assert.equal((JSON.parse(ran.out) as { readonly code: string }).code, "E_CLI_NO_KERNEL");
  }
  const height = await runWith(["chain", "block", "-3x", "--data", data]);
  assert.equal(height.exit, 2);
  assert.ok(!existsSync(join(folder, "none.proof")));
  const out = await runWith(["chain", "prove", "block", "1", "--data", data]);
  assert.equal(out.exit, 2);
});

test("reset moves the blocks aside and leaves a mark", async () => {
  const ran = await runWith(["chain", "reset", "--data", data, "--json"]);
  assert.equal(ran.exit, 0, ran.out + ran.err);
  assert.ok(existsSync(join(data, "orchestrator/chain.lost-1/chain-0.log")));
  assert.ok(existsSync(join(data, "orchestrator/chain.reset")));
  assert.ok(!existsSync(join(data, "orchestrator/chain")));
});
