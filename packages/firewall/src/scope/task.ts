/**
 * What a task's scope does in a decision. It limits: a consequential call outside the groups that
 * the person's words mean asks, even if it can be undone. It grants: inside its folders and sites it
 * answers the ask of a policy that says nothing ("default"), and nothing else. Rules, protected
 * paths and names with a leading dot ask all the same, and sending, buying and scheduling are asked
 * each time.
 */
import type { AskSource, ScopeAccess, ScopeGroup } from "@ioi/wire";
import { type Place, isPlaceWithin } from "../roots.ts";
import type { PathArgument, Subject } from "../subject.ts";

/** A folder of a scope as a decision needs it. */
export interface TaskFolder {
  readonly path: string;
  readonly access: ScopeAccess;
}

export interface TaskScope {
  readonly groups: readonly ScopeGroup[];
  readonly folders: readonly TaskFolder[];
  readonly sites: readonly string[];
  /** The only model, empty for none; absent: whatever the policy allows. */
  readonly model?: string;
}

const listed = (group: ScopeGroup, targets: string): readonly (readonly [string, ScopeGroup])[] =>
  targets.split(" ").map((target) => [target, group]);

const groupOf: ReadonlyMap<string, ScopeGroup> = new Map([
  ...listed("read", "fs::stat fs::list fs::search fs::read clipboard::read"),
  ...listed("organise", "fs::write fs::mkdir fs::move fs::copy fs::chmod clipboard::write"),
  ...listed("delete", "fs::delete"),
  ...listed("run", "sys::exec sys::shell sys::python job::wasm skill::run"),
  ...listed(
    "browse",
    "net::get browser::open browser::back browser::tab browser::read browser::click browser::key " +
      "browser::select browser::download",
  ),
  ...listed("send", "net::post mail::send browser::fill browser::upload memory::share"),
  ...listed("buy", "wallet::sign wallet::send"),
  ...listed("schedule", "calendar::write"),
]);

/** Of no group: they have bounds of their own, or take back what a task did. */
const free: ReadonlySet<string> = new Set([
  "fs::restore",
  "model::infer",
  "model::embed",
  "model::local",
  "memory::remember",
  "memory::recall",
  "memory::forget",
  "agent::delegate",
]);

/** The group that a target belongs to; undefined where none does. */
export const taskGroupOf = (target: string): ScopeGroup | undefined => groupOf.get(target);

const folderOf = (place: Place, folders: readonly TaskFolder[]): TaskFolder | undefined => {
  let best: TaskFolder | undefined;
  for (const folder of folders) {
    const inside = isPlaceWithin(place, folder.path.normalize("NFC"));
    if (inside && (best === undefined || folder.path.length > best.path.length)) best = folder;
  }
  return best;
};

const writesContent = ({ target, paths }: Subject): PathArgument | undefined =>
  target.name === "fs::write" ? paths.find(({ key }) => key === "path") : undefined;

const textOf = (subject: Subject, name: string): string | undefined => {
  const value = subject.values.get(name);
  return value?.type === "text" ? value.text : undefined;
};

/** Asks about what the task was not given. */
export const taskAsks = (subject: Subject, task: TaskScope | undefined): readonly AskSource[] => {
  if (task === undefined) return [];
  const { target } = subject;
  if (target.group === "model") {
    const fits = task.model === undefined || textOf(subject, "model") === task.model;
    return fits ? [] : [{ kind: "task", id: "model" }];
  }
  if (!target.consequential || free.has(target.name)) return [];
  const group = taskGroupOf(target.name);
  if (group === undefined) return [{ kind: "task", id: target.name }];
  const asks: AskSource[] = [];
  if (!task.groups.includes(group)) asks.push({ kind: "task", id: group });
  const written = writesContent(subject);
  const place = written === undefined ? undefined : (written.value.real ?? written.value.given);
  const folder = place === undefined ? undefined : folderOf(place, task.folders);
  if (folder?.access === "organise") asks.push({ kind: "task", id: "write" });
  return asks;
};

/** Groups whose calls are asked about each time, whatever was granted. */
const alwaysAsked: ReadonlySet<ScopeGroup> = new Set<ScopeGroup>(["send", "buy", "schedule"]);

const hasDotBelow = (place: Place, folder: TaskFolder): boolean =>
  place.path
    .slice(folder.path.length)
    .split("/")
    .some((segment) => segment.startsWith("."));

const coversPath = (task: TaskScope, subject: Subject, { value, spec }: PathArgument): boolean => {
  const place = value.real;
  if (place === undefined || value.opaque || value.whole === "dots") return false;
  const folder = folderOf(place, task.folders);
  if (folder === undefined || hasDotBelow(place, folder)) return false;
  if (spec.use === "reads" || spec.use === "works-in") return true;
  return (
    folder.access === "write" ||
    (folder.access === "organise" && subject.target.name !== "fs::write")
  );
};

/** Whether a task was given exactly this, so that the default need not ask. */
export const taskCovers = (task: TaskScope, subject: Subject): boolean => {
  const { target, paths } = subject;
  const group = taskGroupOf(target.name);
  if (group === undefined || alwaysAsked.has(group) || !task.groups.includes(group)) return false;
  if (target.group === "fs" || target.group === "sys") {
    return paths.length > 0 && paths.every((path) => coversPath(task, subject, path));
  }
  // What uses a secret is answered each time.
  if (target.name !== "net::get" || subject.values.has("secret")) return false;
  const url = subject.values.get("url");
  return url?.type === "url" && task.sites.includes(url.url.host);
};

/**
 * What a person would have to add so that a call with these asks asks no more; empty: nothing would
 * help, because a rule asks, or because such calls are asked about each time.
 */
export const widening = (target: string, asks: readonly AskSource[]): readonly AskSource[] => {
  const group = taskGroupOf(target);
  const helps = asks.every(({ kind }) => kind === "task" || kind === "default" || kind === "cards");
  const plain = target.startsWith("fs::") || target.startsWith("sys::");
  if (group === undefined || alwaysAsked.has(group) || !plain || !helps) return [];
  const wanted = asks.flatMap(({ kind, id }) => (kind === "task" ? [id] : []));
  return [...new Set(wanted.length === 0 ? [group] : wanted)].map((id) => ({ kind: "task", id }));
};
