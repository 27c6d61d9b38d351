/**
 * The JSON Canonicalization Scheme: one text per JSON value, for JSON that is hashed or compared.
 *
 * Source: RFC 8785. Numbers and string escapes are ECMAScript's; members are in order of their keys'
 * UTF-16 units; no white space. A lone surrogate, a number that is not finite, or a value that JSON
 * does not have is a bug of the caller (`parseJson` lets none through).
 * Bounds: `jsonDepthMax` of `./limits.ts`.
 */
import { assert, InvariantError, utf8Encode } from "@ioi/base";
import type { JsonValue } from "./json.ts";
import { jsonDepthMax } from "./limits.ts";

const quote = (text: string): string => {
  assert(text.isWellFormed(), "JSON text holds a lone surrogate");
  return JSON.stringify(text);
};

/** By UTF-16 units, as ECMAScript compares strings. */
const byUnits = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const encode = (value: JsonValue, depth: number): string => {
  assert(depth <= jsonDepthMax, `JSON deeper than ${jsonDepthMax} levels`);
  if (value === null) return "null";
  switch (typeof value) {
    case "boolean":
      return value ? "true" : "false";
    case "number":
      assert(Number.isFinite(value), `JSON has no ${value}`);
      // Negative zero is written without its sign.
      return String(value);
    case "string":
      return quote(value);
    case "object":
      break;
    default:
      throw new InvariantError(`JSON has no ${typeof value}`);
  }
  if (Array.isArray(value)) {
    return `[${(value as readonly JsonValue[]).map((item) => encode(item, depth + 1)).join(",")}]`;
  }
  const members = value as { readonly [key: string]: JsonValue };
  const keys = Object.keys(members).sort(byUnits);
  return `{${keys.map((key) => `${quote(key)}:${encode(members[key] as JsonValue, depth + 1)}`).join(",")}}`;
};

export const encodeJcs = (value: JsonValue): string => encode(value, 0);

/** UTF-8 of {@link encodeJcs}; what is hashed. */
export const jcsBytes = (value: JsonValue): Uint8Array => utf8Encode(encodeJcs(value));
