/**
 * Definitions of tools as servers send them: their hash, and which arguments a call may have.
 *
 * A definition counts whole: its description, its schema, its annotations. What differs in one
 * letter is another definition. Bounds: `mcpDefinitionBytesMax`.
 */
import { equalBytes, err, ok, type Result } from "@ioi/base";
import { type CryptoProvider, domainHash, domains } from "@ioi/crypto";
import { checkToolArguments, jsonOfCanonical } from "@ioi/firewall";
import { type CanonicalValue, encodeJcs, jcsBytes, type JsonValue, parseJson } from "@ioi/wire";
import { mcpDefinitionBytesMax } from "../limits.ts";

type JsonObject = { readonly [name: string]: JsonValue };

export const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export interface Definition {
  readonly name: string;
  readonly hash: Uint8Array;
  /** Canonical JSON. */
  readonly text: string;
}

/** What a driver said that a server said, read again and hashed here. */
export const readDefinition = (
  provider: Pick<CryptoProvider, "sha256">,
  given: { readonly name: string; readonly hash: Uint8Array; readonly text: string },
): Result<Definition, string> => {
  if (given.text.length > mcpDefinitionBytesMax) {
    return err(`its definition has more than ${mcpDefinitionBytesMax} bytes`);
  }
  const parsed = parseJson(given.text);
  if (!parsed.ok || !isObject(parsed.value)) return err("its definition is no JSON object");
  if (parsed.value["name"] !== given.name) return err("its definition has another name");
  const hash = domainHash(provider, domains.mcpTool, jcsBytes(parsed.value));
  if (!equalBytes(hash, given.hash)) return err("its definition has another hash");
  return ok({ name: given.name, hash, text: encodeJcs(parsed.value) });
};

/** Schemas whose meaning is not plain: the server's own validation is all there is. */
const composed = ["$ref", "allOf", "anyOf", "oneOf", "if", "patternProperties"] as const;

const unknownIn = (schema: JsonValue, value: CanonicalValue, at: string): string | undefined => {
  if (!isObject(schema) || composed.some((key) => Object.hasOwn(schema, key))) return undefined;
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items === undefined) return undefined;
    for (const [index, item] of value.entries()) {
      const found = unknownIn(items, item as CanonicalValue, `${at}[${index}]`);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return undefined;
  const { properties, additionalProperties } = schema;
  const open = additionalProperties === true || isObject(additionalProperties);
  if (!isObject(properties) && additionalProperties !== false) {
    // A tool without any schema of its arguments takes none.
    const none = at === "" && !open && schema["type"] === "object" && properties === undefined;
    return none ? Object.keys(value)[0] : undefined;
  }
  const known = isObject(properties) ? properties : {};
  for (const [name, inner] of Object.entries(value as Record<string, CanonicalValue>)) {
    const path = at === "" ? name : `${at}.${name}`;
    if (!Object.hasOwn(known, name)) {
      if (open) continue;
      return path;
    }
    const found = unknownIn(known[name] ?? null, inner, path);
    if (found !== undefined) return found;
  }
  return undefined;
};

/**
 * An argument that the pinned definition does not name. A schema that does not close itself is taken
 * as closed: what nobody was shown is not passed on.
 */
export const unknownArgument = (definition: string, args: CanonicalValue): string | undefined => {
  const parsed = parseJson(definition);
  if (!parsed.ok || !isObject(parsed.value)) return undefined;
  return unknownIn(parsed.value["inputSchema"] ?? {}, args, "");
};

/** Why arguments do not fit the schema of the pinned definition. */
export const argumentsComplaint = (
  definition: string,
  args: CanonicalValue,
): string | undefined => {
  const parsed = parseJson(definition);
  const json = jsonOfCanonical(args);
  if (!parsed.ok || !isObject(parsed.value)) return "its definition is no JSON object";
  if (json === undefined) return "they are no JSON";
  const checked = checkToolArguments(parsed.value["inputSchema"] ?? {}, json);
  return checked.ok ? undefined : checked.error.slice(0, 300);
};
