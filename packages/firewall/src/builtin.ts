/**
 * What is refused or asked about whatever a policy says: the product's own folders, paths outside
 * every workspace, read-only workspaces, the kernel's file systems, files with other names, and
 * what `prepare` did not report.
 */
import type { AskSource } from "@ioi/wire";
import { snapshotBytesMax } from "./limits.ts";
import { isWithin } from "./paths.ts";
import { protectedReason } from "./protected.ts";
import {
  isPlaceAbove,
  isPlaceWithin,
  type Place,
  placeOf,
  rootOfPlace,
  type RootTable,
  scopeRoot,
  showPath,
  isInRoot,
} from "./roots.ts";
import type { PathArgument, Subject } from "./subject.ts";

export interface BuiltinDenial {
  readonly id: `builtin:${string}`;
  readonly reason: string;
  readonly instead: string;
}

/** Where an argument may lie: as it is said to be, and where it really is. */
const placesOf = ({ value }: PathArgument): readonly Place[] =>
  value.real === undefined || value.real === value.given
    ? [value.given]
    : [value.real, value.given];

/** Where it really is, as far as that was reported. */
const placeFound = ({ value }: PathArgument): Place => value.real ?? value.given;

/** What this session may reach, in words. */
export const reachable = (table: RootTable): string => {
  const roots = table.roots.slice(0, -1);
  if (roots.length === 0) return "This session has no folder; start one with --workspace FOLDER.";
  const list = roots
    .map(({ name, path, access }) => `${name}:/ (${path}${access === "read" ? ", read only" : ""})`)
    .join(", ");
  return `Use a path below ${list}.`;
};

const kernelFolders = ["/proc", "/sys", "/dev"] as const;
/** Plain memory, and a file system like others. */
const sharedMemory = "/dev/shm";

const productDenial = (subject: Subject, places: readonly Place[], above: boolean): boolean =>
  subject.table.productFolders.some((folder) =>
    places.some((place) => isPlaceWithin(place, folder) || (above && isPlaceAbove(place, folder))),
  );

const deniedProduct: BuiltinDenial = {
  id: "builtin:product-folder",
  reason: "The product's own program and data folders are closed to every tool.",
  instead: "",
};

const pathDenial = (subject: Subject, argument: PathArgument): BuiltinDenial | undefined => {
  const { table, target } = subject;
  const { spec, facts } = argument;
  const places = placesOf(argument);
  const changes = spec.use === "writes" || spec.use === "removes";
  // A copy of a folder above would hold what lies inside.
  const above = changes || target.name === "fs::copy";
  if (productDenial(subject, places, above)) return { ...deniedProduct, instead: reachable(table) };
  const kernel = kernelFolders.find((folder) =>
    places.some(({ path }) => isWithin(path, folder) && !isWithin(path, sharedMemory)),
  );
  if (kernel !== undefined) {
    return {
      id: "builtin:kernel-files",
      reason: `${kernel} belongs to the kernel: names there lead to other processes and devices.`,
      instead: reachable(table),
    };
  }
  const found = placeFound(argument);
  const root = rootOfPlace(found, table);
  if (root === undefined) {
    return {
      id: "builtin:outside-workspaces",
      reason: `${found.path} is outside every folder of this session.`,
      instead: reachable(table),
    };
  }
  if (!changes) {
    return facts?.kind === "other" && spec.use === "reads" && target.name !== "fs::stat"
      ? specialFile(argument, subject)
      : undefined;
  }
  if (root.access === "read") {
    return {
      id: "builtin:read-only",
      reason: `${showPath(found, table)} is in "${root.name}", which this session may only read.`,
      instead: reachable(table),
    };
  }
  return changeDenial(subject, argument, found);
};

const specialFile = (argument: PathArgument, { table }: Subject): BuiltinDenial => ({
  id: "builtin:special-file",
  reason: `${showPath(placeFound(argument), table)} is a device, socket or pipe.`,
  instead: "Use an ordinary file.",
});

