/** A whole action of what a search found, and the session in which it is judged. */
import type { Action, CanonicalValue, Facts } from "@ioi/wire";
import { placeOf, rootTable, type RootTable, showPath } from "../roots.ts";
import type { ArgumentSpec, TargetSpec } from "../targets.ts";
import type { CompiledPolicy, DecisionContext, Root } from "../types.ts";
import type { Given } from "./solve.ts";

const folder = "/roots";

/** Workspaces of both policies in folders of their own, none in another. */
export const sessionRoots = (policies: readonly CompiledPolicy[]): readonly Root[] => {
  const roots = new Map<string, Root>([
    ["scope", { name: "scope", path: `${folder}/scope`, access: "write" }],
  ]);
  for (const { workspaces } of policies) {
    for (const { name, access } of workspaces) {
      const known = roots.get(name);
      const wider = known?.access === "write" ? "write" : access;
      roots.set(name, { name, path: `${folder}/${name}`, access: wider });
    }
  }
  return [...roots.values()];
};

const textsIn = (value: CanonicalValue): readonly string[] => {
  if (typeof value === "string") return [value];
  return Array.isArray(value) ? (value as readonly CanonicalValue[]).flatMap(textsIn) : [];
};

export const contextFor = (
  roots: readonly Root[],
  args: { readonly [name: string]: CanonicalValue },
): DecisionContext => {
  const url = args["url"];
  const typed = typeof url === "string" ? [url] : [];
  return {
    session: {
      session: "example",
      agent: "example",
      roots,
      // The person typed every destination and every name.
      words: Object.values(args).flatMap(textsIn),
      urls: typed,
      headless: false,
      productFolders: [],
      home: `${folder}/home`,
    },
    exceededBudgets: [],
    grants: [],
    undriven: true,
  };
};

/** What an argument is where nothing is asked of it. */
const usual = (spec: ArgumentSpec): CanonicalValue => {
  switch (spec.type) {
    case "path":
      return spec.name === "cwd" ? `${folder}/scope` : `${folder}/scope/${spec.name}`;
    case "paths":
      return [`${folder}/scope/path`];
    case "integer":
      return spec.min;
    case "content":
      return { sha256: new Uint8Array(32), length: 0, head: "" };
    case "argv":
      return ["/usr/bin/true"];
    case "url":
      return "https://other.example/";
    case "headers":
      return {};
    case "host":
      return "other.example";
    case "emails":
      return ["someone@other.example"];
    case "amount":
      return "1";
    case "account":
      return `eip155:1:0x${"0".repeat(40)}`;
    case "element":
      return { snapshot: "s1", role: "button", name: "OK" };
    case "point":
      return { snapshot: "s1", x: 0, y: 0 };
    case "json":
      return {};
    case "bytes":
      return new Uint8Array(spec.length);
    case "text":
      if (spec.choices !== undefined) return spec.choices[0] ?? "";
      if (spec.name === "url") return "https://models.example/v1";
      return spec.name === "protocol" ? "openai" : "text";
  }
};

const pathFacts = (realPath: string, kind: "file" | "directory"): Facts => ({
  realPath,
  exists: true,
  kind,
  nlink: 1,
  size: 1,
});

export const actionFor = (target: TargetSpec, given: Given): Action => {
  const args: Record<string, CanonicalValue> = {};
  const facts: Record<string, Facts> = {};
  for (const spec of target.arguments) {
    const wanted = given.get(spec.name) ?? { type: spec.optional === true ? "absent" : "present" };
    if (wanted.type === "absent") continue;
    const chosen = wanted.type === "value" ? wanted.value : usual(spec);
    args[spec.name] = chosen;
    if (spec.type === "path") {
      facts[spec.name] = pathFacts(chosen as string, spec.name === "cwd" ? "directory" : "file");
    }
    if (spec.type === "paths") {
      for (const [at, path] of (chosen as readonly string[]).entries()) {
        facts[`${spec.name}.${at}`] = pathFacts(path, "file");
      }
    }
    if (spec.type === "argv") {
      const [program = ""] = chosen as readonly string[];
      facts["program"] = { ...pathFacts(program, "file"), sha256: new Uint8Array(32) };
    }
  }
  return { version: 1, target: target.name, args, facts };
};

/** Paths by the names of their roots, as `ioi policy check` takes them. */
export const shownArguments = (
  target: TargetSpec,
  { args }: Action,
  context: DecisionContext,
): { readonly [name: string]: CanonicalValue } => {
  const table: RootTable = rootTable(context.session);
  const home = `${context.session.home}/`;
  const show = (path: string): string =>
    path.startsWith(home)
      ? `~/${path.slice(home.length)}`
      : showPath(placeOf(path, false, table), table);
  return Object.fromEntries(
    target.arguments.flatMap(({ name, type }) => {
      const value = args[name];
      if (value === undefined) return [];
      if (type === "path") return [[name, show(value as string)]];
      if (type === "paths") return [[name, (value as readonly string[]).map(show)]];
      if (type === "content") {
        return [[name, { bytes: (value as { readonly length: number }).length }]];
      }
      return [[name, value]];
    }),
  );
};
