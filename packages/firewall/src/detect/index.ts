/**
 * Detectors of what may not leave: each kind by its structure, never by a list of examples. A text
 * is read a bounded number of times, and every expression here is linear on its input: no repetition
 * stands inside of another over the same letters.
 *
 * What is not found: names, addresses of streets, numbers of countries' own schemes, and anything
 * that was encoded first. A finding says that the shape is there, not that the value is real.
 */
import { type ContentKind, type Finding } from "./finding.ts";
import { findCards, findIbans, findPhones } from "./numbers.ts";
import { findSecrets, findSeedPhrases } from "./secrets.ts";

export { type ContentKind, contentKinds, type Finding } from "./finding.ts";

const email =
  /(?<![A-Za-z0-9._%+-])[A-Za-z0-9_%+-][A-Za-z0-9._%+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9-])/g;

const findEmails = (text: string): readonly Finding[] =>
  text.includes("@")
    ? [...text.matchAll(email)].map(({ index, 0: all }) => ({
        kind: "EMAIL",
        start: index,
        end: index + all.length,
      }))
    : [];

const detectors: Readonly<Record<ContentKind, (text: string) => readonly Finding[]>> = {
  EMAIL: findEmails,
  PHONE: findPhones,
  IBAN: findIbans,
  CARD: findCards,
  SECRET: findSecrets,
  SEED_PHRASE: findSeedPhrases,
};

export const findKind = (text: string, kind: ContentKind): readonly Finding[] =>
  detectors[kind](text);
