/**
 * Opening the chain: the newest file's base and committed blocks give the state again, what is above them is
 * for the engine, and the Guardian's own memory must fit. What it signed and a crash kept from the disk
 * is taken from it.
 *
 * What is replayed is not trusted for being on the disk: committed headers are chained by their hashes to
 * the newest one, whose certificate is verified; the engine verifies everything above it.
 */
import { equalBytes, OperationError } from "@ioi/base";
import {
  Judge,
  keyOf,
  quorumCertOf,
  type Root,
  sameBody,
  startHash,
  ValidatorSet,
  type WalRecord,
  zeroHash,
} from "@ioi/consensus";
import { type CryptoProvider, domainBytes, domains, identityAlgorithm } from "@ioi/crypto";
import type { AuthenticatedTree } from "@ioi/state";
import {
  type ChainParams,
  type ConsensusStart,
  consensusStart,
  type Envelope,
  type QuorumCert,
  schema,
} from "@ioi/wire";
import { type Block, blockOf, payloadRootOf } from "./block.ts";
import { corrupt } from "./corrupt.ts";
import { Execution } from "./execution.ts";
import type { ChainStart, Head, Pending, SlotWanted, StoredRecord } from "./solo.ts";
import { paramsKey, setGenesis } from "./state.ts";
import type { Base, LogRecord } from "./store.ts";

/** Where the Guardian's session stands in its epoch. */
export interface SigningState {
  readonly start: ConsensusStart;
  /** By the identity, over the start. */
  readonly signature: Uint8Array;
  readonly last: Envelope | undefined;
  readonly highView: bigint;
}

type ReadBlock = (height: bigint) => Promise<Block | undefined>;

/** What is replayed, as the log has it. */
export interface Log {
  base(): Promise<Base>;
  records(): AsyncGenerator<LogRecord, void, undefined>;
  /** A committed block. */
  read(height: bigint): Promise<Block | undefined>;
}

/** The identity vouches for the session that votes from there on. */
export const verifyStart = (
  provider: Pick<CryptoProvider, "verify">,
  identity: Uint8Array,
  start: ConsensusStart,
  signature: Uint8Array,
): boolean =>
  provider.verify(
    identityAlgorithm,
    identity,
    domainBytes(domains.chainStart, schema.encode(consensusStart, start)),
    signature,
  );

export const judgeOf = (provider: CryptoProvider, start: ConsensusStart): Judge => {
  const { chain, epoch, validators, anchor, isDevnet } = start;
  const set = ValidatorSet.from(provider, validators, isDevnet);
  if (!set.ok) throw corrupt(`the epoch's validators: ${set.error.message}`);
  return new Judge(provider, { chain, epoch }, set.value, anchor);
};

/** What stands above: V9, stateHeight. */
const shownAbove = (anchor: Uint8Array, root: Root): bigint =>
  !equalBytes(root.digest, anchor) && root.view === root.justView + 1n
    ? root.height - 1n
    : root.commitHeight;

class Replay {
  readonly #provider: CryptoProvider;
  readonly #judge: Judge;
  readonly #execution: Execution;
  readonly #pending = new Map<string, Pending>();
  readonly #qcs = new Map<string, QuorumCert>();
  #others: Exclude<StoredRecord, { type: "block" }>[] = [];
  #root: Root;
  #rootQc: QuorumCert | undefined;
  #newest: Block | undefined;
  /** The newest committed block, and the hash of its child; of a base the block is in the file before. */
  #head: { readonly block: Block | undefined; readonly child: Uint8Array } | undefined;

  constructor(
    provider: CryptoProvider,
    params: ChainParams,
    tree: AuthenticatedTree,
    judge: Judge,
    base: Base,
  ) {
    this.#provider = provider;
    this.#judge = judge;
    const { anchor } = judge;
    this.#root = { ...anchor, justView: 0n, commitHeight: anchor.height };
    if (base.root !== undefined) {
      const { qc, shown: _, child, ...root } = base.root;
      this.#root = root;
      this.#rootQc = qc;
      this.#head = { block: undefined, child };
    }
    for (const { key, value } of base.state) tree.set(key, value);
    // Of a new chain, and of one that begins anew.
    if (tree.get(paramsKey) === undefined) setGenesis(tree, params);
    const { height } = this.#root;
    this.#execution = new Execution(provider, params, tree, height, base.root?.shown ?? []);
  }

