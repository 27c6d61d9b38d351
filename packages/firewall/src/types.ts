/** The vocabulary of a decision. Everything here is data; a decision is a function of it. */
import type { Action, AskSource, Obligation } from "@ioi/wire";
import type { Engine } from "./engine.ts";
import type { SeenAddress, TrustedValue } from "./grounding/sources.ts";
import type { GrantPattern } from "./grant-pattern.ts";
import type { AddressClass } from "./net/addresses.ts";
import type { Rate } from "./rates.ts";
import type { TaskScope } from "./scope/task.ts";
import type { DecisionTime } from "./window.ts";
import type { ToolPolicy } from "./tool-roles/call.ts";

export type Verdict = "allow" | "ask" | "deny";
export type Effect = "allow" | "ask" | "deny";
export type Tier = "builtin" | "admin" | "user" | "project" | "skill" | "session" | "delegation";

/** A named folder: a ceiling for paths and sandboxes. It grants nothing. */
export interface Root {
  /** As in `downloads:/a.pdf`; the session's own are `scope`, `scope2`, ... */
  readonly name: string;
  /** Absolute real path. */
  readonly path: string;
  readonly access: "read" | "write";
}

/** What a decision knows of the session, as the Guardian holds it. */
export interface SessionContext {
  readonly session: string;
  readonly agent: string;
  /** The policy's workspaces and, where the person picked one, `scope`. */
  readonly roots: readonly Root[];
  /** A gate before a server: its client's words never reach it, so nobody says anything here. */
  readonly gate?: true;
  /** What the person typed, whole, oldest first. */
  readonly words: readonly string[];
  /** Which of the words somebody saw being typed; the others are pastes where they are long. */
  readonly typed?: ReadonlySet<number>;
  /** What the person chose from a list, as good as typed. */
  readonly picks?: readonly string[];
  /** What look-ups of the person's own words returned in fields that the policy trusts. */
  readonly trusted?: readonly TrustedValue[];
  /**
   * Nothing has come to the agent yet but the person's words: no call was let go, of anything but a
   * model. Absent: what it does may be somebody else's idea.
   */
  readonly fresh?: boolean;
  /** Addresses that stood in answers: for a card that says where a value comes from. */
  readonly seen?: readonly SeenAddress[];
  /** URLs among the words, canonical. */
  readonly urls?: readonly string[];
  /** Nobody will answer: an ask becomes a denial. */
  readonly headless: boolean;
  /** The product's program and data folders: refused to every driver, whatever a rule says. */
  readonly productFolders: readonly string[];
  /** Absolute path behind `~`. */
  readonly home: string;
  /** What a person accepted for the task; absent: nothing limits it but policy and folders. */
  readonly task?: TaskScope;
}

/** A person's standing answer to asks. Lives in the Guardian's ledger, not in the policy. */
export interface Grant {
  readonly id: string;
  readonly session: string;
  readonly scope: "once" | "session" | "pattern" | "task";
  /** `once`: exactly this action. */
  readonly actionId?: Uint8Array;
  /** `once`, instead of `actionId`: this target with these arguments, wherever they really lead. */
  readonly alikeTo?: Uint8Array;
  /** `pattern`: what is like the action on the card; so often, its keeper counts. */
  readonly pattern?: GrantPattern;
  /** `task`: what the scope of the task holds. */
  readonly task?: TaskScope;
  /** `session`: this target with these ask sources; empty with `task`. */
  readonly target: string;
  readonly discharges: readonly AskSource[];
  readonly policyHash: Uint8Array;
  readonly expiresMs: number;
}

