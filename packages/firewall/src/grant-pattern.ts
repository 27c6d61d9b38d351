/**
 * "The same again": what a person allows who answers a card for actions like it, a bounded number of
 * times and for a while. The pattern follows from the action alone, and the card says it in words.
 *
 * Like it are: the same target with the same arguments, but other names in the same folder, other
 * pages in the same folder of the same site, other content, other arguments of the same program
 * after the same first one. Nothing is like an action that uses a secret, pays, deletes, calls a
 * tool, takes a whole folder or runs what can run anything.
 */
import type { CanonicalUrl } from "./net/url.ts";
import { canRunAnything } from "./programs.ts";
import { placeOf, type RootTable, showPath } from "./roots.ts";
import type { Subject } from "./subject.ts";
import type { ArgumentSpec } from "./targets.ts";
import type { ArgumentValue, PathValue } from "./values.ts";
import { visible } from "./visible.ts";

type Likeness =
  /** Directly inside of it, with no dot before its name. */
  | { readonly type: "folder"; readonly folder: string }
  | { readonly type: "page"; readonly origin: string; readonly folder: string }
  | { readonly type: "program"; readonly program: string; readonly first: string | undefined }
  | { readonly type: "same"; readonly as: string }
  | { readonly type: "absent" }
  | { readonly type: "any" };

export interface GrantPattern {
  readonly target: string;
  readonly like: readonly (readonly [argument: string, Likeness])[];
}

const never: ReadonlySet<string> = new Set([
  "fs::delete",
  "fs::restore",
  "mcp::call",
  "net::connect",
  "net::listen",
  "sys::shell",
]);
const neverGroups: ReadonlySet<string> = new Set(["wallet", "gui", "memory", "agent", "skill"]);

const folderOf = (path: string): string => path.slice(0, path.lastIndexOf("/")) || "/";
const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

const likePath = ({ given, real, opaque, whole }: PathValue): Likeness | undefined => {
  if (real === undefined || opaque || whole !== undefined || real.path !== given.path) {
    return undefined;
  }
  return nameOf(real.path).startsWith(".")
    ? undefined
    : { type: "folder", folder: folderOf(real.path) };
};

const originOf = ({ scheme, host, port }: CanonicalUrl): string => `${scheme} ${host} ${port}`;
const pageFolder = ({ path }: CanonicalUrl): string => path.slice(0, path.lastIndexOf("/") + 1);

const plain = (value: ArgumentValue): string | undefined => {
  switch (value.type) {
    case "text":
      return value.text;
    case "integer":
      return String(value.value);
    case "host":
      return value.url.host;
    case "texts":
    case "headers":
      return JSON.stringify(value.type === "texts" ? value.items : Object.entries(value.headers));
    case "amount":
      return value.scaled.toString();
    case "element":
      return JSON.stringify([value.element.role, value.element.name]);
    default:
      return undefined;
  }
};

const likeValue = (spec: ArgumentSpec, value: ArgumentValue | undefined): Likeness | undefined => {
  if (spec.role === "credential" && value !== undefined) return undefined;
  if (value === undefined) return { type: "absent" };
  switch (value.type) {
    case "path":
      return spec.fromSession === true ? { type: "same", as: value.given.path } : likePath(value);
    case "url":
      // A query says more than where: the same page only, where there is one.
      return value.url.query === ""
        ? { type: "page", origin: originOf(value.url), folder: pageFolder(value.url) }
        : { type: "same", as: value.url.text };
    case "argv":
      return value.program === undefined || canRunAnything(value.program)
        ? undefined
        : { type: "program", program: value.program, first: value.argv[1] };
    case "content":
      return { type: "any" };
    default: {
      const as = plain(value);
      return as === undefined ? undefined : { type: "same", as };
    }
  }
};

/** What is like the action; undefined where nothing is. */
export const grantPattern = (subject: Subject): GrantPattern | undefined => {
  const { target, values } = subject;
  if (never.has(target.name) || neverGroups.has(target.group)) return undefined;
  const like: [string, Likeness][] = [];
  for (const spec of target.arguments) {
    const each = likeValue(spec, values.get(spec.name));
    if (each === undefined) return undefined;
    like.push([spec.name, each]);
  }
  return like.length === 0 ? undefined : { target: target.name, like };
};

const holds = (like: Likeness, value: ArgumentValue | undefined): boolean => {
  switch (like.type) {
    case "absent":
      return value === undefined;
    case "any":
      return value?.type === "content";
    case "folder": {
      const found = value?.type === "path" ? likePath(value) : undefined;
      return found?.type === "folder" && found.folder === like.folder;
    }
    case "page":
      return (
        value?.type === "url" &&
        value.url.query === "" &&
        originOf(value.url) === like.origin &&
        pageFolder(value.url) === like.folder
      );
    case "program":
      return (
        value?.type === "argv" && value.program === like.program && value.argv[1] === like.first
      );
    case "same": {
      if (value?.type === "path") return value.given.path === like.as;
      if (value?.type === "url") return value.url.text === like.as;
      return value !== undefined && plain(value) === like.as;
    }
  }
};

/** Whether an action is like the one whose pattern it is. */
export const isLike = ({ target, like }: GrantPattern, subject: Subject): boolean =>
  subject.target.name === target &&
  like.every(([argument, each]) => holds(each, subject.values.get(argument)));

const shownFolder = (folder: string, table: RootTable): string =>
  visible(showPath(placeOf(folder, false, table), table));

/** The pattern in words for a card, one line for each argument that may differ. */
export const patternLines = ({ like }: GrantPattern, table: RootTable): readonly string[] =>
  like.flatMap(([argument, each]): readonly string[] => {
    switch (each.type) {
      case "folder":
        return [`${argument}: any name in ${shownFolder(each.folder, table)}`];
      case "page": {
        const [scheme = "", host = "", port = ""] = each.origin.split(" ");
        return [
          `${argument}: ${scheme}, ${host}, port ${port}, any page in ${visible(each.folder)}`,
        ];
      }
      case "program":
        return [
          `${argument}: ${visible(each.program)}${each.first === undefined ? "" : ` ${visible(each.first)}`} with any further arguments`,
        ];
      case "any":
        return [`${argument}: any`];
      default:
        return [];
    }
  });
