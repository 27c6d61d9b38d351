/** `ioi chain` without a kernel: what it says, and proofs from files. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { toHex, utf8Encode } from "@ioi/base";
import { domains, emptyRoot, signPayload } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { jellyfish, MemoryStore } from "@ioi/state";
import { chainHeader, headerStatement, schema } from "@ioi/wire";
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
writeFileSync(join(data, "orchestrator/chain/blocks-0.log"), "x");

/** A state of two keys under a header of this identity. */
const proofOf = (key: string, ofChain: Uint8Array = chain): Readonly<Record<string, unknown>> => {
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
  const header = schema.encode(chainHeader, {
    version: 1,
    chain: ofChain,
    slot: 1n,
    height: 0n,
    parent: new Uint8Array(32),
    timeMs: 5,
    txCount: 0,
    txRoot: emptyRoot(nodeCrypto),
    stateRoot,
    receiptsSize: 0,
    receiptsRoot: emptyRoot(nodeCrypto),
  });
  const statement = schema.encode(headerStatement, { version: 1, header, counter: 1n });
  const { signature } = signPayload(nodeCrypto, identity, domains.headerStatement, statement);
  return {
    schema: "ioi.chain-proof/1",
    key,
    value: value === undefined ? null : toHex(value),
    proof: toHex(proof.value),
    header: toHex(header),
    counter: "1",
    signature: toHex(signature),
    identity: toHex(identity.publicKey),
  };
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
    [{ ...good, counter: "2" }, /signature/],
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
  for (const words of [["status"], ["block"], ["proof", "a"]]) {
    const ran = await runWith(["chain", ...words, "--data", data, "--json"]);
    assert.equal((JSON.parse(ran.out) as { readonly code: string }).code, "E_CLI_NO_KERNEL");
  }
  const height = await runWith(["chain", "block", "-3x", "--data", data]);
  assert.equal(height.exit, 2);
});

test("reset moves the blocks aside and leaves a mark", async () => {
  const ran = await runWith(["chain", "reset", "--data", data, "--json"]);
  assert.equal(ran.exit, 0, ran.out + ran.err);
  assert.ok(existsSync(join(data, "orchestrator/chain.lost-1/blocks-0.log")));
  assert.ok(existsSync(join(data, "orchestrator/chain.reset")));
  assert.ok(!existsSync(join(data, "orchestrator/chain")));
});
