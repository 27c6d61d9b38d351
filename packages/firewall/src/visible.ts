/**
 * Text that a person judges: what cannot be seen or reorders what can is shown by its number, and
 * words that mix look-alike alphabets are named. Nothing that is shown was chosen by a model.
 */

/** Controls, format characters (bidi, zero-width, tags), fillers, separators, private use. */
const hidden =
  /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}\p{Default_Ignorable_Code_Point}\u2800\u27e8\u27e9]|(?! )\p{Zs}/gu;

const numbered = (char: string): string =>
  `\u27e8U+${(char.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, "0")}\u27e9`;

/** Marks that stack on the character before; a few are language, more hide what is below. */
const stacked = /\p{M}{4,}/gu;

/** Every character of the text as a person can see it; a line break becomes its number too. */
export const visible = (text: string): string => (plainAscii.test(text) ? text : made(text));

/** Most texts are: nothing in them hides. */
const plainAscii = /^[\x20-\x7e]*$/;

const made = (text: string): string =>
  text.replace(hidden, numbered).replace(stacked, (marks) => Array.from(marks, numbered).join(""));

/** Whether a text holds nothing that {@link visible} would show by number; its own numbers may stand. */
export const isVisible = (text: string): boolean => {
  const plain = text.replace(/\u27e8U\+[0-9A-F]{4,6}\u27e9/g, "");
  return visible(plain) === plain;
};

const scripts: readonly (readonly [string, RegExp])[] = [
  ["Latin", /\p{Script=Latin}/u],
  ["Cyrillic", /\p{Script=Cyrillic}/u],
  ["Greek", /\p{Script=Greek}/u],
  ["Armenian", /\p{Script=Armenian}/u],
  ["Hebrew", /\p{Script=Hebrew}/u],
  ["Arabic", /\p{Script=Arabic}/u],
  ["Cherokee", /\p{Script=Cherokee}/u],
  ["Georgian", /\p{Script=Georgian}/u],
  ["Lisu", /\p{Script=Lisu}/u],
];

/** Compatibility letters that look like ASCII, as fullwidth and mathematical ones. */
const lookAlike = /[\uff01-\uff5e\u{1d400}-\u{1d7ff}]/u;

/** What is odd about the letters of a text; empty where nothing is. */
export const letterWarnings = (text: string): readonly string[] => {
  const warnings = new Set<string>();
  for (const word of text.split(/[^\p{L}\p{M}\p{N}_-]+/u)) {
    // oxlint-disable-next-line no-control-regex -- ASCII is the common case
    if (/^[\u0000-\u007f]*$/.test(word)) continue;
    const found = scripts.filter(([, test]) => test.test(word)).map(([name]) => name);
    if (found.length > 1)
      warnings.add(`mixes ${found.join(" and ")} letters in "${visible(word)}"`);
    if (lookAlike.test(word)) warnings.add(`letters that only look plain in "${visible(word)}"`);
    if (warnings.size >= 5) break;
  }
  return [...warnings];
};
