/** URLs for a comparison: one host, scheme and port of every kind that conditions tell apart. */
import type { CanonicalUrl } from "../net/url.ts";
import { parseCanonicalUrl } from "../net/url.ts";
import { type UrlTest, urlTruth } from "../net/test-url.ts";
import { no, yes } from "../truth.ts";
import type { Wanted } from "./wanted.ts";
import { type Found, findWord, type Machine, pathMachine, type Work } from "./machine.ts";

interface Asked {
  readonly test: UrlTest;
  readonly narrow: boolean;
  readonly holds: boolean;
}

/** Names and addresses of every class that a condition on addresses tells apart. */
const ordinaryHosts = ["other.example", "93.184.216.34"] as const;
const closedHosts = ["localhost", "127.0.0.1", "10.0.0.1", "169.254.1.1", "240.0.0.1"] as const;

const hostsOf = (asked: readonly Asked[]): readonly string[] => {
  const hosts = new Set<string>();
  for (const { test } of asked) {
    if (test.type === "host") {
      for (const each of test.hosts) {
        if (each.type === "exact") hosts.add(each.host);
        else {
          hosts.add(`any.${each.suffix}`);
          hosts.add(each.suffix);
        }
      }
    }
  }
  for (const each of ordinaryHosts) hosts.add(each);
  if (asked.some(({ test }) => test.type === "address")) {
    for (const each of closedHosts) hosts.add(each);
  }
  return [...hosts];
};

const portsOf = (asked: readonly Asked[]): readonly (number | undefined)[] => {
  const ports = new Set<number | undefined>([undefined, 80, 443, 8443]);
  for (const { test } of asked)
    if (test.type === "port") for (const each of test.ports) ports.add(each);
  return [...ports];
};

const holdsOf = (each: Asked, url: CanonicalUrl, sites: ReadonlySet<string>): boolean => {
  const truth = urlTruth(each.test, url, sites, each.narrow);
  return each.narrow ? truth === yes : truth !== no;
};

const fits = (asked: readonly Asked[], url: CanonicalUrl): boolean =>
  [new Set([url.host]), new Set<string>()].some((sites) =>
    asked.every((each) => holdsOf(each, url, sites) === each.holds),
  );

const machineOf = ({ test, narrow }: Asked): Machine | undefined =>
  test.type === "path"
    ? pathMachine(test.patterns, { folded: false, folds: false, narrow })
    : undefined;

/** A path that the conditions on paths want; the word of a path that servers differ on is `//`. */
const pathOf = (asked: readonly Asked[], work: Work): Found => {
  const side = (holds: boolean): readonly Machine[] =>
    asked
      .filter((each) => each.holds === holds)
      .map(machineOf)
      .filter((machine) => machine !== undefined);
  const found = findWord(side(true), side(false), true, work);
  if (found.type === "word") {
    const segments = found.word.split("/").filter((segment) => segment !== "");
    return { type: "word", word: `/${segments.map(encodeURIComponent).join("/")}` };
  }
  const paths = asked.filter(({ test }) => test.type === "path");
  const open = paths.every(({ holds, narrow }) => holds !== narrow);
  return found.type === "none" && open ? { type: "word", word: "//" } : found;
};

export const urlPossible = (wanted: readonly Wanted[], work: Work): Found => {
  const asked = wanted.flatMap(({ atom, holds }): readonly Asked[] =>
    atom.leaf.type === "url" ? [{ test: atom.leaf.test, narrow: atom.narrow, holds }] : [],
  );
  const named = asked.find(({ test, holds }) => test.type === "exact" && holds);
  if (named?.test.type === "exact") {
    for (const text of named.test.urls) {
      const url = parseCanonicalUrl(text);
      if (url.ok && fits(asked, url.value)) return { type: "word", word: text };
    }
    return { type: "none" };
  }
  const path = pathOf(asked, work);
  if (path.type === "none") return path;
  const rest = asked.filter(({ test }) => test.type !== "path" && test.type !== "exact");
  let somewhere = false;
  for (const host of hostsOf(asked)) {
    for (const scheme of ["https", "http"]) {
      for (const port of portsOf(asked)) {
        const usual = scheme === "https" ? 443 : 80;
        const shown = port === undefined || port === usual ? "" : `:${port}`;
        const base = `${scheme}://${host.includes(":") ? `[${host}]` : host}${shown}`;
        const bare = parseCanonicalUrl(`${base}/`);
        if (!bare.ok || !fits(rest, bare.value)) continue;
        somewhere = true;
        if (path.type !== "word") continue;
        for (const query of ["", "?q=1"]) {
          const url = parseCanonicalUrl(`${base}${path.word}${query}`);
          if (url.ok && fits(asked, url.value)) return { type: "word", word: url.value.text };
        }
      }
    }
  }
  return somewhere ? { type: "unknown" } : { type: "none" };
};
