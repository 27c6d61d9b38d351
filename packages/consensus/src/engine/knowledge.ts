/**
 * What a host knows of its epoch: blocks, certificates, commits, and who broke the rule. It has no views
 * and no time; whatever it is told is verified before it counts.
 *
 * Invariants: a certificate is persisted when it becomes the highest, before anybody is asked to sign
 * anything that names it; a commit is emitted once, and again only where its strength rose; after the end
 * of the epoch none is.
 */
import { equalBytes, ok, type Rejection, type Result } from "@ioi/base";
import type { ConsensusBlock, DivergenceProof, Envelope, QuorumCert } from "@ioi/wire";
import { type ConsensusError, type Judge, refuse, type Signed } from "../certificates.ts";
import { type DivergenceError, divergenceId, sanctionOf } from "../divergence.ts";
import { type Strength, stronger } from "../grades.ts";
import { Evidence } from "../evidence.ts";
import { quorumCertHash } from "../objects.ts";
import { MissingBlocks } from "./missing.ts";
import { BlockTree } from "./tree.ts";
import type { EngineEffect, EngineInput, EngineOptions, EngineStart } from "./types.ts";

export type Outcome = Result<true, ConsensusError>;
export const fine: Outcome = { ok: true, value: true };

/** Where effects go, and what time it is. */
export interface Out {
  readonly nowMs: number;
  emit(effect: EngineEffect): void;
}

export class Knowledge {
  readonly tree: BlockTree;
  readonly missing: MissingBlocks;
  readonly #options: EngineOptions;
  readonly #judge: Judge;
  readonly #evidence: Evidence;
  readonly #out: Out;
  readonly #observed = new WeakSet<readonly Signed[]>();
  #certified: bigint;
  #conviction: Uint8Array | undefined;
  #isOver = false;
  #commits = 0;
  /** Of the newest commit. */
  #strength: Strength = { power: 0n, anchored: 0n };

  constructor(
    options: EngineOptions,
    leader: (view: bigint) => number,
    start: EngineStart,
    out: Out,
  ) {
    const { judge } = options;
    this.#options = options;
    this.#judge = judge;
    this.#out = out;
    this.tree = new BlockTree(judge, leader, start.root, start.rootQc);
    this.missing = new MissingBlocks(judge.provider);
    this.#evidence = new Evidence(judge, start.kept);
    this.#certified = start.root.view;
  }

  /** View of the highest certificate that was seen, its block held or not. */
  get certified(): bigint {
    return this.#certified;
  }

  /** The hash of the first proof of divergence that stops the fast mode. */
  get conviction(): Uint8Array | undefined {
    return this.#conviction;
  }

  /** A commit ended the epoch. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** How many commits there were: whoever watches time starts anew with each. */
  get commits(): number {
    return this.#commits;
  }

