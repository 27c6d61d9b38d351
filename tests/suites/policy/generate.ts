/**
 * Random policies and actions. Biased towards what meets: a rule's patterns and an action's paths
 * come from one small set of names, facts lie now and then, grants answer what was asked or nearly.
 */
import type { SeededRandom } from "@ioi/base";
import type { Action, AskSource, CanonicalValue, Facts } from "@ioi/wire";
import type {
  Effect,
  ModelGrant,
  ModelTask,
  Pair,
  Policy,
  Rule,
  Situation,
  Source,
  Test,
  Tier,
} from "./model.ts";
import { argvs, names, programs, scripts } from "./world.ts";

type Random = SeededRandom;
const chance = (random: Random, percent: number): boolean => random.below(100) < percent;
const pick = <T>(random: Random, list: readonly T[]): T => list[random.below(list.length)] as T;
const some = <T>(random: Random, most: number, make: () => T): T[] =>
  Array.from({ length: 1 + random.below(most) }, make);

const home = "/home/u";
const scope = "/home/u/scope";
const folders = [
  scope,
  "/home/u/Docs",
  "/srv/data",
  "/home/u/scope/work",
  home,
  "/home/u/product",
  "/etc",
  "/home/u/scope-evil",
];
const rootNames = ["scope", "docs", "data"] as const;

// --- Policies ----------------------------------------------------------------------------------

const segments = [
  "*",
  "?",
  "*.txt",
  "*.{txt,pdf}",
  "[a-c]*",
  "[A-C].*",
  ".*",
  "b.*",
  "*o*s",
  "**",
  "**",
  "n?tes",
  "{a,notes}",
  "x[0-9]",
  ".[a-h]*",
  "*-*",
];

const patternSegment = (random: Random): string =>
  chance(random, 45)
    ? pick(
        random,
        names.filter((name) => !/[*[\]]/.test(name)),
      )
    : pick(random, segments);

const pattern = (random: Random): string => {
  const root = chance(random, 75) ? "scope" : pick(random, ["docs", "data", "~"]);
  const list = chance(random, 30) ? ["**"] : some(random, 3, () => patternSegment(random));
  return `${root === "~" ? "~" : `${root}:`}/${list.join("/")}`;
};

const literal = (random: Random): string => {
  const root = chance(random, 75) ? "scope" : pick(random, rootNames);
  const list = random.below(5) === 0 ? [] : some(random, 2, () => pick(random, names));
  return `${root}:/${list.join("/")}`;
};

const pathTest = (random: Random, depth = 0): Test => {
  switch (random.below(depth > 1 ? 6 : 9)) {
    case 0:
      return { glob_nocase: some(random, 2, () => pattern(random)) };
    case 1:
      return { equals: literal(random) };
    case 2:
      return { one_of: some(random, 3, () => literal(random)) };
    case 3:
      return { prefix: literal(random) };
    case 6:
      return { ...pathTest(random, depth + 1), not: pathTest(random, depth + 1) };
    case 7:
      return { any: some(random, 2, () => pathTest(random, depth + 1)) };
    case 8:
      return { not: pathTest(random, depth + 1) };
    default:
      return { glob: some(random, 2, () => pattern(random)) };
  }
};

const argvTest = (random: Random): Test => {
  const maybe = <T>(percent: number, value: () => T): T | undefined =>
    chance(random, percent) ? value() : undefined;
  const given = {
    program: maybe(75, () =>
      some(random, 3, () =>
        pick(random, [
          "/usr/bin/git",
          "/usr/bin/curl",
          "/usr/bin/",
          "/opt/tool",
          "scope:/**",
          "/usr/bin/dash",
        ]),
      ),
    ),
    first: maybe(40, () => some(random, 2, () => pick(random, ["log", "push", "status", "run"]))),
    flags: maybe(40, () =>
      some(random, 3, () =>
        pick(random, ["--oneline", "-n", "--", "-S", "--output", "-sSf", "-C"]),
      ),
    ),
    rest: maybe(40, () =>
      pick(random, [
        { matches: "[0-9]{1,4}" },
        { one_of: ["origin", "x"] },
        { prefix: "http" },
        { matches: "[a-z.]+" },
        { matches: ".*" },
      ]),
    ),
    profile: maybe(25, () => "closed" as const),
  };
  const test = Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined),
  ) as Test;
  return Object.keys(test).length === 0 ? { program: ["/usr/bin/"] } : test;
};

