/** The folders, manifests and ARCHITECTURE.md's table against tools/floors.ts. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type Room, rooms } from "../floors.ts";
import { readText } from "../lib/project.ts";
import { manifestOf } from "../lib/sources.ts";
import type { Finding, Step } from "../lib/steps.ts";

const readmeLinesMax = 40;

const checkManifest = (root: string, room: Room): readonly Finding[] => {
  const at = `${room.folder}/package.json`;
  const manifest = manifestOf(root, room.folder);
  const expected: readonly (readonly [string, unknown, unknown])[] = [
    ["name", manifest.name, room.name],
    ["license", manifest.license, room.license],
    ["private", manifest.private, true],
    ["ioi.grade", manifest.ioi?.grade, room.grade],
  ];
  const wrong = expected
    .filter(([, actual, wanted]) => actual !== wanted)
    .map(([field, actual, wanted]) => ({
      at,
      text: `${field} is ${JSON.stringify(actual)}, tools/floors.ts says ${JSON.stringify(wanted)}`,
    }));
  const stability = manifest.ioi?.stability ?? "";
  if (!["stable", "experimental", "internal"].includes(stability)) {
    wrong.push({ at, text: "ioi.stability must be stable, experimental or internal" });
  }
  for (const target of Object.values(manifest.exports ?? {})) {
    if (!existsSync(join(root, room.folder, target))) {
      wrong.push({ at, text: `exports ${target}, which is not there` });
    }
  }
  return wrong;
};

const checkReadme = (root: string, { folder }: Room): readonly Finding[] => {
  if (!folder.startsWith("packages/")) return [];
  const at = `${folder}/README.md`;
  if (!existsSync(join(root, at))) return [{ at, text: "missing" }];
  const lines = readText(root, at).trimEnd().split("\n").length;
  return lines <= readmeLinesMax ? [] : [{ at, text: `${lines} lines, at most ${readmeLinesMax}` }];
};

/** Folders that nobody declared. */
const checkFolders = (root: string): readonly Finding[] =>
  ["packages", "apps"].flatMap((group) =>
    readdirSync(join(root, group))
      .filter((name) => existsSync(join(root, group, name, "package.json")))
      .map((name) => `${group}/${name}`)
      .filter((folder) => !rooms.some((room) => room.folder === folder))
      .map((folder) => ({ at: folder, text: "is not in tools/floors.ts" })),
  );

/** Rows `| floor | `name` | grade | ... |`; apps stand as `app`. */
export const parseTable = (text: string): ReadonlyMap<string, string> => {
  const rows = text.matchAll(/^\| *(\d+|app) *\| *`([\w/-]+)` *\| *(\w+) *\|/gm);
  return new Map([...rows].map((row) => [row[2] ?? "", `${row[1]} ${row[3]}`]));
};

const checkTable = (root: string): readonly Finding[] => {
  const at = "ARCHITECTURE.md";
  if (!existsSync(join(root, at))) return [{ at, text: "missing" }];
  const table = parseTable(readText(root, at));
  const housed = rooms.filter(({ folder }) => folder.includes("/"));
  const wanted = new Map(
    housed.map(({ folder, floor, grade }) => {
      const isApp = folder.startsWith("apps/");
      return [folder.replace("packages/", ""), `${isApp ? "app" : floor} ${grade}`];
    }),
  );
  const missing = [...wanted].flatMap(([name, row]) =>
    table.get(name) === row
      ? []
      : [{ at, text: `the table has "${table.get(name) ?? "no row"}" for ${name}, not "${row}"` }],
  );
  const extra = [...table.keys()]
    .filter((name) => !wanted.has(name))
    .map((name) => ({ at, text: `the table has ${name}, which is not there` }));
  return [...missing, ...extra];
};

export const roomsStep = (root: string): Step => ({
  name: "rooms",
  run: () => {
    const present = rooms.filter(({ folder }) => existsSync(join(root, folder, "package.json")));
    const absent = rooms.filter((room) => !present.includes(room));
    return Promise.resolve([
      ...absent.map(({ folder }) => ({ at: folder, text: "is in tools/floors.ts, but not there" })),
      ...present.flatMap((room) => [...checkManifest(root, room), ...checkReadme(root, room)]),
      ...checkFolders(root),
      ...checkTable(root),
    ]);
  },
});
