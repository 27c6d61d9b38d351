/**
 * Grants discharge asks, never denials: exactly the sources on the card that a person answered.
 *
 * `once` holds for exactly one action. `session` holds for the target and those sources, except
 * for sources that must be answered each time. `task` holds for the default's ask about what the
 * scope of a task covers, under a policy whose default asks. A grant given under another policy stands only if
 * the action asks nothing that was not on its card.
 */
import { equalBytes } from "@ioi/base";
import { actionId } from "@ioi/crypto";
import { type Action, type AskSource, action as actionSchema, schema } from "@ioi/wire";
import { taskCovers } from "./scope/task.ts";
import type { Subject } from "./subject.ts";
import type { TargetSpec } from "./targets.ts";
import type { CompiledPolicy, DecisionContext, Grant } from "./types.ts";

/** Answered once for a whole session; every other kind of ask is answered each time. */
const sessionKinds: ReadonlySet<string> = new Set(["rule", "default", "budget", "task"]);

/** Money is asked about each time, whatever was answered before. */
export const isOnceOnly = ({ group }: TargetSpec): boolean => group === "wallet";

export const isSessionDischargeable = ({ kind }: AskSource): boolean => sessionKinds.has(kind);

/** Whether the card may offer "for this session": every one of its asks can be answered so. */
export const sessionScopeOffered = (asks: readonly AskSource[]): boolean =>
  asks.length > 0 && asks.every(isSessionDischargeable);

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
  if (grant.scope === "session") return true;
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
