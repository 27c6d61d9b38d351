/**
 * What a policy's refusals mean for a program in a sandbox: it is judged once, before anybody knows
 * which files it will open. A refusal of a fixed path below a folder is compiled to one: what may
 * not be read is hidden, what may not be changed is held back. A refusal that has no fixed path, or
 * holds only sometimes, cannot be compiled; programs that see a folder it speaks of then ask.
 *
 * Invariant: what a refusal without a remark in `uncompiled` refuses, no program of the profile
 * does. It may hide more: a folder whose own listing is refused is hidden with what is in it.
 */
import type { AskSource, Obligation } from "@ioi/wire";
import type { CompiledRule } from "./engine.ts";
import type { Alternative, PathPattern } from "./glob.ts";
import { sandboxAsksMax, sandboxPathsMax } from "./limits.ts";
import { isWithin } from "./paths.ts";
import type { Predicate } from "./predicate.ts";
import { homeRoot, isScopeName, type RootTable, scopeRoot } from "./roots.ts";
import type { Subject } from "./subject.ts";
import { targets } from "./targets.ts";
import type { CompiledPolicy, DecisionContext, Root } from "./types.ts";

export interface SandboxPaths {
  /** Absolute; nothing of them is seen. */
  readonly hidden: readonly string[];
  /** Absolute; they are seen, and no change of them is applied. */
  readonly readOnly: readonly string[];
}

/** A refusal that no sandbox keeps. */
export interface Uncompiled {
  readonly rule: string;
  /** The folder's name, as `scope`. */
  readonly root: string;
  readonly why: string;
}

export interface CompiledProfile {
  readonly profile: SandboxPaths;
  readonly uncompiled: readonly Uncompiled[];
}

/** Targets whose program runs among the session's folders. */
export const sandboxedTargets: ReadonlySet<string> = new Set([
  "sys::exec",
  "sys::shell",
  "sys::python",
]);

type Access = "read" | "change";

interface Refusal {
  readonly argument: string;
  readonly access: Access;
}

/** The path arguments that a rule's file targets have, and what each is for. */
const refusalsOf = ({ targets: names }: CompiledRule): readonly Refusal[] =>
  names.flatMap((name) => {
    const target = targets.get(name);
    if (target?.group !== "fs" || name === "fs::restore") return [];
    return target.arguments.flatMap((spec): readonly Refusal[] =>
      spec.type === "path"
        ? [{ argument: spec.name, access: spec.use === "reads" ? "read" : "change" }]
        : [],
    );
  });

/** Folders that a pattern's root stands for in this session. */
const basesOf = (root: string, roots: readonly Root[], home: string): readonly string[] => {
  if (root === homeRoot) return [home];
  return roots
    .filter(({ name }) => (root === scopeRoot ? isScopeName(name) : name === root))
    .map(({ path }) => path);
};

/** The fixed path of a pattern below its root; undefined where a wildcard stands in it. */
const fixedPart = ({ exact }: Alternative): readonly string[] | undefined => {
  const segments = exact.at(-1)?.type === "deep" ? exact.slice(0, -1) : exact;
  const texts = segments.map((segment) => (segment.type === "literal" ? segment.text : undefined));
  return texts.some((text) => text === undefined) ? undefined : (texts as readonly string[]);
};

const hasLetters = (texts: readonly string[]): boolean => texts.some((text) => /\p{L}/u.test(text));

type Pattern = Predicate & { readonly type: "path" };

/** The alternatives of a condition that is nothing but paths. */
const pathsOf = (predicate: Predicate): readonly Pattern[] | undefined => {
  if (predicate.type === "path") return [predicate];
  if (predicate.type !== "any") return undefined;
  const all = predicate.of.map(pathsOf);
  return all.some((each) => each === undefined) ? undefined : (all.flat() as readonly Pattern[]);
};

/** All of it is about one other path argument. */
const isAboutPaths = (rule: CompiledRule, others: CompiledRule["conditions"]): boolean => {
  const [first] = others;
  return (
    rule.deferred !== true &&
    others.length === 1 &&
    refusalsOf(rule).some(({ argument }) => argument === first?.argument)
  );
};

const join = (base: string, names: readonly string[]): string =>
  names.length === 0 ? base : `${base === "/" ? "" : base}/${names.join("/")}`;

class Compiler {
  /** What a pattern's root may stand for. */
  readonly #roots: readonly Root[];
  readonly #home: string;
  /** What the program sees. */
  readonly #shown: readonly Root[];
  readonly #hidden = new Set<string>();
  readonly #readOnly = new Set<string>();
  readonly #uncompiled = new Map<string, Uncompiled>();

  constructor(roots: readonly Root[], home: string, shown: readonly Root[]) {
    this.#roots = roots;
    this.#home = home;
    this.#shown = shown;
  }

  rule(rule: CompiledRule): void {
    for (const refusal of refusalsOf(rule)) this.#refusal(rule, refusal);
  }

  #refusal(rule: CompiledRule, { argument, access }: Refusal): void {
    if (rule.window !== undefined)
      return this.#cannot(rule, this.#shown, "it counts at times only");
    const others = rule.conditions.filter((each) => each.argument !== argument);
    const own = rule.conditions.filter((each) => each.argument === argument);
    // About the other of two paths alone: that one's refusal says it.
    if (own.length === 0 && others.length > 0 && isAboutPaths(rule, others)) return;
    if (rule.deferred === true || others.length > 0) {
      return this.#cannot(rule, this.#shown, "it depends on more than the path");
    }
    if (own.length === 0) {
      for (const { path } of this.#shown) this.#add(rule, access, path);
      return;
    }
    const [first, ...more] = own;
    const patterns = first === undefined ? undefined : pathsOf(first.predicate);
    if (patterns === undefined || more.length > 0) {
      return this.#cannot(rule, this.#shown, "its paths are no plain list");
    }
    for (const { patterns: all, nocase } of patterns) {
      for (const pattern of all) this.#pattern(rule, access, pattern, nocase);
    }
  }

