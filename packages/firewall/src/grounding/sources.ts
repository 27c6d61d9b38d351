/**
 * Where a value may come from so that it counts as the person's own: words, picks, and fields of
 * look-ups that the person's policy trusts. An address must equal a token of its own type; a name
 * must stand in the words as it is, word for word.
 *
 * Identifiers of less than four characters stand in too many words by chance: only a trusted look-up
 * grounds them.
 */
import { verbs } from "../scope/lexicon.ts";
import type { SessionContext } from "../types.ts";
import { isAddress, isPlain, small, type Token, tokenKey, tokenOf } from "./token.ts";
import { isTyped, readTyped } from "./words.ts";

/** Shorter identifiers are grounded by a look-up only. */
const identifierCharsMin = 4;

export type GroundedRole = "destination" | "credential" | "selector";

/** The answer of a tool to one action. */
export interface ToolAnswer {
  readonly server: string;
  readonly tool: string;
  /** Of the action's ticket. */
  readonly counter: bigint;
}

/** A value that a trusted field of an answer held. */
export interface TrustedValue extends ToolAnswer {
  readonly field: string;
  /** As the answer had it. */
  readonly text: string;
}

/** An address that stood in an answer, wherever in it. */
export interface SeenAddress extends ToolAnswer {
  readonly token: Token;
}

export type Origin =
  | { readonly type: "words" }
  | { readonly type: "pick" }
  | ({ readonly type: "look-up" } & TrustedValue);

export interface Sources {
  readonly typed: ReadonlyMap<string, Origin>;
  readonly phrases: readonly string[];
  readonly exact: ReadonlySet<string>;
  readonly trusted: ReadonlyMap<string, Origin>;
}

const makeSources = (session: SessionContext): Sources => {
  const typed = new Map<string, Origin>();
  const phrases: string[] = [];
  const exact = new Set<string>();
  session.words.forEach((text, at) => {
    if (!isTyped(text) && session.typed?.has(at) !== true) return;
    const read = readTyped(text);
    for (const token of read.tokens) typed.set(tokenKey(token), { type: "words" });
    for (const word of read.exact) exact.add(word);
    phrases.push(read.phrase);
  });
  for (const pick of session.picks ?? []) {
    const token = tokenOf(pick);
    if (token !== undefined) typed.set(tokenKey(token), { type: "pick" });
  }
  const trusted = new Map<string, Origin>();
  for (const value of session.trusted ?? []) {
    const token = tokenOf(value.text);
    if (token !== undefined) trusted.set(tokenKey(token), { type: "look-up", ...value });
  }
  return { typed, phrases, exact, trusted };
};

const known = new WeakMap<SessionContext, Sources>();

export const sourcesOf = (session: SessionContext): Sources => {
  const made = known.get(session) ?? makeSources(session);
  known.set(session, made);
  return made;
};

const plainVerbs: ReadonlySet<string> = new Set(verbs.map(([word]) => word));

/** A name that stands in the words, whole, and is no word that only says what to do. */
const isNamed = (text: string, { phrases }: Sources, role: GroundedRole): boolean => {
  const token = tokenOf(text);
  if (token?.type !== "name") return false;
  // Punctuation may be dropped from what is looked for, not from who gets something.
  if (role === "destination" && (token.text !== text.toLowerCase() || plainVerbs.has(token.text))) {
    return false;
  }
  if (phrases.some((phrase) => phrase.includes(` ${token.text} `))) return true;
  // What is looked for may put the words in an order of its own.
  const words = token.text.split(" ");
  return (
    role === "selector" &&
    phrases.some((phrase) => words.every((word) => phrase.includes(` ${word} `)))
  );
};

/** What makes a value the person's own; undefined where nothing does. */
export const originOf = (
  text: string,
  role: GroundedRole,
  sources: Sources,
): Origin | undefined => {
  const token = tokenOf(text);
  if (token === undefined) return undefined;
  const looked = sources.trusted.get(tokenKey(token));
  if (looked !== undefined) return looked;
  if (text.length < identifierCharsMin) return undefined;
  if (role === "credential") {
    return isPlain(text) && sources.exact.has(text) ? { type: "words" } : undefined;
  }
  if (sources.exact.has(text) && !plainVerbs.has(small(text))) return { type: "words" };
  const found = sources.typed.get(tokenKey(token));
  if (found !== undefined && (token.type !== "name" || role !== "destination")) return found;
  return isNamed(text, sources, role) ? { type: "words" } : undefined;
};

/** One address, or several between commas: each must be the person's own. */
export const isGrounded = (text: string, role: GroundedRole, sources: Sources): boolean => {
  if (originOf(text, role, sources) !== undefined) return true;
  const parts = /[,;]/.test(text) ? text.split(/[,;]/).map((part) => part.trim()) : [];
  return (
    parts.length > 0 &&
    parts.every((part) => part !== "" && originOf(part, role, sources) !== undefined)
  );
};

/** The answer in which an address stood that is not the person's own; undefined: in none that is known. */
export const seenIn = (text: string, { seen = [] }: SessionContext): SeenAddress | undefined => {
  const token = tokenOf(text);
  if (token === undefined) return undefined;
  return seen.findLast((each) => each.token.type === token.type && each.token.text === token.text);
};

/** The addresses of a text, where it is nothing but addresses, commas and spaces. */
export const addressesIn = (text: string): readonly Token[] =>
  text
    .split(/[\s,;<>"']+/u)
    .map((piece) => tokenOf(piece))
    .filter((token) => token !== undefined && isAddress(token)) as readonly Token[];