const plainTest = (random: Random, name: string): Test => {
  if (name === "content") return { bytes_max: pick(random, [0, 5, 100]) };
  if (name === "counter" || name === "offset" || name === "length") {
    return pick<Test>(random, [
      { min: 2 },
      { max: 5 },
      { equals: 3 },
      { one_of: [1, 4] },
      { min: 2, max: 4 },
      { not: { max: 2 } },
    ]);
  }
  if (name === "create")
    return pick<Test>(random, [
      { equals: "new" },
      { one_of: ["new", "any"] },
      { not: { equals: "replace" } },
    ]);
  return pick<Test>(random, [
    { matches: "[a-z]+" },
    { prefix: "a" },
    { suffix: "z" },
    { absent: true },
    { absent: false },
    { any: [{ absent: true }, { equals: "az" }] },
    { not: { equals: "az" } },
  ]);
};

const argumentsOf: Readonly<Record<string, readonly string[]>> = {
  "fs::stat": ["path"],
  "fs::list": ["path"],
  "fs::search": ["path", "name", "text"],
  "fs::read": ["path", "offset", "length"],
  "fs::write": ["path", "content", "create"],
  "fs::mkdir": ["path"],
  "fs::copy": ["path", "to"],
  "fs::move": ["path", "to"],
  "fs::delete": ["path"],
  "fs::restore": ["counter", "paths"],
  "sys::exec": ["argv", "cwd"],
};
const targetNames = Object.keys(argumentsOf);
/** Programs have the most ways to be described. */
const drawn = [...targetNames, "sys::exec", "sys::exec"];
/** Part of the language without a driver, each with arguments that it takes. */
const otherArgs: Readonly<Record<string, Action["args"]>> = {
  "net::listen": { port: 8080 },
  "browser::open": { url: "https://other.example/" },
  "clipboard::read": {},
  "skill::run": { skill: "words", arguments: {} },
};
const others = Object.keys(otherArgs);

const isPath = (name: string): boolean => ["path", "to", "paths", "cwd"].includes(name);
const mustSay = (name: string): boolean => ["path", "to", "paths", "argv"].includes(name);

/** Whether a test says where, and not only where not. */
const says = (test: Test): boolean =>
  (test.program !== undefined && test.program.length > 0) ||
  test.profile !== undefined ||
  [test.glob, test.glob_nocase, test.equals, test.one_of, test.prefix].some(
    (each) => each !== undefined,
  ) ||
  (test.any?.every(says) ?? false);

const sayingTest = (random: Random, name: string): Test => {
  for (;;) {
    const test = name === "argv" ? argvTest(random) : pathTest(random);
    if (says(test)) return test;
  }
};

const wideTest = (random: Random, name: string): Test => {
  if (name === "argv")
    return chance(random, 50)
      ? { profile: "closed" }
      : { program: ["/usr/bin/"], profile: "closed" };
  return { glob: [chance(random, 85) ? "scope:/**" : "docs:/**"] };
};

const makeWhere = (
  random: Random,
  targets: readonly string[],
  effect: Effect,
): Map<string, Test> => {
  const common = (argumentsOf[targets[0] as string] ?? []).filter((name) =>
    targets.every((target) => argumentsOf[target]?.includes(name)),
  );
  const where = new Map<string, Test>();
  for (const name of common) {
    const needed = effect === "allow" && mustSay(name);
    if (!needed && !chance(random, isPath(name) || name === "argv" ? 80 : 30)) continue;
    if (needed)
      where.set(name, chance(random, 40) ? wideTest(random, name) : sayingTest(random, name));
    else if (name === "argv") where.set(name, argvTest(random));
    else where.set(name, isPath(name) ? pathTest(random) : plainTest(random, name));
  }
  return where;
};

const makeTargets = (random: Random, effect: Effect): string[] => {
  const first = pick(random, drawn);
  const needs = (target: string): string => (argumentsOf[target] ?? []).filter(mustSay).join();
  const alike = targetNames.filter((target) => needs(target) === needs(first));
  const more = some(random, 3, () => pick(random, alike));
  if (effect !== "allow" && chance(random, 4)) return [pick(random, others)];
  return [...new Set([first, ...more])];
};

