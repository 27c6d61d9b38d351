/**
 * Secrets: keys and tokens whose makers gave them a shape, private keys, what stands after a word
 * like "password", and long texts of high entropy. Hashes, UUIDs and the integrities of lock files
 * are none of them. Seed phrases are words of a BIP-39 list with their checksum.
 */
import { validateMnemonic } from "@scure/bip39";
import { wordlist } from "@scure/bip39/wordlists/english.js";
import { seedChecksMax } from "../limits.ts";
import type { Finding } from "./finding.ts";

/** Public prefixes of well-known makers, each with what follows. */
const shapes: readonly RegExp[] = [
  /(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])/g,
  /(?<![A-Za-z0-9])gh[pousr]_[A-Za-z0-9]{36,255}/g,
  /(?<![A-Za-z0-9])github_pat_[A-Za-z0-9_]{22,255}/g,
  /(?<![A-Za-z0-9])gl(?:pat|dt|rt|ft|cbt|ptt|imt)-[A-Za-z0-9_-]{20,255}/g,
  /(?<![A-Za-z0-9])sk-(?:ant-|proj-|svcacct-|or-)?[A-Za-z0-9_-]{20,255}/g,
  /(?<![A-Za-z0-9])[rsp]k_(?:live|test)_[A-Za-z0-9]{16,255}/g,
  /(?<![A-Za-z0-9])whsec_[A-Za-z0-9+/=]{24,255}/g,
  /(?<![A-Za-z0-9])xox[abeoprs]-[A-Za-z0-9-]{10,255}/g,
  /(?<![A-Za-z0-9])AIza[A-Za-z0-9_-]{35}/g,
  /(?<![A-Za-z0-9])ya29\.[A-Za-z0-9_-]{20,255}/g,
  /(?<![A-Za-z0-9])npm_[A-Za-z0-9]{36}/g,
  /(?<![A-Za-z0-9])pypi-[A-Za-z0-9_-]{50,255}/g,
  /(?<![A-Za-z0-9])hf_[A-Za-z0-9]{30,255}/g,
  /(?<![A-Za-z0-9])SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,64}/g,
  /(?<![A-Za-z0-9])dop_v1_[a-f0-9]{64}/g,
  /(?<![A-Za-z0-9])shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}/g,
  /(?<![A-Za-z0-9])[0-9]{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])/g,
  /(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,4096}\.eyJ[A-Za-z0-9_-]{8,8192}\.[A-Za-z0-9_-]{8,1024}/g,
  /-----BEGIN (?:[A-Z0-9]{2,16} ){0,3}PRIVATE KEY(?: BLOCK)?-----/g,
  /(?<![a-z])[a-z][a-z0-9+.-]{1,15}:\/\/[^\s:/@]{1,64}:[^\s:/@]{3,128}@/g,
  /(?<![A-Za-z0-9])AGE-SECRET-KEY-1[A-Z0-9]{58}/g,
];

/** After these words a value stands that is kept from others. */
const assignment =
  /(?:pass(?:word|wd|phrase)|secret|token|api[_ -]?key|access[_ -]?key|private[_ -]?key|client[_ -]?secret|auth[_ -]?key)["']?\s{0,4}(?:[:=]|:=|=>|\bis\b)\s{0,4}["'`]?([^\s"'`,;]{8,512})/gi;

const candidates = /(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_-]{32,512}={0,2}(?![A-Za-z0-9+/_=-])/g;

/** Bits of one character, by how often each stands in the text. */
export const entropyOf = (text: string): number => {
  const counts = new Map<string, number>();
  for (const letter of text) counts.set(letter, (counts.get(letter) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values())
    bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
};

const isHexOnly = (text: string): boolean => /^[0-9a-fA-F-]+$/.test(text);

/** Integrities of lock files, as in sha512-...; data URLs; paths; names with underscores. */
const isPlain = (text: string, before: string): boolean =>
  isHexOnly(text) ||
  /sha(?:1|224|256|384|512)[-:]$/.test(before) ||
  /^sha(?:1|224|256|384|512)-/.test(text) ||
  before.endsWith("base64,") ||
  text.split(/[/_-]/).every((piece) => /^[a-z]*$|^[A-Z]*$|^[A-Z]?[a-z]+$|^[0-9]+$/.test(piece));

const isMixed = (text: string): boolean =>
  /[a-z]/.test(text) && /[A-Z]/.test(text) && /[0-9]/.test(text);

const placeholders = /^(?:\$\{?|<|\{\{|%|\*+$|x+$|\.{3})/i;

export const findSecrets = (text: string): readonly Finding[] => {
  const found: Finding[] = [];
  const add = (start: number, length: number): void => {
    found.push({ kind: "SECRET", start, end: start + length });
  };
  for (const shape of shapes)
    for (const { index, 0: all } of text.matchAll(shape)) add(index, all.length);
  for (const match of text.matchAll(assignment)) {
    const value = match[1] ?? "";
    const start = match.index + match[0].length - value.length;
    if (placeholders.test(value) || isHexOnly(value) || /^[a-z]+$/i.test(value)) continue;
    if (entropyOf(value) >= 2.5) add(start, value.length);
  }
  for (const { index, 0: all } of text.matchAll(candidates)) {
    const before = text.slice(Math.max(0, index - 8), index);
    if (isPlain(all, before) || !isMixed(all) || entropyOf(all) < 4.2) continue;
    add(index, all.length);
  }
  return found;
};

const listed: ReadonlySet<string> = new Set(wordlist);
const lengths = [24, 21, 18, 15, 12] as const;

/**
 * Words of the list in a row whose last bits are the checksum of the others. A sixteenth of all rows
 * of twelve listed words has it by chance. Where a text holds so many rows that they are not all
 * looked at, the rest counts as found.
 */
export const findSeedPhrases = (text: string): readonly Finding[] => {
  const found: Finding[] = [];
  let row: { word: string; start: number; end: number }[] = [];
  let checks = 0;
  const look = (): void => {
    for (let at = 0; at + 12 <= row.length; at++) {
      const length = lengths.find((count) => {
        const words = row.slice(at, at + count);
        if (words.length < count) return false;
        if (++checks > seedChecksMax) return true;
        return validateMnemonic(words.map(({ word }) => word).join(" "), wordlist);
      });
      if (length === undefined) continue;
      const start = row[at]?.start ?? 0;
      found.push({ kind: "SEED_PHRASE", start, end: row[at + length - 1]?.end ?? start });
      at += length - 1;
      if (checks > seedChecksMax) return;
    }
  };
  for (const match of text.matchAll(/[A-Za-z]+|[^A-Za-z\s,.;:0-9()[\]"'|*-]+/g)) {
    const word = match[0].toLowerCase();
    if (listed.has(word)) row.push({ word, start: match.index, end: match.index + word.length });
    else {
      look();
      row = [];
      if (checks > seedChecksMax) return found;
    }
  }
  look();
  return found;
};
