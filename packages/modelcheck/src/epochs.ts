/**
 * Ends of epochs and new sessions as a model: sections 1 (G5), 2 (V8) and 4 of specs/consensus. Two epochs
 * of the same nodes; every host is malicious. In the first epoch a block may end it; the second one may
 * begin above any block that is taken for its end. A node that lost its Guardian's state registers a new
 * session, whose Guardian knows nothing, while the old one may still be there and sign.
 *
 * Within an epoch `signing.ts` shows agreement. What is left is shown here: there is one end, every commit
 * of the first epoch is below it or void, and a Guardian takes no slot of the second epoch twice. So the
 * second epoch has one view, with two blocks, and its certificates must not conflict.
 *
 * A state is bytes: parents and ends of the first epoch's blocks; the ends that the second epoch's two
 * blocks stand on; of each node the slot, lock and votes of its first session, whether that was renewed,
 * whether it entered the second epoch, and its slot and votes there.
 */
import { assert } from "@ioi/base";
import type { Action, Model } from "./explore.ts";

export interface EpochOptions {
  readonly nodes: number;
  readonly quorum: number;
  /** Of the first epoch, one block each. */
  readonly views: number;
  /** `commit`: an epoch ends with a committed block (V8). `certificate`: a certified one would do. */
  readonly endsBy?: "commit" | "certificate";
  /** Guardians enter a later epoch only (G5); without it they enter the same one again, elsewhere. */
  readonly advances?: "once" | "again";
  /**
   * Nodes whose session may be registered anew. The new one counts in the next epoch only; in the same
   * epoch it would be a Guardian that was set back (T3).
   */
  readonly newSessions?: number;
  /** Blocks above the one that ended the epoch are void once it is committed (section 4). */
  readonly voidAbove?: boolean;
}

const none = 255;
/** Of a column. */
const [slotAt, lockAt, votesAt, renewedAt, enteredAt, laterSlotAt, laterVotesAt] = [
  0, 1, 2, 3, 4, 5, 6,
] as const;
const width = 7;
/** Of the second epoch. */
const laterBlocks = [1, 2] as const;

const types = [
  "propose",
  "end",
  "vote",
  "renew",
  "advance",
  "propose-later",
  "vote-later",
] as const;
const code = (type: (typeof types)[number], first: number, second = 0): Action =>
  (types.indexOf(type) << 16) | (first << 8) | second;

export class EpochModel implements Model {
  readonly #options: Required<EpochOptions>;
  readonly #endsAt: number;
  readonly #laterAt: number;
  readonly #nodesAt: number;

