/**
 * What a ticket obliges whoever holds the bytes to look for in them, and the looking.
 *
 * An obligation lists conjunctions of tests; bytes of which one conjunction holds are refused. Bytes
 * that are not UTF-8 are read letter by letter, so that what is in them is found all the same; what
 * is too long for an expression counts as what would refuse it.
 */
import { utf8Decode } from "@ioi/base";
import type { ContentTest, Obligation } from "@ioi/wire";
import { RE2JS } from "re2js";
import { findKind } from "../detect/index.ts";
import { contentMatchCharsMax, contentWorkMax } from "../limits.ts";
import { isWithinWork } from "../regex-work.ts";

export type ContentObligation = Extract<Obligation, { readonly type: "content" }>;

export interface ContentRefusal {
  readonly code: "E_CONTENT_REFUSED";
  readonly rule: string;
  readonly message: string;
}

/** Bytes as text; each byte a letter where they are no UTF-8. */
export const textOfContent = (bytes: Uint8Array): string => {
  const text = utf8Decode(bytes);
  if (text !== undefined) return text;
  const parts: string[] = [];
  for (let at = 0; at < bytes.length; at += 8192) {
    parts.push(String.fromCharCode(...bytes.subarray(at, at + 8192)));
  }
  return parts.join("");
};

/** Undefined: it is too long to know. */
export const testHolds = (test: ContentTest, text: string): boolean | undefined => {
  switch (test.type) {
    case "contains":
      return text.includes(test.text);
    case "kind":
      return findKind(text, test.kind).length > 0;
    case "matches": {
      const pattern = RE2JS.compile(test.pattern);
      return text.length > contentMatchCharsMax ||
        !isWithinWork(pattern, text.length, contentWorkMax)
        ? undefined
        : pattern.matcher(text).find();
    }
  }
};

const nameOf = (test: ContentTest): string => {
  const what =
    test.type === "kind"
      ? test.kind
      : test.type === "contains"
        ? JSON.stringify(test.text)
        : `what matches ${JSON.stringify(test.pattern)}`;
  return test.negated ? `no ${what}` : what;
};

/**
 * Why the bytes may not be used; undefined where they may. `wrapped`: the bytes hold the content in
 * an encoding of their own, so that what is missing in them says nothing.
 */
export const checkContent = (
  obligation: ContentObligation,
  bytes: Uint8Array,
  wrapped = false,
): ContentRefusal | undefined => {
  const text = textOfContent(bytes);
  const known = new Map<string, boolean | undefined>();
  const holds = (test: ContentTest): boolean => {
    const key = JSON.stringify({ ...test, negated: false });
    const found = known.has(key) ? known.get(key) : testHolds(test, text);
    known.set(key, found);
    return found === undefined || found !== test.negated;
  };
  const fired = obligation.refuse.find(
    (all) => !(wrapped && all.some(({ negated }) => negated)) && all.every(holds),
  );
  if (fired === undefined) return undefined;
  const found = fired.map(nameOf).join(" and ");
  const why = obligation.reason === "" ? "" : ` ${obligation.reason}`;
  return {
    code: "E_CONTENT_REFUSED",
    rule: obligation.rule,
    message: `rule "${obligation.rule}" refuses this content: it holds ${found}.${why}`,
  };
};

/** The first refusal among the obligations of a ticket. */
export const checkContents = (
  obligations: readonly Obligation[],
  bytes: Uint8Array,
  wrapped = false,
): ContentRefusal | undefined => {
  for (const obligation of obligations) {
    const refusal =
      obligation.type === "content" ? checkContent(obligation, bytes, wrapped) : undefined;
    if (refusal !== undefined) return refusal;
  }
  return undefined;
};
