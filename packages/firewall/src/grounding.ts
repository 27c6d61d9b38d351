/**
 * Grounding: a destination, credential or selector must equal a token of the person's own words.
 *
 * Source: the design of the firewall, section 2 (Roles and grounding). Words are what the person
 * typed; text of more than one line or 200 characters is a paste, and a paste is content. The
 * native arguments of files and programs have none of these roles, so nothing of theirs is
 * ungrounded; the rule is here for every target whose registry entry says so.
 */
import { amountText } from "./kinds/money.ts";
import { canonicalUrl, type CanonicalUrl, type UrlParser } from "./net/url.ts";
import type { ArgumentSpec } from "./targets.ts";
import type { ArgumentValue } from "./values.ts";

/** Longer, or of several lines: pasted, not typed. */
const typedCharsMax = 200;
/** Shorter identifiers are grounded by a look-up only. */
const identifierCharsMin = 4;

const needsGrounding = ({ role, fromSession }: ArgumentSpec): boolean =>
  fromSession !== true && (role === "destination" || role === "credential" || role === "selector");

/** Short and of one line: typed, not pasted. */
export const isTyped = (text: string): boolean =>
  text.length <= typedCharsMax && !/[\n\r\u2028\u2029]/.test(text);

/** The tokens of what a person typed: words with the punctuation around them taken off. */
export const wordsTokens = (words: readonly string[]): ReadonlySet<string> => {
  const tokens = new Set<string>();
  for (const text of words) {
    if (!isTyped(text)) continue;
    for (const piece of text.normalize("NFC").split(/[\s"'`<>(),;]+/)) {
      const token = piece.replace(/^[[{]+|[\]}.!?:]+$/g, "");
      if (token !== "") tokens.add(token);
    }
  }
  return tokens;
};

/** URLs among what a person typed, canonical, each once. `example.com` alone is not one. */
export const typedUrls = (words: readonly string[], parse: UrlParser): readonly string[] => {
  const urls = new Set<string>();
  for (const token of wordsTokens(words)) {
    if (!/^https?:/i.test(token)) continue;
    const url = canonicalUrl(token, parse);
    if (url.ok) urls.add(url.value.text);
  }
  return [...urls];
};

const textsOf = (value: ArgumentValue): readonly string[] => {
  switch (value.type) {
    case "path":
      return [value.given.path];
    case "paths":
      return value.items.map(({ given }) => given.path);
    case "text":
      return [value.text];
    case "integer":
      return [String(value.value)];
    case "argv":
      return value.argv;
    case "url":
      return [value.url.text];
    case "host":
      return [value.url.host];
    case "texts":
      return value.items;
    case "amount":
      return [amountText(value.scaled)];
    case "headers":
      return Object.values(value.headers);
    case "content":
    case "element":
    case "point":
    case "json":
      return [];
  }
};

/** Names of the arguments that the person's words do not ground. */
export const ungrounded = (
  specs: readonly ArgumentSpec[],
  values: ReadonlyMap<string, ArgumentValue>,
  words: readonly string[],
  groundsUrl: (url: CanonicalUrl, tokens: ReadonlySet<string>) => boolean = () => false,
): readonly string[] => {
  const wanted = specs.filter(needsGrounding);
  if (wanted.length === 0) return [];
  const tokens = wordsTokens(words);
  return wanted
    .filter(({ name }) => {
      const value = values.get(name);
      if (value === undefined) return false;
      if (value.type === "url") return !groundsUrl(value.url, tokens);
      return !textsOf(value).every(
        (text) => text.length >= identifierCharsMin && tokens.has(text.normalize("NFC")),
      );
    })
    .map(({ name }) => name);
};
