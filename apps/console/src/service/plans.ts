/**
 * Tasks between their first words and their beginning: opened with the Guardian, perhaps waiting for
 * the answer to a scope card. Bounded; what is pushed out can be typed again.
 */
import { Lru } from "@ioi/base";
import type { pb } from "@ioi/wire";
import { plansMax } from "../limits.ts";

export interface Plan {
  readonly session: string;
  /** Who planned it, and alone is shown its card. */
  readonly browser: string;
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
  /** Rises with each change. */
  changes = 0;

  put(plan: Plan): void {
    const forgotten = this.#plans.set(plan.session, plan);
    if (forgotten !== undefined) this.#order.delete(forgotten[0]);
    this.#order.add(plan.session);
    this.changes++;
  }

  get(session: string): Plan | undefined {
    return this.#plans.get(session);
  }

  take(session: string): Plan | undefined {
    const plan = this.#plans.get(session);
    this.#plans.delete(session);
    this.#order.delete(session);
    this.changes++;
    return plan;
  }

  /** Those of a browser that wait for an answer since `sinceMs`, newest first. */
  waiting(browser: string, sinceMs: number): readonly Plan[] {
    return [...this.#order].toReversed().flatMap((session) => {
      const plan = this.#plans.get(session);
      const waits = plan?.scope !== undefined && plan.plannedMs >= sinceMs;
      return waits && plan.browser === browser ? [plan] : [];
    });
  }
}