  take(record: LogRecord): void {
    switch (record.type) {
      case "block": {
        const { block, txs } = record;
        this.#pending.set(keyOf(blockOf(this.#provider, block, txs).id), { block, txs });
        break;
      }
      case "committed":
        for (const digest of record.digests) this.#commit(digest);
        this.#head = { block: this.#newest, child: record.child };
        this.#forget(record.child);
        break;
      case "envelope": {
        const { envelope } = record;
        // Alone, a vote is its certificate; the engine verifies it, and so does whoever needs one of a root.
        const qc = quorumCertOf(this.#judge.set, [envelope]);
        if (envelope.kind === "vote") this.#qcs.set(keyOf(envelope.digest), qc);
        this.#others.push(record);
        break;
      }
      case "tc":
        this.#others.push(record);
    }
  }

  #commit(digest: Uint8Array): void {
    const found = this.#pending.get(keyOf(digest));
    const root = this.#root;
    const bad = (message: string): OperationError =>
      corrupt(`block ${root.height + 1n}: ${message}`);
    if (found === undefined) throw bad("it is marked and not there");
    const block = blockOf(this.#provider, found.block, found.txs);
    const { header, txs } = block;
    const follows =
      equalBytes(header.parent, root.digest) &&
      header.height === root.height + 1n &&
      header.justify.view === root.view &&
      header.timeMs > root.timeMs;
    if (!follows) throw bad("it does not follow the one before");
    if (!equalBytes(header.payloadRoot, payloadRootOf(this.#provider, txs))) {
      throw bad("other transactions are there");
    }
    const shown = this.#execution.rootAfter(header.stateHeight);
    if (shown !== undefined && !equalBytes(shown, header.stateRoot)) {
      throw bad("its transactions lead to another state");
    }
    // As when it was committed: what does not apply changes nothing.
    this.#execution.execute(block);
    this.#newest = block;
    this.#root = {
      view: header.view,
      digest: block.id,
      height: header.height,
      timeMs: header.timeMs,
      justView: header.justify.view,
      commitHeight: shownAbove(this.#judge.anchor.digest, root),
    };
  }

  /** What is below the newest committed block; its certificate is kept. */
  #forget(child: Uint8Array): void {
    const { height, view, digest } = this.#root;
    this.#rootQc = this.#qcs.get(keyOf(digest)) ?? this.#pending.get(keyOf(child))?.block.justify;
    for (const [key, { block }] of this.#pending) {
      if (block.header.height <= height) this.#pending.delete(key);
    }
    for (const [key, qc] of this.#qcs) if (qc.view < view) this.#qcs.delete(key);
    this.#others = this.#others.filter((record) => viewOf(record) > view);
    this.#execution.prune(height);
  }

  async #headOf(read: ReadBlock): Promise<Head | undefined> {
    if (this.#head === undefined) return undefined;
    const { height, digest } = this.#root;
    const block = this.#head.block ?? (await read(height));
    const child = this.#pending.get(keyOf(this.#head.child))?.block.header;
    const childQc = this.#qcs.get(keyOf(this.#head.child));
    const blockQc = this.#rootQc;
    const isThere = block !== undefined && equalBytes(block.id, digest);
    if (!isThere || child === undefined || childQc === undefined || blockQc === undefined) {
      throw corrupt(`block ${height}: what commits it is not there`);
    }
    const cert = { block: block.header, child, blockQc, childQc };
    const verdict = this.#judge.commitCert(cert);
    if (!verdict.ok) throw corrupt(`block ${height}: ${verdict.error.message}`);
    return { block, cert };
  }

  async finish(read: ReadBlock): Promise<ChainStart> {
    const head = await this.#headOf(read);
    const rootQc = this.#rootQc;
    const certified = [...this.#qcs.values()].filter(({ view }) => view > this.#root.view);
    const high = certified
      .filter(({ digest }) => this.#pending.has(keyOf(digest)))
      .toSorted((a, b) => (a.view < b.view ? 1 : -1))
      .at(0);
    return {
      judge: this.#judge,
      root: this.#root,
      rootQc,
      records: [...this.#blocks(), ...this.#others],
      pending: this.#pending,
      high: high?.digest ?? this.#root.digest,
      head,
      execution: this.#execution,
    };
  }

  #blocks(): readonly WalRecord[] {
    return [...this.#pending.values()].map(({ block }) => ({ type: "block", block }));
  }
}

const viewOf = (record: Exclude<StoredRecord, { type: "block" }>): bigint => {
  switch (record.type) {
    case "tc":
      return record.tc.view;
    case "envelope":
      return record.envelope.view;
  }
};

export const replay = async (
  log: Log,
  provider: CryptoProvider,
  params: ChainParams,
  tree: AuthenticatedTree,
): Promise<{
  readonly start: ConsensusStart;
  readonly signature: Uint8Array;
  readonly at: ChainStart;
}> => {
  const base = await log.base();
  const start = schema.decode(consensusStart, base.start);
  if (!start.ok) throw corrupt(`the epoch's start: ${start.error.message}`);
  if (!equalBytes(start.value.chain, params.chain)) throw corrupt("it is of another chain");
  if (!verifyStart(provider, params.identity, start.value, base.signature)) {
    throw corrupt("the epoch's start is not signed by the Guardian");
  }
  const replayed = new Replay(provider, params, tree, judgeOf(provider, start.value), base);
  for await (const record of log.records()) replayed.take(record);
  const at = await replayed.finish((height) => log.read(height));
  return { start: start.value, signature: base.signature, at };
};

const newestOf = (at: ChainStart): Envelope | undefined => {
  let newest: Envelope | undefined;
  for (const record of at.records) if (record.type === "envelope") newest = record.envelope;
  return newest;
};

/** Compares with what the Guardian remembers; what a crash kept from the disk, if anything. */
export const reconcile = (
  provider: CryptoProvider,
  start: ConsensusStart,
  at: ChainStart,
  signing: SigningState | undefined,
): Envelope | undefined => {
  const ahead = (message: string): OperationError => new OperationError("E_CHAIN_AHEAD", message);
  const behind = (message: string): OperationError => new OperationError("E_CHAIN_BEHIND", message);
  if (signing === undefined) throw ahead("the Guardian knows of no epoch, the chain has one");
  if (!equalBytes(startHash(provider, start), startHash(provider, signing.start))) {
    const where = `the chain is in epoch ${start.epoch.number}, the Guardian in ${signing.start.epoch.number}`;
    throw start.epoch.number < signing.start.epoch.number ? behind(where) : ahead(where);
  }
  const { last, highView } = signing;
  const own = newestOf(at);
  const where = `envelope ${last?.counter ?? 0n} was signed last, the chain has ${own?.counter ?? 0n}`;
  if (last === undefined || (own !== undefined && own.counter > last.counter)) {
    if (own === undefined && at.head === undefined) return undefined;
    throw ahead(where);
  }
  const isKnown = own !== undefined && own.counter === last.counter;
  if (isKnown && !sameBody(own, last)) throw ahead(`two envelopes ${last.counter} differ`);
  const isHeld = equalBytes(last.digest, zeroHash) || at.pending.has(keyOf(last.digest));
  if (!isKnown && !isHeld) throw behind(where);
  const views = at.records.map((record) =>
    record.type === "envelope" && record.envelope.kind === "vote" ? record.envelope.view : 0n,
  );
  const highest = [at.root.view, ...views].reduce((a, b) => (a > b ? a : b));
  if (highView > highest) throw behind(`view ${highView} is certified, the chain has ${highest}`);
  return isKnown ? undefined : last;
};

/** The answer to the last of the slots, where it was given before and lost on its way. */
export const givenBefore = (
  slots: readonly SlotWanted[],
  signing: SigningState | undefined,
): Envelope | undefined => {
  const [last, wanted] = [signing?.last, slots.at(-1)?.request];
  if (last === undefined || wanted === undefined) return undefined;
  const isIt = last.kind === wanted.kind && last.view === wanted.view;
  return isIt && equalBytes(last.digest, wanted.digest) ? last : undefined;
};
