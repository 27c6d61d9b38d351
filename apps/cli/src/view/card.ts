/**
 * The approval card at a terminal. Keys: a once, s session, d deny, e explain. No key approves by
 * default, and a card that just appeared takes none for a moment, so that what was typed for
 * something else does not answer it.
 */
import { previewAbsence, previewFits } from "@ioi/firewall/preview";
import { nodeCrypto } from "@ioi/host/crypto";
import type { pb } from "@ioi/wire";
import type { CommandContext } from "../context.ts";
import { visible } from "../io.ts";
import type { Decision } from "../kernel/device.ts";
import { cardGuardMs } from "../limits.ts";

const indented = (text: string): readonly string[] =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => `    ${line}`);

export interface ShownChange {
  /** none | coming | there | missing */
  readonly state: string;
  /** What the driver signed for this action; empty where nothing is there. */
  readonly text: string;
  readonly why: string;
}

/** What the action would change, once it is known to be of this action. */
export const changeOf = ({ preview, actionId }: pb.Approval): ShownChange => {
  const { state = "none", text = "", why = "" } = preview ?? {};
  if (preview === undefined || state !== "there") return { state, text: "", why };
  return previewFits(nodeCrypto, preview, actionId)
    ? { state, text, why: "" }
    : { state: "missing", text: "", why: "it is not of this action" };
};

const changeText = (approval: pb.Approval): string | undefined => {
  const change = changeOf(approval);
  return change.state === "there" ? visible(change.text) : previewAbsence(change);
};

export const cardText = (approval: pb.Approval): string => {
  const lines = visible(approval.card).trimEnd().split("\n");
  const change = changeText(approval);
  return [
    "",
    `approval ${approval.id}`,
    ...lines.map((line) => `  ${line}`),
    ...(change === undefined ? [] : ["", "  what changes", ...indented(change)]),
    "",
  ].join("\n");
};

const because: Readonly<Record<string, string>> = {
  rule: "the policy's rule asks",
  default: "no rule allows it, and the policy's default is to ask",
  ungrounded: "this argument does not come from your own words",
  budget: "this budget is used up",
  fact: "something about it could not be found out",
  protected: "it touches a protected path",
  dynamic: "part of the command is only known when it runs",
  irreversible: "it cannot be undone",
  task: "the task was not given this",
  tool: "your words do not ask for what this tool does",
  topic: "your words do not speak of what this tool shows, and something was read before",
  link: "it holds a link that does not come from your own words",
  cards: "the task asks too often",
  rate: "it happens too often",
};

export const explainAsks = (approval: pb.Approval): string =>
  approval.asks
    .map(({ kind, id }) => `  asks because ${because[kind] ?? kind}: ${visible(id)}`)
    .join("\n");

const keysLine = (approval: pb.Approval): string =>
  `[a] once  ${approval.patternScope ? "[l] alike  " : ""}${approval.sessionScope ? "[s] this session  " : ""}[d] deny  [e] explain > `;

/** The person's answer. */
export const askCard = async (
  context: CommandContext,
  approval: pb.Approval,
): Promise<Decision> => {
  const { io, signal } = context;
  io.err(`${cardText(approval)}\n${keysLine(approval)}`);
  const shownAt = io.now();
  for (;;) {
    const key = await io.readKey(signal).catch((error: unknown) => {
      io.err("\n");
      throw error;
    });
    if (io.now() - shownAt < cardGuardMs) continue;
    if (key === "a" || key === "l" || key === "s" || key === "d") {
      if (key === "s" && !approval.sessionScope) continue;
      if (key === "l" && !approval.patternScope) continue;
      io.err(`${key}\n`);
      return {
        decision: key === "d" ? "deny" : "approve",
        scope: key === "s" ? "session" : key === "l" ? "pattern" : "once",
      };
    }
    if (key === "e") io.err(`e\n${explainAsks(approval)}\n${keysLine(approval)}`);
  }
};
