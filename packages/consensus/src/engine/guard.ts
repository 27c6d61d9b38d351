/**
 * Grade S: who voted against a commit? Rules GS1 to GS5 of specs/consensus, both sides of them.
 *
 * What it is worth is argued, and checked in a model of three validators, one of them broken, over four and
 * five views (`@ioi/modelcheck`): a block that is called guarded has no rival if every honest host was
 * reached and answered within two delays. A host that is down or behind meanwhile counts among the broken.
 *
 * Invariants: an OK leaves only after the block was committed here, and so after a certificate of its child was
 * persisted; an objection never makes S; who lost track of its own votes says no OK any more.
 * Bounds: one question of its own at a time; one of each peer; `guardVotesMax` own votes,
 * `guardBlocksMax` committed blocks, `guardAnswerVotesMax` votes an answer.
 */
import { equalBytes, Lru, ok } from "@ioi/base";
import {
  type BlockHeader,
  type CommitCert,
  type Envelope,
  type GuardAnswer,
  type GuardAnswerBody,
} from "@ioi/wire";
import { type Judge, refuse } from "../certificates.ts";
import { guardAnswerVotesMax, guardBlocksMax, guardVotesMax } from "../limits.ts";
import { blockHash, guardAnswerBytes, keyOf } from "../objects.ts";
import type { Outcome } from "./knowledge.ts";
import type { BlockTree, Committed } from "./tree.ts";
import type { EngineEffect, EngineOptions, EngineStart, HostRule } from "./types.ts";

export interface GuardPort {
  readonly tree: BlockTree;
  readonly emit: (effect: EngineEffect) => void;
  /** Of a verified envelope. */
  readonly observe: (envelope: Envelope, voter: number) => void;
}

/** What is asked. */
interface Asked {
  readonly commit: CommitCert;
  readonly digest: Uint8Array;
  readonly dueMs: number;
  readonly oks: Set<number>;
}

/** Of a vote for what is not committed. */
interface Cast {
  readonly envelope: Envelope;
  /** Of what it extends, once that is committed. */
  readonly parentHeight: bigint | undefined;
}

interface Known {
  readonly height: bigint;
  /** Its own for the block. */
  readonly vote: Envelope | undefined;
}

export class Guards {
  readonly #options: EngineOptions;
  readonly #judge: Judge;
  readonly #port: GuardPort;
  readonly #heightOf: (digest: Uint8Array) => bigint | undefined;
  /** Its own votes for what is not committed, oldest first. */
  readonly #votes = new Map<string, Cast>();
  /** Newest committed blocks. */
  readonly #committed = new Map<string, Known>();
  /** Of a peer, whose block is not committed here yet. */
  readonly #waiting = new Map<number, CommitCert>();
  /** An OK stays true. */
  readonly #oks = new Lru<string, GuardAnswer>(guardVotesMax);
  #hasForgotten = false;
  #newest: CommitCert | undefined;
  /** The height for which S is wanted. */
  #wanted: bigint | undefined;
  #asked: Asked | undefined;

  constructor(options: EngineOptions, start: EngineStart, port: GuardPort) {
    this.#options = options;
    this.#judge = options.judge;
    this.#port = port;
    this.#heightOf = start.heightOf ?? (() => undefined);
  }

  get dueMs(): number | undefined {
    return this.#asked?.dueMs;
  }

