/** What passes between the hosts of a simulated network: late, lost, doubled, or not what was meant. */
import { equalBytes, type SeededRandom } from "@ioi/base";
import type { ConsensusMessage } from "@ioi/wire";
import type { SimNode } from "./node.ts";
import type { Faults, Mangle, NetworkEvent, Wired } from "./options.ts";
import type { TimeQueue } from "./queue.ts";

/** As it is at the moment. */
export interface World {
  readonly nodes: readonly SimNode[];
  readonly nowMs: number;
  readonly faults: Faults;
  readonly mangle: Mangle;
  readonly passes: (from: number, to: number) => boolean;
}

export class Links {
  readonly #world: World;
  readonly #chances: SeededRandom;
  readonly #queue: TimeQueue<NetworkEvent>;

  constructor(world: World, chances: SeededRandom, queue: TimeQueue<NetworkEvent>) {
    this.#world = world;
    this.#chances = chances;
    this.#queue = queue;
  }

  sendAll(from: number, message: ConsensusMessage): void {
    for (const to of this.#world.nodes.keys()) this.send(from, to, message);
  }

  /** To all hosts of a validator of the sender's epoch. */
  sendTo(from: number, validator: number, message: ConsensusMessage): void {
    const set = this.#world.nodes[from]?.judge.set;
    if (set === undefined || validator < 0 || validator >= set.size) return;
    const { gid } = set.entry(validator);
    for (const [to, { plan }] of this.#world.nodes.entries()) {
      if (equalBytes(plan.gid, gid)) this.send(from, to, message);
    }
  }

  send(from: number, to: number, message: ConsensusMessage): void {
    if (to === from || !this.#world.passes(from, to)) return;
    const sent = this.#world.mangle(from, to, message);
    if (sent === undefined) return;
    this.#link({ type: "message", to, from, message: sent });
  }

  pass(from: number, to: number, what: Wired): void {
    if (to === from || !this.#world.passes(from, to)) return;
    this.#link({ type: "wired", to, from, what });
  }

  passAll(from: number, what: Wired): void {
    for (const to of this.#world.nodes.keys()) this.pass(from, to, what);
  }

  #link(event: NetworkEvent): void {
    const { delayMs, jitterMs, lost, doubled } = this.#world.faults;
    const chances = this.#chances;
    if (chances.chance(lost, 1000)) return;
    const times = chances.chance(doubled, 1000) ? 2 : 1;
    for (let i = 0; i < times; i++) {
      const inMs = Math.max(1, delayMs + chances.below(jitterMs + 1));
      this.#queue.push(this.#world.nowMs + inMs, event);
    }
  }
}
