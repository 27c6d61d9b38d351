/**
 * The policy language again, as naively as it reads: three words for truth, globs by their recursive
 * definition, lists by loops, no index, no cache. It shares nothing with the engine and knows the
 * world only as far as the generator goes (names, scripts), so that both must agree.
 */
import type { AskSource } from "@ioi/wire";
import { ruleTruth, type World } from "./conditions.ts";
import { rootPath } from "./globs.ts";
import type { Answer, Effect, ModelGrant, Pair, Policy, Tier } from "./model.ts";
import {
  builtins,
  changing,
  guarded,
  guardedKeys,
  known,
  pathArguments,
  unknownFacts,
  within,
} from "./refusals.ts";
import { sandboxOf } from "./sandbox.ts";
import { taskAsksOf, taskGives } from "./task.ts";
import { or, type Truth } from "./truth.ts";
import { scripts } from "./world.ts";

interface Fired {
  readonly id: string;
  readonly effect: Effect;
  readonly tier: Tier;
  readonly truth: Truth;
}

const nameOf = (tier: Tier, id: string): string => (tier === "user" ? id : `${tier}/${id}`);

const textOf = ({ action }: World, name: string): string => {
  const value = action.args[name];
  return typeof value === "string" ? value : "";
};

/** A redirect of a script as an action of its own, whose path is where it says. */
const redirectWorld = (world: World, path: string, writes: boolean): World => {
  const cwd = world.action.facts["cwd"]?.realPath ?? textOf(world, "cwd");
  const stack: string[] = [];
  for (const part of (path.startsWith("/") ? path : `${cwd}/${path}`).split("/")) {
    if (part === "..") stack.pop();
    else if (part !== "" && part !== ".") stack.push(part);
  }
  const full = `/${stack.join("/")}`;
  return {
    situation: world.situation,
    action: {
      version: 1,
      target: writes ? "fs::write" : "fs::read",
      args: { path: full },
      facts: { path: { realPath: full, exists: true } },
    },
  };
};

const firedRules = (policy: Policy, world: World): readonly Fired[] => {
  const argv = world.action.args["argv"] as readonly string[] | undefined;
  const script =
    argv === undefined
      ? undefined
      : scripts.find(({ argv: text }) => text.join("\0") === argv.join("\0"));
  const all: Fired[] = [];
  for (const source of policy.sources) {
    for (const rule of source.rules) {
      if (rule.shadow === true) continue;
      let truthNow: Truth = "F";
      if (rule.target.includes(world.action.target)) truthNow = ruleTruth(rule, world);
      if (rule.effect !== "allow" && script !== undefined) {
        if (rule.target.includes("sys::exec")) {
          for (const command of script.commands)
            truthNow = or(truthNow, ruleTruth(rule, world, command));
        }
        for (const { path, writes } of script.redirects) {
          const there = redirectWorld(world, path, writes);
          if (rule.target.includes(there.action.target))
            truthNow = or(truthNow, ruleTruth(rule, there));
        }
      }
      const fires = rule.effect === "allow" ? truthNow === "T" : truthNow !== "F";
      if (fires) {
        all.push({
          id: nameOf(source.tier, rule.id),
          effect: rule.effect,
          tier: source.tier,
          truth: truthNow,
        });
      }
    }
  }
  return all;
};

const show = ({ kind, id }: AskSource): string => `${kind} ${id}`;

const sizes = (world: World): boolean =>
  pathArguments(world).some(
    ({ use, facts }) =>
      (use === "writes" || use === "removes") &&
      facts?.exists === true &&
      (facts.size ?? 0) > 2 ** 31,
  );

/** What must be kept for undo, and whether it can be. */
const keeping = (world: World): { readonly wanted: string | undefined; readonly lost: boolean } => {
  const { action, situation } = world;
  if (action.target === "sys::exec") {
    return { wanted: "stage", lost: situation.unavailable.includes("stage") };
  }
  const wanted =
    changing.has(action.target) &&
    action.target !== "fs::mkdir" &&
    !(action.target === "fs::copy" && action.facts["to"]?.exists === false);
  if (!wanted) return { wanted: undefined, lost: false };
  return { wanted: "snapshot", lost: situation.unavailable.includes("snapshot") || sizes(world) };
};

const standing = (grant: ModelGrant, world: World, asks: readonly AskSource[]): boolean => {
  if (grant.session !== "s" || grant.target !== world.action.target) return false;
  if (grant.scope === "once" && !grant.sameAction) return false;
  const shown = grant.discharges.map(show);
  return grant.samePolicy || asks.every((ask) => shown.includes(show(ask)));
};

const malformed: Answer = {
  verdict: "deny",
  rules: ["builtin:malformed deny builtin true"],
  asks: [],
  discharged: [],
  grantsUsed: [],
  obligations: [],
  reversible: false,
};

const sorted = (list: readonly string[]): readonly string[] =>
  [...list].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));

const isMalformed = ({ action }: World): boolean =>
  Object.values(action.args)
    .flat()
    .some(
      (value) =>
        typeof value === "string" && /(^|\/)\.\.?(\/|$)|\0/.test(value) && value.startsWith("/"),
    );

const dynamicScript = (world: World): boolean => {
  const argv = world.action.args["argv"] as readonly string[] | undefined;
  return scripts.some(({ argv: text, dynamic }) => dynamic && text.join("\0") === argv?.join("\0"));
};

