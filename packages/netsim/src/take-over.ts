/**
 * How a simulated host comes to a state whose batches are long gone: it takes over the parts of one whose
 * root a committed header names, with the machine of production. What it has survives a crash.
 *
 * Invariant: nothing of it is in use before all of it is there.
 */
import { toHex } from "@ioi/base";
import {
  Snapshot,
  type SnapshotEffect,
  type SnapshotInput,
  type SnapshotTarget,
  syncAnswerMs,
} from "@ioi/consensus";
import type { TestProvider } from "@ioi/consensus/testing";
import { pageBytes, pagesOfState } from "./ledger.ts";
import { snapshotBlocks, syncRetryMs } from "./limits.ts";
import type { SimNode } from "./node.ts";
import { manifestOf, stateOf, statePartsOf } from "./state-parts.ts";

export interface TakeOverPort {
  note(index: number, line: string): void;
  nowMs(): number;
  later(inMs: number, run: () => void): void;
  others(index: number): readonly number[];
  ask(from: number, to: number, height: bigint, part: number | undefined): void;
  answer(from: number, to: number, part: Part): void;
  /** What is committed above its state, as far as batches are here; it asks for the rest. */
  execute(index: number): void;
}

/** Of the state after a height: one part, or the manifest; no bytes: it is not here. */
export interface Part {
  readonly height: bigint;
  readonly part: number | undefined;
  readonly bytes: Uint8Array | undefined;
}

/** What is on the disk of a state that is not whole yet. */
export interface Staged extends SnapshotTarget {
  manifest: Uint8Array | undefined;
  readonly parts: Map<number, Uint8Array>;
}

/** The newest state that others still have and whose root a committed block names. */
const targetOf = ({ committed, ledger }: SimNode): SnapshotTarget | undefined => {
  for (const { header } of committed.toReversed()) {
    const { stateHeight, stateRoot } = header;
    if (stateHeight <= ledger.height) return undefined;
    if (stateHeight % BigInt(snapshotBlocks) === 0n)
      return { height: stateHeight, root: stateRoot };
  }
  return undefined;
};

export class TakeOver {
  readonly #provider: TestProvider;
  readonly #node: (index: number) => SimNode;
  readonly #port: TakeOverPort;

  constructor(provider: TestProvider, node: (index: number) => SimNode, port: TakeOverPort) {
    this.#provider = provider;
    this.#node = node;
    this.#port = port;
  }

  /**
   * Where the state is far behind what was committed. Nearer it is brought on here: where only empty blocks
   * follow, as at the end of an epoch, no batch comes that would remind the host of those it misses.
   */
  begin(index: number): void {
    const node = this.#node(index);
    if (!node.isUp || node.snapshot !== undefined) return;
    this.#port.execute(index);
    if (node.height - node.ledger.height <= 2 * snapshotBlocks) return;
    const target = node.staged ?? targetOf(node);
    if (target === undefined) return;
    const { height, root } = target;
    node.staged ??= { height, root, manifest: undefined, parts: new Map() };
    const { manifest, parts } = node.staged;
    const kept = manifest === undefined ? undefined : { manifest, parts: new Set(parts.keys()) };
    const here = `${parts.size} parts of it are here`;
    this.#port.note(index, `takes over the state at height ${height}, ${here}`);
    node.snapshot = new Snapshot(statePartsOf(this.#provider), { height, root }, kept);
    for (const peer of this.#port.others(index)) this.#give(index, { type: "peer", peer });
  }

  asked(index: number, by: number, height: bigint, part: number | undefined): void {
    const state = this.#node(index).ledger.kept.find((each) => each.height === height);
    const isPart = part === undefined || (part >= 0 && part < pagesOfState);
    const bytes =
      state === undefined || !isPart
        ? undefined
        : part === undefined
          ? manifestOf(this.#provider, state)
          : pageBytes(state.accounts, part);
    this.#port.answer(index, by, { height, part, bytes });
  }

  answered(index: number, from: number, { height, part, bytes }: Part): void {
    if (this.#node(index).staged?.height !== height) return;
    this.#give(index, { type: "answer", peer: from, part, bytes });
  }

  #give(index: number, input: SnapshotInput): void {
    const node = this.#node(index);
    const { snapshot } = node;
    for (const effect of snapshot?.handle(input, this.#port.nowMs()) ?? []) {
      if (node.snapshot === snapshot) this.#perform(index, node, effect);
    }
  }

  #perform(index: number, node: SimNode, effect: SnapshotEffect): void {
    const { snapshot, staged } = node;
    if (snapshot === undefined || staged === undefined) return;
    switch (effect.type) {
      case "ask": {
        const untilMs = snapshot.deadline();
        this.#port.ask(index, effect.peer, staged.height, effect.part);
        this.#port.later(syncAnswerMs, () => {
          const isOpen = node.snapshot === snapshot && snapshot.deadline() === untilMs;
          if (isOpen) this.#give(index, { type: "tick" });
        });
        return;
      }
      case "manifest":
        staged.manifest = effect.bytes;
        return;
      case "part":
        staged.parts.set(effect.index, effect.bytes);
        return;
      case "banned":
        this.#port.note(index, `asks ${effect.peer} for no more parts: ${effect.error.message}`);
        return;
      case "done":
        this.#use(index, node, staged);
        return;
      case "failed":
        node.snapshot = undefined;
        node.staged = undefined;
        node.failures += 1;
        this.#port.note(index, `stops taking over: ${effect.error.message}`);
        this.#port.later(syncRetryMs, () => this.begin(index));
    }
  }

  #use(index: number, node: SimNode, { height, root, manifest, parts }: Staged): void {
    node.snapshot = undefined;
    node.staged = undefined;
    // Its batches may have come meanwhile.
    if (manifest !== undefined && height > BigInt(node.ledger.height)) {
      const all = [...parts].toSorted(([a], [b]) => a - b).map(([, bytes]) => bytes);
      node.ledger.take(stateOf(this.#provider, height, root, manifest, all));
      this.#port.note(index, `has the state ${toHex(root.subarray(0, 4))} at height ${height}`);
    }
    this.#port.execute(index);
  }
}
