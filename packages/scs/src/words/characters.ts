/**
 * What a character is to the word index: part of a word or not, its lower case, and whether its script
 * writes words without spaces. From tables of one version of Unicode (`unicode.gen.ts`), not from the
 * platform: an index is committed, and must be the same on every engine.
 */
import { lowerTable, wordTable } from "./unicode.gen.ts";

const codePoints = 0x110000;

/** Blocks of scripts without spaces: Thai, Lao, Myanmar, Khmer, kana, Han with its extensions. */
const unspaced: readonly (readonly [number, number])[] = [
  [0x0e00, 0x0eff],
  [0x1000, 0x109f],
  [0x1780, 0x17ff],
  [0x3005, 0x3007],
  [0x3040, 0x30ff],
  [0x31f0, 0x31ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xf900, 0xfaff],
  [0xff66, 0xff9f],
  [0x20000, 0x323af],
];

const readWords = (): Uint8Array => {
  const bits = new Uint8Array(codePoints / 8);
  let at = 0;
  for (const pair of wordTable.split(" ")) {
    const [skip = 0, take = 0] = pair.split(".").map((digits) => Number.parseInt(digits, 36));
    at += skip;
    for (const end = at + take; at < end; at++) {
      bits[at >> 3] = (bits[at >> 3] as number) | (1 << (at & 7));
    }
  }
  return bits;
};

const readLower = (): ReadonlyMap<number, number> => {
  const lower = new Map<number, number>();
  for (const run of lowerTable.split(" ")) {
    const [first = 0, count = 0, step = 0, added = 0] = run
      .split(".")
      .map((digits) => Number.parseInt(digits, 36));
    for (let i = 0; i < count; i++) lower.set(first + i * step, first + i * step + added);
  }
  return lower;
};

const words = readWords();
const lower = readLower();

/** A letter, a mark or a digit. */
export const isWordCharacter = (code: number): boolean =>
  (((words[code >> 3] as number) >> (code & 7)) & 1) === 1;

export const lowerCase = (code: number): number => lower.get(code) ?? code;

export const isUnspaced = (code: number): boolean =>
  code >= 0x0e00 && unspaced.some(([first, last]) => code >= first && code <= last);