const guardedRedirect = (world: World): boolean => {
  const argv = world.action.args["argv"] as readonly string[] | undefined;
  const script = scripts.find(({ argv: text }) => text.join("\0") === argv?.join("\0"));
  return (
    script?.redirects.some(
      ({ path, writes }) => writes && guarded(textOf(redirectWorld(world, path, writes), "path")),
    ) ?? false
  );
};

const inScope = (world: World): boolean => {
  const scope = rootPath("scope", world.situation);
  return (
    scope !== undefined &&
    pathArguments(world).every(
      ({ facts }) =>
        facts !== undefined && within(facts.realPath, scope, facts.caseInsensitive === true),
    )
  );
};

const gatherAsks = (
  world: World,
  fired: readonly Fired[],
  lost: string | undefined,
): AskSource[] => {
  const asks: AskSource[] = [];
  for (const { id, effect } of fired) if (effect === "ask") asks.push({ kind: "rule", id });
  for (const id of new Set(world.situation.exceeded)) asks.push({ kind: "budget", id });
  for (const id of unknownFacts(world)) asks.push({ kind: "fact", id });
  for (const id of guardedKeys(world)) asks.push({ kind: "protected", id });
  if (guardedRedirect(world)) asks.push({ kind: "protected", id: "argv" });
  if (dynamicScript(world)) asks.push({ kind: "dynamic", id: "argv" });
  if (lost !== undefined) asks.push({ kind: "irreversible", id: lost });
  asks.push(...taskAsksOf(world));
  if (!fired.some(({ effect }) => effect === "allow"))
    asks.push({ kind: "default", id: "default" });
  return asks;
};

const answerGrants = (
  world: World,
  asks: readonly AskSource[],
  denyByDefault: boolean,
): { left: AskSource[]; discharged: AskSource[]; used: string[] } => {
  const onlyDefault = asks.every(({ kind }) => kind === "default");
  const given =
    !denyByDefault &&
    taskGives(world) &&
    (world.situation.task?.samePolicy === true || onlyDefault);
  const live = world.situation.grants.filter((grant) => standing(grant, world, asks));
  const left: AskSource[] = [];
  const discharged: AskSource[] = [];
  const used: string[] = [];
  for (const ask of asks) {
    const by = live.find(
      (grant) =>
        grant.discharges.map(show).includes(show(ask)) &&
        (grant.scope === "once" || ["rule", "default", "budget", "task"].includes(ask.kind)),
    );
    const id = by?.id ?? (ask.kind === "default" && given ? "task" : undefined);
    if (id === undefined) left.push(ask);
    else {
      discharged.push(ask);
      if (!used.includes(id)) used.push(id);
    }
  }
  return { left, discharged, used };
};

const words = { T: "true", U: "unknown", F: "false" } as const;

export const oracle = (policy: Policy, { action, situation }: Pair): Answer => {
  const world: World = { action, situation };
  if (isMalformed(world)) return malformed;
  if (!known.has(action.target)) {
    const fired = firedRules(policy, world);
    return {
      ...malformed,
      rules: sorted([
        "builtin:not-available deny builtin true",
        ...fired.map(
          ({ id, effect, tier, truth: each }) => `${id} ${effect} ${tier} ${words[each]}`,
        ),
      ]),
    };
  }
  const fired = firedRules(policy, world);
  const denials = builtins(world);
  const { wanted, lost } = keeping(world);
  const reversible = !lost && guardedKeys(world).length === 0 && !guardedRedirect(world);
  const isProgram = action.target === "sys::exec";
  const sandbox = isProgram ? sandboxOf(policy, situation, nameOf) : { asks: [], kept: false };
  let asks = gatherAsks(world, fired, lost ? wanted : undefined);
  for (const id of sandbox.asks) asks.push({ kind: "sandbox", id });
  const denyByDefault = policy.sources.some(({ verdict }) => verdict === "deny");
  const says = policy.sources
    .map((source) => source.reversible)
    .filter((each) => each !== undefined);
  const free =
    says.length > 0 &&
    says.every((each) => each) &&
    !denyByDefault &&
    reversible &&
    changing.has(action.target) &&
    asks.some(({ kind }) => kind === "default") &&
    inScope(world);
  if (free) asks = asks.filter(({ kind }) => kind !== "default");
  const { left, discharged, used } = answerGrants(world, asks, denyByDefault);
  let verdict = "allow";
  if (left.length > 0) verdict = situation.headless ? "deny" : "ask";
  if (denyByDefault && left.some(({ kind }) => kind === "default")) verdict = "deny";
  if (denials.length > 0 || fired.some(({ effect }) => effect === "deny")) verdict = "deny";
  return {
    verdict,
    rules: sorted([
      ...denials.map((id) => `${id} deny builtin true`),
      ...fired.map(({ id, effect, tier, truth: each }) => `${id} ${effect} ${tier} ${words[each]}`),
      ...(free && verdict !== "deny" ? ["builtin:reversible allow builtin true"] : []),
    ]),
    asks: sorted(left.map(show)),
    discharged: sorted(discharged.map(show)),
    grantsUsed: sorted(used),
    obligations: [
      ...(wanted === undefined || lost ? [] : [wanted]),
      ...(sandbox.kept ? ["sandbox"] : []),
    ],
    reversible,
  };
};
