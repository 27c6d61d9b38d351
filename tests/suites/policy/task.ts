/**
 * The scope of a task as naively as it reads: what was not given is asked about, and inside what was
 * given the default does not ask.
 */
import type { AskSource, ScopeGroup } from "@ioi/wire";
import type { World } from "./conditions.ts";
import { parts } from "./globs.ts";
import type { ModelTask } from "./model.ts";
import { changing, pathArguments, within } from "./refusals.ts";

const groupOf = (target: string): ScopeGroup => {
  if (target === "sys::exec") return "run";
  if (target === "fs::delete") return "delete";
  return changing.has(target) ? "organise" : "read";
};

const folderOf = (
  task: ModelTask,
  path: string,
  fold: boolean,
): ModelTask["folders"][number] | undefined =>
  task.folders
    .filter((folder) => within(path, folder.path, fold))
    .toSorted((a, b) => parts(b.path).length - parts(a.path).length)[0];

export const taskAsksOf = (world: World): readonly AskSource[] => {
  const { action, situation } = world;
  const { task } = situation;
  const { target } = action;
  const changes = changing.has(target) || target === "sys::exec";
  if (task === undefined || !task.limits || !changes || target === "fs::restore") return [];
  const asks: AskSource[] = [];
  const group = groupOf(target);
  if (!task.groups.includes(group)) asks.push({ kind: "task", id: group });
  const [written] = pathArguments(world);
  if (target === "fs::write" && written !== undefined) {
    const { facts, text } = written;
    const folder = folderOf(task, facts?.realPath ?? text, facts?.caseInsensitive === true);
    if (folder?.access === "organise") asks.push({ kind: "task", id: "write" });
  }
  return asks;
};

const takesDots = ({ action }: World): boolean => {
  const found = action.facts["path"];
  return (
    ["fs::copy", "fs::move", "fs::delete"].includes(action.target) &&
    found?.kind === "directory" &&
    found.dotNames !== false
  );
};

/** Whether the task was given exactly this. */
export const taskGives = (world: World): boolean => {
  const { action, situation } = world;
  const { task } = situation;
  if (task === undefined || !task.grants || action.target === "fs::restore") return false;
  if (!task.groups.includes(groupOf(action.target)) || takesDots(world)) return false;
  const paths = pathArguments(world);
  return (
    paths.length > 0 &&
    paths.every(({ facts, use }) => {
      if (facts === undefined) return false;
      const folder = folderOf(task, facts.realPath, facts.caseInsensitive === true);
      if (folder === undefined) return false;
      const below = parts(facts.realPath).slice(parts(folder.path).length);
      if (below.some((part) => part.startsWith("."))) return false;
      if (use === "reads" || use === "works-in") return true;
      return (
        folder.access === "write" || (folder.access === "organise" && action.target !== "fs::write")
      );
    })
  );
};
