/**
 * Tools of MCP servers as a model sees them, beside those of our own: one name, one schema each. What
 * a server says of a tool is its claim, and stands as such in the description.
 *
 * Invariants: a name stands for one tuple (server, tool); no name is one of ours. Bounds:
 * `offeredServerToolsMax`.
 */
import { parseJson } from "@ioi/wire";
import { offeredServerToolsMax } from "../limits.ts";
import type { SessionServer } from "../session/messages.ts";
import type { JsonSchema } from "../tools.ts";
import type { PromptTool } from "./prompt.ts";
import { isJsonObject } from "./reply.ts";

export interface ServerTool {
  readonly server: string;
  readonly tool: string;
  readonly prompt: PromptTool;
}

/** What providers let a name hold. */
const nameOf = (server: string, tool: string): string =>
  `${server}__${tool}`.replaceAll(/[^A-Za-z0-9_-]/g, "_").slice(0, 64);

const schemaOf = (text: string): JsonSchema => {
  const parsed = parseJson(text);
  return parsed.ok && isJsonObject(parsed.value) ? parsed.value : { type: "object" };
};

export const serverTools = (
  servers: readonly SessionServer[],
  own: ReadonlySet<string>,
): ReadonlyMap<string, ServerTool> => {
  const all = new Map<string, ServerTool>();
  for (const { name: server, tools } of servers) {
    for (const { name: tool, about, schema } of tools) {
      if (all.size >= offeredServerToolsMax) return all;
      const name = nameOf(server, tool);
      // Two tuples with one name: the second is called by mcp_call, or not at all.
      if (own.has(name) || all.has(name)) continue;
      const claim = about.replaceAll(/\s+/g, " ").trim();
      const description = `${tool} of the MCP server ${server}, which says of it: ${claim}`;
      all.set(name, { server, tool, prompt: { name, description, schema: schemaOf(schema) } });
    }
  }
  return all;
};
