/**
 * The scope card: the one question before a task's first effect. Its text is made from the scope
 * alone, never from a model's prose, and its hash is what the person's device signs; equal for
 * equal scopes. Characters that cannot be seen are shown by number.
 */
import type { Scope, ScopeFolder, ScopeGroup } from "@ioi/wire";
import {
  budgetActionsMax,
  budgetMinutesMax,
  scopeFilesMax,
  scopeFoldersMax,
  scopePersonsMax,
  scopeSitesMax,
  undoDaysKept,
} from "../limits.ts";
import { personOf, tokenKey } from "../grounding/token.ts";
import { visible } from "../visible.ts";
import { readWords, scopeGroups, type WordsReading } from "./words.ts";

/** What a person picked in a chooser: as good as typed. */
export interface ScopePick {
  readonly kind: "folder" | "site" | "file" | "person";
  readonly value: string;
  readonly access: ScopeFolder["access"] | "";
}

export interface ScopeInput {
  readonly session: string;
  /** What the person typed, oldest first. */
  readonly words: readonly string[];
  /** Which of them somebody was seen typing. */
  readonly typed?: ReadonlySet<number>;
  readonly picks: readonly ScopePick[];
  /** Absolute path behind `~`. */
  readonly home: string;
  readonly model: string;
  /** What the person should know of the model, every character visible; empty: nothing. */
  readonly remark?: string;
  readonly microusdMax: number;
  readonly wallMinutesMax: number;
  readonly actionsMax: number;
  /** Why a folder can never be given; undefined where it can. */
  readonly complaint: (path: string) => string | undefined;
}

export interface OfferedScope {
  readonly scope: Scope;
  readonly warnings: readonly string[];
  /** The words name no folder and nothing was picked. */
  readonly pickWanted: boolean;
}

/** The least that each access means as groups. */
const groupsOfAccess: Readonly<Record<ScopeFolder["access"], readonly ScopeGroup[]>> = {
  read: [],
  organise: ["organise"],
  write: ["organise"],
};

const foldersOf = (input: ScopeInput, reading: WordsReading): readonly ScopeFolder[] => {
  const picked = input.picks.filter(({ kind }) => kind === "folder");
  if (picked.length === 0) return reading.folders;
  return picked.map(({ value, access }) => ({
    path: value,
    access: access === "" ? reading.access : access,
    words: reading.folders.find(({ path }) => path === value)?.words ?? "",
  }));
};

const groupsOf = (reading: WordsReading, input: ScopeInput): readonly ScopeGroup[] => {
  const given = new Set(reading.groups);
  for (const { access } of input.picks) {
    for (const group of access === "" ? [] : groupsOfAccess[access]) given.add(group);
  }
  if (input.picks.some(({ kind }) => kind === "site")) given.add("browse");
  return scopeGroups.filter((group) => given.has(group));
};

/** Picked files that lie in the folders; of each other one a warning. */
const filesOf = (
  input: ScopeInput,
  folders: readonly ScopeFolder[],
  warnings: string[],
): readonly string[] => {
  const files = new Set<string>();
  for (const { kind, value } of input.picks) {
    if (kind !== "file") continue;
    const isInside = folders.some(({ path }) => value.startsWith(path === "/" ? path : `${path}/`));
    if (isInside) files.add(value);
    else warnings.push(`${visible(value)} lies in no folder of this task: not attached.`);
  }
  return [...files].slice(0, scopeFilesMax);
};

/** Picked people, each address once however it is spelt. */
const personsOf = ({ picks }: ScopeInput): readonly string[] => {
  const persons = new Map<string, string>();
  for (const { kind, value } of picks) {
    const person = kind === "person" ? personOf(value) : undefined;
    if (person !== undefined && !persons.has(tokenKey(person))) {
      persons.set(tokenKey(person), value);
    }
  }
  return [...persons.values()].slice(0, scopePersonsMax);
};

const clamp = (value: number, max: number): number => Math.min(Math.max(1, value), max);

const homeWarning = "The whole home folder is in scope: mail, keys and settings too.";

