/**
 * Synchronisation: committed blocks from peers of which any number may lie, from a trusted start.
 * Specification: specs/consensus, Y1 to Y4. Sans-IO: one question is out at a time.
 *
 * An answer is a row of blocks and a certificate that commits the last one, so it is verified by itself:
 * links by hash first, signatures of one certificate last. Nobody's word about the newest block is asked.
 *
 * Invariants: what comes out was committed, in order and once; a peer whose answer is wrong is never asked
 * again; one honest peer that can be reached suffices; where there is none it stops and says why. Bounds: `syncPeersMax` peers and one question;
 * `syncBannedMax` peers that are not asked again.
 */
import { assert, equalBytes, Lru, ok, type Rejection, type Result } from "@ioi/base";
import type { Hashing, Verifying } from "@ioi/crypto";
import {
  type CommitCert,
  type ConsensusBlock,
  consensusBlock,
  schema,
  type SyncChunk,
} from "@ioi/wire";
import { type Anchor, type ConsensusError, type JudgeRule, refuse } from "./certificates.ts";
import {
  type EndedEpoch,
  LightClient,
  type LightClientRule,
  type TrustedStart,
} from "./light-client.ts";
import {
  syncAnswerMs,
  syncBannedMax,
  syncBlocksMax,
  syncBytesMax,
  syncPeersMax,
} from "./limits.ts";
import { blockHash, quorumCertHash } from "./objects.ts";
import type { SetError } from "./validators.ts";

export type SyncInput =
  /** A peer that may be asked; again one that was there, when there may be more. */
  | { readonly type: "peer"; readonly peer: number }
  | { readonly type: "gone"; readonly peer: number }
  /** To the question for blocks from that height. */
  | {
      readonly type: "answer";
      readonly peer: number;
      readonly from: bigint;
      readonly chunk: SyncChunk;
    }
  | { readonly type: "tick" };

export type SyncEffect =
  /** For the blocks from this height on; its answer is given back, or nothing is. */
  | { readonly type: "ask"; readonly peer: number; readonly from: bigint }
  /** `commit` commits the last one, or a block above it that holds nothing. */
  | {
      readonly type: "blocks";
      readonly blocks: readonly ConsensusBlock[];
      readonly commit: CommitCert;
    }
  /** The last one ended its epoch; this is the number of the next. */
  | { readonly type: "epoch"; readonly number: bigint; readonly end: EndedEpoch }
  | { readonly type: "banned"; readonly peer: number; readonly error: ConsensusError | SetError }
  /** No peer has more, or says that it has. */
  | { readonly type: "done"; readonly height: bigint }
  /** Nobody is left who could be asked. It goes on with the next peer; what came out stays true. */
  | {
      readonly type: "failed";
      readonly height: bigint;
      readonly error: Rejection<"E_CONSENSUS_SYNC">;
    };

interface Peer {
  /** Blocks a second in its last answer; of one that was not asked yet more than any answer can have. */
  readonly worth: number;
  /** It has nothing above this height, or did not answer twice at it. */
  readonly endsAt: bigint | undefined;
  /** It did not answer so often, the newest block being the one of that height. */
  readonly silences: number;
  readonly silentAt: bigint | undefined;
}

const heard = { silences: 0, silentAt: undefined };
const untried: Peer = { worth: Number.POSITIVE_INFINITY, endsAt: undefined, ...heard };
/** Of whoever was silent, at most: as if it had taken all the time for a whole answer. */
const slowest = (1000 * syncBlocksMax) / syncAnswerMs;

interface Question {
  readonly peer: number;
  readonly askedMs: number;
  readonly untilMs: number;
}

/** Checks that a test may take out of it, beside those of its light client, to see what they are for. */
export type SyncRule = "Y1-parent" | "Y1-justify" | "Y2-last" | "Y2-ends";
type Without = Pick<ReadonlySet<SyncRule | LightClientRule | JudgeRule>, "has">;

export class Sync {
  readonly #provider: Verifying;
  readonly #without: Without;
  readonly #client: LightClient;
  readonly #peers = new Map<number, Peer>();
  readonly #banned = new Lru<number, true>(syncBannedMax);
  #tip: Anchor;
  #question: Question | undefined;
  #isDone = false;
  #effects: SyncEffect[] = [];

  constructor(
    provider: Verifying,
    start: TrustedStart,
    isDevnet = false,
    without: Without = new Set(),
  ) {
    this.#provider = provider;
    this.#without = without;
    this.#client = new LightClient(provider, start, isDevnet, without);
    this.#tip = start.anchor;
  }

