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
  /** By counter: what is set aside for the action beside itself. */
  readonly reserved: Map<bigint, ModelAmount>;
  spent: number;
  /** Spent on models. */
  readonly models: { tokens: number; microusd: number };
}

/** What asking a model costs. */
export interface ModelAmount {
  readonly tokens: number;
  readonly microusd: number;
}
const nothing: ModelAmount = { tokens: 0, microusd: 0 };

export interface BudgetState {
  readonly actionsSpent: number;
  readonly actionsReserved: number;
  readonly actionsLeft: number;
  readonly minutesLeft: number;
  /** Of models, what is spent and what is set aside; only where a model was asked. */
  readonly models?: { readonly spent: ModelAmount; readonly reserved: ModelAmount };
}

const unknownSession = (session: string): Refused => ({
  code: "E_BUDGET_UNKNOWN",
  message: `no budget for the session ${session}`,
});

const asideOf = ({ reserved }: Account): ModelAmount => {
  let [tokens, microusd] = [0, 0];
  for (const each of reserved.values()) {
    tokens += each.tokens;
    microusd += each.microusd;
  }
  return { tokens, microusd };
};

/** What costs nothing is asked however little money is left. */
const modelsExceeded = (account: Account, amount: ModelAmount): readonly string[] => {
  const { budgets, models } = account;
  const aside = asideOf(account);
  const names: string[] = [];
  const money = models.microusd + aside.microusd + amount.microusd;
  if (amount.microusd > 0 && money > (budgets.modelMicrousd ?? money)) names.push("model_usd");
  const tokens = models.tokens + aside.tokens + amount.tokens;
  if (tokens > (budgets.modelTokens ?? tokens)) names.push("model_tokens");
  return names;
};

export class BudgetLedger {
  readonly #accounts = new Map<string, Account>();

  /** Begins a session; a second call for it changes nothing. */
  open(session: string, budgets: Budgets, atMs: number): Result<void, Refused> {
    if (this.#accounts.has(session)) return ok(undefined);
    if (this.#accounts.size >= ledgerSessionsMax) {
      return err({ code: "E_BUDGET_EXCEEDED", message: "too many open sessions" });
    }
    this.#accounts.set(session, {
      budgets,
      openedMs: atMs,
      reserved: new Map(),
      spent: 0,
      models: { tokens: 0, microusd: 0 },
    });
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
  exceeded(session: string, nowMs: number, amount?: ModelAmount): readonly string[] {
    const account = this.#accounts.get(session);
    if (account === undefined) return ["actions", "wall_minutes"];
    const names: string[] = [];
    if (account.spent + account.reserved.size >= account.budgets.actions) names.push("actions");
    // A clock set back never gives time: before its beginning a session has none.
    const usedMs = nowMs - account.openedMs;
    if (usedMs < 0 || usedMs >= account.budgets.wallMinutes * 60_000) names.push("wall_minutes");
    return amount === undefined ? names : [...names, ...modelsExceeded(account, amount)];
  }

  /** Sets one action aside. `approved` names budgets that a person let it go beyond. */
  reserve(
    session: string,
    counter: bigint,
    nowMs: number,
    approved: readonly string[] = [],
    amount?: ModelAmount,
  ): Result<void, Refused> {
    const account = this.#accounts.get(session);
    if (account === undefined) return err(unknownSession(session));
    if (account.reserved.has(counter)) {
      return err({ code: "E_BUDGET_UNKNOWN", message: `the ticket ${counter} twice` });
    }
    const beyond = this.exceeded(session, nowMs, amount).filter((name) => !approved.includes(name));
    if (beyond.length > 0) {
      return err({ code: "E_BUDGET_EXCEEDED", message: `used up: ${beyond.join(", ")}` });
    }
    account.reserved.set(counter, amount ?? nothing);
    return ok(undefined);
  }

  /** The action happened, or nobody knows; `amount` is what it cost, else what was set aside. */
  commit(session: string, counter: bigint, amount?: ModelAmount): Result<void, Refused> {
    return this.#settle(session, counter, true, amount);
  }

  /** The action surely had no effect. */
  release(session: string, counter: bigint): Result<void, Refused> {
    return this.#settle(session, counter, false);
  }

  #settle(
    session: string,
    counter: bigint,
    spent: boolean,
    amount?: ModelAmount,
  ): Result<void, Refused> {
    const account = this.#accounts.get(session);
    if (account === undefined) return err(unknownSession(session));
    const reserved = account.reserved.get(counter);
    if (reserved === undefined || !account.reserved.delete(counter)) {
      return err({ code: "E_BUDGET_UNKNOWN", message: `no reservation for ticket ${counter}` });
    }
    if (!spent) return ok(undefined);
    account.spent++;
    const { tokens, microusd } = reserved === nothing ? nothing : (amount ?? reserved);
    account.models.tokens += tokens;
    account.models.microusd += microusd;
    return ok(undefined);
  }

  state(session: string, nowMs: number): BudgetState | undefined {
    const account = this.#accounts.get(session);
    if (account === undefined) return undefined;
    const { budgets, spent, reserved, openedMs } = account;
    const usedMs = nowMs - openedMs;
    const aside = asideOf(account);
    const asked = account.models.tokens + account.models.microusd + aside.tokens + aside.microusd;
    return {
      ...(asked === 0 ? {} : { models: { spent: { ...account.models }, reserved: aside } }),
      actionsSpent: spent,
      actionsReserved: reserved.size,
      actionsLeft: Math.max(0, budgets.actions - spent - reserved.size),
      minutesLeft: usedMs < 0 ? 0 : Math.max(0, budgets.wallMinutes - usedMs / 60_000),
    };
  }
}