  #has(rule: HostRule): boolean {
    return this.#options.without?.has(rule) !== true;
  }

  /** Its own Guardian's. */
  voted(envelope: Envelope): void {
    const key = keyOf(envelope.digest);
    if (this.#height(envelope.digest) !== undefined) return;
    this.#votes.set(key, { envelope, parentHeight: this.#parentHeight(envelope) });
    const [oldest] = this.#votes.keys();
    if (this.#votes.size <= guardVotesMax || oldest === undefined) return;
    this.#votes.delete(oldest);
    this.#hasForgotten = true;
  }

  committed({ blocks, cert }: Committed): void {
    for (const { header } of blocks) {
      const key = keyOf(blockHash(this.#judge.provider, header));
      this.#committed.set(key, { height: header.height, vote: this.#votes.get(key)?.envelope });
      this.#votes.delete(key);
    }
    // Now, since committed blocks are forgotten before what was voted for beside them.
    for (const [key, { envelope, parentHeight }] of this.#votes) {
      const height = parentHeight ?? this.#parentHeight(envelope);
      if (height !== parentHeight) this.#votes.set(key, { envelope, parentHeight: height });
    }
    const excess = this.#committed.size - guardBlocksMax;
    for (const key of this.#committed.keys().take(Math.max(0, excess))) this.#committed.delete(key);
    this.#newest = cert;
    if (this.#options.guards === "always") this.want(cert.block.height);
    for (const [asker, commit] of this.#waiting) this.#answer(asker, commit);
  }

  /** GS1: S is wanted for the committed block at a height, or for the first one above it that is asked about. */
  want(height: bigint): void {
    this.#wanted = this.#wanted === undefined || height > this.#wanted ? height : this.#wanted;
  }

  /** GS1, GS5: what is due. */
  tick(nowMs: number): void {
    const asked = this.#asked;
    if (asked !== undefined && (nowMs >= asked.dueMs || !this.#has("GS5-wait"))) {
      const { set } = this.#judge;
      const isEnough = set.power(asked.oks) >= set.quorum;
      if (isEnough || nowMs >= asked.dueMs) this.#end(asked, isEnough ? "guarded" : "unanswered");
    }
    const commit = this.#newest;
    const isReady =
      commit !== undefined && commit.block.height >= (this.#wanted ?? commit.block.height + 1n);
    if (isReady && this.#asked === undefined) this.#ask(commit, nowMs);
  }

  #ask(commit: CommitCert, nowMs: number): void {
    const digest = blockHash(this.#judge.provider, commit.block);
    const { set } = this.#judge;
    const { me, deltaMs } = this.#options;
    this.#asked = { commit, digest, dueMs: nowMs + 2 * deltaMs, oks: new Set([me]) };
    this.#wanted = undefined;
    const own = this.#against(commit.block, digest);
    if (own.length > 0) this.#end(this.#asked, "conflict", own);
    else if (set.size === 1) this.#end(this.#asked, "guarded");
    else this.#port.emit({ type: "broadcast", message: { type: "guard", commit } });
  }

  #end(
    { commit, digest, oks }: Asked,
    verdict: "guarded" | "conflict" | "unanswered",
    against: readonly Envelope[] = [],
  ): void {
    this.#asked = undefined;
    const { height } = commit.block;
    const power = this.#judge.set.power(oks);
    this.#port.emit({ type: "guarded", height, digest, verdict, power, against });
  }

  /** GS2, GS3: of a commit that is real, after its certificates were learned. */
  heard(asker: number, commit: CommitCert): void {
    if (asker < this.#judge.set.size) this.#answer(asker, commit);
  }

  #answer(asker: number, commit: CommitCert): void {
    const { speak } = this.#options;
    if (speak === undefined) return;
    const digest = blockHash(this.#judge.provider, commit.block);
    const votes = this.#has("GS2-votes") ? this.#against(commit.block, digest) : [];
    const isHere = this.#height(digest) !== undefined;
    if (isHere) this.#waiting.delete(asker);
    else this.#waiting.set(asker, commit);
    if (votes.length === 0 && (!isHere || this.#hasForgotten)) return;
    const known = votes.length === 0 ? this.#oks.get(keyOf(digest)) : undefined;
    const answer = known ?? this.#sign(speak, digest, votes);
    if (votes.length === 0) this.#oks.set(keyOf(digest), answer);
    this.#port.emit({ type: "send", to: asker, message: { type: "guarded", answer } });
  }

  #sign(
    speak: (bytes: Uint8Array) => Uint8Array,
    block: Uint8Array,
    votes: readonly Envelope[],
  ): GuardAnswer {
    const { chain, epoch, validators } = this.#judge.context;
    const voter = this.#options.me;
    const body: GuardAnswerBody = { version: 1, chain, epoch, validators, block, voter, votes };
    return { ...body, signature: speak(guardAnswerBytes(body)) };
  }

  /** GS4, GS5: another host's. */
  answered(answer: GuardAnswer): Outcome {
    const asked = this.#asked;
    if (asked === undefined || !equalBytes(asked.digest, answer.block)) {
      return refuse("E_CONSENSUS_STALE", "GS5: that is not asked, or not any more");
    }
    const verdict = this.#judge.guardAnswer(answer);
    if (!verdict.ok) return verdict;
    const { voter, votes } = answer;
    for (const envelope of votes) this.#port.observe(envelope, voter);
    const { commit, digest } = asked;
    const against = votes.filter((envelope) => {
      const cast = { envelope, parentHeight: this.#parentHeight(envelope) };
      return this.#isAgainst(cast, commit.block, digest, true);
    });
    if (against.length > 0) this.#end(asked, "conflict", against);
    else if (votes.length === 0) asked.oks.add(voter);
    return ok(true);
  }

  #height(digest: Uint8Array): bigint | undefined {
    return this.#committed.get(keyOf(digest))?.height ?? this.#heightOf(digest);
  }

  /** Its own votes, newest first. */
  #against(block: BlockHeader, digest: Uint8Array): readonly Envelope[] {
    const isHere = this.#height(digest) !== undefined;
    const found = [...this.#votes.values()]
      .filter((cast) => this.#isAgainst(cast, block, digest, isHere))
      .map(({ envelope }) => envelope);
    // Another block was committed here at its height: what led to that is against it.
    if (!isHere && block.height <= this.#port.tree.root.height) {
      for (const { height, vote } of this.#committed.values()) {
        if (vote !== undefined && height >= block.height) found.push(vote);
      }
    }
    return found.slice(-guardAnswerVotesMax).toReversed();
  }

  /** `isHere`: the block is committed here, so that whatever else is committed here is on its branch. */
  #isAgainst(
    { envelope, parentHeight }: Cast,
    block: BlockHeader,
    digest: Uint8Array,
    isHere: boolean,
  ): boolean {
    if (equalBytes(envelope.digest, digest)) return false;
    if (!isHere) return envelope.view >= block.view || this.#completes(envelope);
    // What is held extends what is committed.
    const isHeld = this.#port.tree.get(envelope.digest) !== undefined;
    if (isHeld || this.#height(envelope.digest) !== undefined) return false;
    return envelope.view >= block.view
      ? parentHeight === undefined || parentHeight < block.height
      : parentHeight === undefined && this.#completes(envelope);
  }

  /** It may be one of those that committed what it extends. */
  #completes({ view, justView }: Envelope): boolean {
    return justView === view - 1n && this.#has("GS2-older");
  }

  /** Undefined where that is not committed, or the envelope does not say what it is. */
  #parentHeight({ high, justView }: Envelope): bigint | undefined {
    return high.view === justView ? this.#height(high.digest) : undefined;
  }
}