const makeRule = (random: Random, id: string, tier: Tier): Rule => {
  const may = tier === "admin" || tier === "user";
  const effect: Effect =
    may && chance(random, 60) ? "allow" : pick(random, ["ask", "deny", "ask"] as const);
  const target = makeTargets(random, effect);
  const where = target.some((name) => others.includes(name))
    ? new Map<string, Test>()
    : makeWhere(random, target, effect);
  const shadow = effect !== "allow" && chance(random, 6);
  return { id, effect, target, where, ...(shadow ? { shadow } : {}) };
};

const makeSource = (random: Random, tier: Tier, rules: number): Source => ({
  tier,
  ...(tier === "user" && chance(random, 50)
    ? { verdict: chance(random, 30) ? ("deny" as const) : ("ask" as const) }
    : {}),
  ...((tier === "user" || tier === "admin") && chance(random, 50)
    ? { reversible: chance(random, 70) }
    : {}),
  rules: Array.from({ length: rules }, (_, at) => makeRule(random, `r${at}`, tier)),
});

export const makePolicy = (random: Random): Policy => {
  const lower = (["project", "skill", "session", "delegation"] as const).filter(() =>
    chance(random, 20),
  );
  return {
    workspaces: [
      { name: "docs", path: "~/Docs" },
      { name: "data", path: "/srv/data" },
    ],
    sources: [
      ...(chance(random, 30) ? [makeSource(random, "admin", 1 + random.below(3))] : []),
      makeSource(random, "user", 1 + random.below(7)),
      ...lower.map((tier) => makeSource(random, tier, 1 + random.below(2))),
    ],
  };
};

// --- Actions -----------------------------------------------------------------------------------

const makePath = (random: Random): string => {
  const folder = chance(random, 70) ? scope : pick(random, folders);
  const list = chance(random, 6) ? [] : some(random, 3, () => pick(random, names));
  if (chance(random, 1))
    return pick(random, ["/proc/self/root/etc", "/dev/fd/3", "/dev/shm/x", "/"]);
  return [folder, ...list].join("/");
};

/** Another spelling: the same file only where the mount folds case. */
const respell = (random: Random, path: string): string =>
  chance(random, 50) ? path.toUpperCase() : path.replace(/o/g, "O");

const makeFacts = (random: Random, path: string, spelled: boolean): Facts => ({
  realPath: chance(random, 90) ? path : makePath(random),
  exists: chance(random, 75),
  ...(chance(random, 90)
    ? { kind: pick(random, ["file", "file", "file", "directory", "other"] as const) }
    : {}),
  ...(chance(random, 90) ? { nlink: chance(random, 90) ? 1 : 2 } : {}),
  ...(chance(random, 50) ? { size: pick(random, [0, 10, 2 ** 31, 2 ** 31 + 1]) } : {}),
  ...(chance(random, spelled ? 70 : 12) ? { caseInsensitive: true } : {}),
  ...(chance(random, 50) ? { dotNames: chance(random, 40) } : {}),
});

const hash = new Uint8Array(32);

const makeValue = (random: Random, name: string): CanonicalValue | undefined => {
  switch (name) {
    case "path":
    case "to":
      return makePath(random);
    case "cwd":
      return chance(random, 85) ? scope : makePath(random);
    case "paths":
      return some(random, 3, () => makePath(random));
    case "counter":
      return 1 + random.below(5);
    case "offset":
    case "length":
      return chance(random, 50) ? 1 + random.below(6) : undefined;
    case "content":
      return { sha256: hash, length: pick(random, [0, 5, 6, 1000]), head: "" };
    case "create":
      return pick(random, ["new", "replace", "any"]);
    case "argv":
      return chance(random, 35) ? pick(random, scripts).argv : pick(random, argvs);
    default:
      return chance(random, 60) ? pick(random, ["az", "abc", "Q", "<PHONE_2.ab12>"]) : undefined;
  }
};

const programFor = (random: Random, argv: readonly string[]): string => {
  const usual: Readonly<Record<string, string>> = {
    sh: "/usr/bin/dash",
    bash: "/usr/bin/bash",
    "./a": "/home/u/scope/a",
  };
  const name = argv[0] as string;
  if (scripts.some(({ argv: text }) => text === argv)) return usual[name] ?? `/usr/bin/${name}`;
  if (chance(random, 15))
    return pick(
      random,
      programs.filter((path) => !/dash|bash/.test(path)),
    );
  return usual[name] ?? (name.startsWith("/") ? name : `/usr/bin/${name}`);
};

