/**
 * The bytes of one append: records and the commit that holds them together. Pure; nothing of the
 * file's state changes until the bytes are durable (`Appended.leaves` are for the tree then).
 */
import { concatBytes } from "@ioi/base";
import { type CryptoProvider, leafHash, type MerkleTree } from "@ioi/crypto";
import { schema } from "@ioi/wire";
import type { FileKeys } from "./keys.ts";
import {
  coveredPayload,
  encodeRecord,
  recordHeaderBytes,
  type RecordType,
  recordTypes,
} from "./layout.ts";
import { commitBody } from "./messages.ts";
import {
  commitHash,
  type Committed,
  isLeafType,
  logLeaf,
  payloadDigest,
  spanHash,
} from "./walk.ts";

/** Where a file stands. */
export interface Position {
  readonly end: number;
  readonly sequence: number;
  readonly last: Committed | undefined;
  readonly tree: MerkleTree;
  /** Hash of the superblock. */
  readonly superblock: Uint8Array;
}

/** Roots of what finds memories, where they are known. */
export interface Roots {
  readonly indexRoot?: Uint8Array | undefined;
  readonly lexicalRoot?: Uint8Array | undefined;
}

export interface Appended {
  readonly bytes: Uint8Array;
  readonly committed: Committed;
  readonly leaves: readonly Uint8Array[];
  /** Of the record after it. */
  readonly sequence: number;
}

export class Append {
  readonly #provider: CryptoProvider;
  readonly #position: Position;
  readonly #parts: Uint8Array[] = [];
  readonly #digests: Uint8Array[] = [];
  readonly #leaves: Uint8Array[] = [];
  #bytes = 0;

  constructor(provider: CryptoProvider, position: Position) {
    this.#provider = provider;
    this.#position = position;
  }

  /** Bytes so far, without the commit. */
  get bytes(): number {
    return this.#bytes;
  }

  get records(): number {
    return this.#parts.length;
  }

  /** Hashes of the leaves that it adds to the log. */
  get leaves(): readonly Uint8Array[] {
    return this.#leaves;
  }

  /** Index of the next leaf in the log. */
  get leaf(): number {
    return this.#position.tree.size + this.#leaves.length;
  }

  /** Where the payload will stand in the file. */
  add(type: RecordType, payload: Uint8Array): number {
    const sequence = this.#position.sequence + this.#parts.length;
    const record = encodeRecord(type, sequence, payload, coveredPayload(type, payload));
    const at = this.#position.end + this.#bytes + recordHeaderBytes;
    const digest = payloadDigest(this.#provider, type, payload);
    this.#parts.push(record);
    this.#bytes += record.length;
    this.#digests.push(concatBytes(record.subarray(0, recordHeaderBytes), digest));
    if (isLeafType(type)) this.#leaves.push(leafHash(this.#provider, logLeaf(type, digest)));
    return at;
  }

  finish(keys: FileKeys, atMs: number, { indexRoot, lexicalRoot }: Roots): Appended {
    const { end, sequence, last, tree, superblock } = this.#position;
    const offset = end + this.#bytes;
    const body = {
      number: last === undefined ? 0 : last.body.number + 1,
      offset,
      ...(last === undefined ? {} : { previous: { offset: last.offset, hash: last.hash } }),
      span: spanHash(this.#provider, this.#digests),
      logSize: tree.size + this.#leaves.length,
      logRoot: rootWith(tree, this.#leaves),
      ...(indexRoot === undefined ? {} : { indexRoot }),
      ...(lexicalRoot === undefined ? {} : { lexicalRoot }),
      parameters: superblock,
      atMs,
      keyEpoch: 0,
    };
    const encoded = schema.encode(commitBody, body);
    const seal = keys.sealCommit(encoded);
    const payload = concatBytes(encoded, seal);
    const record = encodeRecord(recordTypes.commit, sequence + this.#parts.length, payload);
    const bytes = concatBytes(...this.#parts, record);
    return {
      bytes,
      committed: {
        body,
        start: end,
        offset,
        end: end + bytes.length,
        hash: commitHash(this.#provider, payload),
        seal,
      },
      leaves: this.#leaves,
      sequence: sequence + this.#parts.length + 1,
    };
  }
}

/** The root that the tree would have with more leaves; the tree stays as it is. */
const rootWith = (tree: MerkleTree, leaves: readonly Uint8Array[]): Uint8Array => {
  const size = tree.size;
  for (const leaf of leaves) tree.append(leaf);
  const root = tree.root();
  tree.truncate(size);
  return root;
};
