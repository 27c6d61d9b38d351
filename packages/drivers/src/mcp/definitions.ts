/** What a list of tools says, and the hash of each definition. Pure. */
import { err, ok, type Result, utf8Encode } from "@ioi/base";
import { type CryptoProvider, domainHash, domains } from "@ioi/crypto";
import { encodeJcs } from "@ioi/wire";
import { mcpToolsMax } from "../limits.ts";
import { isJsonObject, type JsonObject } from "./messages.ts";

export interface ToolDefinition {
  readonly name: string;
  readonly hash: Uint8Array;
  /** Canonical JSON of all of it. */
  readonly text: string;
}

/** The tools of one page of `tools/list`. */
export const definitionsOf = (
  provider: Pick<CryptoProvider, "sha256">,
  result: JsonObject,
): Result<readonly ToolDefinition[], string> => {
  const { tools } = result;
  if (!Array.isArray(tools)) return err("a list of tools is a list");
  if (tools.length > mcpToolsMax) return err(`it lists more than ${mcpToolsMax} tools`);
  const all: ToolDefinition[] = [];
  const names = new Set<string>();
  for (const tool of tools) {
    const name = isJsonObject(tool) ? tool["name"] : undefined;
    if (typeof name !== "string" || name === "" || name.startsWith("#")) {
      return err("a tool has a name");
    }
    if (names.has(name)) return err(`it lists ${JSON.stringify(name.slice(0, 64))} twice`);
    names.add(name);
    const text = encodeJcs(tool);
    all.push({ name, hash: domainHash(provider, domains.mcpTool, utf8Encode(text)), text });
  }
  return ok(all);
};
