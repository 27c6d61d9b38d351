/**
 * What of a command's changes is held back: protected paths, which ask one by one, paths that a rule
 * keeps from change, and whatever cannot be applied without them. The rest is applied.
 *
 * Invariants: nothing is created below what is held; no folder goes or changes its kind that holds
 * something held; a file whose bytes went to a held place (it was moved there) stays where it was,
 * so that holding back loses nothing.
 */
import { toHex } from "@ioi/base";
import { protectedReason } from "@ioi/firewall";
import { pathsOf } from "../effects/folders.ts";
import type { Planned } from "../effects/plan.ts";

export interface HeldPath {
  readonly path: string;
  /** As `hooks`; empty where it depends on another that is held. */
  readonly why: string;
}

export interface Divided {
  readonly applied: readonly Planned[];
  readonly held: readonly HeldPath[];
}

const reasonOf = (path: string): string | undefined =>
  protectedReason(path.split("/").filter((name) => name !== ""));

const pathOf = ({ change }: Planned): string => pathsOf(change).at(-1) ?? "";

const hashAfter = ({ change }: Planned): string | undefined =>
  change.type === "put" && change.after?.sha256 !== undefined
    ? toHex(change.after.sha256)
    : undefined;

/** The bytes that a removal takes away. */
const hashGone = ({ change }: Planned): string | undefined =>
  change.type === "put" && change.after === undefined && change.before?.sha256 !== undefined
    ? toHex(change.before.sha256)
    : undefined;

const keepsFolder = ({ change }: Planned): boolean =>
  change.type === "put" &&
  change.after?.kind === "directory" &&
  (change.before === undefined || change.before.kind === "directory");

/** `refused`: folders and files that a rule keeps from change. */
export const divide = (changes: readonly Planned[], refused: readonly string[] = []): Divided => {
  const folders = new Set(refused);
  const reasonFor = (path: string): string | undefined =>
    folders.has(path) || isBelow(path, folders) ? "a rule refuses it" : reasonOf(path);
  const held = new Map<Planned, string>();
  for (const each of changes) {
    const why = pathsOf(each.change)
      .map(reasonFor)
      .find((reason) => reason !== undefined);
    if (why !== undefined) held.set(each, why);
  }
  if (held.size === 0) return { applied: changes, held: [] };
  for (let before = -1; before !== held.size;) {
    before = held.size;
    const paths = [...held.keys()].map(pathOf);
    const bytes = new Set([...held.keys()].map(hashAfter).filter((hash) => hash !== undefined));
    const below = new Set(paths);
    // Every folder above something held.
    const above = new Set<string>();
    for (const path of paths) {
      for (let cut = path.lastIndexOf("/"); cut > 0; cut = path.lastIndexOf("/", cut - 1)) {
        above.add(path.slice(0, cut));
      }
    }
    for (const each of changes) {
      if (held.has(each)) continue;
      const path = pathOf(each);
      const gone = hashGone(each);
      if (
        isBelow(path, below) ||
        (above.has(path) && !keepsFolder(each)) ||
        (gone !== undefined && bytes.has(gone))
      ) {
        held.set(each, "");
      }
    }
  }
  return {
    applied: changes.filter((each) => !held.has(each)),
    held: [...held].map(([each, why]) => ({ path: pathOf(each), why })),
  };
};

const isBelow = (path: string, folders: ReadonlySet<string>): boolean => {
  for (let cut = path.lastIndexOf("/"); cut > 0; cut = path.lastIndexOf("/", cut - 1)) {
    if (folders.has(path.slice(0, cut))) return true;
  }
  return false;
};
