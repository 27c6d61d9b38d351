/**
 * The card of a change of the policy: what it newly allows and no longer allows, each with an action,
 * and the lines that change. Made by the Guardian from the two texts; what a device signs names the
 * hash of this text. Every character is visible. Bounds: `cardLinesMax` changed lines are shown.
 */
import { toHex, utf8Encode } from "@ioi/base";
import { domainHash, domains, type Hashing } from "@ioi/crypto";
import {
  type CompiledPolicy,
  type DiffExample,
  letterWarnings,
  type LintFinding,
  type PolicyDiff,
  visible,
} from "@ioi/firewall";
import { structuredPatch } from "diff";
import { cardLinesMax, patchEditsMax } from "../limits.ts";
import type { PolicyText } from "./tasks.ts";

export interface ChangeFacts {
  readonly before: PolicyText;
  readonly after: PolicyText;
  readonly next: CompiledPolicy;
  /** Undefined: the text in force does not load, so it allows nothing. */
  readonly diff: PolicyDiff | undefined;
  readonly findings: readonly LintFinding[];
}

const valueText = (value: unknown): string =>
  visible(
    typeof value === "string"
      ? value
      : JSON.stringify(value, (_key, each: unknown) =>
          typeof each === "bigint" ? String(each) : each,
        ),
  );

const exampleLine = (word: string, { target, before, after, args }: DiffExample): string => {
  const shown = Object.entries(args).map(([name, value]) => `${name}=${valueText(value)}`);
  const as = shown.length === 0 ? "" : `, as ${shown.join(" ")}`;
  return `  ${word} ${target}: ${before} -> ${after}${as}`;
};

const meaning = ({ diff, next }: ChangeFacts): readonly string[] => {
  if (diff === undefined) {
    return [
      "  WIDER The text in force does not load and allows nothing: all that this one allows is new.",
      `  ${next.rules.length} rules`,
    ];
  }
  const lines = [
    ...diff.widened.map((each) => exampleLine("WIDER", each)),
    ...diff.undecided.map((target) => `  WIDER? ${target}: not worked out; counts as wider`),
    ...diff.settings.map(
      ({ name, before, after, change }) =>
        `  ${change === "widened" ? "WIDER" : "narrower"} ${name}: ${before} -> ${after}`,
    ),
    ...diff.narrowed.map((each) => exampleLine("narrower", each)),
  ];
  return lines.length === 0 ? ["  Every action is judged as before."] : lines;
};

/** Changed lines with their numbers; where there are too many, how many. */
const changedLines = ({ before, after }: ChangeFacts): readonly string[] => {
  const patch = structuredPatch("before", "after", before.text, after.text, "", "", {
    context: 0,
    maxEditLength: patchEditsMax,
  });
  if (patch === undefined) return ["  Too many lines differ to be listed; compare the two texts."];
  const lines = patch.hunks.flatMap(({ oldStart, newStart, lines: of }) => {
    let [old, now] = [oldStart, newStart];
    return of.flatMap((line) => {
      if (line.startsWith("-")) return [`  - ${old++}: ${visible(line.slice(1))}`];
      if (line.startsWith("+")) return [`  + ${now++}: ${visible(line.slice(1))}`];
      return [];
    });
  });
  if (lines.length === 0) return ["  No line differs."];
  const left = lines.length - cardLinesMax;
  return left > 0 ? [...lines.slice(0, cardLinesMax), `  and ${left} changed lines more`] : lines;
};

const shortHash = (hashing: Hashing, { text }: PolicyText): string =>
  toHex(domainHash(hashing, domains.policyText, utf8Encode(text))).slice(0, 12);

export const changeCard = (facts: ChangeFacts, hashing: Hashing): string => {
  const { before, after, next, findings } = facts;
  const warnings = [
    ...findings
      .filter(({ code }) => code !== "no-driver")
      .map(({ code, rule, message, at }) =>
        visible(`  ${code}, line ${at.line}: rule "${rule}" ${message}`),
      ),
    ...letterWarnings(after.text).map((each) => `  ${each}`),
  ];
  return [
    `Put another text of ${visible(after.file)} in force`,
    `text ${shortHash(hashing, before)} -> ${shortHash(hashing, after)}, ${next.rules.length} rules`,
    "",
    "What changes",
    ...meaning(facts),
    ...(warnings.length === 0 ? [] : ["", "Look at", ...warnings]),
    "",
    "Lines",
    ...changedLines(facts),
    "",
    "It holds from the next action of every session. The text before it is kept.",
    "",
  ].join("\n");
};
