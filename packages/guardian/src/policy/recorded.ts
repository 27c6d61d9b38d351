/**
 * Actions of the log, as a text of the policy can judge them again: what was proposed, in the session
 * as it then was, with what a person had answered. Budgets and the clock of then are not rebuilt, and
 * nothing here permits anything. Bounds: `recordedLeavesMax`, `recordedVerdictsMax`.
 */
import { type DecisionContext, typedUrls } from "@ioi/firewall";
import { action as actionSchema, type Leaf, schema } from "@ioi/wire";
import type { GuardianCore } from "../core.ts";
import { recordedLeavesMax, recordedVerdictsMax } from "../limits.ts";
import { bringsContent, isFresh } from "../ledger.ts";
import type { RecordedVerdict } from "./tasks.ts";

type Intent = Extract<Leaf, { readonly type: "intent" }>;

/** Under which a recorded action is judged; workspaces are the judging policy's own. */
const noWorkspaces = { workspaces: [] } as const;

const answeredThen = (leaf: Intent): DecisionContext["grants"] =>
  leaf.discharged.length === 0
    ? []
    : [
        {
          id: "recorded",
          session: leaf.session,
          scope: "once",
          actionId: leaf.actionId,
          target: leaf.target,
          discharges: leaf.discharged,
          policyHash: leaf.policyHash,
          expiresMs: Number.MAX_SAFE_INTEGER,
        },
      ];

/** What a person had said by then, which of it was seen being typed, and whether it was all. */
interface Said {
  readonly words: string[];
  readonly typed: Set<number>;
  fresh: boolean;
}

const recorded = (
  core: GuardianCore,
  leaf: Intent,
  receipt: number,
  { words, typed }: Said,
  fresh: boolean,
): RecordedVerdict | undefined => {
  const session = core.ledger.sessions.get(leaf.session);
  const plain = core.open(leaf.session, leaf.action);
  const action = plain === undefined ? undefined : schema.decode(actionSchema, plain);
  if (session === undefined || action?.ok !== true) return undefined;
  const context = core.sessionContext(noWorkspaces, session, false);
  return {
    action: action.value,
    session: {
      ...context,
      words: [...words, ...context.words.filter((each) => !words.includes(each))],
      typed,
      fresh: isFresh({ ...session, fresh }),
      urls: typedUrls(words, core.ports.parseUrl, typed),
    },
    receipt,
    atMs: leaf.atMs,
    verdict: leaf.verdict,
    rules: leaf.rules,
    grants: answeredThen(leaf),
  };
};

const nothingSaid: Said = { words: [], typed: new Set(), fresh: false };

export interface Wanted {
  /** Empty: of every session. */
  readonly sessions: readonly string[];
  /** Up to this receipt, itself included; undefined: the newest. */
  readonly until?: number;
}

/** The newest verdicts that are wanted, newest first. */
export const recordedVerdicts = async (
  core: GuardianCore,
  { sessions, until }: Wanted,
): Promise<readonly RecordedVerdict[]> => {
  const last = Math.min(until ?? core.receipts.size - 1, core.receipts.size - 1);
  const first = Math.max(0, last + 1 - recordedLeavesMax);
  const said = new Map<string, Said>();
  const found: { readonly leaf: Intent; readonly index: number; readonly fresh: boolean }[] = [];
  for await (const { index, leaf } of core.receipts.read(first)) {
    if (index > last) break;
    if (leaf.type === "session-open") {
      const opening = core.openingOf(leaf);
      const before = said.get(leaf.session) ?? { words: [], typed: new Set(), fresh: first === 0 };
      if (opening?.typed === true) before.typed.add(before.words.length);
      before.words.push(opening?.text ?? "");
      said.set(leaf.session, before);
    }
    if (leaf.type !== "intent") continue;
    const by = said.get(leaf.session);
    const fresh = by?.fresh === true;
    if (by !== undefined && leaf.verdict === "allow" && bringsContent(leaf.target))
      by.fresh = false;
    if (sessions.length > 0 && !sessions.includes(leaf.session)) continue;
    found.push({ leaf, index, fresh });
    if (found.length > recordedVerdictsMax) found.shift();
  }
  return found.toReversed().flatMap(({ leaf, index, fresh }) => {
    const each = recorded(core, leaf, index, said.get(leaf.session) ?? nothingSaid, fresh);
    return each === undefined ? [] : [each];
  });
};
