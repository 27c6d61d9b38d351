/**
 * Tasks between their first words and their beginning: opened with the Guardian, perhaps waiting for
 * the answer to a scope card. Bounded; what is pushed out can be typed again.
 */
import { Lru } from "@ioi/base";
import type { pb } from "@ioi/wire";
import { plansMax } from "../limits.ts";

export interface Plan {
  readonly session: string;
  readonly text: string;
  /** The folder that was picked; empty: none. */
  readonly workspace: string;
  /** planner | model */
  readonly agent: string;
  readonly model: string;
  /** 0: as the policy says. */
  readonly microusdMax: bigint;
  readonly wallMinutesMax: number;
  /** What the Guardian offered; undefined where no card is needed. */
  readonly scope: pb.ProposeScopeReply | undefined;
  readonly plannedMs: number;
}

export class Plans {
  readonly #plans: Lru<string, Plan> = new Lru(plansMax);
  readonly #order: Set<string> = new Set();

  put(plan: Plan): void {
    const forgotten = this.#plans.set(plan.session, plan);
    if (forgotten !== undefined) this.#order.delete(forgotten[0]);
    this.#order.add(plan.session);
  }

  get(session: string): Plan | undefined {
    return this.#plans.get(session);
  }

  take(session: string): Plan | undefined {
    const plan = this.#plans.get(session);
    this.#plans.delete(session);
    this.#order.delete(session);
    return plan;
  }

  /** Those that wait for an answer, oldest first. */
  waiting(): readonly Plan[] {
    return [...this.#order].flatMap((session) => {
      const plan = this.#plans.get(session);
      return plan?.scope === undefined ? [] : [plan];
    });
  }
}
