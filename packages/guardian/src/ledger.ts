/**
 * What the Guardian knows, as a fold over the leaves of its log: sessions, tickets without an
 * outcome, asks that wait, grants. Nothing of it is stored anywhere else, so that a restart after
 * any crash knows exactly what was durable.
 *
 * Pure: `apply` never reads a clock; expiry is judged by the caller's time.
 */
import {
  BudgetLedger,
  type Grant,
  type GrantPattern,
  patternUsesMax,
  RateLedger,
  scopeGroups,
  type TaskScope,
  type ModelAmount,
} from "@ioi/firewall";
import type { AskSource, Leaf, Scope, ScopeAccess } from "@ioi/wire";
import { toHex } from "@ioi/base";
import { type KeptOrigins, withOrigins } from "./origins.ts";
import { asksKeptMax, denialsKeptMax } from "./limits.ts";
import { MemoryStates } from "./memory-states.ts";
import { type CountedCard, countedAfter } from "./cards.ts";

type LeafOf<T extends Leaf["type"]> = Extract<Leaf, { readonly type: T }>;

/** An answer to an ask, whoever gave it. */
type Decided = Omit<LeafOf<"decision">, "type" | "device" | "signature">;

export interface SessionRecord {
  readonly id: string;
  readonly agent: string;
  readonly openedMs: number;
  /** What the person typed, oldest first. */
  readonly words: readonly string[];
  /** Which of them somebody saw being typed. */
  readonly typed: ReadonlySet<number>;
  /** Values that the person's own look-ups returned, and addresses that stood in answers. */
  readonly origins: KeptOrigins;
  /** No call was let go yet but of a model: nothing that others wrote has come to the agent. */
  readonly fresh: boolean;
  /** The folder the person picked. */
  readonly workspace: string | undefined;
  /** What it was picked for. */
  readonly access: ScopeAccess;
  /** The folder that holds the agent's program, which it may read. */
  readonly agentFolder?: string;
  /** The session is a gate before this server, and calls no other. */
  readonly mcpServer?: string;
  /** No person watches the gate: its client may answer, unsigned, for what can be undone. */
  readonly clientAnswers?: true;
  /** What a person accepted for the task; undefined: no card was answered. */
  readonly scope: Scope | undefined;
  /** What a person added later, group by group, and `write`. */
  readonly widened: readonly string[];
  /** Cards since the task began, or since it was let go on after a pause. */
  readonly cards: readonly CountedCard[];
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
  /** What the same answer is for: actions by target and arguments, without facts. */
  readonly alike: readonly Uint8Array[];
  /** What is like the action, for an answer that stands for it too. */
  readonly pattern?: GrantPattern;
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
  readonly access: ScopeAccess;
  /** Somebody saw it being typed: however long it is, it is no paste. */
  readonly typed?: true;
  /** The folder that holds the agent; undefined: a built-in one. */
  readonly agentFolder?: string;
  /** The confirmed server that the session is a gate before; undefined: it is a task. */
  readonly mcpServer?: string;
  /** Of a gate: its client may answer for what can be undone. */
  readonly clientAnswers?: true;
}

/** What a leaf seals, as far as the fold needs it. */
export interface Sealed {
  readonly opening?: Opening;
  readonly scope?: Scope;
  readonly alike?: readonly Uint8Array[];
  /** Of an ask: what is like its action. */
  readonly pattern?: GrantPattern;
  readonly origins?: KeptOrigins;
}

/** What a model answers is made of what it was given. */
export const bringsContent = (target: string): boolean => !target.startsWith("model::");

/** Whether the person's words are all that the agent has; names of attached files may be others'. */
export const isFresh = ({ fresh, scope }: Pick<SessionRecord, "fresh" | "scope">): boolean =>
  fresh && (scope?.files ?? []).length === 0;

const everyGroup = scopeGroups;
const noOrigins: KeptOrigins = { trusted: [], seen: [] };

/** The folders that a person gave a session: by its scope, or by the one pick at its beginning. */
export const foldersOf = ({
  scope,
  workspace,
  access,
  widened,
}: SessionRecord): TaskScope["folders"] => {
  const given = scope?.folders ?? (workspace === undefined ? [] : [{ path: workspace, access }]);
  if (!widened.includes("write")) return given;
  return given.map((each) => (each.access === "organise" ? { ...each, access: "write" } : each));
};

