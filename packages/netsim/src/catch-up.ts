/**
 * How a simulated host takes over what others committed while it was down: the synchronisation of
 * production, with hosts of which any number lies. One at a time for a host; where nobody is left it stops
 * and begins anew after `syncRetryMs`.
 *
 * Invariant: what is taken over was committed, and the host's engine begins anew above it.
 */
import { assert, toHex } from "@ioi/base";
import {
  type EndedEpoch,
  type Strength,
  Sync,
  syncAnswerMs,
  syncChunkFrom,
  type SyncEffect,
  type SyncInput,
  zeroHash,
} from "@ioi/consensus";
import type { SyncChunk } from "@ioi/wire";
import { fetchesMax, nearBlocks, syncRetryMs } from "./limits.ts";
import type { SimNode } from "./node.ts";

export interface CatchUpPort {
  note(index: number, line: string): void;
  nowMs(): number;
  later(inMs: number, run: () => void): void;
  ask(from: number, to: number, height: bigint): void;
  answer(from: number, to: number, height: bigint, chunk: SyncChunk): void;
  /** Of all but itself, in some order. */
  others(index: number): readonly number[];
  enter(index: number, end: EndedEpoch, strength: Strength): void;
  /** Its engine stands below what was taken over: it stops. */
  overtaken(index: number): void;
  /** It goes on by itself, with an engine above what was taken over. */
  caughtUp(index: number): void;
}

/** A few blocks, or none, and no end of an epoch: the engine asks for the rest, and the chain is not chased. */
const isShort = ({ blocks }: SyncChunk): boolean =>
  blocks.length < nearBlocks && blocks.at(-1)?.header.ends === undefined;

export class CatchUp {
  readonly #node: (index: number) => SimNode;
  readonly #port: CatchUpPort;

  constructor(node: (index: number) => SimNode, port: CatchUpPort) {
    this.#node = node;
    this.#port = port;
  }

  begin(index: number): void {
    const node = this.#node(index);
    if (!node.isUp || node.sync !== undefined || node.ending !== undefined) return;
    const { chain, epoch } = node.judge.context;
    const { view, digest, height, timeMs } = node.root;
    const anchor = { view, digest, height, timeMs };
    node.sync = new Sync(node.judge.provider, { chain, epoch, set: node.judge.set, anchor });
    this.#port.note(index, `synchronises above ${height}`);
    // Whoever answered well before is asked first, and whoever did not last.
    const rank = (peer: number): number => node.ranks.get(peer) ?? 0;
    const peers = this.#port.others(index).toSorted((a, b) => rank(b) - rank(a));
    for (const peer of peers) this.#give(index, { type: "peer", peer });
  }

  /** Its engine asks for a block. Who misses more than a few synchronises. */
  misses(index: number): void {
    const node = this.#node(index);
    node.fetches += 1;
    if (node.fetches < fetchesMax) return;
    node.fetches = 0;
    this.#port.later(1, () => this.begin(index));
  }

  /** What this host has of it. */
  asked(index: number, by: number, height: bigint): void {
    this.#port.answer(index, by, height, syncChunkFrom(this.#node(index), height));
  }

  answered(index: number, from: number, height: bigint, chunk: SyncChunk): void {
    this.#give(index, { type: "answer", peer: from, from: height, chunk });
  }

  #give(index: number, input: SyncInput): void {
    const node = this.#node(index);
    const { sync } = node;
    if (sync === undefined) return;
    const effects = sync.handle(input, this.#port.nowMs());
    for (const effect of effects) if (node.sync === sync) this.#perform(index, node, effect);
    if (input.type !== "answer") return;
    const isGood = effects.some(({ type }) => type === "blocks");
    const isKnown = isGood || (node.ranks.get(input.peer) ?? 0) > 0;
    // Who has nothing this time is not the first the next time.
    if (isKnown) node.ranks.set(input.peer, isGood ? 1 : 0);
    if (node.sync !== sync || !isKnown || !isShort(input.chunk)) return;
    node.sync = undefined;
    this.#port.caughtUp(index);
  }

  #perform(index: number, node: SimNode, effect: SyncEffect): void {
    const { sync } = node;
    switch (effect.type) {
      case "ask": {
        this.#port.note(index, `asks ${effect.peer} for blocks from ${effect.from}`);
        this.#port.ask(index, effect.peer, effect.from);
        const untilMs = sync?.deadline();
        this.#port.later(syncAnswerMs, () => {
          if (node.sync !== sync || sync?.deadline() !== untilMs) return;
          node.ranks.set(effect.peer, -1);
          this.#give(index, { type: "tick" });
        });
        return;
      }
      case "blocks":
        this.#take(index, node, effect);
        return;
      case "epoch": {
        // Its own engine may have come here first.
        if (effect.number <= node.course.number) return;
        const strength = node.judge.commitCert(effect.end.cert.commit);
        assert(strength.ok, "synchronisation verified it");
        this.#port.enter(index, effect.end, strength.value);
        return;
      }
      case "banned":
        node.ranks.set(effect.peer, -1);
        this.#port.note(index, `asks ${effect.peer} no more: ${effect.error.message}`);
        return;
      case "done":
        node.sync = undefined;
        this.#port.caughtUp(index);
        return;
      case "failed":
        node.sync = undefined;
        node.failures += 1;
        this.#port.note(index, `stops synchronising: ${effect.error.message}`);
        this.#port.caughtUp(index);
        this.#port.later(syncRetryMs, () => {
          this.begin(index);
        });
    }
  }

  #take(
    index: number,
    node: SimNode,
    { blocks, commit }: Extract<SyncEffect, { type: "blocks" }>,
  ): void {
    const news = blocks.filter(({ header }) => header.height > BigInt(node.height));
    const last = blocks.at(-1)?.header;
    if (news.length === 0 || last === undefined) return;
    if (
      toHex(news[0]?.header.parent ?? zeroHash) !== (node.digests.at(-1) ?? toHex(node.root.digest))
    ) {
      // Its own engine committed another branch meanwhile: nothing of this one fits.
      node.sync = undefined;
      return;
    }
    const strength = node.judge.commitCert(commit);
    assert(strength.ok, "synchronisation verified it");
    this.#port.overtaken(index);
    for (const block of news) node.add(block, commit, strength.value);
    this.#port.note(index, `takes ${news.length} blocks up to ${last.height}`);
    node.newest = commit;
    // Above the end of an epoch stands its anchor, and nothing else.
    if (last.ends !== undefined) return;
    node.rootQc = commit.blockQc;
    node.root = {
      view: last.view,
      digest: commit.blockQc.digest,
      height: last.height,
      timeMs: last.timeMs,
      justView: last.justify.view,
      commitHeight: commit.child.stateHeight,
    };
  }
}
