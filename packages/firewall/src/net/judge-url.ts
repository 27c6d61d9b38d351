/**
 * What the firewall says of URLs beyond rules: addresses that are closed unless they are named,
 * classes that a rule opened, and which URLs the person's words ground.
 */
import type { AskSource } from "@ioi/wire";
import type { SeenAddress } from "../grounding/sources.ts";
import type { BuiltinDenial } from "../builtin.ts";
import type { Firing, Judgement } from "../judge.ts";
import type { Predicate } from "../predicate.ts";
import type { Subject } from "../subject.ts";
import type { TargetSpec } from "../targets.ts";
import type { AddressClass } from "./addresses.ts";
import { type CanonicalUrl, nameClass, parseCanonicalUrl } from "./url.ts";

/** Path and query of a URL that is built of the person's words, in characters. */
const builtCharsMax = 256;

const destinations = new WeakMap<TargetSpec, readonly string[]>();

const destinationsOf = (target: TargetSpec): readonly string[] => {
  const known = destinations.get(target);
  if (known !== undefined) return known;
  const names = target.arguments.flatMap(({ name, role }) =>
    role === "destination" ? [name] : [],
  );
  destinations.set(target, names);
  return names;
};

const urlsOf = (subject: Subject): readonly CanonicalUrl[] =>
  destinationsOf(subject.target).flatMap((name) => {
    const value = subject.values.get(name);
    return value?.type === "url" || value?.type === "host" ? [value.url] : [];
  });

/** A rule says this very host or URL, in whatever combination. */
const names = (predicate: Predicate, url: CanonicalUrl): boolean => {
  switch (predicate.type) {
    case "all":
    case "any":
      return predicate.of.some((each) => names(each, url));
    case "url":
      if (predicate.test.type === "exact") return predicate.test.urls.has(url.text);
      return (
        predicate.test.type === "host" &&
        predicate.test.hosts.some((test) => test.type === "exact" && test.host === url.host)
      );
    default:
      return false;
  }
};

const namedBy = (firings: readonly Firing[], url: CanonicalUrl): readonly Firing[] =>
  firings.filter(({ rule }) => rule.conditions.some(({ predicate }) => names(predicate, url)));

const closedReason: Readonly<Record<AddressClass | "reserved", string>> = {
  public: "",
  loopback: "an address of this machine",
  "link-local": "an address of this link, where machines keep their credentials",
  private: "an address of a private network",
  reserved: "an address that no host has",
};

/** A tunnel has a host alone: typed is what the host of a typed URL is. */
const isTyped = (url: CanonicalUrl, { table, target }: Subject): boolean =>
  table.urls.has(url.text) || (target.name === "net::connect" && table.sites.has(url.host));

/** Addresses that are not public are closed: a rule or the person names them, or nobody does. */
export const urlDenials = (subject: Subject, judgement: Judgement): readonly BuiltinDenial[] =>
  urlsOf(subject).flatMap((url) => {
    const own = nameClass(url);
    if (own === "public") return [];
    const named = own !== "reserved" && namedBy([...judgement.allows, ...judgement.asks], url);
    if (own !== "reserved" && (isTyped(url, subject) || (named !== false && named.length > 0))) {
      return [];
    }
    return [
      {
        id: `builtin:address-${own}`,
        reason: `${url.host} is ${closedReason[own]}.`,
        instead:
          own === "reserved"
            ? ""
            : "The person can type the URL itself, or name the host in a rule of the policy.",
      } as const,
    ];
  });

/** An address of this machine or its networks that the person typed and no rule names: one asks. */
export const urlAsks = (subject: Subject, judgement: Judgement): readonly AskSource[] =>
  urlsOf(subject).some(
    (url) => nameClass(url) !== "public" && namedBy(judgement.allows, url).length === 0,
  )
    ? [{ kind: "address", id: "url" }]
    : [];

const classesIn = (predicate: Predicate): readonly AddressClass[] => {
  switch (predicate.type) {
    case "all":
    case "any":
      return predicate.of.flatMap(classesIn);
    case "url":
      return predicate.test.type === "address" ? [...predicate.test.classes] : [];
    default:
      return [];
  }
};

/** Address classes that rules opened for this very host; egress reaches no other. */
export const openedClasses = (subject: Subject, judgement: Judgement): readonly AddressClass[] => [
  ...new Set(
    urlsOf(subject).flatMap((url) =>
      namedBy(judgement.allows, url).flatMap(({ rule }) =>
        rule.conditions.flatMap(({ predicate }) => classesIn(predicate)),
      ),
    ),
  ),
];

const piecesOf = (url: CanonicalUrl): readonly string[] =>
  (url.path + url.query).split(/[/?&=+]/).filter((piece) => piece !== "");

/**
 * A URL is grounded where the person typed it. One that only reads may also be built: a host that
 * the person named, and a path and query of at most 256 characters made of pieces that the person
 * typed, so that nothing an agent has read fits in; or be a link of a page that was fetched.
 */
export const isGroundedUrl = (
  url: CanonicalUrl,
  subject: Subject,
  tokens: ReadonlySet<string>,
  seen: readonly SeenAddress[] = [],
): boolean => {
  const { urls, sites } = subject.table;
  if (urls.has(url.text)) return true;
  if (subject.target.name !== "net::get" || !sites.has(url.host)) return false;
  if (url.path.length + url.query.length > builtCharsMax) return false;
  // A link of a page that was fetched, letter for letter: nothing can be added to it.
  if (seen.some(({ server, token }) => server === "net::get" && token.text === url.text))
    return true;
  const typed = new Set(tokens);
  for (const text of urls) {
    const parsed = parseCanonicalUrl(text);
    if (parsed.ok) for (const piece of piecesOf(parsed.value)) typed.add(piece);
  }
  return piecesOf(url).every((piece) => typed.has(piece));
};
