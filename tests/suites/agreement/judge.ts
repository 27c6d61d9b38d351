/** One operation before the first enforcer, the decision, and what a program's sandbox is told of it. */
import { createHash } from "node:crypto";
import { InvariantError } from "@ioi/base";
import {
  type CompiledPolicy,
  compilePolicy,
  compileSandbox,
  type CompiledProfile,
  decide,
  type Decision,
  type DecisionContext,
  lint,
} from "@ioi/firewall";
import type { Action, Facts } from "@ioi/wire";
import { actionOf, type Operation } from "./generate.ts";
import type { Place } from "./place.ts";

const hashing = {
  sha256: (bytes: Uint8Array): Uint8Array =>
    new Uint8Array(createHash("sha256").update(bytes).digest()),
};

export interface Judge {
  readonly place: Place;
  readonly policy: CompiledPolicy;
  readonly sandbox: CompiledProfile;
  /** Refusals that a program could go round, by rule and folder; the same by lint. */
  readonly told: { readonly compiled: string; readonly linted: string };
  /** How a program is decided about: with these asks it does not begin by itself. */
  readonly program: Decision;
  decide(action: Action): Decision;
}

const programOf = ({ scope }: Place): Action => ({
  version: 1,
  target: "sys::exec",
  args: { argv: ["sh", "-c", "true"], cwd: scope },
  facts: {
    program: {
      realPath: "/usr/bin/dash",
      exists: true,
      kind: "file",
      mode: 0o755,
      sha256: new Uint8Array(32),
    },
    cwd: { realPath: scope, exists: true, kind: "directory" },
  },
});

const rulesIn = (texts: readonly string[]): string => [...new Set(texts)].toSorted().join(" ");

export const judgeOf = (place: Place, text: string): Judge => {
  const compiled = compilePolicy([{ tier: "user", file: "policy.toml", text }], hashing);
  if (!compiled.ok) {
    throw new InvariantError(
      `a generated policy does not load: ${JSON.stringify(compiled.error)}\n${text}`,
    );
  }
  const policy = compiled.value;
  const context: DecisionContext = {
    session: {
      session: "s-attacked",
      agent: "planner",
      roots: place.roots,
      words: [],
      headless: false,
      productFolders: [],
      home: place.base,
    },
    exceededBudgets: [],
    grants: [],
  };
  const sandbox = compileSandbox(policy, place.roots, place.base);
  const linted = lint(policy)
    .filter(({ code }) => code === "uncompiled")
    .map(({ rule }) => rule ?? "");
  return {
    place,
    policy,
    sandbox,
    told: {
      compiled: rulesIn(sandbox.uncompiled.map(({ rule }) => rule)),
      linted: rulesIn(linted),
    },
    program: decide(policy, programOf(place), context),
    decide: (action) => decide(policy, action, context),
  };
};

export interface Judged {
  readonly decision: Decision;
  /** The person's rules that refuse it. */
  readonly denials: readonly string[];
  /** Some of these no sandbox keeps: then the program asks before it begins. */
  readonly asked: boolean;
}

export const judged = (
  judge: Judge,
  operation: Operation,
  facts: (file: string) => Facts,
): Judged => {
  const decision = judge.decide(actionOf(operation, facts));
  const denials = decision.rules
    .filter(({ effect, tier }) => effect === "deny" && tier === "user")
    .map(({ id }) => id);
  const loose = new Set(judge.sandbox.uncompiled.map(({ rule }) => rule));
  const asked =
    denials.some((id) => loose.has(id)) &&
    judge.program.asks.some(({ kind }) => kind === "sandbox");
  return { decision, denials, asked };
};

const within = (file: string, folder: string): boolean =>
  file === folder || file.startsWith(`${folder}/`);

/** What a program can do by its profile: folders, what is hidden, what is held back. */
export const admits = (
  { place, sandbox }: Judge,
  { target, path: file, to }: Operation,
): boolean => {
  const { hidden, readOnly } = sandbox.profile;
  const sees = (each: string): boolean =>
    place.roots.some((root) => within(each, root.path)) &&
    !hidden.some((folder) => within(each, folder));
  const changes = (each: string): boolean =>
    place.roots.some(({ path: root, access }) => access === "write" && within(each, root)) &&
    !hidden.some((folder) => within(each, folder)) &&
    !readOnly.some((folder) => within(each, folder));
  switch (target) {
    case "fs::read":
      return sees(file);
    case "fs::copy":
      return sees(file) && changes(to ?? "");
    case "fs::move":
      return sees(file) && changes(file) && changes(to ?? "");
    default:
      return changes(file);
  }
};

/** What the files driver's profile lets through: the folders of the session alone. */
export const inProfile = ({ place }: Judge, { target, path: file, to }: Operation): boolean => {
  const read = (each: string): boolean => place.roots.some((root) => within(each, root.path));
  const write = (each: string): boolean =>
    place.roots.some(({ path: root, access }) => access === "write" && within(each, root));
  if (target === "fs::read") return read(file);
  if (target === "fs::copy") return read(file) && write(to ?? "");
  return write(file) && (to === undefined || write(to));
};
