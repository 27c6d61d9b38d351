/**
 * What an answer of a tool holds that later decisions speak of: values of the fields that the person
 * trusts, and the addresses that stood anywhere in it. The driver works it out, commits to it in its
 * signed outcome, and the Guardian keeps it with the session.
 *
 * Bounds: `trustedPerAnswerMax`, `seenPerAnswerMax`, `answerTextCharsMax`; what is beyond is left out,
 * which grounds less and never more.
 */
import { err, ok, type Result } from "@ioi/base";
import { decodeCanonical, encodeCanonical, type JsonValue, parseJson } from "@ioi/wire";
import {
  answerDepthMax,
  answerTextCharsMax,
  groundedCharsMax,
  seenPerAnswerMax,
  trustedPerAnswerMax,
} from "../limits.ts";
import { isAddress, type Token, tokenKey, tokenOf, type TokenType } from "./token.ts";

export interface AnswerOrigins {
  readonly trusted: readonly { readonly field: string; readonly text: string }[];
  readonly seen: readonly Token[];
}

/** Where `[].email` leads in a value; own properties only. */
const at = (value: JsonValue, path: readonly string[]): readonly JsonValue[] => {
  const [name, ...rest] = path;
  if (name === undefined) return [value];
  if (name === "[]") {
    return Array.isArray(value)
      ? (value as readonly JsonValue[]).flatMap((item) => at(item, rest))
      : [];
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [];
  return Object.hasOwn(value, name)
    ? at((value as { readonly [key: string]: JsonValue })[name] as JsonValue, rest)
    : [];
};

const stepsOf = (field: string): readonly string[] =>
  field
    .replaceAll("[]", ".[]")
    .split(".")
    .filter((step) => step !== "");

const trustedOf = (value: JsonValue, field: string): readonly string[] =>
  at(value, stepsOf(field)).flatMap((each) => {
    const text = typeof each === "number" ? String(each) : each;
    const fits = typeof text === "string" && text !== "" && text.length <= groundedCharsMax;
    return fits && text.isWellFormed() ? [text] : [];
  });

const pieces = /[^\s"'`<>(),;[\]{}|]+/gu;

const seenInText = (text: string, into: Map<string, Token>): void => {
  for (const [piece] of text.slice(0, answerTextCharsMax).matchAll(pieces)) {
    if (into.size >= seenPerAnswerMax) return;
    if (piece.length > groundedCharsMax || !/[@.\d/]/.test(piece)) continue;
    const token = tokenOf(piece.replace(/[.!?:]+$/, ""));
    if (token !== undefined && isAddress(token)) into.set(tokenKey(token), token);
  }
};

const seenIn = (value: JsonValue, into: Map<string, Token>, depth = 0): void => {
  if (into.size >= seenPerAnswerMax || depth > answerDepthMax) return;
  if (typeof value === "string") seenInText(value, into);
  else if (Array.isArray(value))
    for (const item of value as readonly JsonValue[]) seenIn(item, into, depth + 1);
  else if (typeof value === "object" && value !== null) {
    for (const [name, item] of Object.entries(value)) {
      seenInText(name, into);
      seenIn(item, into, depth + 1);
    }
  }
};

/** `fields`: of the ticket's obligation `origins`. */
export const originsOf = (answer: JsonValue, fields: readonly string[]): AnswerOrigins => {
  const trusted = fields.flatMap((field) =>
    trustedOf(answer, field).map((text) => ({ field, text })),
  );
  const seen = new Map<string, Token>();
  seenIn(answer, seen);
  return { trusted: trusted.slice(0, trustedPerAnswerMax), seen: [...seen.values()] };
};

/** What a tool's answer is as a value: structured content, or text that is JSON, or the text. */
export const answerValue = (
  structured: JsonValue | undefined,
  texts: readonly string[],
): JsonValue => {
  if (structured !== undefined) return structured;
  const text = texts.join("\n");
  const parsed = texts.length === 1 ? parseJson(text) : undefined;
  return parsed?.ok === true ? parsed.value : text;
};

export const encodeOrigins = ({ trusted, seen }: AnswerOrigins): Uint8Array =>
  encodeCanonical({
    trusted: trusted.map(({ field, text }) => [field, text]),
    seen: seen.map(({ type, text }) => [type, text]),
  });

const tokenTypes: ReadonlySet<string> = new Set<TokenType>([
  "email",
  "url",
  "host",
  "account",
  "phone",
  "path",
]);

const pairsOf = (
  value: unknown,
  max: number,
): readonly (readonly [string, string])[] | undefined => {
  if (!Array.isArray(value) || value.length > max) return undefined;
  const pairs = value as readonly unknown[];
  const fits = pairs.every(
    (pair) =>
      Array.isArray(pair) &&
      pair.length === 2 &&
      pair.every((text) => typeof text === "string" && text.length <= 4 * groundedCharsMax),
  );
  return fits ? (pairs as readonly (readonly [string, string])[]) : undefined;
};

export const decodeOrigins = (bytes: Uint8Array): Result<AnswerOrigins, string> => {
  const decoded = decodeCanonical(bytes);
  if (!decoded.ok) return err(decoded.error.message);
  const { trusted, seen } = Object(decoded.value) as Partial<Record<"trusted" | "seen", unknown>>;
  const [values, addresses] = [
    pairsOf(trusted, trustedPerAnswerMax),
    pairsOf(seen, seenPerAnswerMax),
  ];
  if (values === undefined || addresses === undefined) return err("malformed origins");
  if (addresses.some(([type]) => !tokenTypes.has(type))) return err("an origin of no known type");
  return ok({
    trusted: values.map(([field, text]) => ({ field, text })),
    seen: addresses.map(([type, text]) => ({ type: type as TokenType, text })),
  });
};
