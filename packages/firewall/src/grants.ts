/**
 * Grants discharge asks, never denials: exactly the sources on the card that a person answered.
 *
 * `once` holds for exactly one action. `session` holds for the target and those sources, except
 * for sources that must be answered each time. `pattern` holds for actions like the one on the card,
 * so often and so long, and for the same sources. `task` holds for the default's ask about what the
 * scope of a task covers, under a policy whose default asks. A grant given under another policy stands only if
 * the action asks nothing that was not on its card.
 */
import { equalBytes } from "@ioi/base";
import { actionId } from "@ioi/crypto";
import { type Action, type AskSource, action as actionSchema, schema } from "@ioi/wire";
import { taskCovers } from "./scope/task.ts";
import { type GrantPattern, grantPattern, isLike } from "./grant-pattern.ts";
import { rootTable } from "./roots.ts";
import { readSubject, type Subject } from "./subject.ts";
import { type TargetSpec, targets } from "./targets.ts";
import type { CompiledPolicy, DecisionContext, Grant, SessionContext } from "./types.ts";

/** Answered once for a whole session; every other kind of ask is answered each time. */
const sessionKinds: ReadonlySet<string> = new Set(["rule", "default", "budget", "task", "topic"]);

/** Each is of other memories, and none comes back. */
const eachMemory: ReadonlySet<string> = new Set(["memory::forget", "memory::share"]);

/**
 * Money, whatever uses a secret, and what erases memories or gives them away are asked about each time,
 * whatever was answered before.
 */
export const isOnceOnly = (
  { name: target, group, arguments: specs }: TargetSpec,
  has: (argument: string) => boolean,
): boolean =>
  group === "wallet" ||
  eachMemory.has(target) ||
  specs.some(({ role, name }) => role === "credential" && has(name));

/** One host is not another: a tunnel is asked about once for each. */
const isPerHost = (target: string): boolean => target === "net::connect";

export const isSessionDischargeable = ({ kind }: AskSource): boolean => sessionKinds.has(kind);

/** Whether the card may offer "for this session": every one of its asks can be answered so. */
export const sessionScopeOffered = (
  asks: readonly AskSource[],
  { target: name, args }: Pick<Action, "target" | "args">,
): boolean => {
  const target = targets.get(name);
  return (
    asks.length > 0 &&
    asks.every(isSessionDischargeable) &&
    target !== undefined &&
    !isPerHost(name) &&
    !isOnceOnly(target, (argument) => args[argument] !== undefined)
  );
};

/** What an answer "alike" would stand for; undefined where none is offered. */
export const offeredPattern = (
  asks: readonly AskSource[],
  action: Action,
  subject: Subject,
): GrantPattern | undefined =>
  sessionScopeOffered(asks, action) ? grantPattern(subject) : undefined;

/** No roots: what is like an action is said of real folders, whatever a session calls them. */
const nowhere: SessionContext = {
  session: "",
  agent: "",
  roots: [],
  words: [],
  headless: true,
  productFolders: [],
  home: "/",
};

/** The same, of an action that nobody has read yet; it follows from the action alone. */
export const patternOf = (action: Action, asks: readonly AskSource[]): GrantPattern | undefined => {
  const subject = readSubject(action, rootTable(nowhere));
  return subject.ok ? offeredPattern(asks, action, subject.value) : undefined;
};

const sameSource = (a: AskSource, b: AskSource): boolean => a.kind === b.kind && a.id === b.id;

const lists = (grant: Grant, ask: AskSource): boolean =>
  grant.discharges.some((source) => sameSource(source, ask));

/** A card that named an action before anybody looked at it stands only for what it named. */
const leadsWhereItSays = ({ paths }: Subject): boolean =>
  paths.every(({ value }) => value.real !== undefined && value.real.path === value.given.path);

const identityOf = (
  policy: CompiledPolicy,
  action: Action,
  context: DecisionContext | undefined,
): Uint8Array =>
  context?.actionId ?? actionId(policy.engine.hashing, schema.encode(actionSchema, action));

const applies = (
  grant: Grant,
  policy: CompiledPolicy,
  action: Action,
  context: DecisionContext,
  subject: Subject,
): boolean => {
  if (grant.scope === "task") {
    const asks = policy.defaultVerdict === "ask" && grant.session === context.session.session;
    return asks && grant.task !== undefined && taskCovers(grant.task, subject);
  }
  if (grant.session !== context.session.session || grant.target !== action.target) return false;
  const has = (argument: string): boolean => subject.values.has(argument);
  const eachTime = isOnceOnly(subject.target, has) || isPerHost(subject.target.name);
  if (eachTime && grant.scope !== "once") return false;
  if (grant.scope === "session") return true;
  if (grant.scope === "pattern") {
    return grant.pattern !== undefined && isLike(grant.pattern, subject);
  }
  if (grant.alikeTo !== undefined) {
    return (
      leadsWhereItSays(subject) &&
      equalBytes(grant.alikeTo, identityOf(policy, { ...action, facts: {} }, undefined))
    );
  }
  return (
    grant.actionId !== undefined && equalBytes(grant.actionId, identityOf(policy, action, context))
  );
};

/** Given for exactly this action, with everything that was known of it on the card. */
const isDirect = ({ scope, alikeTo }: Grant): boolean => scope === "once" && alikeTo === undefined;

export interface Discharge {
  readonly left: readonly AskSource[];
  readonly discharged: readonly AskSource[];
  readonly used: readonly string[];
}

export const discharge = (
  asks: readonly AskSource[],
  policy: CompiledPolicy,
  action: Action,
  context: DecisionContext,
  subject: Subject,
): Discharge => {
  if (asks.length === 0 || context.grants.length === 0) {
    return { left: asks, discharged: [], used: [] };
  }
  const live = context.grants.filter(
    (grant) =>
      applies(grant, policy, action, context, subject) &&
      (equalBytes(grant.policyHash, policy.hash) || asks.every((ask) => lists(grant, ask))),
  );
  const left: AskSource[] = [];
  const discharged: AskSource[] = [];
  const used = new Set<string>();
  for (const ask of asks) {
    const by = live.find(
      (grant) => lists(grant, ask) && (isDirect(grant) || isSessionDischargeable(ask)),
    );
    if (by === undefined) left.push(ask);
    else {
      discharged.push(ask);
      used.add(by.id);
    }
  }
  return { left, discharged, used: [...used] };
};
