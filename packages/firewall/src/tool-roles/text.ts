/**
 * A call of a tool in words: for its card, every value with where it comes from; for whoever asks why,
 * what is not the person's own and in which answer it stood.
 */
import type { AskSource, JsonValue } from "@ioi/wire";
import { type GroundedRole, originOf, seenIn, sourcesOf } from "../grounding/sources.ts";
import { cardArgumentsMax } from "../limits.ts";
import type { SessionContext } from "../types.ts";
import { visible } from "../visible.ts";
import { askId, isNotOwn, type ToolCall, undescribed } from "./call.ts";
import { leavesOf, type ToolLeaf } from "./spec.ts";

const shownCharsMax = 200;

const shown = (value: ToolLeaf["value"]): string => {
  const text = typeof value === "string" ? `"${visible(value)}"` : String(value);
  return text.length <= shownCharsMax ? text : `${text.slice(0, shownCharsMax)}...`;
};

/** In which answer a value stood that is not the person's own. */
const stoodIn = (value: ToolLeaf["value"], session: SessionContext): string => {
  const seen = typeof value === "string" ? seenIn(value, session) : undefined;
  if (seen === undefined) return "";
  const page = seen.server.includes("::");
  const where = page ? `a page of ${seen.tool}` : `an answer of ${seen.server}.${seen.tool}`;
  return `it stood in ${visible(where)} (ticket ${seen.counter})`;
};

/** Why one ask about a call of a tool is there; undefined where it is none of these. */
export const toolAskText = (
  { kind, id }: AskSource,
  { server, tool, leaves = [] }: ToolCall,
  session: SessionContext,
): string | undefined => {
  const field = visible(id.replace(/^arguments\./, ""));
  if (kind === "link") return `"${field}" holds a link that does not come from your words.`;
  if (kind === "tool") {
    const name = visible(`${server}.${tool}`);
    return id === undescribed
      ? `Your policy does not say what ${name} is.`
      : `${name} belongs to "${visible(id)}", which your words do not ask for.`;
  }
  if (kind === "topic") {
    const name = visible(`${server}.${tool}`);
    const who = "and once anything was read it may be somebody else who wants to know";
    return `Your words do not speak of what ${name} shows, ${who}.`;
  }
  if (kind === "default") return `No rule allows ${visible(`${server}.${tool}`)} here.`;
  if (kind !== "ungrounded") return undefined;
  const leaf = leaves.find((each) => askId(each.field) === id && isNotOwn(each, session));
  if (leaf === undefined) return undefined;
  const where = stoodIn(leaf.value, session);
  const from = where === "" ? "" : `: ${where}`;
  return `"${field}" ${shown(leaf.value)} does not come from your words${from}.`;
};

const roles: readonly GroundedRole[] = ["destination", "credential", "selector"];

/** Where a value comes from, as far as it is known. */
const provenance = (leaf: ToolLeaf, session: SessionContext, asked: boolean): string => {
  if (asked) {
    const where = stoodIn(leaf.value, session);
    return where === "" ? "not from your words" : `not from your words: ${where}`;
  }
  if (typeof leaf.value !== "string") return "";
  const origins = roles.map((role) => originOf(String(leaf.value), role, sourcesOf(session)));
  const found = origins.find((origin) => origin !== undefined);
  if (found === undefined) return stoodIn(leaf.value, session);
  if (found.type !== "look-up") return found.type === "pick" ? "your pick" : "your words";
  const of = visible(`${found.server}.${found.tool}`);
  return `from your look-up ${of} (ticket ${found.counter})`;
};

/** Every value of the arguments on a line of its own, label and text. */
export const toolLines = (
  json: JsonValue,
  session: SessionContext,
  asks: readonly AskSource[],
): readonly (readonly [label: string, text: string])[] => {
  const leaves = leavesOf(json, undefined) ?? [];
  const asked = new Set(asks.filter(({ kind }) => kind === "ungrounded").map(({ id }) => id));
  const lines = leaves.slice(0, cardArgumentsMax).map((leaf): readonly [string, string] => {
    const ungrounded = asked.has(askId(leaf.field)) && isNotOwn(leaf, session);
    const from = provenance(leaf, session, ungrounded);
    return [visible(leaf.field), `${shown(leaf.value)}${from === "" ? "" : `  (${from})`}`];
  });
  const more = leaves.length - lines.length;
  return more > 0 ? [...lines, ["", `and ${more} more values`]] : lines;
};
