/**
 * What the Guardian knows, as a fold over the leaves of its log: sessions, tickets without an
 * outcome, asks that wait, grants. Nothing of it is stored anywhere else, so that a restart after
 * any crash knows exactly what was durable.
 *
 * Pure: `apply` never reads a clock; expiry is judged by the caller's time.
 */
import { BudgetLedger, type Grant } from "@ioi/firewall";
import type { AskSource, Leaf } from "@ioi/wire";
import { asksKeptMax } from "./limits.ts";

type LeafOf<T extends Leaf["type"]> = Extract<Leaf, { readonly type: T }>;

export interface SessionRecord {
  readonly id: string;
  readonly agent: string;
  readonly openedMs: number;
  /** What the person typed, oldest first. */
  readonly words: readonly string[];
  /** The folder the person picked. */
  readonly workspace: string | undefined;
  /** The session whose vault its drivers work on. */
  readonly vault: string;
  /** Why nothing more may happen in it. */
  readonly closed: string | undefined;
}

export interface Ask {
  readonly approval: string;
  readonly session: string;
  readonly actionId: Uint8Array;
  readonly target: string;
  readonly asks: readonly AskSource[];
  readonly policyHash: Uint8Array;
  readonly atMs: number;
  readonly index: number;
  readonly intent: LeafOf<"intent">;
}

export interface Answer {
  readonly session: string;
  readonly approval: string;
  readonly actionId: Uint8Array;
  readonly approved: boolean;
  /** Nobody answered in time. */
  readonly expired: boolean;
}

/** What a session-open leaf seals. */
export interface Opening {
  readonly text: string;
  readonly workspace: string | undefined;
}

export class Ledger {
  readonly sessions: Map<string, SessionRecord> = new Map();
  /** Allowed intents whose outcome is not known, by counter. */
  readonly open: Map<bigint, LeafOf<"intent">> = new Map();
  readonly asks: Map<string, Ask> = new Map();
  readonly answers: Map<string, Answer> = new Map();
  readonly budgets: BudgetLedger = new BudgetLedger();
  readonly #grants: Map<string, Grant & { readonly atMs: number; used: boolean }> = new Map();
  #counter = 0n;

  /** The counter of the next intent. */
  takeCounter(): bigint {
    this.#counter += 1n;
    return this.#counter;
  }

  get lastCounter(): bigint {
    return this.#counter;
  }

  apply(leaf: Leaf, index: number, opening: Opening | undefined): void {
    switch (leaf.type) {
      case "session-open":
        this.#openSession(leaf, opening);
        return;
      case "intent":
        this.#intent(leaf, index);
        return;
      case "outcome":
        this.open.delete(leaf.counter);
        // Only what a driver signed gives a budget back: a Workload could claim it for every action.
        if (
          leaf.reportedBy === "driver" &&
          (leaf.status === "no-effect" || leaf.status === "refused")
        ) {
          this.budgets.release(leaf.session, leaf.counter);
        } else this.budgets.commit(leaf.session, leaf.counter);
        return;
      case "decision":
        this.#decision(leaf);
        return;
      case "revoke":
        this.#revoke(leaf);
        return;
      case "scope":
      case "policy":
        return;
    }
  }

  /** Grants of a session that are unused, and given before `nowMs` but not expired then. */
  liveGrants(session: string, nowMs: number): readonly Grant[] {
    const live: Grant[] = [];
    for (const grant of this.#grants.values()) {
      const valid = grant.atMs <= nowMs && nowMs < grant.expiresMs;
      if (grant.session === session && !grant.used && valid) live.push(grant);
    }
    return live;
  }

  /** Takes grants out of use at once, before their use is in the log. */
  useGrants(ids: readonly string[]): void {
    for (const id of ids) {
      const grant = this.#grants.get(id);
      if (grant !== undefined && grant.scope === "once") grant.used = true;
    }
  }

  #openSession(leaf: LeafOf<"session-open">, opening: Opening | undefined): void {
    const known = this.sessions.get(leaf.session);
    this.sessions.set(leaf.session, {
      id: leaf.session,
      agent: leaf.agent,
      openedMs: known?.openedMs ?? leaf.atMs,
      words: [...(known?.words ?? []), ...(opening === undefined ? [] : [opening.text])],
      workspace: known?.workspace ?? opening?.workspace,
      vault: known?.vault ?? leaf.undoes ?? leaf.session,
      closed: known?.closed,
    });
    this.budgets.open(
      leaf.session,
      { actions: leaf.actionsMax, wallMinutes: leaf.wallMinutesMax },
      leaf.atMs,
    );
  }

  #intent(leaf: LeafOf<"intent">, index: number): void {
    if (leaf.counter > this.#counter) this.#counter = leaf.counter;
    const session = this.sessions.get(leaf.session);
    if (leaf.verdict === "allow") {
      this.open.set(leaf.counter, leaf);
      this.useGrants(leaf.grants);
      // The log is the truth: a person may have let the action go beyond the budget. The gate has
      // reserved already; a log that is read again has not.
      this.budgets.reserve(leaf.session, leaf.counter, leaf.atMs, ["actions", "wall_minutes"]);
    }
    if (leaf.verdict === "ask" && leaf.approval !== undefined && session?.closed === undefined) {
      this.asks.set(leaf.approval, {
        approval: leaf.approval,
        session: leaf.session,
        actionId: leaf.actionId,
        target: leaf.target,
        asks: leaf.asks,
        policyHash: leaf.policyHash,
        atMs: leaf.atMs,
        index,
        intent: leaf,
      });
      // Asks never answered pile up; the oldest have expired, since so many newer ones came.
      const oldest = this.asks.keys().next().value;
      if (this.asks.size > asksKeptMax && oldest !== undefined) this.asks.delete(oldest);
    }
  }

  #decision(leaf: LeafOf<"decision">): void {
    const ask = this.asks.get(leaf.approval);
    this.asks.delete(leaf.approval);
    const approved = leaf.decision === "approve";
    this.answers.set(leaf.approval, {
      session: leaf.session,
      approval: leaf.approval,
      actionId: leaf.actionId,
      approved,
      expired: false,
    });
    if (!approved || ask === undefined) return;
    this.#grants.set(leaf.approval, {
      id: leaf.approval,
      session: leaf.session,
      scope: leaf.scope,
      ...(leaf.scope === "once" ? { actionId: leaf.actionId } : {}),
      target: ask.target,
      discharges: leaf.discharges,
      policyHash: leaf.policyHash,
      expiresMs: leaf.expiresMs,
      atMs: leaf.atMs,
      used: false,
    });
  }

  #revoke(leaf: LeafOf<"revoke">): void {
    const session = this.sessions.get(leaf.session);
    if (session !== undefined) {
      // The words ground nothing any more; an undo needs the folder and the vault only.
      this.sessions.set(session.id, { ...session, words: [], closed: leaf.reason });
      this.budgets.close(session.id);
    }
    for (const ask of this.asks.values()) {
      if (ask.session === leaf.session) this.asks.delete(ask.approval);
    }
    for (const [id, grant] of this.#grants) {
      if (grant.session === leaf.session) this.#grants.delete(id);
    }
    for (const [id, answer] of this.answers) {
      if (answer.session === leaf.session) this.answers.delete(id);
    }
  }
}
