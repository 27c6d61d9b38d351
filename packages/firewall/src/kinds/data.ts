/**
 * JSON and bytes as arguments. The canonical form of JSON is the value itself, since canonical
 * values order their keys; a number that is no integer of JavaScript's safe range becomes
 * `{"\u0001": "1.5"}` with its shortest decimal text, and keys with control characters are refused,
 * so that no object can be mistaken for one. Bounds: `jsonArgument*Max`.
 */
import { err, fromHex, ok, type Result } from "@ioi/base";
import type { CanonicalValue, JsonValue } from "@ioi/wire";
import { jsonArgumentDepthMax, jsonArgumentTextMax, jsonArgumentValuesMax } from "../limits.ts";
import { hasControls } from "../paths.ts";

const fraction = "\u0001";

interface Bounds {
  values: number;
  chars: number;
}

const isObject = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  !(value instanceof Uint8Array);

const textComplaint = (text: string, bounds: Bounds): string | undefined => {
  bounds.chars += text.length;
  if (bounds.chars > jsonArgumentTextMax) return "it holds too much text";
  return text.isWellFormed() ? undefined : "it holds text that is not Unicode";
};

const canonical = (
  value: unknown,
  bounds: Bounds,
  depth: number,
): Result<CanonicalValue, string> => {
  if (++bounds.values > jsonArgumentValuesMax) return err("it holds too many values");
  if (depth > jsonArgumentDepthMax) return err("it is nested too deeply");
  if (value === null || typeof value === "boolean") return ok(value);
  if (typeof value === "string") {
    const complaint = textComplaint(value, bounds);
    return complaint === undefined ? ok(value) : err(complaint);
  }
  if (typeof value === "number") {
    if (!Number.isFinite(value)) return err("it holds a number that JSON does not have");
    if (Number.isSafeInteger(value)) return ok(value + 0);
    return Number.isInteger(value)
      ? err("it holds an integer beyond 2^53")
      : ok({ [fraction]: String(value) });
  }
  if (Array.isArray(value)) {
    const items: CanonicalValue[] = [];
    for (const each of value as readonly unknown[]) {
      const item = canonical(each, bounds, depth + 1);
      if (!item.ok) return item;
      items.push(item.value);
    }
    return ok(items);
  }
  if (!isObject(value)) return err("it is not JSON");
  const entries: [string, CanonicalValue][] = [];
  for (const [key, each] of Object.entries(value)) {
    const complaint = hasControls(key) ? "it holds a key with control characters" : undefined;
    const wrong = complaint ?? textComplaint(key, bounds);
    if (wrong !== undefined) return err(wrong);
    if (each === undefined) continue;
    const item = canonical(each, bounds, depth + 1);
    if (!item.ok) return item;
    entries.push([key, item.value]);
  }
  return ok(Object.fromEntries(entries));
};

/** A JSON object in canonical form. */
export const canonicalJson = (given: unknown): Result<CanonicalValue, string> =>
  isObject(given) ? canonical(given, { values: 0, chars: 0 }, 0) : err("it is not a JSON object");

const plain = (value: CanonicalValue, depth: number): JsonValue | undefined => {
  if (depth > jsonArgumentDepthMax + 1 || value instanceof Uint8Array) return undefined;
  if (typeof value === "bigint") return undefined;
  if (Array.isArray(value)) {
    const items = (value as readonly CanonicalValue[]).map((each) => plain(each, depth + 1));
    return items.includes(undefined) ? undefined : (items as readonly JsonValue[]);
  }
  if (!isObject(value)) return value as JsonValue;
  const keys = Object.keys(value);
  if (keys.length === 1 && keys[0] === fraction) {
    const text = (value as { readonly [key: string]: CanonicalValue })[fraction];
    const number = typeof text === "string" ? Number(text) : Number.NaN;
    return Number.isFinite(number) && String(number) === text ? number : undefined;
  }
  const entries = Object.entries(value as { readonly [key: string]: CanonicalValue }).map(
    ([key, each]) => [key, plain(each, depth + 1)] as const,
  );
  return entries.some(([, each]) => each === undefined)
    ? undefined
    : (Object.fromEntries(entries) as JsonValue);
};

/** The JSON that a canonical value stands for; undefined where it stands for none. */
export const jsonOfCanonical = (value: CanonicalValue): JsonValue | undefined => plain(value, 0);

/** Only what `canonicalJson` makes. */
export const readJson = (value: CanonicalValue): Result<JsonValue, string> => {
  const json = jsonOfCanonical(value);
  if (json === undefined) return err("it is not canonical JSON");
  const again = canonicalJson(json);
  return again.ok ? ok(json) : again;
};

/** Bytes as they are, or in hexadecimal. */
export const canonicalBytes = (given: unknown, length: number): Result<Uint8Array, string> => {
  const bytes = typeof given === "string" ? fromHex(given) : given;
  return bytes instanceof Uint8Array && bytes.length === length
    ? ok(bytes)
    : err(`it is ${length} bytes`);
};
