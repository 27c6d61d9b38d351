/**
 * Facts about an action for a check without a kernel: what stands behind each path now, looked up
 * by name. A driver looks through descriptors and holds them; a check changes nothing, so it need
 * not, and it may be wrong about a path that moves meanwhile.
 */
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import {
  type CanonicalArguments,
  type RawValue,
  takesWhole,
  targets,
  type TargetSpec,
} from "@ioi/firewall";
import { type Action, type Facts, factsOfPath } from "@ioi/wire";
import { readBounded } from "../kernel/folder.ts";
import { folderEntriesMax, programBytesMax } from "../limits.ts";

/** Where programs are looked for by name, as in a command's sandbox. */
const searchPath = ["/usr/local/bin", "/usr/bin", "/bin"];

/** Real path of the deepest existing parent and the rest. */
const realOf = (given: string): string => {
  const rest: string[] = [];
  for (let at = given; ; at = path.dirname(at)) {
    try {
      return path.join(fs.realpathSync(at), ...rest);
    } catch {
      if (at === path.dirname(at)) return given;
      rest.unshift(path.basename(at));
    }
  }
};

const pathFacts = (given: string): Facts => {
  const realPath = realOf(given).normalize("NFC");
  const stat = fs.lstatSync(realPath, { bigint: true, throwIfNoEntry: false });
  return factsOfPath({ realPath, caseInsensitive: false }, stat);
};

/** Whether some name below begins with a dot; more than can be looked through counts as one. */
const holdsDotNames = (top: string): boolean => {
  const folders = [top];
  let entries = 0;
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    try {
      for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
        entries += 1;
        if (entry.name.startsWith(".") || entries > folderEntriesMax) return true;
        if (entry.isDirectory()) folders.push(path.join(folder, entry.name));
      }
    } catch {
      return true;
    }
  }
  return false;
};

const takenFacts = (given: string): Facts => {
  const facts = pathFacts(given);
  return facts.kind === "directory" ? { ...facts, dotNames: holdsDotNames(facts.realPath) } : facts;
};

/** Undefined where there is no such program; the policy then sees a fact that is not reported. */
const programFacts = (name: string): Facts | undefined => {
  const candidates = name.includes("/") ? [name] : searchPath.map((folder) => `${folder}/${name}`);
  const found = candidates.find((each) => fs.existsSync(each));
  if (found === undefined) return undefined;
  const facts = pathFacts(found);
  if (facts.kind !== "file") return undefined;
  const bytes = readBounded(facts.realPath, programBytesMax);
  return { ...facts, sha256: createHash("sha256").update(bytes).digest() };
};

/** The action that a driver would prepare, near enough to judge it. */
export const actionOf = (spec: TargetSpec, made: CanonicalArguments): Action => {
  const facts: Record<string, Facts> = {};
  for (const { name, type } of spec.arguments) {
    const value = made.args[name];
    if (type === "path" && typeof value === "string") {
      const taken = name === "path" && takesWhole(made.target);
      facts[name] = taken ? takenFacts(value) : pathFacts(value);
    }
    if (type === "paths" && Array.isArray(value)) {
      for (const [index, each] of value.entries())
        facts[`${name}.${index}`] = pathFacts(String(each));
    }
    if (type === "argv" && Array.isArray(value)) {
      const program = programFacts(String(value[0]));
      if (program !== undefined) facts["program"] = program;
    }
  }
  return { version: 1, target: made.target, args: made.args, facts };
};

/** Stands for what a session's registry supplies, where nothing is given. */
const placeholders: Readonly<Record<string, RawValue>> = {
  url: "http://127.0.0.1/v1",
  protocol: "openai",
  name: "model",
  price_in: 0,
  price_out: 0,
  definition: "0".repeat(64),
  origin: "content",
  agent: "0".repeat(64),
};

/** Arguments that a session supplies, apart from those that an agent gives. */
export const suppliedApart = (
  target: string,
  given: RawValue,
): { readonly args: RawValue; readonly supplied: { readonly [name: string]: RawValue } } => {
  const names = (targets.get(target)?.arguments ?? [])
    .filter(({ fromSession, type }) => fromSession === true && type !== "path")
    .map(({ name }) => name);
  if (names.length === 0 || typeof given !== "object" || given === null || Array.isArray(given)) {
    return { args: given, supplied: {} };
  }
  const all = given as { readonly [name: string]: RawValue };
  const entries = Object.entries(all);
  return {
    args: Object.fromEntries(entries.filter(([name]) => !names.includes(name))),
    supplied: {
      ...Object.fromEntries(names.map((name) => [name, placeholders[name]])),
      ...Object.fromEntries(entries.filter(([name]) => names.includes(name))),
    },
  };
};
