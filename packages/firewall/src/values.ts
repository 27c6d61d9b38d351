/** Values of arguments as a decision sees them, and the tests that conditions are made of. */
import type { RE2JS } from "re2js";
import { matchPattern, mayMatchBelow, type PathPattern } from "./glob.ts";
import { regexInputCharsMax, regexWorkMax } from "./limits.ts";
import type { JsonValue } from "@ioi/wire";
import type { Headers } from "./net/headers.ts";
import type { CanonicalUrl } from "./net/url.ts";
import type { ElementValue, PointValue } from "./kinds/screen.ts";
import { isWithinWork } from "./regex-work.ts";
import { foldedOf, type Place, type RootTable, someBelow } from "./roots.ts";
import { type Truth, truthOf, unknown } from "./truth.ts";

export type Scalar = string | number | boolean | null;

export interface PathValue {
  readonly type: "path";
  /** As the action says it. */
  readonly given: Place;
  /** As `prepare` found it; undefined where it was not reported. */
  readonly real: Place | undefined;
  /** Holds a placeholder that nobody has filled in: it could be anywhere. */
  readonly opaque: boolean;
  /** Set where a folder goes with all that is in it: whether names with a leading dot may be. */
  readonly whole?: "plain" | "dots";
}

export interface ArgvValue {
  readonly type: "argv";
  readonly argv: readonly string[];
  /** Where `prepare` found the program. */
  readonly program: string | undefined;
  /** Found inside a script: the program's name is all there is. */
  readonly implied: boolean;
}

export type ArgumentValue =
  | PathValue
  | ArgvValue
  | { readonly type: "paths"; readonly items: readonly PathValue[] }
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "integer"; readonly value: number }
  /** `hostOnly`: of a tunnel, in which nobody sees the rest. */
  | { readonly type: "url"; readonly url: CanonicalUrl; readonly hostOnly?: true }
  /** As the URL of its root. */
  | { readonly type: "host"; readonly url: CanonicalUrl }
  | { readonly type: "texts"; readonly items: readonly string[] }
  | { readonly type: "amount"; readonly scaled: bigint }
  | { readonly type: "element"; readonly element: ElementValue }
  | { readonly type: "point"; readonly point: PointValue }
  | { readonly type: "json"; readonly json: JsonValue }
  /** What stands below one field of a tool's arguments; undefined: too much to look at. */
  | { readonly type: "field"; readonly items: readonly Scalar[] | undefined }
  | { readonly type: "headers"; readonly headers: Headers }
  /** Its text only where a rule's own example says it. */
  | { readonly type: "content"; readonly bytes: number; readonly text?: string };

export type TextTest =
  | { readonly type: "one-of"; readonly values: ReadonlySet<string> }
  | { readonly type: "prefix"; readonly text: string }
  | { readonly type: "suffix"; readonly text: string }
  | { readonly type: "matches"; readonly pattern: RE2JS };

/** A placeholder that nobody has filled in yet, as in `<EMAIL_1.k7f3>`. */
const placeholder = /<[A-Z][A-Z_]*_[0-9]+(?:\.[a-z0-9]{4})?>/;

export const isOpaque = (text: string): boolean => text.includes("<") && placeholder.test(text);

export const textTruth = (test: TextTest, text: string): Truth => {
  if (isOpaque(text)) return unknown;
  switch (test.type) {
    case "one-of":
      return truthOf(test.values.has(text));
    case "prefix":
      return truthOf(text.startsWith(test.text));
    case "suffix":
      return truthOf(text.endsWith(test.text));
    case "matches":
      return text.length > regexInputCharsMax ||
        !isWithinWork(test.pattern, text.length, regexWorkMax)
        ? unknown
        : truthOf(test.pattern.testExact(text));
  }
};

/** Whether a pattern may match something below a folder. */
export const placeMayHold = (
  patterns: readonly PathPattern[],
  place: Place,
  table: RootTable,
  nocase: boolean,
  dots: boolean,
): boolean => {
  const folded = nocase || place.insensitive;
  const segments = folded ? foldedOf(place) : place.segments;
  return patterns.some((pattern) =>
    someBelow(place, pattern.root, table, (offset) =>
      mayMatchBelow(pattern, segments, offset, folded, dots),
    ),
  );
};

export const placeMatches = (
  patterns: readonly PathPattern[],
  place: Place,
  table: RootTable,
  nocase: boolean,
  narrow: boolean,
): boolean => {
  const folded = nocase || place.insensitive;
  const segments = folded ? foldedOf(place) : place.segments;
  return patterns.some((pattern) =>
    someBelow(place, pattern.root, table, (offset) =>
      matchPattern(pattern, segments, offset, folded, narrow),
    ),
  );
};
