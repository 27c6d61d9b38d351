/**
 * Batches of a simulated network: proposed beside their block, held before a vote, asked for where they
 * are missing, executed once committed. Invariant: a vote means that the batch is held, that it is valid,
 * and that the state which the header names is this host's own.
 */
import { assert, equalBytes, toHex } from "@ioi/base";
import { blockHash, type EngineEffect, type EngineInput, zeroHash } from "@ioi/consensus";
import type { Hashing } from "@ioi/crypto";
import type { ConsensusBlock } from "@ioi/wire";
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
  readonly #port: PayloadPort;

  constructor(hashing: Hashing, port: PayloadPort) {
    this.#hashing = hashing;
    this.#port = port;
  }

  /** `isEndless`: where nothing waits, something is made up. */
  build(
    index: number,
    node: SimNode,
    effect: Extract<EngineEffect, { type: "build" }>,
    isEndless: boolean,
  ): void {
    const { view, parent, stateHeight, isOver } = effect;
    const stateRoot = node.ledger.rootAt(stateHeight);
    // Without the state nothing can be proposed; the view ends by its time-out.
    if (stateRoot === undefined) return;
    const madeUp = 0x8000_0000 + (Number(view) % 0x40_0000) * 256 + index;
    const bytes =
      node.ledger.batch() ??
      (isEndless
        ? encodeBatch([{ number: madeUp, from: index, to: index + 1, amount: 1 }])
        : undefined);
    let payloadRoot = zeroHash;
    if (bytes !== undefined && !isOver) {
      payloadRoot = node.ledger.hold(bytes);
      this.#port.share(index, bytes);
    }
    this.#port.answer(index, { type: "built", view, parent, payloadRoot, stateRoot });
  }

  judge(index: number, node: SimNode, block: ConsensusBlock): void {
    node.judging.set(toHex(blockHash(this.#hashing, block.header)), block);
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
        this.#want(index, node, payloadRoot);
        break;
      }
      ledger.commit(block, digest);
      this.#port.executed(index);
    }
    this.#judgeAll(index, node);
  }

  /** Once in a while for each batch: an answer to one question must not raise the next for all others. */
  #want(index: number, node: SimNode, payloadRoot: Uint8Array): void {
    const key = toHex(payloadRoot);
    if (node.asked.has(key)) return;
    node.asked.add(key);
    this.#port.want(index, payloadRoot);
    this.#port.later(wantAgainMs, () => {
      node.asked.delete(key);
      const isMissing = node.engine !== undefined && node.ledger.holds(payloadRoot) === undefined;
      if (isMissing) this.committed(index, node);
    });
  }

  #judgeAll(index: number, node: SimNode): void {
    const { ledger, judging } = node;
    for (const [key, { header }] of judging) {
      const { payloadRoot, stateHeight, stateRoot } = header;
      const bytes = isEmpty(payloadRoot) ? undefined : ledger.holds(payloadRoot);
      if (bytes === undefined && !isEmpty(payloadRoot)) {
        this.#want(index, node, payloadRoot);
        continue;
      }
      if (stateHeight > BigInt(ledger.height)) continue;
      const block = judging.get(key);
      const known = ledger.rootAt(stateHeight);
      assert(block !== undefined && known !== undefined, "executed");
      judging.delete(key);
      const isValid = bytes === undefined || decodeBatch(bytes) !== undefined;
      const isHeld = isValid && equalBytes(known, stateRoot);
      if (isHeld) ledger.runAhead(block, key);
      this.#port.answer(index, {
        type: "judged",
        digest: blockHash(this.#hashing, header),
        isHeld,
      });
    }
  }
}
