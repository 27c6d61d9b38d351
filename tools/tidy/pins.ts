/** Versions are exact, install scripts are off, and every licence is one we may ship with. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { rooms } from "../floors.ts";
import { readText } from "../lib/project.ts";
import { type Manifest, manifestOf } from "../lib/sources.ts";
import type { Finding, Step } from "../lib/steps.ts";

const exact = /^\d+\.\d+\.\d+(?:-[\w.]+)?$/;

const checkVersions = (at: string, manifest: Manifest): readonly Finding[] =>
  [manifest.dependencies, manifest.devDependencies].flatMap((list) =>
    Object.entries(list ?? {})
      .filter(([name, version]) =>
        name.startsWith("@ioi/") ? version !== "workspace:*" : !exact.test(version),
      )
      .map(([name, version]) => ({ at, text: `${name} is ${version}, not one exact version` })),
  );

const settings: readonly string[] = [
  "nodeLinker: isolated",
  "hoist: false",
  "publicHoistPattern: []",
  "minimumReleaseAge: 1440",
  "saveExact: true",
];

const checkSettings = (root: string): readonly Finding[] => {
  const at = "pnpm-workspace.yaml";
  const text = readText(root, at);
  const lines = new Set(text.split("\n"));
  const missing = settings
    .filter((line) => !lines.has(line))
    .map((line) => ({ at, text: `must say "${line}"` }));
  const allowed = [...text.matchAll(/^ {2}(.+): true$/gm)].map((match) => ({
    at,
    text: `${match[1]} may run an install script`,
  }));
  return [...missing, ...allowed];
};

/** Every foreign package has its row, and every row its package. */
const checkReasons = (root: string): readonly Finding[] => {
  const at = "docs/dependencies.md";
  if (!existsSync(join(root, at))) return [{ at, text: "missing" }];
  const rows = readText(root, at).matchAll(/^\| `([^`]+)` \|/gm);
  const explained = new Set([...rows].map((row) => row[1] ?? ""));
  const declared = new Set(
    [".", ...rooms.map(({ folder }) => folder)].flatMap((folder) => {
      const { dependencies, devDependencies } = manifestOf(root, folder);
      return Object.keys({ ...dependencies, ...devDependencies });
    }),
  );
  const missing = [...declared]
    .filter((name) => !name.startsWith("@ioi/") && !explained.has(name))
    .map((name) => ({ at, text: `no row for ${name}` }));
  const extra = [...explained]
    .filter((name) => !declared.has(name))
    .map((name) => ({ at, text: `${name} is not a dependency` }));
  return [...missing, ...extra];
};

export const pinsStep = (root: string): Step => ({
  name: "pins",
  run: () =>
    Promise.resolve([
      ...[".", ...rooms.map(({ folder }) => folder)].flatMap((folder) =>
        checkVersions(join(folder, "package.json"), manifestOf(root, folder)),
      ),
      ...checkSettings(root),
      ...checkReasons(root),
    ]),
});

/** Licences that ask for nothing but a notice. */
const accepted = new Set([
  "MIT",
  "MIT-0",
  "ISC",
  "0BSD",
  "Apache-2.0",
  // The same, as Quint writes it.
  "Apache 2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "BlueOak-1.0.0",
  "Unlicense",
  "Zlib",
  "CC0-1.0",
  "Python-2.0",
]);

/** An SPDX expression of accepted licences; `OR` needs one of them, `AND` all. */
export const isAccepted = (expression: string): boolean =>
  expression
    .replaceAll(/[()]/g, "")
    .split(" OR ")
    .some((choice) => choice.split(" AND ").every((name) => accepted.has(name.trim())));

/** Every installed package, as name to licence. */
const installed = (root: string): readonly (readonly [string, string])[] => {
  const store = join(root, "node_modules/.pnpm");
  if (!existsSync(store)) return [];
  return readdirSync(store).flatMap((entry) => {
    const base = entry.replace(/^(@[^+]+)\+/, "$1/");
    const name = /^(@?[^@]+)@/.exec(base)?.[1];
    const folder = name === undefined ? "" : join(store, entry, "node_modules", name);
    if (name === undefined || !existsSync(join(folder, "package.json"))) return [];
    const { license } = manifestOf(folder, ".") as { readonly license?: unknown };
    return [[entry, typeof license === "string" ? license : JSON.stringify(license ?? "none")]];
  });
};

/** Run as tools and shipped with nothing: their licence asks for the source of changed files. */
const toolsOnly = /^(?:axe-core|lightningcss(?:-[\w-]+)?)@/;

const isToolsOnly = (name: string, license: string): boolean =>
  license === "MPL-2.0" && toolsOnly.test(name);

const texts: readonly string[] = ["LICENSE-BUSL", "LICENSE-MIT", "LICENSE-APACHE"];

export const licencesStep = (root: string): Step => ({
  name: "licences",
  run: () =>
    Promise.resolve([
      ...installed(root)
        .filter(([name, license]) => !isAccepted(license) && !isToolsOnly(name, license))
        .map(([name, license]) => ({ at: name, text: `licence ${license} is not accepted` })),
      ...texts
        .filter((file) => !existsSync(join(root, file)))
        .map((file) => ({ at: file, text: "missing" })),
    ]),
});