const changeDenial = (
  subject: Subject,
  argument: PathArgument,
  found: Place,
): BuiltinDenial | undefined => {
  const { table, target } = subject;
  const { spec, facts } = argument;
  if (spec.use === "removes" && table.roots.some((root) => isPlaceAbove(found, root.path))) {
    return {
      id: "builtin:workspace-root",
      reason: `${showPath(found, table)} is a whole folder of this session, or holds one.`,
      instead: "Name what is inside the folder.",
    };
  }
  const fills = target.name === "fs::write" || target.name === "fs::copy";
  if (!fills || facts?.exists !== true) return undefined;
  if (facts.kind === "other") return specialFile(argument, subject);
  if (facts.kind === "file" && (facts.nlink ?? 1) > 1) {
    return {
      id: "builtin:hard-link",
      reason: `${showPath(found, table)} has another name, which may lie outside this session's folders.`,
      instead: "Write to a new name, or copy the file, delete the old name, and write the copy.",
    };
  }
  return undefined;
};

/** No driver of this version performs the target. */
export const notAvailableId = "builtin:not-available";

/** Every built-in denial, first come first. */
export const builtinDenials = (subject: Subject): readonly BuiltinDenial[] => {
  const { target, program, argv, table } = subject;
  if (target.driver === undefined) {
    return [
      {
        id: notAvailableId,
        reason: `${target.name} has no driver in this version.`,
        instead: "",
      },
    ];
  }
  const all: BuiltinDenial[] = [];
  for (const argument of subject.paths) {
    const denial = pathDenial(subject, argument);
    if (denial !== undefined && !all.some(({ id }) => id === denial.id)) all.push(denial);
  }
  const named = [program?.realPath, argv?.[0]?.startsWith("/") === true ? argv[0] : undefined];
  const places = named
    .filter((path) => path !== undefined)
    .map((path) => placeOf(path, false, table));
  if (productDenial(subject, places, false) && !all.some(({ id }) => id === deniedProduct.id)) {
    all.push(deniedProduct);
  }
  return all;
};

/** Asks for facts that judging needs and `prepare` did not report. */
export const missingFacts = (subject: Subject): readonly AskSource[] => {
  const asks: AskSource[] = [];
  const { target } = subject;
  for (const { key, spec, facts } of subject.paths) {
    const fills =
      spec.use === "writes" && (target.name === "fs::write" || target.name === "fs::copy");
    const known =
      facts !== undefined &&
      (!facts.exists ||
        !fills ||
        (facts.kind !== undefined && (facts.kind !== "file" || facts.nlink !== undefined)));
    if (!known) asks.push({ kind: "fact", id: key });
  }
  // Bytes that nobody decoded say nothing of what they do.
  if (target.group === "wallet" && subject.values.has("data")) {
    asks.push({ kind: "fact", id: "data" });
  }
  if (subject.argv !== undefined) {
    const { program } = subject;
    if (program === undefined || !program.exists || program.sha256 === undefined) {
      asks.push({ kind: "fact", id: "program" });
    }
  }
  return asks;
};

/** Paths whose change makes other programs do something later, with why. */
export const protectedPaths = (
  subject: Subject,
): readonly { readonly key: string; readonly why: string }[] => {
  const all: { key: string; why: string }[] = [];
  for (const argument of subject.paths) {
    const { use } = argument.spec;
    if (use !== "writes" && use !== "removes") continue;
    for (const place of placesOf(argument)) {
      const why = protectedReason(place.segments);
      if (why === undefined) continue;
      all.push({ key: argument.key, why });
      break;
    }
  }
  return all;
};

/** What is lost there is larger than a snapshot may be. */
export const exceedsSnapshot = (subject: Subject): boolean =>
  subject.paths.some(
    ({ spec, facts }) =>
      (spec.use === "writes" || spec.use === "removes") &&
      facts?.exists === true &&
      (facts.size ?? 0) > snapshotBytesMax,
  );

/** Every path is really, by report, below the folder that the person gave the session. */
export const isInScope = (subject: Subject): boolean =>
  subject.paths.every(
    ({ value }) => value.real !== undefined && isInRoot(value.real, scopeRoot, subject.table),
  );
