/**
 * Guardians, certificates and commits as a model: G1 to G3, V3 to V6 and C1 of specs/consensus for a few
 * nodes of equal power, views and blocks. Every host is malicious: it proposes on anything certified,
 * asks for any signature in any order, shows or hides anything. Each guard can be taken away, in all or
 * in one node, and the shortest attack is found. The same rules stand in `signing.qnt`.
 *
 * A state is bytes: the parents of blocks; of each node its slot, its lock, what it spent, the lease that
 * it recovers under, what it voted for, and the lock that each of its timeouts shows; and of a GUARD (grade S) the
 * pair that it is for, who answered, and whether somebody voted against it.
 */
import { assert } from "@ioi/base";
import type { Action, Model } from "./explore.ts";
import { code, type NodeKind, readStep, type SigningOptions } from "./signing-steps.ts";

const none = 255;
const lost = 254;
/** Of a column. */
const [slotAt, lockAt, spentAt, leaseAt, votesAt] = [0, 1, 2, 3, 4];

const voteSlot = (view: number): number => 3 * view + 1;
const timeoutSlot = (view: number): number => 3 * view + 2;

export class SigningModel implements Model {
  readonly options: Required<SigningOptions>;
  readonly blockCount: number;
  readonly #width: number;
  readonly #reportsAt: number;
  readonly #guardAt: number;
  /** Numbers of nodes of one kind, where there are more of it. */
  readonly #alike: readonly (readonly number[])[];

  constructor(options: SigningOptions) {
    this.options = {
      blocks: 1,
      isOrdered: true,
      lock: true,
      countsLies: false,
      opening: "nothing",
      rival: "commit",
      strength: options.quorum,
      guard: "waits",
      ...options,
    };
    const { nodes, views, blocks } = this.options;
    this.blockCount = views * blocks;
    assert(this.blockCount <= 16 && nodes.length <= 8, "a small model");
    this.#reportsAt = votesAt + 2;
    this.#width = this.#reportsAt + views;
    this.#guardAt = this.blockCount + 1 + nodes.length * this.#width;
    const kinds = new Map<NodeKind, number[]>();
    for (const [index, kind] of nodes.entries()) {
      kinds.set(kind, [...(kinds.get(kind) ?? []), index]);
    }
    this.#alike = [...kinds.values()].filter(({ length }) => length > 1);
    this.#isGuarding = options.guard !== undefined;
  }

  readonly #isGuarding: boolean;

  viewOf(block: number): number {
    return Math.ceil(block / this.options.blocks);
  }

