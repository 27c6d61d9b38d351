/**
 * What the client of a gate without a person may answer for. Its answer is unsigned: a claim that its
 * user said so. It stands only for one call of a tool that a policy calls reversible.
 *
 * Source: the design of the firewall, section 3 (a gate without a person).
 */
import type { Action, AskSource } from "@ioi/wire";
import { rootTable } from "../roots.ts";
import { readSubject } from "../subject.ts";
import type { CompiledPolicy, Decision, SessionContext } from "../types.ts";
import { toolCallOf } from "./call.ts";

/** Every other kind needs somebody who signs: budgets, facts, protected places, what is not kept. */
const kinds: ReadonlySet<AskSource["kind"]> = new Set(["default", "rule", "ungrounded", "link"]);

/** Nobody takes back what these do, whatever a policy says of the tool. */
const grave: ReadonlySet<string> = new Set(["buy", "delete", "send", "run"]);

const graveRoles: ReadonlySet<string> = new Set(["amount", "credential", "program"]);

/** Whether an ask may be put to the client of a gate. */
export const answerableUnsigned = (
  policy: CompiledPolicy,
  action: Action,
  { verdict, asks, rules, reversible }: Decision,
  session: SessionContext,
): boolean => {
  if (verdict !== "ask" || !reversible || session.gate !== true) return false;
  if (!asks.every(({ kind }) => kinds.has(kind))) return false;
  // What an administrator asks about is asked of a person.
  if (rules.some(({ effect, tier }) => effect === "ask" && tier === "admin")) return false;
  const read = readSubject(action, rootTable(session));
  const call = read.ok ? toolCallOf(policy.tools, action.target, read.value.values) : undefined;
  // Methods of the protocol are no tools, and a policy's `*` does not mean them.
  if (call?.spec === undefined || call.tool.startsWith("#") || call.leaves === undefined) {
    return false;
  }
  const { group } = call.spec;
  return (
    (group === undefined || !grave.has(group)) &&
    call.leaves.every(({ role }) => !graveRoles.has(role))
  );
};