  /** The newest block that came out. */
  get tip(): Anchor {
    return this.#tip;
  }

  deadline(): number | undefined {
    return this.#question?.untilMs;
  }

  handle(input: SyncInput, nowMs: number): readonly SyncEffect[] {
    switch (input.type) {
      case "peer":
        this.#meet(input.peer);
        break;
      case "gone":
        this.#peers.delete(input.peer);
        if (this.#question?.peer === input.peer) this.#question = undefined;
        break;
      case "answer":
        this.#answered(input, nowMs);
        break;
      case "tick":
        this.#waited(nowMs);
    }
    this.#askNext(nowMs);
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  #meet(peer: number): void {
    const known = this.#peers.get(peer);
    if (this.#banned.has(peer)) return;
    if (known === undefined && this.#peers.size >= syncPeersMax) return;
    this.#peers.set(
      peer,
      known === undefined ? untried : { ...known, endsAt: undefined, ...heard },
    );
    this.#isDone = false;
  }

  /** Y3. What nobody asked for, or asks for any more, is nothing: an answer may only be late. */
  #answered({ peer, from, chunk }: Extract<SyncInput, { type: "answer" }>, nowMs: number): void {
    const question = this.#question;
    const isAsked = question?.peer === peer && from === this.#tip.height + 1n;
    if (!isAsked || !this.#peers.has(peer)) return;
    this.#question = undefined;
    if (chunk.blocks.length === 0) {
      this.#peers.set(peer, { worth: 0, endsAt: this.#tip.height, ...heard });
      return;
    }
    const taken = this.#take(chunk);
    if (taken.ok) {
      const worth = (1000 * chunk.blocks.length) / Math.max(1, nowMs - question.askedMs);
      this.#peers.set(peer, { worth, endsAt: undefined, ...heard });
      return;
    }
    this.#peers.delete(peer);
    this.#banned.set(peer, true);
    this.#effects.push({ type: "banned", peer, error: taken.error });
  }

  #waited(nowMs: number): void {
    const question = this.#question;
    if (question === undefined || nowMs < question.untilMs) return;
    this.#question = undefined;
    const known = this.#peers.get(question.peer);
    assert(known !== undefined, "who is asked is a peer");
    const { height } = this.#tip;
    const silences = known.silentAt === height ? known.silences + 1 : 1;
    const worth = Math.min(known.worth, slowest) / 4;
    const endsAt = silences >= 2 ? height : undefined;
    this.#peers.set(question.peer, { worth, endsAt, silences, silentAt: height });
  }

  /** Y4: who gave most for its time is asked again; whoever was not asked yet comes first. */
  #askNext(nowMs: number): void {
    if (this.#question !== undefined || this.#isDone) return;
    let best: { readonly peer: number; readonly worth: number } | undefined;
    for (const [peer, { worth, endsAt }] of this.#peers) {
      if (endsAt === this.#tip.height) continue;
      if (best === undefined || worth > best.worth) best = { peer, worth };
    }
    if (best !== undefined) {
      this.#question = { peer: best.peer, askedMs: nowMs, untilMs: nowMs + syncAnswerMs };
      this.#effects.push({ type: "ask", peer: best.peer, from: this.#tip.height + 1n });
    } else if (this.#peers.size + this.#banned.size > 0) this.#end();
  }

  /** Somebody says that there is no more; or nobody says anything that is true. */
  #end(): void {
    const { height } = this.#tip;
    this.#isDone = true;
    const peers = this.#peers.values().toArray();
    if (peers.some(({ silences }) => silences === 0)) {
      this.#effects.push({ type: "done", height });
      return;
    }
    const message = `Y4: ${this.#banned.size} peers answered wrongly, ${peers.length} not at all, above height ${height}`;
    this.#effects.push({ type: "failed", height, error: { code: "E_CONSENSUS_SYNC", message } });
  }

  /** Y1, Y2. Nothing changes unless all of it fits. */
  #take({ blocks, commit, end }: SyncChunk): Result<true, ConsensusError | SetError> {
    const linked = linkedTip(this.#provider, this.#tip, blocks, this.#without);
    if (!linked.ok) return linked;
    const { value: tip } = linked;
    if (end !== undefined && commit === undefined) return this.#endEpoch(tip, blocks, end);
    if (commit === undefined || end !== undefined) {
      return refuse("E_CONSENSUS_CERTIFICATE", "Y2: one certificate for the last block");
    }
    const isOver = blocks.some(({ header }) => header.ends !== undefined);
    if (isOver && !this.#without.has("Y2-ends")) {
      return refuse("E_CONSENSUS_BLOCK", "Y2: the epoch ends within");
    }
    const isLast = equalBytes(blockHash(this.#provider, commit.block), tip.digest);
    if (!isLast && !this.#without.has("Y2-last")) {
      return refuse("E_CONSENSUS_CERTIFICATE", "Y2: the certificate commits another block");
    }
    const verified = this.#client.verify(commit);
    if (!verified.ok) return verified;
    this.#tip = tip;
    this.#effects.push({ type: "blocks", blocks, commit });
    return ok(true);
  }

  #endEpoch(
    tip: Anchor,
    blocks: readonly ConsensusBlock[],
    end: NonNullable<SyncChunk["end"]>,
  ): Result<true, ConsensusError | SetError> {
    const isLast = blocks.every(
      ({ header }, index) => (header.ends !== undefined) === (index === blocks.length - 1),
    );
    if (!isLast || !equalBytes(blockHash(this.#provider, end.cert.boundary), tip.digest)) {
      return refuse("E_CONSENSUS_CERTIFICATE", "Y2: the epoch ends elsewhere");
    }
    const entered = this.#client.advance(end.cert, end.next);
    if (!entered.ok) return entered;
    this.#tip = tip;
    this.#effects.push({ type: "blocks", blocks, commit: end.cert.commit });
    this.#effects.push({ type: "epoch", number: entered.value.number, end });
    return ok(true);
  }
}

/** Y1: each block names the one before, and carries the certificate that it names. */
const linkedTip = (
  hashing: Hashing,
  from: Anchor,
  blocks: readonly ConsensusBlock[],
  without: Without,
): Result<Anchor, ConsensusError> => {
  let tip = from;
  for (const { header, justify } of blocks) {
    const follows = equalBytes(header.parent, tip.digest) && header.height === tip.height + 1n;
    if (!follows && !without.has("Y1-parent")) {
      return refuse("E_CONSENSUS_BLOCK", "Y1: a block does not follow the one before");
    }
    const isNamed = equalBytes(quorumCertHash(hashing, justify), header.justify.hash);
    if (!isNamed && !without.has("Y1-justify")) {
      return refuse("E_CONSENSUS_BLOCK", "Y1: a block carries another certificate than it names");
    }
    const digest = blockHash(hashing, header);
    tip = { view: header.view, digest, height: header.height, timeMs: header.timeMs };
  }
  return ok(tip);
};

/** What a node that answers has. */
export interface SyncSource {
  /** Of the chain that it committed, and above it what its newest commit certificate rests on. */
  block(height: bigint): ConsensusBlock | undefined;
  /** The newest commit. */
  readonly newest: CommitCert | undefined;
  /** Where the block of that height ends an epoch. */
  endAt(height: bigint): EndedEpoch | undefined;
}

/** A certificate for a block, out of the two above it: they carry its own and its child's. */
const commitOf = (source: SyncSource, height: bigint): CommitCert | undefined => {
  if (source.newest?.block.height === height) return source.newest;
  const [block, child, above] = [0n, 1n, 2n].map((up) => source.block(height + up));
  if (block === undefined || child === undefined || above === undefined) return undefined;
  if (child.header.view !== block.header.view + 1n) return undefined;
  const { epoch } = block.header;
  if (child.header.epoch.number !== epoch.number || above.header.epoch.number !== epoch.number) {
    return undefined;
  }
  return {
    block: block.header,
    child: child.header,
    blockQc: child.justify,
    childQc: above.justify,
  };
};

const nothing: SyncChunk = { blocks: [] };

/** The answer to a question: as many blocks as fit, down to one that is committed directly. */
export const syncChunkFrom = (source: SyncSource, from: bigint): SyncChunk => {
  const blocks: ConsensusBlock[] = [];
  const last = source.newest?.block.height ?? 0n;
  let bytes = 0;
  for (let height = from; height <= last && blocks.length < syncBlocksMax; height++) {
    const block = source.block(height);
    if (block === undefined) break;
    bytes += schema.encode(consensusBlock, block).length;
    if (bytes > syncBytesMax && blocks.length > 0) break;
    blocks.push(block);
    const end = source.endAt(height);
    if (end !== undefined) return { blocks, end: { cert: end.cert, next: end.next } };
  }
  while (blocks.length > 0) {
    const commit = commitOf(source, from + BigInt(blocks.length) - 1n);
    if (commit !== undefined) return { blocks, commit };
    blocks.pop();
  }
  return nothing;
};
