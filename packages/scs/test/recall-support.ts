/** Proofs of recall from memories alone, put together as the specification says it. */
import { SeededRandom, unwrap } from "@ioi/base";
import { leafHash, MerkleTree } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { mhnsw } from "@ioi/state";
import { schema } from "@ioi/wire";
import { type ProvedMemory, queryBytes, type RecallProof } from "../src/index.ts";
import { contentCommitment } from "../src/keys.ts";
import { encodeFrame } from "../src/layout.ts";
import { encodeMemory } from "../src/memory.ts";
import { commitHash, logLeaf, payloadDigest } from "../src/walk.ts";
import { memoryOf } from "./support.ts";

export const wanted = { ef: 24, rerank: 16, final: 8, k: 3 };
const index = { dimension: 64, m: 4, efConstruction: 40, salt: new Uint8Array(32).fill(3) };

export interface Made {
  readonly document: RecallProof;
  /** Hash of its commit. */
  readonly commit: Uint8Array;
  readonly logRoot: Uint8Array;
  readonly logSize: number;
}

/** Of the contents; the first one of the commit as well. */
export interface Times {
  readonly atMs?: number;
  readonly saidMs?: number;
}

export const learntMs = 1_700_000_000_000;

const frameOf = (n: number, random: SeededRandom, times: Times) => {
  const encoded = encodeMemory(memoryOf(n), random.fill(new Uint8Array(32)), learntMs);
  if (!encoded.ok) throw new Error(encoded.error.message);
  const fields = unwrap(schema.decode(schema.anything, encoded.value), "a content");
  // What no writer of ours makes, too.
  const content = schema.encode(schema.anything, { ...(fields as object), ...times });
  const sealed = random.fill(new Uint8Array(content.length + 16));
  const commitment = contentCommitment(nodeCrypto, content);
  const payload = encodeFrame({ id: n, class: 0, commitment, sealed });
  const leaf = leafHash(nodeCrypto, logLeaf(1, payloadDigest(nodeCrypto, 1, payload)));
  return { content, head: payload.slice(0, 48), sealed: nodeCrypto.sha256(sealed), leaf };
};

/** A log of `count` memories; the document shows those of `ids`, and has a search if told to. */
export const madeProof = (
  seed: string,
  count: number,
  ids: readonly number[],
  how: { readonly search: boolean; readonly times?: Times } = { search: false },
): Made => {
  const random = new SeededRandom(seed);
  const frames = Array.from({ length: count }, (_, n) => frameOf(n, random, how.times ?? {}));
  const tree = new MerkleTree(nodeCrypto);
  for (const { leaf } of frames) tree.append(leaf);
  const vector = (): Int16Array => Int16Array.from({ length: 64 }, () => random.below(2000) - 1000);
  const graph = new mhnsw.Graph(nodeCrypto, index);
  for (const { leaf } of frames) graph.add(vector(), leaf);
  const commitment = new mhnsw.Commitment(nodeCrypto, graph);
  const query = vector();
  const { proof } = mhnsw.prove(nodeCrypto, graph, commitment, mhnsw.makeQuery(query), wanted);
  const logRoot = tree.root();
  const commit = schema.encode(schema.anything, {
    number: 3,
    offset: 4711,
    logSize: count,
    logRoot,
    ...(how.search ? { indexRoot: commitment.root() } : {}),
    atMs: how.times?.atMs ?? learntMs,
    keyEpoch: 0,
  });
  const seal = random.fill(new Uint8Array(32));
  const answers = ids.map((id): ProvedMemory => {
    const { content, head, sealed } = frames[id] as ReturnType<typeof frameOf>;
    return { head, sealed, leaf: id, path: tree.inclusionProof(id, count), content };
  });
  const search = { parameters: index, wanted, query: queryBytes(query), proof };
  const document: RecallProof = {
    schema: "ioi.recall-proof/1",
    store: random.fill(new Uint8Array(16)),
    commit,
    seal,
    ...(how.search ? { search } : {}),
    answers,
  };
  const hash = commitHash(nodeCrypto, Buffer.concat([commit, seal]));
  return { document, commit: hash, logRoot, logSize: count };
};