/** What the person picked for a task, in a chooser or on its card: as good as typed. */
export const picksOf = ({ scope }: SessionRecord): readonly string[] => [
  ...(scope?.sites ?? []),
  ...(scope?.files ?? []),
  ...(scope?.persons ?? []),
];

/** What the task was given; undefined where nothing but policy and folders limits it. */
export const taskOf = (session: SessionRecord): TaskScope | undefined => {
  const { scope, access, widened } = session;
  if (scope === undefined && access !== "organise") return undefined;
  const groups = scope?.groups ?? everyGroup;
  return {
    groups: scopeGroups.filter((group) => groups.includes(group) || widened.includes(group)),
    folders: foldersOf(session),
    sites: scope?.sites ?? [],
    ...(scope === undefined ? {} : { model: scope.model }),
  };
};

const budgetNames = ["actions", "wall_minutes", "model_usd", "model_tokens"];

/** What a driver says that a question to a model cost; undefined where nobody said. */
const costOf = ({ reportedBy, evidence }: LeafOf<"outcome">): ModelAmount | undefined => {
  const [told, said, cost] = ["tokens_in", "tokens_out", "microusd"].map((name) => evidence[name]);
  const counts = [told, said, cost].every((each) => /^\d{1,15}$/.test(each ?? ""));
  return reportedBy === "driver" && counts
    ? { tokens: Number(told) + Number(said), microusd: Number(cost) }
    : undefined;
};

type KeptGrant = Grant & {
  readonly atMs: number;
  used: boolean;
  /** Of a pattern: by which actions. */
  readonly uses: Set<bigint>;
};

export class Ledger {
  readonly sessions: Map<string, SessionRecord> = new Map();
  /** Allowed intents whose outcome is not known, by counter. */
  readonly open: Map<bigint, LeafOf<"intent">> = new Map();
  readonly asks: Map<string, Ask> = new Map();
  readonly answers: Map<string, Answer> = new Map();
  readonly budgets: BudgetLedger = new BudgetLedger();
  /** What was let go, by target: how often a policy lets it. */
  readonly rates: RateLedger = new RateLedger();
  /** What memory files committed to. */
  readonly memory: MemoryStates = new MemoryStates();
  readonly #grants: Map<string, KeptGrant> = new Map();
  /** Actions that a person denied, with the approval of the denial, by session and action. */
  readonly #denied: Map<string, Map<string, string>> = new Map();
  #counter = 0n;
  #order = 0n;

