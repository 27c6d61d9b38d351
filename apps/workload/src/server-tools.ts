/** The tools of confirmed MCP servers: what a model is told of them, and which definition a call names. */
import {
  clip,
  serverSchemaCharsMax,
  serverToolCharsMax,
  type SessionEffect,
  type SessionServer,
} from "@ioi/agent";
import { parseJson } from "@ioi/wire";
import type { OpenedSession, RegisteredServer } from "./ends.ts";

type Prepare = Extract<SessionEffect, { readonly type: "prepare" }>;

/** Of no tool that a person has seen: the Guardian refuses it, and says why. */
const noDefinition = new Uint8Array(32);

/** What a model is told of a tool: its server's words, as far as they fit. */
const toldOf = ({ name, definition }: RegisteredServer["tools"][number]) => {
  const parsed = parseJson(definition);
  const { description, inputSchema } = (parsed.ok ? parsed.value : {}) as {
    readonly description?: unknown;
    readonly inputSchema?: unknown;
  };
  const schema_ = JSON.stringify(inputSchema ?? {});
  return {
    name,
    about: clip(typeof description === "string" ? description : "", serverToolCharsMax),
    schema: schema_.length <= serverSchemaCharsMax ? schema_ : "",
  };
};

export const serversPart = (
  servers: readonly RegisteredServer[],
): { readonly servers?: readonly SessionServer[] } =>
  servers.length === 0
    ? {}
    : { servers: servers.map(({ name, tools }) => ({ name, tools: tools.map(toldOf) })) };

export const definitionOf = (
  opened: OpenedSession | undefined,
  args: Prepare["args"],
): { readonly definition: Uint8Array } => {
  const server = opened?.mcpServers?.find(({ name }) => name === args["server"]);
  const tool = server?.tools.find(({ name }) => name === args["tool"]);
  return { definition: tool?.hash ?? noDefinition };
};
