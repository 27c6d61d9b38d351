/**
 * Alike calls share one card: the same target in the same folder, asking for the same reasons. What
 * an agent is about to ask is named on the card of the first, and one answer is for all of them.
 *
 * Invariants: what is not on the card is not answered; an alike call counts only where its path
 * really leads where the card says; whatever needs its own look (protected, irreversible,
 * ungrounded) still asks when its turn comes.
 * Bounds: `alikeActionsMax`, `alikeBytesMax`.
 */
import { actionId, type CryptoProvider } from "@ioi/crypto";
import {
  type CompiledPolicy,
  decide,
  type Decision,
  type DecisionContext,
  isSessionDischargeable,
  visible,
} from "@ioi/firewall";
import {
  type Action,
  action as actionSchema,
  alikeActions,
  type CanonicalValue,
  decodeCanonical,
  schema,
} from "@ioi/wire";
import type { GuardianCore } from "./core.ts";
import type { SealedContent } from "./sealing.ts";
import { alikeActionsMax, alikeBytesMax } from "./limits.ts";

/** Identity of target and arguments alone: nobody has looked at the rest. */
export const alikeId = (provider: Pick<CryptoProvider, "sha256">, action: Action): Uint8Array =>
  actionId(provider, schema.encode(actionSchema, { ...action, facts: {} }));

const folderOf = (path: CanonicalValue | undefined): string | undefined =>
  typeof path === "string" ? path.slice(0, path.lastIndexOf("/")) : undefined;

/** Only paths: what else a call may hold is looked at by itself. */
const onlyPaths = (args: Action["args"]): boolean =>
  Object.entries(args).every(
    ([name, value]) => (name === "path" || name === "to") && typeof value === "string",
  );

const argsIn = (encoded: Uint8Array): Action["args"] | undefined => {
  const decoded = decodeCanonical(encoded);
  if (!decoded.ok) return undefined;
  const { value } = decoded;
  const isMap =
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array);
  return isMap ? (value as Action["args"]) : undefined;
};

/** The later calls that the card of `first` stands for. Hostile ones are left out. */
const alikeOf = (
  policy: CompiledPolicy,
  first: Action,
  { asks }: Decision,
  context: DecisionContext,
  later: readonly Uint8Array[],
): readonly Action[] => {
  const plain = asks.every((ask) => isSessionDischargeable(ask) || ask.kind === "cards");
  if (!plain || !first.target.startsWith("fs::") || !onlyPaths(first.args)) return [];
  const key = ({ kind, id }: { readonly kind: string; readonly id: string }): string =>
    `${kind}/${id}`;
  const reasons = new Set(asks.map(key));
  const found: Action[] = [];
  const seen = new Set([JSON.stringify(first.args)]);
  let bytes = 0;
  for (const encoded of later.slice(0, alikeActionsMax)) {
    bytes += encoded.length;
    if (bytes > alikeBytesMax) break;
    const args = argsIn(encoded);
    if (args === undefined || !onlyPaths(args)) continue;
    if (folderOf(args["path"]) !== folderOf(first.args["path"])) continue;
    const action: Action = { version: 1, target: first.target, args, facts: {} };
    const { actionId: _id, ...rest } = context;
    const judged = decide(policy, action, { ...rest, grants: [] });
    const same = judged.asks.every((ask) => ask.kind === "fact" || reasons.has(key(ask)));
    const name = JSON.stringify(args);
    if (judged.verdict !== "ask" || !same || seen.has(name)) continue;
    seen.add(name);
    found.push(action);
  }
  return found;
};

/** The sealed part of an ask that its answer is for as well; nothing where there is none. */
export const alikePart = (
  core: Pick<GuardianCore, "seal">,
  policy: CompiledPolicy,
  action: Action,
  decision: Decision,
  context: DecisionContext,
  later: readonly Uint8Array[],
): { readonly alike?: SealedContent } => {
  if (decision.verdict !== "ask") return {};
  const alike = alikeOf(policy, action, decision, context, later);
  if (alike.length === 0) return {};
  return { alike: core.seal(context.session.session, schema.encode(alikeActions, alike)) };
};

const lineOf = ({ args }: Action): string => {
  const shown = (value: CanonicalValue | undefined): string =>
    typeof value === "string" ? visible(value) : "";
  const to = args["to"] === undefined ? "" : `  ->  ${shown(args["to"])}`;
  return `          ${shown(args["path"])}${to}`;
};

/** The foot of a card that stands for more than its own action. */
export const alikeText = (alike: readonly Action[]): string =>
  alike.length === 0
    ? ""
    : [
        `alike     ${alike.length} more calls of ${visible(alike[0]?.target ?? "")}; "once" and "deny" answer all of them`,
        ...alike.map(lineOf),
        "",
      ].join("\n");