  /** The counter of the next intent, and the grants that it uses. */
  takeCounter(grants: readonly string[] = []): bigint {
    this.#counter += 1n;
    this.useGrants(grants, this.#counter);
    return this.#counter;
  }

  /** The highest of the Orchestrator's numbers. */
  get lastOrder(): bigint {
    return this.#order;
  }

  get lastCounter(): bigint {
    return this.#counter;
  }

  apply(leaf: Leaf, index: number, sealed: Sealed = {}): void {
    const { opening, scope, alike = [], origins } = sealed;
    switch (leaf.type) {
      case "session-open":
        this.#openSession(leaf, opening);
        return;
      case "intent":
        this.#intent(leaf, index, alike, sealed.pattern);
        return;
      case "outcome":
        this.memory.outcome(leaf);
        this.open.delete(leaf.counter);
        if (origins !== undefined) this.#origins(leaf.session, origins);
        // Only what a driver signed gives a budget back: a Workload could claim it for every action.
        if (
          leaf.reportedBy === "driver" &&
          (leaf.status === "no-effect" || leaf.status === "refused")
        ) {
          this.budgets.release(leaf.session, leaf.counter);
        } else this.budgets.commit(leaf.session, leaf.counter, costOf(leaf));
        return;
      case "decision":
        this.#decision(leaf);
        return;
      case "unsigned-answer":
        this.#decision({ ...leaf, scope: "once" });
        return;
      case "revoke":
        this.#revoke(leaf);
        return;
      case "scope":
        this.#scope(leaf, scope);
        return;
      case "device":
      case "policy":
      case "policy-change":
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

  /** The approval by which a person denied exactly this action in the session. */
  deniedBy(session: string, actionId: Uint8Array): string | undefined {
    return this.#denied.get(session)?.get(toHex(actionId));
  }

  /** Takes grants out of use at once, before their use is in the log. */
  useGrants(ids: readonly string[], counter: bigint): void {
    for (const id of ids) {
      const grant = this.#grants.get(id);
      if (grant?.scope === "once") grant.used = true;
      if (grant?.scope !== "pattern") continue;
      // The gate takes it before the log does: one action uses it once.
      grant.uses.add(counter);
      grant.used = grant.uses.size >= patternUsesMax;
    }
  }

  #openSession(leaf: LeafOf<"session-open">, opening: Opening | undefined): void {
    const known = this.sessions.get(leaf.session);
    const agentFolder = known === undefined ? opening?.agentFolder : known.agentFolder;
    const mcpServer = known === undefined ? opening?.mcpServer : known.mcpServer;
    const clientAnswers = known === undefined ? opening?.clientAnswers : known.clientAnswers;
    this.sessions.set(leaf.session, {
      id: leaf.session,
      ...(agentFolder === undefined ? {} : { agentFolder }),
      ...(mcpServer === undefined ? {} : { mcpServer }),
      ...(clientAnswers === true ? { clientAnswers } : {}),
      // Who acts stays who it was; later words are the person's.
      agent: known?.agent ?? leaf.agent,
      openedMs: known?.openedMs ?? leaf.atMs,
      words: [...(known?.words ?? []), ...(opening === undefined ? [] : [opening.text])],
      typed:
        opening?.typed === true
          ? new Set([...(known?.typed ?? []), known?.words.length ?? 0])
          : (known?.typed ?? new Set()),
      origins: known?.origins ?? noOrigins,
      fresh: known?.fresh ?? true,
      workspace: known?.workspace ?? opening?.workspace,
      access: known?.access ?? opening?.access ?? "write",
      scope: known?.scope,
      widened: known?.widened ?? [],
      cards: known?.cards ?? [],
      vault: known?.vault ?? leaf.undoes ?? leaf.session,
      closed: known?.closed,
    });
    this.budgets.open(
      leaf.session,
      {
        actions: leaf.actionsMax,
        wallMinutes: leaf.wallMinutesMax,
        ...(leaf.modelMicrousdMax === undefined ? {} : { modelMicrousd: leaf.modelMicrousdMax }),
        ...(leaf.modelTokensMax === undefined ? {} : { modelTokens: leaf.modelTokensMax }),
      },
      leaf.atMs,
    );
  }

  #origins(id: string, added: KeptOrigins): void {
    const session = this.sessions.get(id);
    if (session === undefined || session.closed !== undefined) return;
    this.sessions.set(id, { ...session, origins: withOrigins(session.origins, added) });
  }

  #scope(leaf: LeafOf<"scope">, scope: Scope | undefined): void {
    const session = this.sessions.get(leaf.session);
    if (session === undefined || session.closed !== undefined || scope === undefined) return;
    this.sessions.set(session.id, { ...session, scope, cards: [] });
    this.budgets.amend(
      session.id,
      {
        actions: leaf.actionsMax,
        wallMinutes: leaf.wallMinutesMax,
        modelMicrousd: leaf.microusdMax,
      },
      leaf.atMs,
    );
    this.#giveTask(session.id, leaf.policyHash, leaf.expiresMs, leaf.atMs);
  }

