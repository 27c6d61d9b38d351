/**
 * Grounding of the arguments of native targets: a destination, credential or selector must be the
 * person's own. The arguments of files and programs have none of these roles, so nothing of theirs is
 * ungrounded.
 */
import { amountText } from "../kinds/money.ts";
import type { CanonicalUrl } from "../net/url.ts";
import type { ArgumentSpec } from "../targets.ts";
import type { SessionContext } from "../types.ts";
import type { ArgumentValue } from "../values.ts";
import { type GroundedRole, isGrounded, sourcesOf } from "./sources.ts";

const groundedRole = ({ role, fromSession }: ArgumentSpec): GroundedRole | undefined =>
  fromSession !== true && (role === "destination" || role === "credential" || role === "selector")
    ? role
    : undefined;

const textsOf = (value: ArgumentValue): readonly string[] => {
  switch (value.type) {
    case "path":
      return [value.given.path];
    case "paths":
      return value.items.map(({ given }) => given.path);
    case "text":
      return [value.text];
    case "integer":
      return [String(value.value)];
    case "argv":
      return value.argv;
    case "url":
      return [value.url.text];
    case "host":
      return [value.url.host];
    case "texts":
      return value.items;
    case "amount":
      return [amountText(value.scaled)];
    case "headers":
      return Object.values(value.headers);
    case "content":
    case "element":
    case "point":
    case "json":
    case "field":
      return [];
  }
};

/** Names of the arguments that are not the person's own. */
export const ungrounded = (
  specs: readonly ArgumentSpec[],
  values: ReadonlyMap<string, ArgumentValue>,
  session: SessionContext,
  groundsUrl: (url: CanonicalUrl, words: ReadonlySet<string>) => boolean = () => false,
): readonly string[] => {
  const wanted = specs.filter((spec) => groundedRole(spec) !== undefined);
  if (wanted.length === 0) return [];
  const sources = sourcesOf(session);
  return wanted
    .filter((spec) => {
      const value = values.get(spec.name);
      const role = groundedRole(spec);
      if (value === undefined || role === undefined) return false;
      if (value.type === "url") return !groundsUrl(value.url, sources.exact);
      return !textsOf(value).every((text) => isGrounded(text, role, sources));
    })
    .map(({ name }) => name);
};
