/**
 * Batches of a simulated network: proposed beside their block, held before a vote, asked for where they
 * are missing, executed once committed. Invariant: a vote means that the batch is held, that it is valid,
 * that the state which the header names is this host's own, and that the epoch ends where that state says.
 */
import { equalBytes, toHex } from "@ioi/base";
import { blockHash, type EngineEffect, type EngineInput, zeroHash } from "@ioi/consensus";
import type { Hashing } from "@ioi/crypto";
import type { BlockHeader, ConsensusBlock } from "@ioi/wire";
import { decodeBatch, encodeBatch } from "./ledger.ts";
import { wantAgainMs } from "./limits.ts";
import type { SimNode } from "./node.ts";

export interface PayloadPort {
  /** To all others. */
  share(from: number, bytes: Uint8Array): void;
  want(from: number, payloadRoot: Uint8Array): void;
  later(inMs: number, run: () => void): void;
  answer(index: number, input: EngineInput): void;
  /** The state moved on. */
  executed(index: number): void;
}

const isEmpty = (payloadRoot: Uint8Array): boolean => equalBytes(payloadRoot, zeroHash);

export class Payloads {
  readonly #hashing: Hashing;
  /** Of an epoch; undefined: it never ends. */
  readonly #epochBlocks: number | undefined;
  readonly #port: PayloadPort;

  constructor(hashing: Hashing, epochBlocks: number | undefined, port: PayloadPort) {
    this.#hashing = hashing;
    this.#epochBlocks = epochBlocks;
    this.#port = port;
  }

  /** `isEndless`: where nothing waits, something is made up. */
  build(
    index: number,
    node: SimNode,
    effect: Extract<EngineEffect, { type: "build" }>,
    isEndless: boolean,
  ): void {
    const { view, parent, height, stateHeight, isOver } = effect;
    const stateRoot = node.ledger.rootAt(stateHeight);
    // Without the state nothing can be proposed; the view ends by its time-out.
    if (stateRoot === undefined) return;
    const madeUp = 0x8000_0000 + (Number(view) % 0x40_0000) * 256 + index;
    const transfers = [{ number: madeUp, from: index % 255, to: (index % 255) + 1, amount: 1 }];
    const bytes =
      node.ledger.batch() ?? (isEndless ? encodeBatch({ changes: [], transfers }) : undefined);
    let payloadRoot = zeroHash;
    if (bytes !== undefined && !isOver) {
      payloadRoot = node.ledger.hold(bytes);
      this.#port.share(index, bytes);
    }
    const ends = isOver ? undefined : this.#ends(node, { view, height, stateHeight });
    this.#port.answer(index, {
      type: "built",
      view,
      parent,
      payloadRoot,
      stateRoot,
      ...(ends === undefined ? {} : { ends }),
    });
  }

  judge(index: number, node: SimNode, block: ConsensusBlock, isOver: boolean): void {
    node.judging.set(toHex(blockHash(this.#hashing, block.header)), { block, isOver });
    this.#judgeAll(index, node);
  }

  arrived(index: number, node: SimNode, bytes: Uint8Array): void {
    node.ledger.hold(bytes);
    this.committed(index, node);
  }

  /** Executes what was committed, in its order, as far as its batches are here. */
  committed(index: number, node: SimNode): void {
    const { ledger } = node;
    for (;;) {
      const block = node.committed[ledger.height];
      const digest = node.digests[ledger.height];
      if (block === undefined || digest === undefined) break;
      const { payloadRoot } = block.header;
      if (!isEmpty(payloadRoot) && ledger.holds(payloadRoot) === undefined) {
        if (node.snapshot === undefined) this.#want(index, node, payloadRoot);
        break;
      }
      ledger.commit(block, digest);
      this.#port.executed(index);
    }
    this.#judgeAll(index, node);
  }

  /** What a block has to say of the end of its epoch, by the state that it stands on. */
  #ends(
    { judge, ledger }: SimNode,
    { view, height, stateHeight }: Pick<BlockHeader, "view" | "height" | "stateHeight">,
  ): BlockHeader["ends"] {
    const registry = this.#epochBlocks === undefined ? undefined : ledger.registryAt(stateHeight);
    if (registry === undefined || this.#epochBlocks === undefined) return undefined;
    const last = judge.anchor.height + BigInt(this.#epochBlocks);
    const { set, leaseEnd, isUrgent } = registry.succession(judge.set, view);
    return height < last && !isUrgent ? undefined : { validators: set.hash, leaseEnd };
  }

  /** Once in a while for each batch: an answer to one question must not raise the next for all others. */
  #want(index: number, node: SimNode, payloadRoot: Uint8Array): void {
    const key = toHex(payloadRoot);
    if (node.asked.has(key)) return;
    node.asked.add(key);
    this.#port.want(index, payloadRoot);
    this.#port.later(wantAgainMs, () => {
      node.asked.delete(key);
      const isMissing = node.isUp && node.ledger.holds(payloadRoot) === undefined;
      if (isMissing) this.committed(index, node);
    });
  }

  #judgeAll(index: number, node: SimNode): void {
    const { ledger, judging } = node;
    for (const [key, { block, isOver }] of judging) {
      const { payloadRoot, stateHeight, stateRoot } = block.header;
      const bytes = isEmpty(payloadRoot) ? undefined : ledger.holds(payloadRoot);
      if (bytes === undefined && !isEmpty(payloadRoot)) {
        this.#want(index, node, payloadRoot);
        continue;
      }
      if (stateHeight > BigInt(ledger.height)) continue;
      judging.delete(key);
      const known = ledger.rootAt(stateHeight);
      const isValid = bytes === undefined || decodeBatch(bytes) !== undefined;
      const isState = known !== undefined && equalBytes(known, stateRoot);
      const isHeld = isValid && isState && this.#isEnd(node, block, isOver);
      if (isHeld) ledger.runAhead(block, key);
      this.#port.answer(index, {
        type: "judged",
        digest: blockHash(this.#hashing, block.header),
        isHeld,
      });
    }
  }

  /** It ends its epoch where its state says so, and nowhere else. */
  #isEnd(node: SimNode, { header }: ConsensusBlock, isOver: boolean): boolean {
    const said = header.ends;
    const due = isOver ? undefined : this.#ends(node, header);
    if (said === undefined || due === undefined) return said === due;
    return equalBytes(said.validators, due.validators) && said.leaseEnd === due.leaseEnd;
  }
}
