/**
 * The tokens of what a person typed. Text of more than one line, or of more than 200 characters of
 * which nobody saw the typing, counts as a paste, and a paste is content: it grounds nothing.
 */
import { typedCharsMax, wordsCharsMax, wordTokensMax } from "../limits.ts";
import { canonicalUrl, type UrlParser } from "../net/url.ts";
import { dateOf, isIban, phraseOf, type Token, tokenOf } from "./token.ts";

const lineBreak = /[\n\r\u2028\u2029\u0085]/;

/** Short and of one line: typed, not pasted. */
export const isTyped = (text: string): boolean =>
  text.length <= typedCharsMax && !lineBreak.test(text);

const separators = /[\s"'`\u2018\u2019\u201c\u201d<>(),;]+/u;

/** Words with the punctuation around them taken off, in NFC. */
const piecesOf = (text: string): readonly string[] =>
  text
    .normalize("NFC")
    .split(separators)
    .map((piece) => piece.replace(/^[[{]+|[\]}.!?:]+$/g, ""))
    .filter((piece) => piece !== "")
    .slice(0, wordTokensMax);

/** The words of what a person typed, as they are; `typed`: which texts somebody was seen typing. */
export const wordsTokens = (
  words: readonly string[],
  typed?: ReadonlySet<number>,
): ReadonlySet<string> =>
  new Set(words.filter((text, at) => isTyped(text) || typed?.has(at) === true).flatMap(piecesOf));

/** URLs among what a person typed, canonical, each once. `example.com` alone is not one. */
export const typedUrls = (
  words: readonly string[],
  parse: UrlParser,
  typed?: ReadonlySet<number>,
): readonly string[] => {
  const urls = new Set<string>();
  for (const token of wordsTokens(words, typed)) {
    if (!/^https?:/i.test(token)) continue;
    const url = canonicalUrl(token, parse);
    if (url.ok) urls.add(url.value.text);
  }
  return [...urls];
};

const dates =
  /\b[A-Za-z]{3,9}\.? [0-9]{1,2}(?:st|nd|rd|th)?,? [0-9]{4}\b|\b[0-9]{1,2}(?:st|nd|rd|th)?(?: of)? [A-Za-z]{3,9}\.?,? [0-9]{4}\b|\b[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2})?\b/g;
const groupedAccount = /\b[A-Z]{2}[0-9]{2}(?: [A-Z0-9]{1,4}){3,8}\b/g;
const groupedNumber = /(?<![\w+])[0-9]{2,6}(?:[ -][0-9]{2,6}){1,6}(?![\w])/g;
const groupedPhone = /(?<![\w])[+(][0-9()][0-9 ()./-]{5,20}[0-9](?![\w])/g;

/** An account in groups of four ends where its check digits fit. */
const accountIn = (text: string): Token | undefined => {
  const groups = text.split(" ");
  for (let count = groups.length; count >= 4; count--) {
    const compact = groups.slice(0, count).join("");
    if (isIban(compact)) return { type: "account", text: compact };
  }
  return undefined;
};

const spreadTokens = (text: string): readonly Token[] => {
  const found: (Token | undefined)[] = [];
  for (const [each] of text.matchAll(dates)) {
    const date = dateOf(each);
    if (date !== undefined) found.push({ type: "date", text: date });
  }
  for (const [each] of text.matchAll(groupedAccount)) found.push(accountIn(each));
  for (const [each] of text.matchAll(groupedNumber)) found.push(tokenOf(each));
  for (const [each] of text.matchAll(groupedPhone)) found.push(tokenOf(each));
  return found.filter((token) => token !== undefined && token.type !== "name") as readonly Token[];
};

export interface TypedWords {
  readonly tokens: readonly Token[];
  /** Each between spaces, so that whole words are compared. */
  readonly phrase: string;
  /** As they stand, for what must not be changed by a letter. */
  readonly exact: readonly string[];
}

/** What one typed text holds. */
export const readTyped = (text: string): TypedWords => {
  const normal = text.slice(0, wordsCharsMax).normalize("NFC");
  const exact = piecesOf(normal);
  const tokens = exact.map(tokenOf).filter((token) => token !== undefined);
  return {
    tokens: [...tokens, ...spreadTokens(normal)],
    phrase: ` ${phraseOf(normal)} `,
    exact,
  };
};
