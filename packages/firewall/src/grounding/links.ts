/**
 * Links in what is sent to a person: whoever gets it may follow them, so a link that the person did
 * not say is as good as a message of its own. Spelling tricks are undone before looking: letters of
 * compatibility, characters that cannot be seen.
 */
import { linksMax, linkTextCharsMax } from "../limits.ts";
import { siteEndings } from "../scope/lexicon.ts";
import type { Sources } from "./sources.ts";
import { tokenKey, tokenOf } from "./token.ts";

const link =
  /\b(?:https?|ftp|mailto|tel|data|javascript):[^\s<>"'`\]})]+|\bwww\.[^\s<>"'`\]})]+|(?<![\w@.-])(?:[\p{L}\p{N}-]{1,63}\.){1,8}\p{L}{2,63}(?:[/?#:][^\s<>"'`\]})]*)?/giu;

/** A dotted word is a link where it goes on like one, or ends like a site. */
const isLink = (text: string): boolean => {
  if (/^[a-z]+:|^www\./i.test(text) || /[/?#:]/.test(text)) return true;
  return siteEndings.has(text.slice(text.lastIndexOf(".") + 1).toLowerCase());
};

/** Links of a text, at most `linksMax`; a text that is too long to look at counts as one. */
export const linksIn = (given: string): readonly string[] => {
  if (given.length > linkTextCharsMax) return [given.slice(0, 64)];
  const text = given.normalize("NFKC").replaceAll(/\p{Default_Ignorable_Code_Point}/gu, "");
  const found: string[] = [];
  for (const [each] of text.matchAll(link)) {
    const trimmed = each.replace(/[.,;:!?]+$/, "");
    if (isLink(trimmed)) found.push(trimmed);
    if (found.length >= linksMax) break;
  }
  return found;
};

/** Links that neither the person's words nor a trusted look-up hold. */
export const ungroundedLinks = (text: string, { typed, trusted }: Sources): readonly string[] =>
  linksIn(text).filter((each) => {
    const token = tokenOf(each);
    if (token === undefined) return true;
    const keys = [token, { ...token, type: "host" as const }].map(tokenKey);
    return !keys.some((key) => typed.has(key) || trusted.has(key));
  });