/** The scope that words and picks mean; what can never be given is left out, and said. */
export const offeredScope = (input: ScopeInput): OfferedScope => {
  const { home, session, picks } = input;
  const base = picks.find(({ kind }) => kind === "folder")?.value;
  const reading = readWords(input.words, home, base, input.typed);
  const warnings = [...reading.warnings];
  if (input.remark) warnings.push(input.remark);
  const folders: ScopeFolder[] = [];
  for (const folder of foldersOf(input, reading)) {
    const why = input.complaint(folder.path);
    if (why !== undefined) warnings.push(`${visible(folder.path)} is never given: ${why}.`);
    else if (!folders.some(({ path }) => path === folder.path)) folders.push(folder);
  }
  if (folders.some(({ path }) => path === home || home.startsWith(`${path}/`))) {
    warnings.push(homeWarning);
  }
  const sites = [
    ...new Set([
      ...reading.sites,
      ...picks.filter(({ kind }) => kind === "site").map(({ value }) => value),
    ]),
  ];
  const files = filesOf(input, folders, warnings);
  const persons = personsOf(input);
  return {
    scope: {
      version: 1,
      session,
      folders: folders.slice(0, scopeFoldersMax),
      sites: sites.slice(0, scopeSitesMax),
      ...(files.length === 0 ? {} : { files }),
      ...(persons.length === 0 ? {} : { persons }),
      groups: groupsOf(reading, input),
      model: input.model,
      microusdMax: Math.max(0, input.microusdMax),
      wallMinutesMax: clamp(input.wallMinutesMax, budgetMinutesMax),
      actionsMax: clamp(input.actionsMax, budgetActionsMax),
      undoDays: undoDaysKept,
    },
    warnings,
    pickWanted: folders.length === 0,
  };
};

const short = (path: string, home: string): string =>
  visible(path === home ? "~" : path.startsWith(`${home}/`) ? `~${path.slice(home.length)}` : path);

const folderLine = (folder: ScopeFolder, scope: Scope, home: string): string => {
  const may = ["read"];
  if (folder.access !== "read") {
    may.push("sort", "rename");
    if (folder.access === "write") may.push("write");
    if (scope.groups.includes("delete")) may.push("delete to the bin");
  }
  const undo = folder.access === "read" ? "" : ` (undoable ${scope.undoDays} days)`;
  return `${short(folder.path, home)}: ${may.join(", ")}${undo}`;
};

/** Dollars and cents of millionths, rounded up: never less than what may be spent. */
const dollars = (microusd: number): string => {
  const cents = Math.ceil(microusd / 10_000);
  return `$${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, "0")}`;
};

const modelText = ({ model, microusdMax }: Scope): string =>
  model === "" ? "no model" : `model ${visible(model)}, at most ${dollars(microusdMax)}`;

const groupLines: readonly (readonly [ScopeGroup, string])[] = [
  ["run", "programs in these folders, without network, undone like other changes"],
  ["send", "messages and uploads; each one asks"],
  ["buy", "payments; each one asks"],
  ["schedule", "calendar entries; each one asks"],
];

/** The canonical text of the card. Its first line is the whole in short. */
export const scopeCard = (scope: Scope, warnings: readonly string[], home: string): string => {
  const folders = scope.folders.map((folder) => folderLine(folder, scope, home));
  const head = [
    folders.length === 0 ? "no files" : folders.join("; "),
    ...(scope.sites.length === 0 ? [] : [`${scope.sites.map(visible).join(", ")}: read pages`]),
    modelText(scope),
    `${scope.wallMinutesMax} min`,
  ];
  const lines = [head.join(" \u00b7 ")];
  for (const { path, words } of scope.folders) {
    const by = words === "" ? "picked" : `your words "${visible(words)}"`;
    lines.push(`folder    ${visible(path)}, ${by}`);
  }
  for (const path of scope.files ?? []) lines.push(`file      ${visible(path)}, picked`);
  for (const person of scope.persons ?? []) lines.push(`person    ${visible(person)}, picked`);
  for (const [group, text] of groupLines) {
    if (scope.groups.includes(group)) lines.push(`${group.padEnd(9)} ${text}`);
  }
  lines.push(`bounds    ${scope.actionsMax} actions, ${scope.wallMinutesMax} minutes`);
  for (const warning of warnings) lines.push(`warning   ${warning}`);
  lines.push("asks      whatever is not on this card, and what the policy asks about");
  lines.push(`session   ${visible(scope.session)}`);
  return `${lines.join("\n")}\n`;
};