  constructor(options: EpochOptions) {
    this.#options = {
      endsBy: "commit",
      advances: "once",
      newSessions: 0,
      voidAbove: true,
      ...options,
    };
    assert(options.views <= 7 && options.nodes <= 5, "a small model");
    this.#endsAt = options.views + 1;
    this.#laterAt = this.#endsAt + options.views + 1;
    this.#nodesAt = this.#laterAt + laterBlocks.length;
  }

  initial(): Uint8Array {
    const { views, nodes } = this.#options;
    const state = new Uint8Array(this.#nodesAt + nodes * width);
    state.fill(none, 1, views + 1);
    state.fill(none, this.#laterAt, this.#nodesAt);
    return state;
  }

  #column(node: number): number {
    return this.#nodesAt + node * width;
  }

  // The first epoch: block v is that of view v, 0 is the anchor.

  #isCertified(state: Uint8Array, block: number): boolean {
    if (block === 0) return true;
    if (state[block] === none) return false;
    return this.#count(state, votesAt, block) >= this.#options.quorum;
  }

  /** Sessions that are registered anew vote at the same place as the old ones: a gid counts once. */
  #count(state: Uint8Array, at: number, block: number): number {
    let votes = 0;
    for (let node = 0; node < this.#options.nodes; node++) {
      if ((((state[this.#column(node) + at] as number) >> block) & 1) === 1) votes += 1;
    }
    return votes;
  }

  #isCommitted(state: Uint8Array, block: number): boolean {
    for (let at = 1; at < this.#options.views; at++) {
      const isPair =
        state[at + 1] === at && this.#isCertified(state, at) && this.#isCertified(state, at + 1);
      if (isPair && this.#extends(state, at, block)) return true;
    }
    return false;
  }

  #extends(state: Uint8Array, block: number, ancestor: number): boolean {
    let at = block;
    while (at > ancestor) at = state[at] as number;
    return at === ancestor;
  }

  #hasEnded(state: Uint8Array, block: number): boolean {
    for (let at = block; at > 0; at = state[at] as number) {
      if (state[this.#endsAt + at] === 1) return true;
    }
    return false;
  }

  #isEnd(state: Uint8Array, block: number): boolean {
    if (block === 0 || state[this.#endsAt + block] !== 1) return false;
    return this.#options.endsBy === "commit"
      ? this.#isCommitted(state, block)
      : this.#isCertified(state, block);
  }

  successors(state: Uint8Array, emit: (action: Action, next: Uint8Array) => void): void {
    const next = new Uint8Array(state.length);
    const show = (action: Action, change: () => void): void => {
      next.set(state);
      change();
      emit(action, next);
    };
    this.#firstEpoch(state, next, show);
    this.#laterBlocks(state, next, show);
    for (let node = 0; node < this.#options.nodes; node++)
      this.#laterVotes(state, next, node, show);
  }

  #firstEpoch(
    state: Uint8Array,
    next: Uint8Array,
    show: (action: Action, change: () => void) => void,
  ): void {
    const { views, nodes, newSessions } = this.#options;
    for (let block = 1; block <= views; block++) {
      if (state[block] !== none) continue;
      for (let parent = 0; parent < block; parent++) {
        if (!this.#isCertified(state, parent)) continue;
        show(code("propose", block, parent), () => {
          next[block] = parent;
        });
        // Above an end nothing ends the epoch again (V9).
        if (this.#hasEnded(state, parent)) continue;
        show(code("end", block, parent), () => {
          next[block] = parent;
          next[this.#endsAt + block] = 1;
        });
      }
    }
    for (let node = 0; node < nodes; node++) {
      const column = this.#column(node);
      for (let block = 1; block <= views; block++) {
        const parent = state[block] as number;
        const isOpen = parent !== none && (state[column + slotAt] as number) < block;
        // A Guardian that entered the later epoch signs for no earlier one, unless it is the old one.
        const isGone = state[column + enteredAt] === 1 && state[column + renewedAt] === 0;
        if (!isOpen || isGone || parent < (state[column + lockAt] as number)) continue;
        show(code("vote", node, block), () => {
          next[column + slotAt] = block;
          next[column + lockAt] = parent;
          next[column + votesAt] = (next[column + votesAt] as number) | (1 << block);
        });
      }
      if (node >= newSessions || state[column + renewedAt] === 1) continue;
      show(code("renew", node), () => {
        next[column + renewedAt] = 1;
      });
    }
  }

  // The second epoch.

  #base(state: Uint8Array, block: number): number {
    return state[this.#laterAt + block - 1] as number;
  }

  #laterBlocks(
    state: Uint8Array,
    next: Uint8Array,
    show: (action: Action, change: () => void) => void,
  ): void {
    for (const block of laterBlocks) {
      if (this.#base(state, block) !== none) continue;
      for (let base = 1; base <= this.#options.views; base++) {
        if (!this.#isEnd(state, base)) continue;
        show(code("propose-later", block, base), () => {
          next[this.#laterAt + block - 1] = base;
        });
      }
      return;
    }
  }

  #laterVotes(
    state: Uint8Array,
    next: Uint8Array,
    node: number,
    show: (action: Action, change: () => void) => void,
  ): void {
    const column = this.#column(node);
    const hasEntered = state[column + enteredAt] === 1;
    const isFresh = state[column + laterSlotAt] === 0;
    // The Guardian verifies no certificate (G5): its host may have it enter at any time.
    if (!hasEntered || (this.#options.advances === "again" && !isFresh)) {
      show(code("advance", node), () => {
        next[column + enteredAt] = 1;
        next[column + laterSlotAt] = 0;
      });
    }
    if (!hasEntered || !isFresh) return;
    for (const block of laterBlocks) {
      if (this.#base(state, block) === none) continue;
      show(code("vote-later", node, block), () => {
        next[column + laterSlotAt] = 1;
        next[column + laterVotesAt] = (next[column + laterVotesAt] as number) | (1 << block);
      });
    }
  }

  canonical(state: Uint8Array): void {
    // Nodes below `newSessions` may lose their sessions; the others are alike.
    const { nodes, newSessions } = this.#options;
    for (const [from, to] of [
      [0, newSessions],
      [newSessions, nodes],
    ] as const) {
      for (let i = from + 1; i < to; i++) {
        for (let j = i; j > from && this.#isBelow(state, j, j - 1); j--)
          this.#swap(state, j, j - 1);
      }
    }
  }

  #isBelow(state: Uint8Array, a: number, b: number): boolean {
    for (let at = 0; at < width; at++) {
      const order =
        (state[this.#column(a) + at] as number) - (state[this.#column(b) + at] as number);
      if (order !== 0) return order < 0;
    }
    return false;
  }

  #swap(state: Uint8Array, a: number, b: number): void {
    for (let at = 0; at < width; at++) {
      const held = state[this.#column(a) + at] as number;
      state[this.#column(a) + at] = state[this.#column(b) + at] as number;
      state[this.#column(b) + at] = held;
    }
  }

  /** Commits agree, whatever is taken for an end is the one end, and the second epoch has one block. */
  violation(state: Uint8Array): string | undefined {
    const committed = this.#firstCommits(state);
    for (const a of committed) {
      for (const b of committed) {
        if (a < b && !this.#extends(state, b, a)) return `blocks ${a} and ${b} are committed`;
      }
    }
    const certified = laterBlocks.filter(
      (block) =>
        this.#base(state, block) !== none &&
        this.#count(state, laterVotesAt, block) >= this.#options.quorum,
    );
    if (certified.length > 1) return "both blocks of the second epoch are certified";
    for (const block of certified) {
      const base = this.#base(state, block);
      for (const each of committed) {
        const isBelow = this.#extends(state, base, each);
        const isVoid = this.#options.voidAbove && this.#extends(state, each, base);
        if (!isBelow && !isVoid)
          return `${each} is committed, and the next epoch stands on ${base}`;
      }
    }
    return undefined;
  }

  #firstCommits(state: Uint8Array): readonly number[] {
    const found: number[] = [];
    for (let at = 1; at < this.#options.views; at++) {
      if (state[at + 1] !== at || !this.#isCertified(state, at)) continue;
      if (this.#isCertified(state, at + 1)) found.push(at);
    }
    return found;
  }

  describe(action: Action): string {
    return `${types[action >> 16] ?? ""} ${(action >> 8) & 255} ${action & 255}`;
  }
}
