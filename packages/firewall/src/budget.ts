/**
 * The budget ledger of sessions: reserve before an action, commit or release after it.
 *
 * Invariants: what is reserved and spent together never exceeds the budget, however many actions
 * are under way, unless a person approved going beyond it. Source: the design of the firewall,
 * section 2 (Budgets). Bounds: `ledgerSessionsMax`. Pure: time is an argument.
 */
import { err, ok, type Rejection, type Result } from "@ioi/base";
import { ledgerSessionsMax } from "./limits.ts";
import type { Budgets } from "./types.ts";

type Refused = Rejection<"E_BUDGET_EXCEEDED" | "E_BUDGET_UNKNOWN">;

interface Account {
  readonly budgets: Budgets;
  readonly openedMs: number;
  readonly reserved: Set<bigint>;
  spent: number;
}

export interface BudgetState {
  readonly actionsSpent: number;
  readonly actionsReserved: number;
  readonly actionsLeft: number;
  readonly minutesLeft: number;
}

const unknownSession = (session: string): Refused => ({
  code: "E_BUDGET_UNKNOWN",
  message: `no budget for the session ${session}`,
});

export class BudgetLedger {
  readonly #accounts = new Map<string, Account>();

  /** Begins a session; a second call for it changes nothing. */
  open(session: string, budgets: Budgets, atMs: number): Result<void, Refused> {
    if (this.#accounts.has(session)) return ok(undefined);
    if (this.#accounts.size >= ledgerSessionsMax) {
      return err({ code: "E_BUDGET_EXCEEDED", message: "too many open sessions" });
    }
    this.#accounts.set(session, { budgets, openedMs: atMs, reserved: new Set(), spent: 0 });
    return ok(undefined);
  }

  /**
   * What a person accepted for the task counts instead of the policy's. Its time runs from then on
   * where nothing was done yet.
   */
  amend(session: string, budgets: Partial<Budgets>, atMs: number): void {
    const account = this.#accounts.get(session);
    if (account === undefined) return;
    const untouched = account.spent === 0 && account.reserved.size === 0;
    this.#accounts.set(session, {
      ...account,
      budgets: { ...account.budgets, ...budgets },
      openedMs: untouched ? atMs : account.openedMs,
    });
  }

  close(session: string): void {
    this.#accounts.delete(session);
  }

  /** Budgets that one more action now would exceed; every budget of a session never opened. */
  exceeded(session: string, nowMs: number): readonly string[] {
    const account = this.#accounts.get(session);
    if (account === undefined) return ["actions", "wall_minutes"];
    const names: string[] = [];
    if (account.spent + account.reserved.size >= account.budgets.actions) names.push("actions");
    // A clock set back never gives time: before its beginning a session has none.
    const usedMs = nowMs - account.openedMs;
    if (usedMs < 0 || usedMs >= account.budgets.wallMinutes * 60_000) names.push("wall_minutes");
    return names;
  }

  /** Sets one action aside. `approved` names budgets that a person let it go beyond. */
  reserve(
    session: string,
    counter: bigint,
    nowMs: number,
    approved: readonly string[] = [],
  ): Result<void, Refused> {
    const account = this.#accounts.get(session);
    if (account === undefined) return err(unknownSession(session));
    if (account.reserved.has(counter)) {
      return err({ code: "E_BUDGET_UNKNOWN", message: `the ticket ${counter} twice` });
    }
    const beyond = this.exceeded(session, nowMs).filter((name) => !approved.includes(name));
    if (beyond.length > 0) {
      return err({ code: "E_BUDGET_EXCEEDED", message: `used up: ${beyond.join(", ")}` });
    }
    account.reserved.add(counter);
    return ok(undefined);
  }

  /** The action happened, or nobody knows. */
  commit(session: string, counter: bigint): Result<void, Refused> {
    return this.#settle(session, counter, true);
  }

  /** The action surely had no effect. */
  release(session: string, counter: bigint): Result<void, Refused> {
    return this.#settle(session, counter, false);
  }

  #settle(session: string, counter: bigint, spent: boolean): Result<void, Refused> {
    const account = this.#accounts.get(session);
    if (account === undefined) return err(unknownSession(session));
    if (!account.reserved.delete(counter)) {
      return err({ code: "E_BUDGET_UNKNOWN", message: `no reservation for ticket ${counter}` });
    }
    if (spent) account.spent++;
    return ok(undefined);
  }

  state(session: string, nowMs: number): BudgetState | undefined {
    const account = this.#accounts.get(session);
    if (account === undefined) return undefined;
    const { budgets, spent, reserved, openedMs } = account;
    const usedMs = nowMs - openedMs;
    return {
      actionsSpent: spent,
      actionsReserved: reserved.size,
      actionsLeft: Math.max(0, budgets.actions - spent - reserved.size),
      minutesLeft: usedMs < 0 ? 0 : Math.max(0, budgets.wallMinutes - usedMs / 60_000),
    };
  }
}
