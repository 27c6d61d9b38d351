/** Reads conditions on a URL: `where.url = { scheme, host, port, path_glob, address, site }`. */
import { parsePattern, type PathPattern } from "../glob.ts";
import { conditionValuesMax, patternCharsMax, urlCharsMax } from "../limits.ts";
import { choiceOf, integerOf, listOf, type Reading, textOf } from "../policy-reader.ts";
import type { Predicate } from "../predicate.ts";
import type { TomlNode } from "../toml.ts";
import { type AddressClass, addressClasses } from "./addresses.ts";
import type { HostTest, UrlTest } from "./test-url.ts";
import { parseCanonicalUrl } from "./url.ts";

type Read<T> = (reading: Reading, node: TomlNode) => T | undefined;

const complain = (reading: Reading, node: TomlNode, message: string): undefined => {
  reading.complaints.add("E_POLICY_PATTERN", message, node.at);
  return undefined;
};

/** Every item of a list (or one that stands alone); undefined after a complaint. */
const all = <T>(
  reading: Reading,
  node: TomlNode,
  alone: boolean,
  read: Read<T>,
): readonly T[] | undefined => {
  const list = listOf(reading, node, conditionValuesMax, alone);
  const items = list?.map((item) => read(reading, item));
  return items?.every((item) => item !== undefined)
    ? items.filter((item) => item !== undefined)
    : undefined;
};

const quoted = (text: string): string => JSON.stringify(text.slice(0, 200));

const hostOf: Read<HostTest> = (reading, node) => {
  const text = textOf(reading, node, "a host", patternCharsMax);
  if (text === undefined) return undefined;
  const below = text.startsWith("*.");
  const host = below ? text.slice(2) : text;
  const written = host.includes(":") ? `[${host}]` : host;
  const url = parseCanonicalUrl(`https://${written}/`);
  if (!url.ok || (below && url.value.hostType !== "name") || url.value.host !== host) {
    return complain(
      reading,
      node,
      `the host ${quoted(text)}: expected a name in small letters (xn-- where it has others), ` +
        "*.name for all names below it, or an address",
    );
  }
  if (below && !host.includes(".")) {
    return complain(reading, node, `the host ${quoted(text)} is all of a top-level domain`);
  }
  return below ? { type: "below", suffix: host } : { type: "exact", host };
};

const globOf: Read<PathPattern> = (reading, node) => {
  const text = textOf(reading, node, "a pattern of a URL's path", patternCharsMax);
  if (text === undefined) return undefined;
  if (!text.startsWith("/")) return complain(reading, node, `${quoted(text)} begins with no slash`);
  const pattern = parsePattern(`url:${text}`);
  return pattern.ok
    ? pattern.value
    : complain(reading, node, `the pattern ${quoted(text)}: ${pattern.error}`);
};

const exactOf: Read<string> = (reading, node) => {
  const text = textOf(reading, node, "a URL", urlCharsMax);
  if (text === undefined) return undefined;
  const url = parseCanonicalUrl(text);
  return url.ok ? text : complain(reading, node, `the URL ${quoted(text)}: ${url.error}`);
};

const schemeOf: Read<string> = (reading, node) => choiceOf(reading, node, ["http", "https"]);
const portOf: Read<number> = (reading, node) => integerOf(reading, node, 1, 65_535);
const classOf: Read<AddressClass> = (reading, node) => choiceOf(reading, node, addressClasses);

const testOf = (reading: Reading, key: string, node: TomlNode): UrlTest | undefined => {
  const made = <T>(
    read: Read<T>,
    make: (items: readonly T[]) => UrlTest,
    alone = true,
  ): UrlTest | undefined => {
    const items = all(reading, node, alone, read);
    return items === undefined ? undefined : make(items);
  };
  switch (key) {
    case "host":
      return made(hostOf, (hosts) => ({ type: "host", hosts }));
    case "site":
      return choiceOf(reading, node, ["session"]) === undefined ? undefined : { type: "site" };
    case "scheme":
      return made(schemeOf, (items) => ({ type: "scheme", schemes: new Set(items) }));
    case "port":
      return made(portOf, (items) => ({ type: "port", ports: new Set(items) }));
    case "path_glob":
      return made(globOf, (patterns) => ({ type: "path", patterns }));
    case "address":
      return made(classOf, (items) => ({ type: "address", classes: new Set(items) }));
    default:
      return made(exactOf, (items) => ({ type: "exact", urls: new Set(items) }), key !== "one_of");
  }
};

export const urlPredicate = (
  reading: Reading,
  key: string,
  node: TomlNode,
): Predicate | undefined => {
  const test = testOf(reading, key, node);
  return test === undefined ? undefined : { type: "url", test };
};
