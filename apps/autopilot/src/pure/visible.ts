/**
 * An agent's text as a person can see it: what is invisible, or reorders what is visible, is shown
 * by its number. The rule is the firewall's for cards, and a test compares the two over every code
 * point; its package brings readers of policies and patterns that the page has no use for.
 */

/** Controls, format characters (bidi, zero-width, tags), fillers, separators, private use. */
const hidden =
  /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}\p{Default_Ignorable_Code_Point}\u2800\u27e8\u27e9]|(?! )\p{Zs}/gu;

/** Marks that stack on the character before; a few are language, more hide what is below. */
const stacked = /\p{M}{4,}/gu;

const numbered = (char: string): string =>
  `\u27e8U+${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}\u27e9`;

/** One line: line breaks become their number too. */
export const visibleLine = (text: string): string =>
  text.replace(hidden, numbered).replace(stacked, (marks) => Array.from(marks, numbered).join(""));

/** A block of text: line breaks and tabs stay. */
export const visibleText = (text: string): string =>
  text
    .split(/(\r?\n|\t)/)
    .map((part, index) => (index % 2 === 1 ? (part === "\t" ? "\t" : "\n") : visibleLine(part)))
    .join("");
