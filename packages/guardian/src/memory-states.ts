/**
 * What memory files committed to, as a fold over the receipt log: outcomes of actions on memories,
 * signed by their driver.
 *
 * Invariant: a log that went back, or has another root at the same size, is told as long as it is known.
 * Bounds: `memoryStoresMax`, `memoryActionsMax`.
 */
import { equalBytes, fromHex } from "@ioi/base";
import type { Leaf } from "@ioi/wire";
import { memoryActionsMax, memoryStoresMax } from "./limits.ts";

export const isMemoryTarget = (target: string): boolean => target.startsWith("memory::");

export interface MemoryState {
  /** Hex. */
  readonly store: string;
  readonly commit: number;
  readonly size: number;
  readonly root: Uint8Array;
  /** Of the index, where the commit has one. */
  readonly indexRoot: Uint8Array | undefined;
  readonly atMs: number;
  /** It went back, or forked: the file is not what was committed to before. */
  readonly isBroken: boolean;
}

const countOf = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;

const rootOf = (text: string | undefined): Uint8Array | undefined => {
  const bytes = text === undefined ? undefined : fromHex(text);
  return bytes?.length === 32 ? bytes : undefined;
};

type LeafOf<T extends Leaf["type"]> = Extract<Leaf, { readonly type: T }>;

/** The newest state of each memory file that a driver signed for. */
export class MemoryStates {
  readonly #states: Map<string, MemoryState> = new Map();
  /** Actions on memories without an outcome, by counter. */
  readonly #permitted: Set<bigint> = new Set();

  permitted({ counter, target }: LeafOf<"intent">): void {
    if (!isMemoryTarget(target)) return;
    this.#permitted.add(counter);
    const [oldest] = this.#permitted;
    if (this.#permitted.size > memoryActionsMax && oldest !== undefined) {
      this.#permitted.delete(oldest);
    }
  }

  outcome({ counter, reportedBy, evidence, atMs }: LeafOf<"outcome">): void {
    if (!this.#permitted.delete(counter) || reportedBy !== "driver") return;
    const { store = "", log_size: said, log_root: hex, index_root: index } = evidence;
    const [size, root, commit] = [countOf(said), rootOf(hex), countOf(evidence["commit"])];
    if (!/^[0-9a-f]{32}$/.test(store)) return;
    if (size === undefined || root === undefined || commit === undefined) return;
    const before = this.#states.get(store);
    const isBroken =
      before !== undefined &&
      (before.isBroken ||
        size < before.size ||
        (size === before.size && !equalBytes(root, before.root)));
    this.#states.delete(store);
    this.#states.set(store, {
      store,
      commit,
      size,
      root,
      indexRoot: rootOf(index),
      atMs,
      isBroken,
    });
    const [oldest] = this.#states.keys();
    if (this.#states.size > memoryStoresMax && oldest !== undefined) this.#states.delete(oldest);
  }

  /** Of the file that was used last. */
  get newest(): MemoryState | undefined {
    return [...this.#states.values()].at(-1);
  }
}
