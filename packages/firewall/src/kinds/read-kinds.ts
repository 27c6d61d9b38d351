/**
 * Conditions on the kinds of their own folder: hosts, addresses of mail, amounts, accounts, elements,
 * points and hashes. Each says what it wants in the canonical spelling of its kind.
 */
import { conditionValuesMax, patternCharsMax, pixelMax } from "../limits.ts";
import { urlPredicate } from "../net/read-url.ts";
import { fieldsOf, integerOf, listOf, type Reading, tableOf, textOf } from "../policy-reader.ts";
import type { Predicate } from "../predicate.ts";
import { textTest } from "../read-text.ts";
import type { ArgumentSpec } from "../targets.ts";
import type { TomlNode } from "../toml.ts";
import { canonicalAmount, readAccount, readAmount } from "./money.ts";
import { readEmails, readHost } from "./names.ts";

type Kind = "host" | "emails" | "amount" | "account" | "element" | "point" | "bytes";

/** Keys of the conditions by kind. */
export const kindKeys: Readonly<Record<Kind, readonly string[]>> = {
  host: ["host", "equals", "one_of", "site", "address"],
  emails: ["equals", "one_of", "domain", "matches"],
  amount: ["equals", "one_of", "min", "max"],
  account: ["equals", "one_of", "prefix"],
  element: ["role", "name", "name_matches"],
  point: ["within"],
  bytes: ["equals", "one_of"],
};

const complain = (reading: Reading, node: TomlNode, message: string): undefined => {
  reading.complaints.add("E_POLICY_PATTERN", message, node.at);
  return undefined;
};

const listed = <T>(
  reading: Reading,
  node: TomlNode,
  single: boolean,
  read: (item: TomlNode) => T | undefined,
): readonly T[] | undefined => {
  const items = listOf(reading, node, conditionValuesMax, single)?.map(read);
  const found = items?.filter((item) => item !== undefined);
  return found?.length === items?.length ? found : undefined;
};

const hostPredicate = (reading: Reading, key: string, node: TomlNode): Predicate | undefined =>
  urlPredicate(reading, key === "equals" || key === "one_of" ? "host" : key, node);

const amountOf = (reading: Reading, node: TomlNode): bigint | undefined => {
  const text =
    node.type === "integer"
      ? node.value.toString()
      : node.type === "float"
        ? node.text
        : node.type === "string"
          ? node.value
          : undefined;
  const canonical = canonicalAmount(text);
  const scaled = canonical.ok ? readAmount(canonical.value) : canonical;
  return scaled.ok ? scaled.value : complain(reading, node, `the amount: ${scaled.error}`);
};

const amountPredicate = (reading: Reading, key: string, node: TomlNode): Predicate | undefined => {
  if (key === "min" || key === "max") {
    const bound = amountOf(reading, node);
    return bound === undefined ? undefined : { type: "amount", [key]: bound };
  }
  const list = listed(reading, node, key === "equals", (item) => amountOf(reading, item));
  return list === undefined ? undefined : { type: "amount", values: new Set(list) };
};

/** Texts that must be in the canonical spelling of the kind already. */
const canonicalTexts = (
  reading: Reading,
  key: string,
  node: TomlNode,
  what: string,
  complaintOf: (text: string) => string | undefined,
): Predicate | undefined => {
  const list = listed(reading, node, key === "equals", (item) => {
    const text = textOf(reading, item, what, patternCharsMax);
    const wrong = text === undefined ? undefined : complaintOf(text);
    return wrong === undefined ? text : complain(reading, item, `${what}: ${wrong}`);
  });
  return list === undefined
    ? undefined
    : { type: "text", test: { type: "one-of", values: new Set(list) } };
};

const errorOf = (read: { readonly ok: true } | { readonly ok: false; readonly error: string }) =>
  read.ok ? undefined : read.error;

/** `example.com`: addresses at that domain; `*.example.com`: at domains below it. */
const domainPredicate = (reading: Reading, node: TomlNode): Predicate | undefined => {
  const of = listed(reading, node, true, (item): Predicate | undefined => {
    const text = textOf(reading, item, "a domain", patternCharsMax);
    if (text === undefined) return undefined;
    const below = text.startsWith("*.");
    const host = readHost(below ? text.slice(2) : text);
    if (!host.ok || host.value.hostType !== "name") {
      return complain(reading, item, "expected a domain in small letters, or *. and one");
    }
    if (below && !text.slice(2).includes(".")) {
      return complain(reading, item, `${text} is all of a top-level domain`);
    }
    return { type: "text", test: { type: "suffix", text: below ? text.slice(1) : `@${text}` } };
  });
  if (of === undefined) return undefined;
  return of.length === 1 ? of[0] : { type: "any", of };
};

const emailsPredicate = (reading: Reading, key: string, node: TomlNode): Predicate | undefined => {
  if (key === "domain") return domainPredicate(reading, node);
  if (key === "matches") {
    const test = textTest(reading, key, node);
    return test === undefined ? undefined : { type: "text", test };
  }
  return canonicalTexts(reading, key, node, "an address of mail", (text) =>
    errorOf(readEmails([text])),
  );
};

const elementPredicate = (reading: Reading, key: string, node: TomlNode): Predicate | undefined => {
  const test =
    key === "name_matches"
      ? textTest(reading, "matches", node)
      : textTest(reading, node.type === "array" ? "one_of" : "equals", node);
  return test === undefined
    ? undefined
    : { type: "element", part: key === "role" ? "role" : "name", test };
};

const withinPredicate = (reading: Reading, node: TomlNode): Predicate | undefined => {
  const table = tableOf(reading, node);
  if (table === undefined) return undefined;
  const keys = ["x", "y", "width", "height"] as const;
  const fields = fieldsOf(reading, table, keys);
  const [x, y, width, height] = keys.map((key) => {
    const entry = fields.get(key);
    if (entry !== undefined) return integerOf(reading, entry.value, 0, pixelMax);
    reading.complaints.add("E_POLICY_MISSING", `"within" without "${key}"`, table.at);
    return undefined;
  });
  if (x === undefined || y === undefined || width === undefined || height === undefined) {
    return undefined;
  }
  return { type: "within", x, y, width, height };
};

const hexOf =
  (length: number) =>
  (text: string): string | undefined =>
    text.length === 2 * length && /^[0-9a-f]*$/.test(text)
      ? undefined
      : `expected ${length} bytes in hexadecimal, in small letters`;

/** The predicate of one key of a condition on one of the kinds. */
export const kindPredicate = (
  reading: Reading,
  spec: ArgumentSpec & { readonly type: Kind },
  key: string,
  node: TomlNode,
): Predicate | undefined => {
  switch (spec.type) {
    case "host":
      return hostPredicate(reading, key, node);
    case "emails":
      return emailsPredicate(reading, key, node);
    case "amount":
      return amountPredicate(reading, key, node);
    case "account":
      if (key === "prefix") {
        const test = textTest(reading, key, node);
        return test === undefined ? undefined : { type: "text", test };
      }
      return canonicalTexts(reading, key, node, "an account", (text) => errorOf(readAccount(text)));
    case "element":
      return elementPredicate(reading, key, node);
    case "point":
      return withinPredicate(reading, node);
    case "bytes":
      return canonicalTexts(reading, key, node, "a hash", hexOf(spec.length));
  }
};
