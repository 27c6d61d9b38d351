/**
 * The tools as a model sees them, and a model's call as a proposal. One registry gives both; the
 * model's own means (`model::infer`) and the person's undo are not offered.
 */
import { err, ok, type Result, utf8Encode } from "@ioi/base";
import { parseJson } from "@ioi/wire";
import { actionContentBytesMax } from "../limits.ts";
import { nearest } from "../planner/suggest.ts";
import type { AgentStep, SessionServer } from "../session/messages.ts";
import {
  callTarget,
  type RawArguments,
  type Tool,
  toolName,
  tools,
  toolSchema,
  validateCall,
} from "../tools.ts";
import type { PromptTool } from "./prompt.ts";
import { isJsonObject, type ReplyCall } from "./reply.ts";
import { serverTools } from "./server-tools.ts";

/** Only with servers: what a session does not have is not offered. */
const notOffered: ReadonlySet<string> = new Set(["fs::restore", callTarget]);

export const offeredTools: readonly Tool[] = tools.filter(
  ({ driver, risk, target }) => driver !== null && risk !== "model" && !notOffered.has(target),
);

const byName: ReadonlyMap<string, Tool> = new Map(
  offeredTools.map((tool) => [toolName(tool), tool]),
);

/** Answered from the session's own contents: no action, no driver. */
export const contentRead = "content_read";

const contentReadTool: PromptTool = {
  name: contentRead,
  description: "Read on in what an earlier action of this session found.",
  schema: {
    type: "object",
    additionalProperties: false,
    required: ["action", "offset"],
    properties: {
      action: { type: "integer", minimum: 1, description: "The number of the action." },
      offset: { type: "integer", minimum: 0, description: "The first byte." },
    },
  },
};

export const promptTools: readonly PromptTool[] = [
  ...offeredTools.map((tool) => ({
    name: toolName(tool),
    description: tool.about,
    schema: toolSchema(tool),
  })),
  contentReadTool,
];

const ownNames: ReadonlySet<string> = new Set(promptTools.map(({ name }) => name));

/** What a model is offered in a session: ours, and those of the servers that were confirmed. */
export const toolsFor = (servers: readonly SessionServer[]): readonly PromptTool[] =>
  servers.length === 0
    ? promptTools
    : [...promptTools, ...[...serverTools(servers, ownNames).values()].map(({ prompt }) => prompt)];

export type TakenCall =
  | Extract<AgentStep, { readonly type: "propose" }>
  | { readonly type: "content"; readonly n: number; readonly offset: number };

const isCount = (value: unknown): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

const noSuchTool = (name: string): string => {
  const names = [...byName.keys(), contentRead];
  const near = nearest(name.replaceAll(/[.:-]+/g, "_"), names);
  const hint = near === undefined ? `the tools are ${names.join(", ")}` : `did you mean ${near}?`;
  return `there is no tool ${JSON.stringify(name)}; ${hint}`;
};

const proposal = (
  tool: Tool,
  given: Readonly<Record<string, unknown>>,
): Result<TakenCall, string> => {
  const name = tool.arguments.find((each) => each.of.type === "content")?.name;
  const { target } = tool;
  const { [name ?? ""]: content, ...args } = given;
  if (content !== undefined && typeof content !== "string") {
    return err(`${name} must be text`);
  }
  const bytes = content === undefined ? undefined : utf8Encode(content);
  if ((bytes?.length ?? 0) > actionContentBytesMax) {
    return err(`${name} has more than ${actionContentBytesMax} bytes`);
  }
  const raw = args as RawArguments;
  const valid = validateCall(target, raw, bytes !== undefined);
  if (!valid.ok) return err(valid.error.message);
  return ok({
    type: "propose",
    target,
    args: raw,
    ...(bytes === undefined ? {} : { content: bytes }),
  });
};

const serverCall = (
  call: ReplyCall,
  servers: readonly SessionServer[],
): Result<TakenCall, string> | undefined => {
  if (servers.length === 0) return undefined;
  const found = serverTools(servers, ownNames).get(call.name);
  if (found === undefined) return undefined;
  const { server, tool } = found;
  const args = { server, tool, arguments: call.arguments === "" ? "{}" : call.arguments };
  const valid = validateCall(callTarget, args, false);
  return valid.ok ? ok({ type: "propose", target: callTarget, args }) : err(valid.error.message);
};

/** What a call of a model proposes, or in a sentence for the model why it proposes nothing. */
export const takeCall = (
  call: ReplyCall,
  servers: readonly SessionServer[] = [],
): Result<TakenCall, string> => {
  const ofServer = serverCall(call, servers);
  if (ofServer !== undefined) return ofServer;
  const tool = byName.get(call.name);
  if (tool === undefined && call.name !== contentRead) return err(noSuchTool(call.name));
  const parsed = parseJson(call.arguments === "" ? "{}" : call.arguments);
  if (!parsed.ok) return err(`the arguments are not JSON: ${parsed.error.message}`);
  if (!isJsonObject(parsed.value)) return err("the arguments are no JSON object");
  if (tool !== undefined) return proposal(tool, parsed.value);
  const { action, offset, ...more } = parsed.value;
  return isCount(action) && isCount(offset) && action > 0 && Object.keys(more).length === 0
    ? ok({ type: "content", n: action, offset })
    : err("content_read takes action, from 1, and offset, from 0, both integers");
};
