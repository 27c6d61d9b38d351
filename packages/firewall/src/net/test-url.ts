/**
 * Conditions on a URL. A path is compared as a server may read it: percent-encodings decoded; where
 * two servers may read it differently (an encoded slash, an empty segment) nothing is certain.
 */
import { matchPattern, type PathPattern } from "../glob.ts";
import { no, type Truth, truthOf, unknown, yes } from "../truth.ts";
import type { AddressClass } from "./addresses.ts";
import { type CanonicalUrl, nameClass, parseCanonicalUrl } from "./url.ts";

export type HostTest =
  | { readonly type: "exact"; readonly host: string }
  /** `*.example.com`: every name below it, not itself. */
  | { readonly type: "below"; readonly suffix: string };

export type UrlTest =
  | { readonly type: "host"; readonly hosts: readonly HostTest[] }
  /** The sites of the session: hosts that the person typed or accepted. */
  | { readonly type: "site" }
  | { readonly type: "scheme"; readonly schemes: ReadonlySet<string> }
  | { readonly type: "port"; readonly ports: ReadonlySet<number> }
  | { readonly type: "path"; readonly patterns: readonly PathPattern[] }
  | { readonly type: "address"; readonly classes: ReadonlySet<AddressClass> }
  | { readonly type: "exact"; readonly urls: ReadonlySet<string> };

/** Segments as a server reads them; undefined where servers differ. */
const segmentsOf = (path: string): readonly string[] | undefined => {
  const raw = path.slice(1).split("/");
  if (raw.at(-1) === "") raw.pop();
  const segments: string[] = [];
  for (const each of raw) {
    let text: string;
    try {
      text = decodeURIComponent(each);
    } catch {
      return undefined;
    }
    // A second decoding would say something else, or cut it.
    if (text === "" || /[/\\%\0;]/.test(text) || text === "." || text === "..") return undefined;
    segments.push(text.normalize("NFC"));
  }
  return segments;
};

const hostTruth = (hosts: readonly HostTest[], { host, hostType }: CanonicalUrl): Truth =>
  truthOf(
    hosts.some((test) =>
      test.type === "exact"
        ? test.host === host
        : hostType === "name" && host.endsWith(`.${test.suffix}`),
    ),
  );

/**
 * A name's addresses are not known while it is judged. What allows may speak of them, since egress
 * reaches only what was allowed; what refuses or asks sees what the name itself says.
 */
const addressTruth = (
  classes: ReadonlySet<AddressClass>,
  url: CanonicalUrl,
  narrow: boolean,
): Truth => {
  const own = nameClass(url);
  if (own !== "reserved" && classes.has(own)) return yes;
  return narrow && url.hostType === "name" && own === "public" ? yes : no;
};

export const urlTruth = (
  test: UrlTest,
  url: CanonicalUrl,
  sites: ReadonlySet<string>,
  narrow: boolean,
): Truth => {
  switch (test.type) {
    case "host":
      return hostTruth(test.hosts, url);
    case "site":
      return truthOf(sites.has(url.host));
    case "scheme":
      return truthOf(test.schemes.has(url.scheme));
    case "port":
      return truthOf(test.ports.has(url.port));
    case "exact":
      return truthOf(test.urls.has(url.text));
    case "address":
      return addressTruth(test.classes, url, narrow);
    case "path": {
      const segments = segmentsOf(url.path);
      if (segments === undefined) return unknown;
      return truthOf(
        test.patterns.some((pattern) => matchPattern(pattern, segments, 0, false, narrow)),
      );
    }
  }
};

/** Of a request inside of a tunnel: its host and port are known, nothing else is. */
export const tunnelTruth = (
  test: UrlTest,
  url: CanonicalUrl,
  sites: ReadonlySet<string>,
  narrow: boolean,
): Truth => {
  switch (test.type) {
    case "scheme":
    case "path":
      return unknown;
    case "exact": {
      const same = [...test.urls].some((text) => {
        const named = parseCanonicalUrl(text);
        return named.ok && named.value.host === url.host && named.value.port === url.port;
      });
      return same ? unknown : no;
    }
    default:
      return urlTruth(test, url, sites, narrow);
  }
};