  #pattern(rule: CompiledRule, access: Access, pattern: PathPattern, nocase: boolean): void {
    for (const base of basesOf(pattern.root, this.#roots, this.#home)) {
      // A root below the pattern's, or above it, is meant as well.
      const touched = this.#shown.filter(
        ({ path }) => isWithin(path, base) || isWithin(base, path),
      );
      if (touched.length === 0) continue;
      for (const alternative of pattern.alternatives) {
        const names = fixedPart(alternative);
        if (names === undefined) this.#cannot(rule, touched, "its pattern names no fixed path");
        else if (nocase && hasLetters(names)) {
          this.#cannot(rule, touched, "its pattern stands for several spellings");
        } else this.#add(rule, access, join(base, names));
      }
    }
  }

  #cannot({ id }: CompiledRule, roots: readonly Root[], why: string): void {
    for (const { name } of roots) {
      this.#uncompiled.set(`${id}\0${name}`, { rule: id, root: name, why });
    }
  }

  /** What lies in none of the session's folders is in no sandbox anyway. */
  #add(rule: CompiledRule, access: Access, path: string): void {
    const paths = access === "read" ? this.#hidden : this.#readOnly;
    for (const root of this.#shown) {
      const within = isWithin(path, root.path) ? path : isWithin(root.path, path) ? root.path : "";
      if (within === "") continue;
      if (paths.size < sandboxPathsMax || paths.has(within)) paths.add(within);
      else this.#cannot(rule, [root], "there are more paths than a sandbox takes");
    }
  }

  get done(): CompiledProfile {
    const hidden = [...this.#hidden];
    const below = (path: string, folders: readonly string[]): boolean =>
      folders.some((folder) => folder !== path && isWithin(path, folder));
    const sorted = (paths: readonly string[]): readonly string[] =>
      paths.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    return {
      profile: {
        hidden: sorted(hidden.filter((path) => !below(path, hidden))),
        readOnly: sorted([...this.#readOnly].filter((path) => !below(path, [...this.#readOnly]))),
      },
      uncompiled: [...this.#uncompiled.values()],
    };
  }
}

/** What every decision about a program in one session has in common. */
interface Shared {
  readonly obligations: readonly Obligation[];
  readonly asks: readonly AskSource[];
}

const sharedFor = (policy: CompiledPolicy, table: RootTable, shown?: readonly Root[]): Shared => {
  const roots = table.roots.filter(({ name }) => name !== homeRoot);
  const home = table.roots.find(({ name }) => name === homeRoot)?.path ?? "/";
  const { profile, uncompiled } = compileSandbox(policy, roots, home, shown);
  const { hidden, readOnly } = profile;
  const rules = new Set(uncompiled.map(({ rule }) => rule));
  return {
    obligations:
      hidden.length + readOnly.length === 0
        ? []
        : [{ type: "sandbox", hidden: [...hidden], readOnly: [...readOnly] }],
    asks: [...rules].slice(0, sandboxAsksMax).map((id) => ({ kind: "sandbox", id })),
  };
};

const known = new WeakMap<CompiledPolicy["engine"], WeakMap<RootTable, Shared>>();

/** Of this session; worked out once. */
const sharedOf = (policy: CompiledPolicy, table: RootTable): Shared => {
  const { engine } = policy;
  const ofPolicy = known.get(engine) ?? new WeakMap<RootTable, Shared>();
  known.set(engine, ofPolicy);
  const found = ofPolicy.get(table);
  if (found !== undefined) return found;
  const made = sharedFor(policy, table);
  ofPolicy.set(table, made);
  return made;
};

type Starts = DecisionContext["starts"];

/** Of a program of the session, or of a server with folders of its own. */
const partOf = (
  policy: CompiledPolicy,
  { target, table }: Subject,
  starts: Starts,
): Shared | undefined => {
  if (starts !== undefined) return sharedFor(policy, table, starts.folders);
  return sandboxedTargets.has(target.name) ? sharedOf(policy, table) : undefined;
};

/** What the driver of a program keeps from it; nothing where nothing is refused. */
export const sandboxObligations = (
  policy: CompiledPolicy,
  subject: Subject,
  starts?: Starts,
): readonly Obligation[] => partOf(policy, subject, starts)?.obligations ?? [];

/** A program asks where it could go round a refusal; the first few are named. */
export const sandboxAsks = (
  policy: CompiledPolicy,
  subject: Subject,
  starts?: Starts,
): readonly AskSource[] => partOf(policy, subject, starts)?.asks ?? [];

/**
 * What a program that sees `shown` sees less, and which refusals it could go round; patterns are those
 * of a session with these `roots`. Pure.
 */
export const compileSandbox = (
  policy: CompiledPolicy,
  roots: readonly Root[],
  home: string,
  shown: readonly Root[] = roots,
): CompiledProfile => {
  const compiler = new Compiler(roots, home, shown);
  for (const rule of policy.engine.rules) {
    if (rule.effect === "deny" && rule.shadow !== true) compiler.rule(rule);
  }
  return compiler.done;
};
