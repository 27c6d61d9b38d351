/**
 * Files of format 1 of the chain, `blocks-<height>.log`: a base with the whole state, then two records for each
 * block, its proposal and its signature. The newest file gives the state that the chain goes on with;
 * none of them is written to.
 *
 * What is read is not trusted for being on the disk: headers are chained by their hashes to the newest one,
 * and that one carries the Guardian's signature.
 */
import { equalBytes, type Files, type Random } from "@ioi/base";
import type { CryptoProvider } from "@ioi/crypto";
import type { AuthenticatedTree } from "@ioi/state";
import { openWal, type Wal } from "@ioi/storage";
import { type ChainHeader, type ChainParams, chainHeader, schema } from "@ioi/wire";
import { txRootOf } from "../block.ts";
import { corrupt, repairHint } from "../corrupt.ts";
import { applyTx, keptSizes, paramsKey, setGenesis } from "../state.ts";
import { headerId, type Seal, verifySeal } from "./block.ts";

const baseRecord = 1;
const proposalRecord = 2;
const sealRecord = 3;

const sealedHeader = schema.record({
  header: schema.bytes(undefined, 4096),
  counter: schema.u64,
  signature: schema.bytes(undefined, 8192),
});

const baseSchema = schema.record({
  version: schema.int(1, 1),
  height: schema.u64,
  parent: schema.optional(sealedHeader),
  anew: schema.bool,
  state: schema.array(
    schema.record({
      key: schema.bytes(undefined, 1024),
      value: schema.bytes(undefined, 1_048_576),
    }),
    65_536,
  ),
});
type Base = schema.Infer<typeof baseSchema>;

const proposalSchema = schema.record({
  header: schema.bytes(undefined, 4096),
  txs: schema.array(schema.bytes(undefined, 65_536), 1024),
});

const sealSchema = schema.record({
  counter: schema.u64,
  signature: schema.bytes(undefined, 8192),
});

/** What the Guardian signed last. */
export interface FormerSigned extends Seal {
  readonly header: Uint8Array;
}

export interface FormerHead extends Partial<Seal> {
  readonly header: ChainHeader;
  readonly encoded: Uint8Array;
  readonly id: Uint8Array;
}

export interface FormerChain {
  /** The newest block that is signed. */
  readonly head: FormerHead | undefined;
  /** One that was stored, and is not known to be signed. */
  readonly unsigned: FormerHead | undefined;
}

interface Place {
  readonly files: Files;
  readonly random: Random;
  readonly provider: CryptoProvider;
  readonly params: ChainParams;
}

/** The newest file of the format; undefined where there is none. */
export const formerFile = (names: readonly string[]): string | undefined =>
  names
    .filter((name) => /^blocks-\d{16}\.log$/.test(name))
    .toSorted((a, b) => (a < b ? -1 : 1))
    .at(-1);

const headOf = ({ provider }: Place, encoded: Uint8Array): FormerHead => {
  const header = schema.decode(chainHeader, encoded);
  if (!header.ok) throw corrupt("a header of format 1 is malformed");
  return { header: header.value, encoded, id: headerId(provider, encoded) };
};

const readBase = async (wal: Wal): Promise<Base> => {
  for await (const record of wal.read(0)) {
    const decoded = schema.decode(baseSchema, record.payload);
    if (record.type === baseRecord && decoded.ok) return decoded.value;
    break;
  }
  throw corrupt("the newest file of format 1 does not begin with a base");
};

/** The state under `version`, and what the chain ended with. */
class FormerReader {
  readonly #place: Place;
  readonly #tree: AuthenticatedTree;
  readonly #sizes: number[] = [];
  head: FormerHead | undefined;
  unsigned: FormerHead | undefined;

  constructor(place: Place, tree: AuthenticatedTree) {
    this.#place = place;
    this.#tree = tree;
  }

  begin(base: Base): void {
    if (base.parent === undefined) return;
    const { provider, params } = this.#place;
    const { counter, signature } = base.parent;
    const head = { ...headOf(this.#place, base.parent.header), counter, signature };
    this.head = head;
    if (!verifySeal(provider, params.identity, base.parent.header, base.parent)) {
      throw corrupt("the base of the newest file of format 1 is not signed");
    }
    if (base.anew) return;
    for (const { key, value } of base.state) this.#tree.set(key, value);
    const { height, stateRoot } = head.header;
    if (!equalBytes(this.#tree.commit(height), stateRoot)) {
      throw corrupt("the state in the newest file of format 1 is not that of its header");
    }
    const view = this.#tree.at(height);
    if (view.ok) this.#sizes.push(...keptSizes(view.value));
  }

  proposal(payload: Uint8Array): void {
    const { provider, params } = this.#place;
    const decoded = schema.decode(proposalSchema, payload);
    if (!decoded.ok) throw corrupt("a block of format 1 is malformed");
    const next = headOf(this.#place, decoded.value.header);
    const { height, parent, timeMs, txRoot, stateRoot, chain } = next.header;
    const below = this.head;
    const fits =
      equalBytes(chain, params.chain) &&
      height === (below === undefined ? 0n : below.header.height + 1n) &&
      equalBytes(parent, below?.id ?? new Uint8Array(32)) &&
      equalBytes(txRoot, txRootOf(provider, decoded.value.txs));
    if (!fits) throw corrupt(`block ${height} of format 1 is not the next one`);
    if (this.#tree.get(paramsKey) === undefined) setGenesis(this.#tree, params);
    const context = { provider, params, height, timeMs, sizes: this.#sizes, trusted: false };
    for (const tx of decoded.value.txs) {
      const applied = applyTx(this.#tree, context, tx);
      if (!applied.ok) throw corrupt(`block ${height} of format 1: ${applied.error.message}`);
    }
    if (!equalBytes(this.#tree.commit(height), stateRoot)) {
      throw corrupt(`block ${height} of format 1: its transactions lead to another state`);
    }
    this.unsigned = next;
  }

  seal(payload: Uint8Array): void {
    const decoded = schema.decode(sealSchema, payload);
    if (!decoded.ok || this.unsigned === undefined) throw corrupt("a signature out of place");
    this.head = { ...this.unsigned, ...decoded.value };
    this.unsigned = undefined;
  }
}

/**
 * Reads the newest file into the tree. With an unsigned block the tree stands after it: whoever finds that
 * it was not signed reads again, with `withUnsigned` false.
 */
export const readFormer = async (
  place: Place,
  path: string,
  tree: AuthenticatedTree,
  withUnsigned = true,
): Promise<FormerChain> => {
  const { files, random, provider, params } = place;
  const wal = await openWal({ files, random, path, repairHint });
  try {
    const reader = new FormerReader(place, tree);
    reader.begin(await readBase(wal));
    const last = wal.records - (withUnsigned || wal.records % 2 === 1 ? 0 : 1);
    for await (const { sequence, type, payload } of wal.read(1)) {
      if (sequence >= last) break;
      if (type === proposalRecord && reader.unsigned === undefined) reader.proposal(payload);
      else if (type === sealRecord) reader.seal(payload);
      else throw corrupt(`${path}: record ${sequence} is out of place`);
    }
    const { head, unsigned } = reader;
    const { counter, signature, encoded } = head ?? {};
    const isSigned =
      head === undefined ||
      (counter !== undefined &&
        signature !== undefined &&
        encoded !== undefined &&
        verifySeal(provider, params.identity, encoded, { counter, signature }));
    if (!isSigned) throw corrupt("the newest block of format 1 is not signed by the Guardian");
    return { head, unsigned };
  } finally {
    await wal.close();
  }
};
