/**
 * What every importer is: a machine that is given the text of a file in pieces, however they are cut, and
 * gives memories. The same text gives the same memories in the same order, so an import that was
 * interrupted goes on by counting.
 *
 * Bounds: what a reader holds is at most one line, element or section of its file, each with a bound of
 * its own; what is longer is reported and passed over.
 */
import { importTextCharsMax } from "../limits.ts";

export interface Item {
  readonly type: "item";
  readonly text: string;
  readonly mediaType: string;
  /** Where in its file, as in a heading or a conversation; empty: nothing is known. */
  readonly at: string;
  readonly saidMs?: number;
  readonly tags: readonly string[];
}

/** Something of the file that is no memory, and why. */
export interface PassedOver {
  readonly type: "passed over";
  readonly at: string;
  readonly why: string;
}

export type Imported = Item | PassedOver;

export interface ItemReader {
  /** Text goes on; may end anywhere but within a surrogate pair. */
  push(text: string): readonly Imported[];
  /** There is no more. Throws an OperationError where the file cannot end here. */
  end(): readonly Imported[];
}

const sentenceEnd = /[.!?…。！？]["'”’)\]]*\s+(?=\S)/gu;

/** The last place of `text` within `charsMax` where a sentence, a line or a word ends. */
const cutOf = (text: string, charsMax: number): number => {
  const room = text.slice(0, charsMax);
  let cut = room.lastIndexOf("\n") + 1;
  if (cut < charsMax / 2) {
    for (const match of room.matchAll(sentenceEnd)) cut = match.index + match[0].length;
  }
  if (cut < charsMax / 2) cut = room.lastIndexOf(" ") + 1;
  if (cut < charsMax / 2) cut = charsMax;
  const unit = text.charCodeAt(cut - 1);
  return unit >= 0xd800 && unit <= 0xdbff ? cut - 1 : cut;
};

/** A text in parts of at most `importTextCharsMax`, cut where a line, a sentence or a word ends. */
export const partsOf = (text: string): readonly string[] => {
  const parts: string[] = [];
  let rest = text.toWellFormed().trim();
  while (rest.length > importTextCharsMax) {
    const cut = cutOf(rest, importTextCharsMax);
    const part = rest.slice(0, cut).trim();
    if (part !== "") parts.push(part);
    rest = rest.slice(cut).trimStart();
  }
  if (rest !== "") parts.push(rest);
  return parts;
};

/** A name that is shown or stored beside a memory: one line, bounded. */
export const nameOf = (text: string, charsMax = 200): string => {
  const line = text
    .toWellFormed()
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, " ")
    .trim();
  return line.length <= charsMax ? line : `${line.slice(0, charsMax - 1).toWellFormed()}…`;
};
