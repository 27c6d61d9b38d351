/**
 * Hosts and addresses of mail as arguments: one spelling of each.
 *
 * A host is what the host of a canonical URL is. An address of mail is a dot-atom of RFC 5321 in
 * ASCII and small letters at a domain that is such a host's name; quoted local parts, comments,
 * address literals and other alphabets before the @ are refused, since servers differ about them.
 */
import { err, ok, type Result } from "@ioi/base";
import type { CanonicalValue } from "@ioi/wire";
import { emailsMax } from "../limits.ts";
import { canonicalHostName, canonicalUrl, parseCanonicalUrl, type UrlParser } from "../net/url.ts";
import type { CanonicalUrl } from "../net/url.ts";

const inUrl = (host: string): string => `https://${host.includes(":") ? `[${host}]` : host}/`;

/** A canonical host as the URL of its root; everything that judges hosts takes it so. */
export const readHost = (text: CanonicalValue): Result<CanonicalUrl, string> => {
  if (typeof text !== "string") return err("it is no text");
  const url = parseCanonicalUrl(inUrl(text));
  if (!url.ok) return url;
  return url.value.host === text ? url : err("its host is not canonical");
};

/** Any spelling of a host; an IPv6 address with brackets or without. */
export const canonicalHostOf = (given: string, parse: UrlParser): Result<string, string> => {
  const bare = /^\[[0-9a-fA-F:.]+\]$/.test(given) ? given.slice(1, -1) : given;
  if (/^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*$/.test(bare)) {
    const url = canonicalUrl(`https://[${bare}]/`, parse);
    return url.ok ? ok(url.value.host) : err("it is not an address");
  }
  const host = canonicalHostName(given, parse);
  return host === undefined ? err("it is not a host") : ok(host);
};

const atom = "[a-z0-9!#$%&'*+/=?^_`{|}~-]+";
const localPattern = new RegExp(`^${atom}(?:\\.${atom})*$`);

const emailParts = (text: string): readonly [string, string] | undefined => {
  const at = text.lastIndexOf("@");
  return at < 1 || at > 64 || text.length > 254
    ? undefined
    : [text.slice(0, at), text.slice(at + 1)];
};

const isEmail = (text: string): boolean => {
  const [local = "", domain = ""] = emailParts(text) ?? [];
  const host = readHost(domain);
  return localPattern.test(local) && host.ok && host.value.hostType === "name";
};

export const canonicalEmail = (given: string, parse: UrlParser): Result<string, string> => {
  const parts = emailParts(given);
  if (parts === undefined) return err("it is not an address of mail");
  const host = canonicalHostName(parts[1], parse);
  if (host === undefined) return err("its domain is not one");
  // ASCII only, so that small letters are the same everywhere.
  const text = `${parts[0].replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase())}@${host}`;
  return isEmail(text) ? ok(text) : err("it is not an address of mail in plain letters");
};

/** A list without doubles, in the order given; one text stands for a list of one. */
export const canonicalEmails = (
  given: unknown,
  parse: UrlParser,
): Result<readonly string[], string> => {
  const list = typeof given === "string" ? [given] : given;
  if (!Array.isArray(list) || list.length === 0 || list.length > emailsMax) {
    return err(`it is a list of 1 to ${emailsMax} addresses of mail`);
  }
  const all = new Set<string>();
  for (const each of list as readonly unknown[]) {
    if (typeof each !== "string") return err("it holds only addresses of mail");
    const email = canonicalEmail(each, parse);
    if (!email.ok) return email;
    all.add(email.value);
  }
  return ok([...all]);
};

export const readEmails = (value: CanonicalValue): Result<readonly string[], string> => {
  if (!Array.isArray(value) || value.length === 0 || value.length > emailsMax) {
    return err(`it is not a list of 1 to ${emailsMax} addresses`);
  }
  const list = value as readonly CanonicalValue[];
  const texts = list.filter((each) => typeof each === "string" && isEmail(each));
  return texts.length === list.length && new Set(texts).size === texts.length
    ? ok(texts as readonly string[])
    : err("it holds what is not a canonical address of mail");
};