  /** The standing grant of what the task holds now; one a session. */
  #giveTask(id: string, policyHash: Uint8Array, expiresMs: number, atMs: number): void {
    const session = this.sessions.get(id);
    if (session === undefined) return;
    const task = taskOf(session) ?? {
      groups: scopeGroups.filter((group) => session.widened.includes(group)),
      folders: foldersOf(session),
      sites: [],
    };
    this.#grants.set(`task/${id}`, {
      id: "task",
      session: id,
      scope: "task",
      target: "",
      task,
      discharges: [{ kind: "default", id: "default" }],
      policyHash,
      expiresMs,
      atMs,
      used: false,
      uses: new Set(),
    });
  }

  #intent(
    leaf: LeafOf<"intent">,
    index: number,
    alike: readonly Uint8Array[],
    pattern: GrantPattern | undefined,
  ): void {
    if (leaf.counter > this.#counter) this.#counter = leaf.counter;
    if (leaf.order > this.#order) this.#order = leaf.order;
    const session = this.sessions.get(leaf.session);
    if (leaf.verdict === "allow") {
      this.memory.permitted(leaf);
      if (session?.fresh === true && bringsContent(leaf.target)) {
        this.sessions.set(session.id, { ...session, fresh: false });
      }
      this.open.set(leaf.counter, leaf);
      this.useGrants(leaf.grants, leaf.counter);
      this.rates.note(leaf.session, leaf.target, leaf.counter, leaf.atMs);
      // The log is the truth: a person may have let the action go beyond the budget. The gate has
      // reserved already; a log that is read again has not.
      this.budgets.reserve(leaf.session, leaf.counter, leaf.atMs, budgetNames, leaf.reserve);
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
        alike,
        ...(pattern === undefined ? {} : { pattern }),
      });
      if (session !== undefined) {
        this.sessions.set(session.id, { ...session, cards: countedAfter(session.cards, leaf) });
      }
      // Asks never answered pile up; the oldest have expired, since so many newer ones came.
      const oldest = this.asks.keys().next().value;
      if (this.asks.size > asksKeptMax && oldest !== undefined) this.asks.delete(oldest);
    }
  }

  #decision(leaf: Decided): void {
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
    if (ask !== undefined) this.#answered(leaf, ask, approved);
    if (!approved || ask === undefined) return;
    const grant = {
      session: leaf.session,
      target: ask.target,
      discharges: leaf.discharges,
      policyHash: leaf.policyHash,
      expiresMs: leaf.expiresMs,
      atMs: leaf.atMs,
      used: false,
      uses: new Set<bigint>(),
    };
    const { approval, scope, actionId } = leaf;
    if (scope === "pattern") {
      const { pattern } = ask;
      if (pattern !== undefined)
        this.#grants.set(approval, { ...grant, id: approval, scope, pattern });
      return;
    }
    if (scope === "session") {
      this.#grants.set(approval, { ...grant, id: approval, scope });
      return;
    }
    this.#grants.set(approval, { ...grant, id: approval, scope, actionId });
    for (const [at, alikeTo] of ask.alike.entries()) {
      const id = `${approval}/${at + 1}`;
      this.#grants.set(id, { ...grant, id, scope, alikeTo });
    }
  }

  #answered(leaf: Decided, ask: Ask, approved: boolean): void {
    const session = this.sessions.get(leaf.session);
    if (session === undefined) return;
    if (!approved) {
      const denied = this.#denied.get(session.id) ?? new Map<string, string>();
      for (const id of [ask.actionId, ...ask.alike]) {
        denied.set(toHex(id), leaf.approval);
        const oldest = denied.keys().next().value;
        if (denied.size > denialsKeptMax && oldest !== undefined) denied.delete(oldest);
      }
      this.#denied.set(session.id, denied);
    }
    if (!ask.asks.some(({ kind }) => kind === "cards")) return;
    // Whatever the answer, a person has looked at the whole and lets it go on.
    const added =
      approved && leaf.scope === "session"
        ? leaf.discharges.flatMap(({ kind, id }) => (kind === "task" ? [id] : []))
        : [];
    const widened = [...new Set([...session.widened, ...added])].slice(0, 32);
    this.sessions.set(session.id, { ...session, cards: [], widened });
    if (added.length > 0) {
      this.#giveTask(session.id, leaf.policyHash, leaf.expiresMs, leaf.atMs);
    }
  }

  #revoke(leaf: LeafOf<"revoke">): void {
    const session = this.sessions.get(leaf.session);
    if (session !== undefined) {
      // The words ground nothing any more; an undo needs the folder and the vault only.
      this.sessions.set(session.id, {
        ...session,
        words: [],
        typed: new Set(),
        origins: noOrigins,
        closed: leaf.reason,
      });
      this.budgets.close(session.id);
      this.rates.close(session.id);
      this.#denied.delete(session.id);
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