export interface DecisionContext {
  readonly session: SessionContext;
  /** Budgets that this action would exceed, by name (`actions`, `wall_minutes`). */
  readonly exceededBudgets: readonly string[];
  /** Rates that this action would exceed, by name (`net::get per_minute`). */
  readonly exceededRates?: readonly string[];
  /** For rules that count at certain times only; absent: nobody knows what time it is. */
  readonly time?: DecisionTime;
  /** Canonical URL to which the action posts without naming it: of a tool's server elsewhere. */
  readonly posted?: string;
  /** Of the start of a confirmed server: what its program may reach, and the folders that it sees. */
  readonly starts?: {
    readonly places: readonly { readonly host: string; readonly port: number }[];
    readonly folders: readonly Root[];
  };
  /** Live grants only: unexpired, unused, of this session. */
  readonly grants: readonly Grant[];
  /** Identity of the action, where the caller has it already; else it is worked out. */
  readonly actionId?: Uint8Array;
  /** Why this action is refused whatever a policy says: its model is not the confirmed one. */
  readonly refusal?: {
    readonly id: `builtin:${string}`;
    readonly reason: string;
    readonly instead: string;
  };
  /**
   * As though every target had a driver: what a policy would say, for its tests and comparisons. The
   * Guardian never sets it.
   */
  readonly undriven?: true;
  /** Obligations that the driver on this machine cannot keep: what needs one is irreversible. */
  readonly unavailable?: readonly Obligation["type"][];
}

export interface MatchedRule {
  readonly id: string;
  readonly effect: Effect;
  readonly tier: Tier;
  readonly truth: "true" | "unknown" | "deferred";
}

export interface Decision {
  readonly verdict: Verdict;
  /** Every rule that fired, denies first, then asks, then allows. */
  readonly rules: readonly MatchedRule[];
  /** Left after grants; empty with verdict "allow". */
  readonly asks: readonly AskSource[];
  readonly discharged: readonly AskSource[];
  /** Ids of the grants that discharged something. */
  readonly grantsUsed: readonly string[];
  readonly obligations: readonly Obligation[];
  /** For a person, every character visible: why. Never empty for ask and deny. */
  readonly reason: string;
  /** What would be allowed; empty where nothing nearby would. */
  readonly instead: string;
  /** Address classes that rules opened for this request beside its name's own; none: absent. */
  readonly addressClasses?: readonly AddressClass[];
  /** With the obligations kept, the action can be undone. */
  readonly reversible: boolean;
  /** Rules in the shadow that would have refused it or asked; none: absent. */
  readonly shadow?: readonly MatchedRule[];
}

export interface PolicyError {
  readonly code: `E_POLICY_${string}`;
  readonly message: string;
  readonly at: { readonly file: string; readonly line: number; readonly column: number };
  readonly next?: string;
}

export interface PolicySource {
  readonly tier: Exclude<Tier, "builtin">;
  readonly file: string;
  readonly text: string;
}

export interface Budgets {
  readonly actions: number;
  readonly wallMinutes: number;
  /** Money for models, in micro-dollars; absent: no bound. */
  readonly modelMicrousd?: number;
  /** What models are told and say; absent: no bound. */
  readonly modelTokens?: number;
}

/** Compiled once, then immutable. `decide` reads nothing else. */
export interface CompiledPolicy {
  /** SHA-256 over the canonical encoding of the parsed sources. */
  readonly hash: Uint8Array;
  readonly budgets: Budgets;
  readonly approvalExpiresMinutes: number;
  /** How often; none where no policy says. */
  readonly rates: readonly Rate[];
  /** By asset, scaled, over a day; absent: no bound. */
  readonly walletPerDay?: ReadonlyMap<string, bigint>;
  /** Workspaces by name, with `~` still in the path. */
  readonly workspaces: readonly Root[];
  readonly rules: readonly { readonly id: string; readonly tier: Tier; readonly effect: Effect }[];
  /** What happens where nothing allows. */
  readonly defaultVerdict: "ask" | "deny";
  /** Reversible changes in scope that only the default would ask about do not ask. */
  readonly reversibleWithoutAsking: boolean;
  /** What the person says of the tools of servers, and of fields of their answers. */
  readonly tools: ToolPolicy;
  /** The compiled form; only this package reads it. */
  readonly engine: Engine;
}

/** `decide` is total: a malformed action is a denial with a reason. */
export type Decide = (policy: CompiledPolicy, action: Action, context: DecisionContext) => Decision;