const makeAction = (random: Random): Action => {
  if (chance(random, 1)) {
    const target = pick(random, others);
    return { version: 1, target, args: otherArgs[target] ?? {}, facts: {} };
  }
  const target = pick(random, drawn);
  const args: Record<string, CanonicalValue> = {};
  const facts: Record<string, Facts> = {};
  const look = (key: string, path: string): void => {
    if (chance(random, 96)) facts[key] = makeFacts(random, path, path !== path.toLowerCase());
  };
  for (const name of argumentsOf[target] ?? []) {
    const made = makeValue(random, name);
    if (made === undefined) continue;
    const spelled = isPath(name) && typeof made === "string" && chance(random, 6);
    const value = spelled ? respell(random, made) : made;
    args[name] = value;
    if (name === "paths")
      (value as readonly string[]).forEach((path, at) => look(`paths.${at}`, path));
    else if (isPath(name)) look(name, value as string);
    else if (name === "argv" && chance(random, 96)) {
      const realPath = programFor(random, value as readonly string[]);
      facts["program"] = {
        realPath,
        exists: chance(random, 98),
        ...(chance(random, 97) ? { sha256: hash } : {}),
      };
    }
  }
  if (chance(random, 1) && typeof args["path"] === "string") args["path"] = `${args["path"]}/../x`;
  return { version: 1, target, args, facts };
};

// --- Situations --------------------------------------------------------------------------------

const makeGrant = (random: Random, id: string, action: Action, policy: Policy): ModelGrant => {
  const rules = policy.sources.flatMap(({ tier, rules: list }) =>
    list
      .filter(({ effect }) => effect === "ask")
      .map((rule) => (tier === "user" ? rule.id : `${tier}/${rule.id}`)),
  );
  const sources: AskSource[] = [
    { kind: "default", id: "default" },
    ...rules.map((rule) => ({ kind: "rule", id: rule })),
    { kind: "budget", id: "actions" },
    { kind: "fact", id: "path" },
    { kind: "protected", id: "path" },
    { kind: "protected", id: "argv" },
    { kind: "dynamic", id: "argv" },
    { kind: "irreversible", id: "snapshot" },
  ];
  return {
    id,
    session: chance(random, 93) ? "s" : "other",
    target: chance(random, 93) ? action.target : pick(random, targetNames),
    scope: chance(random, 50) ? "once" : "session",
    sameAction: chance(random, 80),
    samePolicy: chance(random, 70),
    discharges: sources.filter(() => chance(random, 70)),
  };
};

const makeTask = (random: Random): ModelTask => {
  const access = (): "read" | "organise" | "write" =>
    pick(random, ["read", "organise", "write"] as const);
  return {
    groups: (["read", "organise", "delete", "run"] as const).filter(() => chance(random, 70)),
    folders: [
      ...(chance(random, 90) ? [{ path: scope, access: access() }] : []),
      ...(chance(random, 30) ? [{ path: `${scope}/work`, access: access() }] : []),
      ...(chance(random, 40) ? [{ path: "/home/u/Docs", access: access() }] : []),
    ],
    limits: chance(random, 70),
    grants: chance(random, 80),
    samePolicy: chance(random, 80),
  };
};

const makeSituation = (random: Random, action: Action, policy: Policy): Situation => ({
  roots: [
    ...(chance(random, 95) ? [{ name: "scope", path: scope, access: "write" as const }] : []),
    {
      name: "docs",
      path: "/home/u/Docs",
      access: chance(random, 50) ? ("read" as const) : ("write" as const),
    },
    ...(chance(random, 50) ? [{ name: "data", path: "/srv/data", access: "write" as const }] : []),
    ...(chance(random, 15)
      ? [{ name: "inner", path: `${scope}/work`, access: "read" as const }]
      : []),
  ],
  home,
  productFolders: ["/home/u/product", `${scope}/a/.hidden`],
  headless: chance(random, 15),
  exceeded: chance(random, 8)
    ? pick(random, [["actions"], ["wall_minutes"], ["actions", "wall_minutes"]])
    : [],
  grants: chance(random, 30)
    ? some(random, 2, () => makeGrant(random, `g${random.below(1000)}`, action, policy))
    : [],
  ...(chance(random, 40) ? { task: makeTask(random) } : {}),
  unavailable: chance(random, 5) ? pick(random, [["snapshot"], ["stage"]] as const) : [],
});

export const makePair = (random: Random, policy: Policy): Pair => {
  const action = makeAction(random);
  return { action, situation: makeSituation(random, action, policy) };
};
