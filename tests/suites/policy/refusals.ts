/** What is refused or asked about whatever a policy says. */
import type { Facts } from "@ioi/wire";
import type { World } from "./conditions.ts";
import { parts, startsWith } from "./globs.ts";
import type { Situation } from "./model.ts";
import { guardedFolders, guardedNames, guardedTails } from "./world.ts";

export const changing = new Set([
  "fs::write",
  "fs::mkdir",
  "fs::copy",
  "fs::move",
  "fs::delete",
  "fs::restore",
]);
export const known = new Set([
  ...changing,
  "fs::stat",
  "fs::list",
  "fs::search",
  "fs::read",
  "sys::exec",
]);

interface PathArgument {
  readonly key: string;
  readonly text: string;
  readonly facts: Facts | undefined;
  readonly use: "reads" | "writes" | "removes" | "works-in";
}

const useOf = (target: string, name: string): PathArgument["use"] => {
  if (target === "sys::exec") return "works-in";
  if (!changing.has(target)) return "reads";
  if (target === "fs::copy") return name === "to" ? "writes" : "reads";
  if (target === "fs::move") return name === "to" ? "writes" : "removes";
  return target === "fs::delete" ? "removes" : "writes";
};

export const pathArguments = ({ action }: World): readonly PathArgument[] => {
  const all: PathArgument[] = [];
  for (const name of ["path", "to", "paths", "cwd"]) {
    const value = action.args[name];
    if (value === undefined) continue;
    const use = useOf(action.target, name);
    const list = (Array.isArray(value) ? value : [value]) as readonly string[];
    list.forEach((text, at) => {
      const key = Array.isArray(value) ? `${name}.${at}` : name;
      all.push({ key, text, facts: action.facts[key], use });
    });
  }
  return all;
};

export const within = (path: string, folder: string, fold: boolean): boolean =>
  parts(path).length >= parts(folder).length && startsWith(parts(path), parts(folder), fold);

const deepestRoot = (
  path: string,
  fold: boolean,
  situation: Situation,
): Situation["roots"][number] | undefined => {
  let best: Situation["roots"][number] | undefined;
  for (const root of situation.roots) {
    if (!within(path, root.path, fold)) continue;
    const deeper = best === undefined ? 1 : parts(root.path).length - parts(best.path).length;
    if (deeper > 0 || (deeper === 0 && root.access === "write")) best = root;
  }
  return best;
};

export const builtins = (world: World): readonly string[] => {
  const { action, situation } = world;
  const { target } = action;
  const all = new Set<string>();
  for (const argument of pathArguments(world)) {
    const { text, facts, use } = argument;
    const fold = facts?.caseInsensitive === true;
    const real = facts?.realPath ?? text;
    const spots = [real, text];
    const changes = use === "writes" || use === "removes";
    const touches = (folder: string): boolean =>
      spots.some(
        (spot) =>
          within(spot, folder, fold) ||
          ((changes || target === "fs::copy") && within(folder, spot, fold)),
      );
    if (situation.productFolders.some(touches)) {
      all.add("builtin:product-folder");
      continue;
    }
    if (
      spots.some((spot) => /^\/(proc|sys|dev)(\/|$)/.test(spot) && !/^\/dev\/shm(\/|$)/.test(spot))
    ) {
      all.add("builtin:kernel-files");
      continue;
    }
    const root = deepestRoot(real, fold, situation);
    if (root === undefined) {
      all.add("builtin:outside-workspaces");
      continue;
    }
    const special = facts?.kind === "other";
    if (!changes) {
      if (special && use === "reads" && target !== "fs::stat") all.add("builtin:special-file");
      continue;
    }
    if (root.access === "read") {
      all.add("builtin:read-only");
      continue;
    }
    const holdsRoot = [...situation.roots.map((each) => each.path), situation.home].some((path) =>
      within(path, real, fold),
    );
    if (use === "removes" && holdsRoot) {
      all.add("builtin:workspace-root");
      continue;
    }
    if ((target === "fs::write" || target === "fs::copy") && facts?.exists === true) {
      if (special) all.add("builtin:special-file");
      else if (facts.kind === "file" && (facts.nlink ?? 1) > 1) all.add("builtin:hard-link");
    }
  }
  const argv = action.args["argv"] as readonly string[] | undefined;
  if (argv !== undefined) {
    const programs = [action.facts["program"]?.realPath, argv[0]].filter((path) =>
      path?.startsWith("/"),
    );
    const inProduct = programs.some((path) =>
      situation.productFolders.some((folder) => within(String(path), folder, false)),
    );
    if (inProduct) all.add("builtin:product-folder");
  }
  return [...all];
};

export const guarded = (path: string): boolean => {
  const names = parts(path).map((name) => name.toLowerCase());
  const last = names.at(-1);
  if (last === undefined) return false;
  return (
    names.some((name) => guardedFolders.includes(name)) ||
    guardedNames.includes(last) ||
    guardedTails.some((tail) => {
      const wanted = tail.split("/");
      return names.some(
        (_, at) =>
          wanted.every((name, more) => names[at + more] === name) ||
          // The path ends on the way.
          (names.length - at < wanted.length &&
            names.slice(at).every((name, more) => wanted[more] === name)),
      );
    })
  );
};

export const guardedKeys = (world: World): readonly string[] =>
  pathArguments(world)
    .filter(({ use }) => use === "writes" || use === "removes")
    .filter(({ text, facts }) => guarded(text) || (facts !== undefined && guarded(facts.realPath)))
    .map(({ key }) => key);

export const unknownFacts = (world: World): readonly string[] => {
  const { action } = world;
  const all: string[] = [];
  for (const { key, facts, use } of pathArguments(world)) {
    const fills =
      use === "writes" && (action.target === "fs::write" || action.target === "fs::copy");
    if (facts === undefined) all.push(key);
    else if (fills && facts.exists) {
      const enough =
        facts.kind !== undefined && (facts.kind !== "file" || facts.nlink !== undefined);
      if (!enough) all.push(key);
    }
  }
  if (action.target === "sys::exec") {
    const program = action.facts["program"];
    if (program === undefined || !program.exists || program.sha256 === undefined)
      all.push("program");
  }
  return all;
};
