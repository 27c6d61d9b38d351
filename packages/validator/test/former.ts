/**
 * Writes a chain of format 1 as the former version did: its own `blocks-*.log` and the Guardian's
 * `headers.log`, with checkpoints of a receipt log in it.
 */
import { toHex } from "@ioi/base";
import { domainHash, domains, emptyRoot, leafHash, MerkleTree, signPayload } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { type SimFiles, SimRandom } from "@ioi/sim";
import { jellyfish, MemoryStore } from "@ioi/state";
import { openWal, type Wal } from "@ioi/storage";
import { chainFolder } from "@ioi/validator";
import {
  anchoredCheckpoint,
  chainHeader,
  chainParams,
  chainTx,
  headerStatement,
  schema,
} from "@ioi/wire";
import { identity, params, type Receipts } from "./support.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

const base = schema.record({
  version: schema.int(1, 1),
  height: schema.u64,
  anew: schema.bool,
  state: schema.array(schema.bytes(), 0),
});
const proposal = schema.record({
  header: schema.bytes(undefined, 4096),
  txs: schema.array(schema.bytes(undefined, 65_536), 1024),
});
const seal = schema.record({ counter: schema.u64, signature: schema.bytes(undefined, 8192) });
const signed = schema.record({
  counter: schema.u64,
  header: schema.bytes(undefined, 4096),
  signature: schema.bytes(undefined, 8192),
});

export interface FormerChainWritten {
  /** Hash of the newest signed header, in hex. */
  readonly head: string;
  readonly height: bigint;
  readonly timeMs: number;
}

const open = (files: SimFiles, path: string): Promise<Wal> =>
  openWal({ files, random: new SimRandom("former"), path, repairHint: "" });

/** One block for each size. `lastSeal`: false leaves the newest signature in the Guardian alone. */
export const writeFormer = async (
  files: SimFiles,
  receipts: Receipts,
  sizes: readonly number[],
  lastSeal = true,
): Promise<FormerChainWritten> => {
  await files.makeDirectory(chainFolder, 0o700);
  const blocks = await open(files, `${chainFolder}/blocks-0000000000000000.log`);
  const headers = await open(files, "headers.log");
  await blocks.append(1, schema.encode(base, { version: 1, height: 0n, anew: false, state: [] }));
  const tree = jellyfish.open(new MemoryStore(), nodeCrypto);
  tree.set(text("chain/params"), schema.encode(chainParams, params));
  let parent: Uint8Array = new Uint8Array(32);
  let [timeMs, before] = [0, 0];
  for (const [index, size] of sizes.entries()) {
    const height = BigInt(index);
    timeMs = 1000 + index;
    const note = receipts.note(size);
    const consistency = before === 0 ? [] : receipts.tree.consistencyProof(before, size);
    const tx = schema.encode(chainTx, { type: "anchor", note, from: before, consistency });
    const root = receipts.tree.root(size);
    const value = schema.encode(anchoredCheckpoint, { size, root, height, timeMs });
    for (const name of ["checkpoint", `${size}`]) tree.set(text(`receipts/${name}`), value);
    const txs = new MerkleTree(nodeCrypto);
    txs.append(leafHash(nodeCrypto, tx));
    const header = schema.encode(chainHeader, {
      version: 1,
      chain: params.chain,
      slot: height + 1n,
      height,
      parent,
      timeMs,
      txCount: 1,
      txRoot: txs.root(),
      stateRoot: tree.commit(height),
      receiptsSize: size,
      receiptsRoot: root,
    });
    const counter = height + 1n;
    const statement = schema.encode(headerStatement, { version: 1, header, counter });
    const { signature } = signPayload(nodeCrypto, identity, domains.headerStatement, statement);
    await blocks.appendDurable(2, schema.encode(proposal, { header, txs: [tx] }));
    await headers.appendDurable(1, schema.encode(signed, { counter, header, signature }));
    if (lastSeal || index < sizes.length - 1) {
      await blocks.append(3, schema.encode(seal, { counter, signature }));
    }
    parent = domainHash(nodeCrypto, domains.chainHeader, header);
    before = size;
  }
  await blocks.flush();
  await blocks.close();
  await headers.close();
  await files.syncDirectory("");
  return { head: toHex(parent), height: BigInt(sizes.length - 1), timeMs };
};

/** Of a proof that the former version printed; the state has one key. */
export const formerProof = (): Readonly<Record<string, string>> => {
  const tree = jellyfish.open(new MemoryStore(), nodeCrypto);
  tree.set(text("a"), text("1"));
  const stateRoot = tree.commit(0n);
  const view = tree.at(0n);
  const proof = view.ok ? view.value.prove(text("a")) : undefined;
  const header = schema.encode(chainHeader, {
    version: 1,
    chain: params.chain,
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
    key: "a",
    value: toHex(text("1")),
    proof: toHex(proof?.ok === true ? proof.value : new Uint8Array(0)),
    header: toHex(header),
    counter: "1",
    signature: toHex(signature),
    identity: toHex(identity.publicKey),
  };
};
