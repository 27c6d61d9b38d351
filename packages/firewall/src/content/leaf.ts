/**
 * Conditions on what content holds, as a policy says them. What a tool is given stands in the action
 * itself: there each text, number and name is looked at by itself, and one is enough.
 */
import type { JsonValue } from "@ioi/wire";
import { RE2JS } from "re2js";
import { type ContentKind, contentKinds, findKind } from "../detect/index.ts";
import {
  conditionValuesMax,
  contentAltsMax,
  contentMatchCharsMax,
  contentWorkMax,
  regexCharsMax,
} from "../limits.ts";
import { choiceOf, listOf, type Reading, textOf } from "../policy-reader.ts";
import { textTest } from "../read-text.ts";
import { isWithinWork } from "../regex-work.ts";
import type { TomlNode } from "../toml.ts";
import { no, type Truth, truthOf, truthOr, unknown, yes } from "../truth.ts";

export type ContentLeaf =
  /** One of these texts, letter by letter. */
  | { readonly type: "contains"; readonly texts: readonly string[] }
  | { readonly type: "matches"; readonly pattern: RE2JS }
  | { readonly type: "kinds"; readonly kinds: readonly ContentKind[] };

export const contentKeys = ["contains", "matches", "contains_kind"] as const;

export const contentTruth = (leaf: ContentLeaf, text: string): Truth => {
  switch (leaf.type) {
    case "contains":
      return truthOf(leaf.texts.some((each) => text.includes(each)));
    case "kinds":
      return truthOf(leaf.kinds.some((kind) => findKind(text, kind).length > 0));
    case "matches":
      return text.length > contentMatchCharsMax ||
        !isWithinWork(leaf.pattern, text.length, contentWorkMax)
        ? unknown
        : truthOf(leaf.pattern.matcher(text).find());
  }
};

/** Of several texts it is enough that one holds it; a number is read as it is written. */
export const contentTruthOf = (
  leaf: ContentLeaf,
  values: readonly (string | number | boolean | null)[],
): Truth => {
  let truth: Truth = no;
  for (const value of values) {
    truth = truthOr(truth, contentTruth(leaf, String(value)));
    if (truth === yes) break;
  }
  return truth;
};

/** Every value of JSON, and every name, which can hold as much. */
export const textsIn = (json: JsonValue): readonly (string | number | boolean | null)[] => {
  if (typeof json !== "object" || json === null) return [json];
  return Array.isArray(json)
    ? (json as readonly JsonValue[]).flatMap(textsIn)
    : Object.entries(json).flatMap(([name, value]) => [name, ...textsIn(value as JsonValue)]);
};

const listed = <T>(
  reading: Reading,
  node: TomlNode,
  read: (item: TomlNode) => T | undefined,
): readonly T[] | undefined => {
  const items = listOf(reading, node, conditionValuesMax, true)?.map(read);
  const found = items?.filter((item) => item !== undefined);
  return found?.length === items?.length ? found : undefined;
};

export const readContentLeaf = (
  reading: Reading,
  key: string,
  node: TomlNode,
): ContentLeaf | undefined => {
  if (key === "matches") {
    const test = textTest(reading, "matches", node);
    return test?.type === "matches" ? { type: "matches", pattern: test.pattern } : undefined;
  }
  if (key === "contains") {
    const texts = listed(reading, node, (item) => textOf(reading, item, "text", regexCharsMax));
    if (texts?.includes("") === true) {
      reading.complaints.add("E_POLICY_VALUE", "every content holds the empty text", node.at);
      return undefined;
    }
    if (texts !== undefined && texts.length > contentAltsMax) {
      const message = `more than ${contentAltsMax} texts are not looked for at once`;
      reading.complaints.add("E_POLICY_TOO_LARGE", message, node.at);
      return undefined;
    }
    return texts === undefined ? undefined : { type: "contains", texts };
  }
  const kinds = listed(reading, node, (item) => choiceOf(reading, item, contentKinds));
  return kinds === undefined ? undefined : { type: "kinds", kinds };
};
