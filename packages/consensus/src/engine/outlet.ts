/**
 * What the engine says, in its order. Two things pass by here on their way out: an end of the epoch may be
 * kept back for a while (E1), and whoever asks about grade S hears of commits.
 *
 * Invariant: nothing overtakes what was said before it, but for the end of an epoch, which comes late.
 */
import { assert } from "@ioi/base";
import type { ConsensusMessage } from "@ioi/wire";
import { Ending } from "./ending.ts";
import { Guards } from "./guard.ts";
import type { Knowledge } from "./knowledge.ts";
import type { EngineEffect, EngineOptions, EngineStart, WalRecord } from "./types.ts";

export class Outlet {
  readonly ending: Ending;
  #guards: Guards | undefined;
  #effects: EngineEffect[] = [];
  nowMs: number;

  constructor(options: EngineOptions, nowMs: number) {
    this.ending = new Ending(options);
    this.nowMs = nowMs;
  }

  /** Both know each other. */
  join(options: EngineOptions, start: EngineStart, knows: Knowledge): void {
    this.#guards = new Guards(options, start, {
      tree: knows.tree,
      emit: (effect) => this.emit(effect),
      observe: (envelope, voter) => knows.observe(envelope, voter),
    });
  }

  get guards(): Guards {
    assert(this.#guards !== undefined, "it was joined");
    return this.#guards;
  }

  emit(effect: EngineEffect): void {
    switch (effect.type) {
      case "commit":
        if (!this.ending.holds(effect, this.nowMs)) this.#effects.push(effect);
        this.#guards?.committed(effect);
        return;
      case "strengthened":
        if (!this.ending.strengthen(effect.cert, effect.strength)) this.#effects.push(effect);
        return;
      default:
        this.#effects.push(effect);
    }
  }

  persist(record: WalRecord): void {
    this.#effects.push({ type: "persist", record });
  }

  broadcast(message: ConsensusMessage): void {
    this.#effects.push({ type: "broadcast", message });
  }

  /** What was committed, and not done when the last life ended, is given again; nothing else is. */
  keepCommits(): void {
    this.#effects = this.#effects.filter(({ type }) => type === "commit");
  }

  take(): readonly EngineEffect[] {
    const ended = this.ending.due(this.nowMs);
    if (ended !== undefined) this.#effects.push(ended);
    this.#guards?.tick(this.nowMs);
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }
}
