/**
 * Numbers that identify: phone numbers by their shape, IBANs by their check digits (ISO 13616), cards
 * by Luhn's (ISO 7812). A candidate is a bounded run of digits and separators, so that every text is
 * read once.
 */
import type { Finding } from "./finding.ts";

/** Length of an IBAN by country, as registered. */
const ibanLengths: ReadonlyMap<string, number> = new Map(
  (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 " +
    "DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 " +
    "IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 " +
    "MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 " +
    "SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30"
  )
    .split(" ")
    .map((each) => [each.slice(0, 2), Number(each.slice(2))] as const),
);

const mod97 = (iban: string): number => {
  let rest = 0;
  for (const letter of iban.slice(4) + iban.slice(0, 4)) {
    const value = Number.parseInt(letter, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest;
};

/** Without spaces and hyphens, in capitals. */
export const isIban = (compact: string): boolean =>
  ibanLengths.get(compact.slice(0, 2)) === compact.length &&
  /^[A-Z]{2}[0-9]{2}[A-Z0-9]+$/.test(compact) &&
  mod97(compact) === 1;

const compactOf = (text: string): string => text.replaceAll(/[\s-]/g, "").toUpperCase();

/** The index after so many letters and digits from a place; what stands between is no part of them. */
const endAfter = (text: string, start: number, count: number): number | undefined => {
  let left = count;
  for (let at = start; at < text.length && at < start + 2 * count; at++) {
    if (/[A-Za-z0-9]/.test(text[at] ?? "")) left--;
    if (left === 0) return at + 1;
  }
  return undefined;
};

export const findIbans = (text: string): readonly Finding[] => {
  const found: Finding[] = [];
  for (const match of text.matchAll(
    /(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}(?=[ \u00a0-]?[A-Za-z0-9])/g,
  )) {
    const length = ibanLengths.get(match[0].slice(0, 2).toUpperCase());
    const start = match.index;
    const end = length === undefined ? undefined : endAfter(text, start, length);
    if (end === undefined || !isIban(compactOf(text.slice(start, end)))) continue;
    if (/[A-Za-z0-9]/.test(text[end] ?? " ")) continue;
    found.push({ kind: "IBAN", start, end });
  }
  return found;
};

const luhn = (digits: string): boolean => {
  let sum = 0;
  for (let at = 0; at < digits.length; at++) {
    const digit = Number(digits[digits.length - 1 - at]);
    const doubled = at % 2 === 1 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
};

/** Digits with single separators, in bounded pieces: no run is read twice. */
const digitRuns = (text: string): RegExpStringIterator<RegExpExecArray> =>
  text.matchAll(/(?<![0-9A-Za-z])[0-9](?:[ -]?[0-9]){10,22}(?![0-9A-Za-z])/g);

export const findCards = (text: string): readonly Finding[] => {
  const found: Finding[] = [];
  for (const match of digitRuns(text)) {
    const digits = match[0].replaceAll(/[ -]/g, "");
    if (digits.length < 12 || digits.length > 19 || /^(\d)\1*$/.test(digits)) continue;
    if (!/^(?:[2-6]|1800)/.test(digits) || !luhn(digits)) continue;
    found.push({ kind: "CARD", start: match.index, end: match.index + match[0].length });
  }
  return found;
};

const phonePattern =
  /(?<![\w.,/:#$€£+-])(?:\+|00)?\(?[0-9](?:[0-9]|[ .\-/()]{1,3}(?=[0-9(]))*(?:\s?(?:x|ext\.?)\s?[0-9]{1,5})?(?![\w%])/g;

/** Dates, times, addresses of machines, decimals: shapes of digits that are no phone's. */
const otherShapes: readonly RegExp[] = [
  /^\d{4}[-/.]\d{1,2}[-/.]\d{1,2}$/,
  /^\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}$/,
  /^\d{1,3}(?:\.\d{1,3}){3}$/,
  /^\d{4}[ -]\d{4}$/,
  /^\d+\.\d+$/,
  /^\d{3}-\d{2}-\d{4}$/,
  /^\d{5}-\d{4}$/,
];

export const findPhones = (text: string): readonly Finding[] => {
  const found: Finding[] = [];
  for (const match of text.matchAll(phonePattern)) {
    const [whole] = match;
    if (whole.length > 40 || otherShapes.some((shape) => shape.test(whole))) continue;
    const body = whole.replace(/\s?(?:x|ext\.?)\s?[0-9]{1,5}$/, "");
    const digits = body.replaceAll(/[^0-9]/g, "");
    const marked = whole.startsWith("+") || whole.startsWith("00") || /[ .\-/()]/.test(body);
    // Ten digits in a row are a phone's more often than not; other counts need a mark.
    const counts = digits.length >= (whole.startsWith("+") ? 6 : 7) && digits.length <= 15;
    if (!counts || (!marked && digits.length !== 10)) continue;
    found.push({ kind: "PHONE", start: match.index, end: match.index + whole.length });
  }
  return found;
};