  initial(): Uint8Array {
    const { nodes, views } = this.options;
    const state = new Uint8Array(this.#guardAt + 3);
    state.fill(none, 1, this.blockCount + 1);
    for (const index of nodes.keys()) {
      const at = this.#column(index) + this.#reportsAt;
      state.fill(none, at, at + views);
    }
    return state;
  }

  slotOf(state: Uint8Array, node: number): number {
    return state[this.#column(node) + slotAt] as number;
  }

  /** The view of the lock. */
  lockOf(state: Uint8Array, node: number): number {
    return this.viewOf(state[this.#column(node) + lockAt] as number);
  }

  isMade(state: Uint8Array, block: number): boolean {
    return state[block] !== none;
  }

  hasVoted(state: Uint8Array, node: number, block: number): boolean {
    const at = this.#column(node) + votesAt + (block >> 3);
    return (((state[at] as number) >> (block & 7)) & 1) === 1;
  }

  hasTimedOut(state: Uint8Array, node: number, view: number): boolean {
    return state[this.#column(node) + this.#reportsAt + view - 1] !== none;
  }

  votesFor(state: Uint8Array, block: number): number {
    let votes = 0;
    for (let node = 0; node < this.options.nodes.length; node++) {
      if (this.hasVoted(state, node, block)) votes += 1;
    }
    return votes;
  }

  isCertified(state: Uint8Array, block: number, votes = this.options.quorum): boolean {
    return block === 0 || (this.isMade(state, block) && this.votesFor(state, block) >= votes);
  }

  extends(state: Uint8Array, block: number, ancestor: number): boolean {
    let at = block;
    while (this.viewOf(at) > this.viewOf(ancestor)) at = state[at] as number;
    return at === ancestor;
  }

  /** C1: blocks that are committed, with both certificates of so many votes. */
  committed(state: Uint8Array, votes = this.options.quorum): readonly number[] {
    const found: number[] = [];
    for (let child = 1; child <= this.blockCount; child++) {
      const block = state[child] as number;
      if (block === none || block === 0 || this.viewOf(child) !== this.viewOf(block) + 1) continue;
      if (this.isCertified(state, child, votes) && this.isCertified(state, block, votes)) {
        found.push(block);
      }
    }
    return found;
  }

  successors(state: Uint8Array, emit: (action: Action, next: Uint8Array) => void): void {
    const next = new Uint8Array(state.length);
    const show = (action: Action, change: () => void): void => {
      next.set(state);
      change();
      emit(action, next);
    };
    this.#proposals(state, next, show);
    for (let node = 0; node < this.options.nodes.length; node++) {
      this.#signatures(state, next, node, show);
      this.#lives(state, next, node, show);
    }
    if (this.#isGuarding) this.#guarding(state, next, show);
  }

  #proposals(
    state: Uint8Array,
    next: Uint8Array,
    show: (action: Action, change: () => void) => void,
  ): void {
    for (let block = 1; block <= this.blockCount; block++) {
      const view = this.viewOf(block);
      const isFirst = !this.options.isOrdered || view !== this.viewOf(block - 1);
      const isNext = isFirst || this.isMade(state, block - 1);
      if (this.isMade(state, block) || !isNext) continue;
      for (let parent = 0; parent < block && this.viewOf(parent) < view; parent++) {
        if (!this.isCertified(state, parent) || !this.#isOpen(state, view, parent)) continue;
        show(code("propose", block, parent), () => {
          next[block] = parent;
        });
      }
    }
  }

  #isOpen(state: Uint8Array, view: number, parent: number): boolean {
    const below = this.viewOf(parent);
    if (below === view - 1) return true;
    switch (this.options.opening) {
      case "nothing":
        return true;
      case "timeouts":
        return this.#timedOut(state, view - 1);
      case "reports":
        return this.#timedOut(state, view - 1, below);
      case "any-reports":
        for (let at = below; at < view; at++) {
          if (at > 0 && this.#timedOut(state, at, below)) return true;
        }
        return false;
      case "accumulator":
        return this.#timedOut(
          state,
          view - 1,
          this.options.nodes.includes("broken") ? none : below,
        );
    }
  }

  /** There is a TC of the view, from timeouts whose locks are at most `lock`. */
  #timedOut(state: Uint8Array, view: number, lock: number = none): boolean {
    let reports = 0;
    for (const [node, kind] of this.options.nodes.entries()) {
      const shown = state[this.#column(node) + this.#reportsAt + view - 1] as number;
      const fits = shown !== none && (kind === "lockless" || this.viewOf(shown) <= lock);
      if (kind === "broken" || fits) reports += 1;
    }
    return reports >= this.options.quorum;
  }

  #signatures(
    state: Uint8Array,
    next: Uint8Array,
    node: number,
    show: (action: Action, change: () => void) => void,
  ): void {
    const { nodes, lock, views, opening, countsLies } = this.options;
    const kind = nodes[node];
    const column = this.#column(node);
    const slot = state[column + slotAt] as number;
    const isFree = kind === "broken" || kind === "unbound";
    if (slot === lost) return;
    const vote = (block: number): void => {
      const at = column + votesAt + (block >> 3);
      next[at] = (next[at] as number) | (1 << (block & 7));
      if (!isFree) next[column + slotAt] = voteSlot(this.viewOf(block));
    };
    for (let block = 1; block <= this.blockCount; block++) {
      if (!this.isMade(state, block) || this.hasVoted(state, node, block)) continue;
      const parent = state[block] as number;
      if (!isFree && slot >= voteSlot(this.viewOf(block))) continue;
      if (kind === "liar" && (!lock || this.lockOf(state, node) === 0)) {
        // A justView of 0: it passes the lock only while that is at 0, and leaves it there.
        show(code("lie", node, block), () => {
          if (countsLies) vote(block);
          else next[column + slotAt] = voteSlot(this.viewOf(block));
        });
      }
      const isLocked = lock && !isFree && kind !== "lockless";
      if (isLocked && this.viewOf(parent) < this.lockOf(state, node)) continue;
      show(code("vote", node, block), () => {
        vote(block);
        const raises = this.viewOf(parent) > this.lockOf(state, node);
        if (raises && !isFree && kind !== "lockless") next[column + lockAt] = parent;
      });
    }
    // Where no rule reads timeouts, they only lower what a node may still do.
    if (kind === "broken" || opening === "nothing") return;
    for (let view = 1; view < views; view++) {
      if (slot >= timeoutSlot(view)) continue;
      show(code("timeout", node, view), () => {
        next[column + slotAt] = timeoutSlot(view);
        next[column + this.#reportsAt + view - 1] = state[column + lockAt] as number;
      });
    }
  }

  /** T3 and T12: lives that begin anew. */
  #lives(
    state: Uint8Array,
    next: Uint8Array,
    node: number,
    show: (action: Action, change: () => void) => void,
  ): void {
    const { nodes } = this.options;
    const column = this.#column(node);
    const slot = state[column + slotAt] as number;
    const isFresh = state[column + spentAt] === 0 && slot > 0 && slot !== lost;
    if (nodes[node] === "resettable" && isFresh) {
      show(code("reset", node), () => {
        next[column + slotAt] = 0;
        next[column + lockAt] = 0;
        next[column + spentAt] = 1;
      });
    }
    if (nodes[node] !== "recovering") return;
    if (isFresh) {
      show(code("crash", node), () => {
        next[column + spentAt] = 1;
        next[column + leaseAt] = Math.max(1, Math.floor(slot / 3));
        next[column + slotAt] = lost;
        next[column + lockAt] = 0;
      });
    }
    if (slot !== lost) return;
    const lease = state[column + leaseAt] as number;
    for (const lock of this.#answers(state, node, lease)) {
      show(code("recover", node, lock), () => {
        next[column + slotAt] = timeoutSlot(lease);
        next[column + lockAt] = lock;
      });
    }
  }

  /**
   * The best locks that a set of n - q + 1 peers tells of, each past the lease; a broken one says
   * nothing of any.
   */
  #answers(state: Uint8Array, node: number, lease: number): ReadonlySet<number> {
    const { nodes, quorum } = this.options;
    const needed = nodes.length - quorum + 1;
    let partial: readonly { readonly peers: number; readonly lock: number }[] = [
      { peers: 0, lock: 0 },
    ];
    for (const [peer, kind] of nodes.entries()) {
      const slot = state[this.#column(peer) + slotAt] as number;
      const answers = kind === "broken" || (slot !== lost && slot >= timeoutSlot(lease));
      if (peer === node || !answers) continue;
      const told = kind === "broken" ? 0 : (state[this.#column(peer) + lockAt] as number);
      partial = partial.flatMap((each) => [
        each,
        { peers: each.peers + 1, lock: Math.max(each.lock, told) },
      ]);
    }
    return new Set(partial.filter(({ peers }) => peers === needed).map(({ lock }) => lock));
  }

  /** Grade S for the pair of which `block` is the child: sent once, answered one by one. */
  #guarding(
    state: Uint8Array,
    next: Uint8Array,
    show: (action: Action, change: () => void) => void,
  ): void {
    const at = this.#guardAt;
    const child = state[at] as number;
    for (let each = 1; each <= this.blockCount; each++) {
      const parent = state[each] as number;
      if (each === child || !this.isCertified(state, each) || parent === 0) continue;
      if (this.viewOf(each) !== this.viewOf(parent) + 1) continue;
      show(code("guard", each), () => {
        next[at] = each;
        next.fill(0, at + 1, at + 3);
      });
    }
    if (child === 0) return;
    for (const [node, kind] of this.options.nodes.entries()) {
      if (kind === "broken" || (((state[at + 1] as number) >> node) & 1) === 1) continue;
      show(code("answer", node), () => {
        next[at + 1] = (next[at + 1] as number) | (1 << node);
        if (this.#isAgainst(state, node, state[child] as number)) next[at + 2] = 1;
        // Its host holds both certificates from now on, and asks for nothing below them (R2).
        const column = this.#column(node);
        if (this.lockOf(state, node) < this.viewOf(child)) next[column + lockAt] = child;
      });
    }
  }

  /** Votes since the block's view, and older ones that may have completed a commit. */
  #isAgainst(state: Uint8Array, node: number, block: number): boolean {
    const { guard } = this.options;
    if (guard === "silent") return false;
    const lock = state[this.#column(node) + lockAt] as number;
    if (guard === "locks" && !this.#areOneBranch(state, lock, block)) return true;
    for (let each = 1; each <= this.blockCount; each++) {
      if (!this.hasVoted(state, node, each)) continue;
      const isNew = this.viewOf(each) >= this.viewOf(block);
      const completes = this.viewOf(state[each] as number) === this.viewOf(each) - 1;
      if (!isNew && (guard === "newer" || guard === "locks" || !completes)) continue;
      // An older vote completes a commit of what it extends, not of its own block.
      const told = isNew ? each : (state[each] as number);
      if (!this.#areOneBranch(state, told, block)) return true;
    }
    return false;
  }

  #areOneBranch(state: Uint8Array, a: number, b: number): boolean {
    return this.extends(state, a, b) || this.extends(state, b, a);
  }

  /** The block that has grade S; undefined where none has. */
  guarded(state: Uint8Array): number | undefined {
    const [child, answered, isAgainst] = state.subarray(this.#guardAt);
    if (child === undefined || child === 0 || isAgainst === 1) return undefined;
    const { nodes, quorum, guard } = this.options;
    let oks = 0;
    let waits = false;
    for (const [node, kind] of nodes.entries()) {
      const isIn = kind === "broken" || (((answered ?? 0) >> node) & 1) === 1;
      if (isIn) oks += 1;
      else waits = true;
    }
    if (oks < quorum || (waits && guard !== "partial")) return undefined;
    return state[child];
  }

  canonical(state: Uint8Array): void {
    // A GUARD is answered by number: nodes have names then.
    if (this.#isGuarding) return;
    const width = this.#width;
    for (const group of this.#alike) {
      for (let i = 1; i < group.length; i++) {
        for (let j = i; j > 0; j--) {
          const a = this.#column(group[j - 1] as number);
          const b = this.#column(group[j] as number);
          let order = 0;
          for (let at = 0; at < width && order === 0; at++) {
            order = (state[a + at] as number) - (state[b + at] as number);
          }
          if (order <= 0) break;
          for (let at = 0; at < width; at++) {
            const held = state[a + at] as number;
            state[a + at] = state[b + at] as number;
            state[b + at] = held;
          }
        }
      }
    }
  }

  violation(state: Uint8Array): string | undefined {
    const { strength, rival } = this.options;
    const guarded = this.#isGuarding ? this.guarded(state) : undefined;
    const promised = this.#isGuarding
      ? guarded === undefined
        ? []
        : [guarded]
      : this.committed(state, strength);
    if (promised.length === 0) return undefined;
    const rivals = rival === "commit" ? this.committed(state) : this.#certified(state);
    for (const block of promised) {
      for (const other of rivals) {
        if (rival === "certificate" && this.viewOf(other) < this.viewOf(block)) continue;
        if (this.#areOneBranch(state, block, other)) continue;
        return `block ${block} of view ${this.viewOf(block)} against ${other} of ${this.viewOf(other)}`;
      }
    }
    return undefined;
  }

  #certified(state: Uint8Array): readonly number[] {
    const found: number[] = [];
    for (let block = 1; block <= this.blockCount; block++) {
      if (this.isCertified(state, block)) found.push(block);
    }
    return found;
  }

  #column(node: number): number {
    return this.blockCount + 1 + node * this.#width;
  }

  describe(action: Action): string {
    const step = readStep(action);
    switch (step.type) {
      case "propose":
        return `block ${step.block} of view ${this.viewOf(step.block)} on ${step.parent}`;
      case "vote":
        return `node ${step.node} votes for ${step.block}`;
      case "lie":
        return `node ${step.node} votes for ${step.block} with justView 0`;
      case "timeout":
        return `node ${step.node} times out in ${step.view}`;
      case "reset":
        return `node ${step.node} is set back`;
      case "crash":
        return `node ${step.node} loses its state`;
      case "recover":
        return `node ${step.node} recovers with the lock ${step.lock}`;
      case "guard":
        return `GUARD for the pair of ${step.block}`;
      case "answer":
        return `node ${step.node} answers the GUARD`;
    }
  }
}
