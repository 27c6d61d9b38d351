/** A small world for tests: one session, its folder, actions with plausible facts. */
import { createHash } from "node:crypto";
import assert from "node:assert/strict";
import type { Action, AskSource, CanonicalValue, Facts } from "@ioi/wire";
import {
  type CompiledPolicy,
  compilePolicy,
  decide,
  type Decision,
  type DecisionContext,
  type PolicyError,
  type PolicySource,
  type SessionContext,
  type UrlParser,
} from "../src/index.ts";

export const hashing = {
  sha256: (bytes: Uint8Array): Uint8Array =>
    new Uint8Array(createHash("sha256").update(bytes).digest()),
};

export const parseUrl: UrlParser = (text) => URL.parse(text) ?? undefined;

export const scope = "/home/u/scope";
export const home = "/home/u";

export const session: SessionContext = {
  session: "s1",
  agent: "planner",
  roots: [{ name: "scope", path: scope, access: "write" }],
  words: [],
  headless: false,
  productFolders: ["/home/u/product", `${scope}/ioi-data`],
  home,
};

export const context: DecisionContext = { session, exceededBudgets: [], grants: [] };

export const withSession = (changes: Partial<SessionContext>): DecisionContext => ({
  ...context,
  session: { ...session, ...changes },
});

const sourceOf = (text: string, tier: PolicySource["tier"] = "user"): PolicySource => ({
  tier,
  file: `${tier}.toml`,
  text: /^version = 1$/m.test(text) ? text : `version = 1\n${text}`,
});

/** Compiles; a text stands for a user's policy, with the version put in front. */
export const policy = (
  ...sources: readonly (string | readonly [PolicySource["tier"], string])[]
): CompiledPolicy => {
  const compiled = compilePolicy(
    sources.map((source) =>
      typeof source === "string" ? sourceOf(source) : sourceOf(source[1], source[0]),
    ),
    hashing,
  );
  assert.ok(compiled.ok, compiled.ok ? "" : JSON.stringify(compiled));
  return compiled.value;
};

/** The complaints about a user's policy, one line each. */
export const complaints = (
  text: string,
  tier: PolicySource["tier"] = "user",
): readonly string[] => {
  const compiled = compilePolicy([{ tier, file: "policy.toml", text }], hashing);
  return compiled.ok ? [] : compiled.error.map(formatted);
};

export const formatted = ({ code, message, at }: PolicyError): string =>
  `error[${code}]: ${at.file}:${at.line}:${at.column}: ${message}`;

export const fileFacts = (realPath: string, more: Partial<Facts> = {}): Facts => ({
  realPath,
  exists: true,
  kind: "file",
  nlink: 1,
  size: 5,
  ...more,
});

const content = { sha256: new Uint8Array(32), length: 5, head: "hello" };

/** An action on paths (`scope:/x` or absolute) with facts that say the paths are as given. */
export const act = (
  target: string,
  args: { readonly [name: string]: CanonicalValue },
  facts: { readonly [name: string]: Facts | null } = {},
): Action => {
  const absolute = (text: string): string =>
    text.replace(/^scope:\/?/, `${scope}/`).replace(/(.)\/$/, "$1");
  const full: Record<string, CanonicalValue> = {};
  const found: Record<string, Facts> = {};
  for (const [name, value] of Object.entries(args)) {
    const isPath = ["path", "to", "cwd"].includes(name) && typeof value === "string";
    full[name] = isPath ? absolute(value) : value;
    if (isPath) found[name] = fileFacts(absolute(value));
    if (name === "paths") {
      full[name] = (value as readonly string[]).map(absolute);
      (value as readonly string[]).forEach((text, at) => {
        found[`paths.${at}`] = fileFacts(absolute(text));
      });
    }
  }
  if (target === "fs::write") Object.assign(full, { content, create: "any", ...full });
  for (const [name, each] of Object.entries(facts)) {
    if (each === null) delete found[name];
    else found[name] = each;
  }
  return { version: 1, target, args: full, facts: found };
};

export const run = (
  argv: readonly string[],
  real = (argv[0] as string).startsWith("/") ? (argv[0] as string) : `/usr/bin/${argv[0]}`,
): Action => ({
  version: 1,
  target: "sys::exec",
  args: { argv, cwd: scope },
  facts: {
    cwd: { realPath: scope, exists: true, kind: "directory" },
    program: { realPath: real, exists: true, kind: "file", sha256: new Uint8Array(32) },
  },
});

export const asked = (decision: Decision): readonly string[] =>
  decision.asks.map(({ kind, id }: AskSource) => `${kind} ${id}`);

export const ruleIds = (decision: Decision): readonly string[] =>
  decision.rules.map(({ id }) => id);

export const verdict = (
  compiled: CompiledPolicy,
  action: Action,
  given: DecisionContext = context,
): Decision["verdict"] => decide(compiled, action, given).verdict;

/** A user's rule; `where` as TOML lines. */
export const rule = (
  id: string,
  effect: string,
  target: string | readonly string[],
  where = "",
): string =>
  `[[rule]]\nid = "${id}"\neffect = "${effect}"\ntarget = ${JSON.stringify(target)}\n${where}\n`;
