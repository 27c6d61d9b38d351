/**
 * Explores every state of a model, breadth first, so that the first violation found has the shortest
 * trace. The trick is TLC's: states are kept as fingerprints of 64 bits with the number of the state
 * before; a trace is found again by walking the model from its start.
 *
 * States that differ by names only are one state (`canonical`). Of n states the chance that two share a
 * fingerprint, so that one is left out, is about n^2 / 2^65: below 2 in a million at `statesMax`.
 */
import { assert } from "@ioi/base";
import { statesMax as defaultStatesMax } from "./limits.ts";

/** An action as a number; only its model can read it. */
export type Action = number;

export interface Model {
  initial(): Uint8Array;
  /** Calls `emit` for every step; the state that it shows is reused after the call. */
  successors(state: Uint8Array, emit: (action: Action, next: Uint8Array) => void): void;
  /** In place: the one state that stands for all that differ by names only. */
  canonical(state: Uint8Array): void;
  /** What the state must not show. */
  violation(state: Uint8Array): string | undefined;
  describe(action: Action): string;
}

export interface Step {
  readonly action: Action;
  readonly state: Uint8Array;
}

interface Counts {
  readonly states: number;
  readonly transitions: number;
  /** Steps to the farthest state, or to the violation. */
  readonly depth: number;
}

export type Exploration = Counts &
  (
    | { readonly type: "holds" }
    | { readonly type: "violated"; readonly message: string; readonly trace: readonly Step[] }
    /** More states than `statesMax`; nothing was found in those. */
    | { readonly type: "bounded" }
  );

/** Fingerprints by number, in an open-addressed table that doubles. */
class Seen {
  count = 0;
  #high = new Uint32Array(1 << 12);
  #low = new Uint32Array(1 << 12);
  #before = new Int32Array(1 << 12);
  #table = new Int32Array(1 << 13);

  /** False where it was there. */
  add(high: number, low: number, before: number): boolean {
    if (this.count === this.#high.length) this.#grow();
    const mask = this.#table.length - 1;
    let at = (high ^ low) & mask;
    for (let held = this.#table[at] as number; held !== 0; held = this.#table[at] as number) {
      if (this.#high[held - 1] === high && this.#low[held - 1] === low) return false;
      at = (at + 1) & mask;
    }
    this.#high[this.count] = high;
    this.#low[this.count] = low;
    this.#before[this.count] = before;
    this.count += 1;
    this.#table[at] = this.count;
    return true;
  }

  /** Numbers of the states that lead to this one, from the start on. */
  pathTo(number: number): readonly number[] {
    const path: number[] = [];
    for (let at = number; at >= 0; at = this.#before[at] as number) path.push(at);
    return path.toReversed();
  }

  is(number: number, high: number, low: number): boolean {
    return this.#high[number] === high && this.#low[number] === low;
  }

  #grow(): void {
    const size = this.#high.length * 2;
    const grown = <T extends Uint32Array | Int32Array>(from: T, to: T): T => {
      to.set(from);
      return to;
    };
    this.#high = grown(this.#high, new Uint32Array(size));
    this.#low = grown(this.#low, new Uint32Array(size));
    this.#before = grown(this.#before, new Int32Array(size));
    this.#table = new Int32Array(size * 2);
    const mask = size * 2 - 1;
    for (let number = 0; number < this.count; number++) {
      let at = ((this.#high[number] as number) ^ (this.#low[number] as number)) & mask;
      while (this.#table[at] !== 0) at = (at + 1) & mask;
      this.#table[at] = number + 1;
    }
  }
}

/** Two independent 32-bit hashes; written to `print`, since this is the innermost loop. */
const print = new Uint32Array(2);
const fingerprint = (state: Uint8Array): void => {
  let [a, b] = [0x811c9dc5, 0x9e3779b9];
  for (let i = 0; i < state.length; i++) {
    const byte = state[i] as number;
    a = Math.imul(a ^ byte, 0x01000193);
    b = Math.imul(b ^ byte, 0x85ebca6b);
    b ^= b >>> 13;
  }
  a = Math.imul(a ^ (a >>> 16), 0x7feb352d);
  b = Math.imul(b ^ (b >>> 16), 0xc2b2ae35);
  print[0] = a ^ (a >>> 15);
  print[1] = b ^ (b >>> 16);
};

export const explore = (model: Model, statesMax: number = defaultStatesMax): Exploration => {
  const seen = new Seen();
  const scratch = model.initial();
  model.canonical(scratch);
  fingerprint(scratch);
  seen.add(print[0] as number, print[1] as number, -1);
  let layer: { readonly states: readonly Uint8Array[]; readonly first: number } = {
    states: [scratch.slice()],
    first: 0,
  };
  let transitions = 0;
  let violated: string | undefined;
  for (let depth = 0; ; depth++) {
    const found: Uint8Array[] = [];
    const first = seen.count;
    for (const [offset, state] of layer.states.entries()) {
      model.successors(state, (_, next) => {
        if (violated !== undefined) return;
        transitions += 1;
        scratch.set(next);
        model.canonical(scratch);
        fingerprint(scratch);
        if (!seen.add(print[0] as number, print[1] as number, layer.first + offset)) return;
        violated = model.violation(scratch);
        found.push(scratch.slice());
      });
      if (violated !== undefined || seen.count > statesMax) break;
    }
    const counts = { states: seen.count, transitions };
    if (violated !== undefined) {
      const trace = traceOf(model, seen, seen.count - 1);
      return { type: "violated", ...counts, depth: depth + 1, message: violated, trace };
    }
    if (seen.count > statesMax) return { type: "bounded", ...counts, depth };
    if (found.length === 0) return { type: "holds", ...counts, depth };
    layer = { states: found, first };
  }
};

/** Walks again, with names as they are, along states whose canonical forms are those of the path. */
const traceOf = (model: Model, seen: Seen, last: number): readonly Step[] => {
  const trace: Step[] = [];
  let state = model.initial();
  for (const number of seen.pathTo(last).slice(1)) {
    let step: Step | undefined;
    model.successors(state, (action, next) => {
      if (step !== undefined) return;
      const copy = next.slice();
      const named = next.slice();
      model.canonical(copy);
      fingerprint(copy);
      if (seen.is(number, print[0] as number, print[1] as number)) step = { action, state: named };
    });
    assert(step !== undefined, "the path can be walked again");
    trace.push(step);
    state = step.state;
  }
  return trace;
};