  /** Of a certificate that was verified. */
  learn(qc: QuorumCert, from: number): Outcome {
    this.observeAll(this.#judge.votesOf(qc));
    this.learned(qc, from);
    return fine;
  }

  /** Of a certificate that is real. */
  learned(qc: QuorumCert, from: number): void {
    if (qc.view > this.#certified) this.#certified = qc.view;
    const highBefore = this.tree.high.view;
    const isNews = this.tree.learn(qc);
    const isHeld = this.tree.above(qc.digest) !== undefined;
    if (this.tree.high.view > highBefore) {
      this.#out.emit({ type: "persist", record: { type: "qc", qc: this.tree.high } });
    }
    if (isNews && !isHeld) this.#want(qc.digest, from);
    if (isNews && isHeld) this.#commit(qc.digest);
  }

  /** A block whose parent is not held waits for it, and is E_CONSENSUS_UNKNOWN until then. */
  hold(block: ConsensusBlock, from: number): Outcome {
    const before = this.tree.high.view;
    const inserted = this.tree.insert(block);
    if (!inserted.ok) {
      if (inserted.error.code === "E_CONSENSUS_UNKNOWN") {
        this.missing.keep(block);
        this.#want(block.header.parent, from);
      } else this.missing.drop(block);
      return inserted;
    }
    const { digest } = inserted.value;
    this.#out.emit({ type: "persist", record: { type: "block", block } });
    if (this.tree.high.view > before) this.#certified = maxOf(this.#certified, this.tree.high.view);
    this.#commit(block.justify.digest);
    const cert = this.tree.orphanOf(digest);
    if (cert !== undefined) this.learned(cert, from);
    for (const child of this.missing.arrived(digest)) this.hold(child, from);
    return fine;
  }

  /** Whoever asks gets it, from here or from what the shell stored. */
  fetch(digest: Uint8Array, from: number): Outcome {
    const block = this.tree.get(digest)?.block;
    this.#out.emit(
      block === undefined
        ? { type: "lookup", to: from, digest }
        : { type: "send", to: from, message: { type: "block", block } },
    );
    return fine;
  }

  fetched(block: ConsensusBlock, from: number): Outcome {
    if (!this.missing.isWanted(block)) {
      return refuse("E_CONSENSUS_STALE", "nobody asked for the block");
    }
    // Whoever answers may have put another certificate beside the right header: it is still wanted.
    if (
      !equalBytes(quorumCertHash(this.#judge.provider, block.justify), block.header.justify.hash)
    ) {
      return refuse("E_CONSENSUS_BLOCK", "V9: it carries another certificate than it names");
    }
    const held = this.hold(block, from);
    return held.ok || held.error.code === "E_CONSENSUS_UNKNOWN" ? fine : held;
  }

  /** R8: of a verified envelope. */
  observe(envelope: Envelope, voter: number): void {
    const observed = this.#evidence.take(envelope, voter, this.#out.nowMs);
    switch (observed.type) {
      case "nothing":
        return;
      case "new":
        this.#out.emit({ type: "keep", envelope });
        return;
      case "old":
        this.#out.emit({ type: "recall", envelope });
        return;
      case "proof":
        this.#out.emit({ type: "keep", envelope });
        this.#convict(observed.proof);
    }
  }

  observeAll(signed: readonly Signed[]): void {
    // The same certificate comes with many messages.
    if (this.#observed.has(signed)) return;
    this.#observed.add(signed);
    for (const { voter, envelope } of signed) this.observe(envelope, voter);
  }

  recalled({ envelope, kept }: Extract<EngineInput, { type: "recalled" }>): void {
    const proof = this.#evidence.recalled(envelope, kept);
    if (proof !== undefined) this.#convict(proof);
  }

  admit(
    proof: DivergenceProof,
    nowMs: number,
  ): Result<true, DivergenceError | Rejection<"E_CONSENSUS_LIMIT">> {
    const verdict = this.#evidence.admit(proof, this.#options.sets, nowMs);
    if (!verdict.ok) return verdict;
    if (verdict.value !== undefined) this.#convict(verdict.value);
    return ok(true);
  }

  #convict(proof: DivergenceProof): void {
    const sanction = sanctionOf(proof, this.#judge, this.#options.without);
    this.#out.emit({ type: "divergence", proof, sanction });
    this.#out.emit({ type: "broadcast", message: { type: "divergence", proof } });
    if (sanction.type === "freeze") {
      this.#conviction ??= divergenceId(this.#judge.provider, proof);
    }
  }

  #want(digest: Uint8Array, from: number): void {
    if (!this.missing.want(digest)) return;
    const message = { type: "fetch", digest } as const;
    if (from === this.#options.me) this.#out.emit({ type: "broadcast", message });
    else this.#out.emit({ type: "send", to: from, message });
  }

  /** C1, for a block whose certificate is new or stronger. */
  #commit(digest: Uint8Array): void {
    // Blocks above the end of the epoch are void, whoever went on with them.
    const committed = this.#isOver ? undefined : this.tree.commit(digest);
    if (committed !== undefined) {
      this.#commits += 1;
      this.#strength = committed.strength;
      this.#isOver ||= committed.epochCert !== undefined;
      this.#out.emit({ type: "commit", ...committed });
      return;
    }
    const above = this.tree.childrenOf(digest).map((child) => child.digest);
    for (const child of [digest, ...above]) {
      const pair = this.tree.pairOf(child);
      if (pair === undefined || pair.cert.block.height > this.tree.root.height) continue;
      if (!equalBytes(pair.cert.child.parent, this.tree.root.digest)) continue;
      const better = stronger(pair.strength, this.#strength);
      if (better.power === this.#strength.power && better.anchored === this.#strength.anchored) {
        continue;
      }
      this.#strength = better;
      this.#out.emit({ type: "strengthened", ...pair });
    }
  }
}

const maxOf = (a: bigint, b: bigint): bigint => (a > b ? a : b);
