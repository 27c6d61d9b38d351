/**
 * Imports that the other walls do not see: undeclared ones that the development tools happen to
 * provide, relative ones that leave their room, and files that nothing reaches.
 */
import { builtinModules } from "node:module";
import { dirname, join, normalize } from "node:path";
import { type Room, roomOf, rooms } from "../floors.ts";
import { filesOf, readText } from "../lib/project.ts";
import {
  filesNamedBy,
  importsOf,
  isGenerated,
  manifestOf,
  type Source,
  sourcesOf,
} from "../lib/sources.ts";
import type { Finding, Step } from "../lib/steps.ts";

/** The package that a bare specifier names, or undefined for relative and built-in ones. */
const packageOf = (specifier: string): string | undefined => {
  if (specifier.startsWith(".") || specifier.startsWith("node:")) return undefined;
  const parts = specifier.split("/");
  return specifier.startsWith("@") ? parts.slice(0, 2).join("/") : parts[0];
};

/** Rooms whose files may be imported by place: the workshop works on the whole project. */
const isOpen = (from: Room, to: Room | undefined): boolean =>
  from === to || (from.folder === "tests" && to?.folder === "tools");

const checkRoom = (
  root: string,
  room: Room,
  sources: readonly Source[],
  shared: ReadonlySet<string>,
): readonly Finding[] => {
  const manifest = manifestOf(root, room.folder);
  const own = new Set([
    ...Object.keys(manifest.dependencies ?? {}),
    ...Object.keys(manifest.devDependencies ?? {}),
    manifest.name,
  ]);
  return sources.flatMap((source) =>
    importsOf(source).flatMap(({ specifier, line }): readonly Finding[] => {
      const at = `${source.file}:${line}`;
      const name = packageOf(specifier);
      if (name === undefined && specifier.startsWith(".")) {
        const target = normalize(join(dirname(source.file), specifier));
        if (isOpen(room, roomOf(target))) return [];
        return [{ at, text: `${specifier} leaves ${room.folder}` }];
      }
      if (name === undefined) return [];
      if (builtinModules.includes(name)) {
        return [{ at, text: `write node:${name}` }];
      }
      const runs = source.file.startsWith(`${room.folder}/src/`);
      if (own.has(name) || (!runs && shared.has(name))) return [];
      return [{ at, text: `${name} is not declared in ${room.folder}/package.json` }];
    }),
  );
};

/** Foreign packages that are declared and never imported. */
const unused = (
  root: string,
  folder: string,
  sources: readonly Source[],
  tools: ReadonlySet<string>,
): readonly Finding[] => {
  const manifest = manifestOf(root, folder);
  const imported = new Set(
    sources.flatMap((source) => importsOf(source).map(({ specifier }) => packageOf(specifier))),
  );
  const declared = { ...manifest.dependencies, ...manifest.devDependencies };
  return Object.keys(declared)
    .filter((name) => !name.startsWith("@ioi/") && !imported.has(name) && !tools.has(name))
    .map((name) => ({ at: join(folder, "package.json"), text: `${name} is never imported` }));
};

/** Run or read, not imported. */
const programs: ReadonlySet<string> = new Set([
  "@bufbuild/buf",
  "@bufbuild/protoc-gen-es",
  "@types/node",
  "@types/react",
  "@types/react-dom",
  "@types/whatwg-url",
  "axe-core",
  "oxfmt",
  "oxlint",
  "oxlint-tsgolint",
  "typescript",
]);

const isEntry = (root: string): ((file: string) => boolean) => {
  const exported = new Set(
    rooms.flatMap(({ folder }) =>
      Object.values(manifestOf(root, folder).exports ?? {}).map((target) =>
        normalize(join(folder, target)),
      ),
    ),
  );
  return (file) =>
    exported.has(file) ||
    /^apps\/[^/]+\/src\/main\.tsx?$/.test(file) ||
    // Named by the page that stands beside it.
    /^apps\/console\/static\/(?:approve\/main|open\/open)\.ts$/.test(file) ||
    /\.(test|bench)\.ts$/.test(file) ||
    file.endsWith(".d.ts") ||
    /^tests\/(suites|benches)\/[^/]+\.ts$/.test(file) ||
    file === "tests/run.ts" ||
    // Named by an agent.toml.
    /^(?:examples|tests\/fixtures)\/agents\/[^/]+\/main\.ts$/.test(file) ||
    // A program of its own, run by hand.
    file === "packages/scs/kernel/build.mjs" ||
    file === "tests/e2e/service-inside.ts" ||
    // Read by the generator of the reference documents.
    /\/src\/(?:.*\/)?(?:errors|limits)\.ts$/.test(file) ||
    /^tools\/[^/]+\.(ts|mjs)$/.test(file) ||
    /^[^/]+\.config\.ts$/.test(file) ||
    isGenerated(file);
};

/** Files that no entry reaches through imports or names. */
const deadFiles = (root: string, sources: readonly Source[]): readonly Finding[] => {
  const known = new Map(sources.map((source) => [source.file, source]));
  const reached = new Set(sources.map(({ file }) => file).filter(isEntry(root)));
  const queue = [...reached];
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    const source = known.get(file);
    if (source === undefined) continue;
    for (const next of filesNamedBy(source, root)) {
      if (!reached.has(next)) queue.push(next);
      reached.add(next);
    }
  }
  return sources
    .filter(({ file }) => !reached.has(file))
    .map(({ file }) => ({ at: file, text: "nothing reaches this file" }));
};

const withGenerated = (root: string, own: readonly Source[], room: Room): readonly Source[] => [
  ...own,
  ...filesOf(root)
    .filter((file) => isGenerated(file) && roomOf(file) === room)
    .map((file) => ({ file, text: readText(root, file) })),
];

export const importsStep = (root: string): Step => ({
  name: "imports",
  run: () => {
    const sources = sourcesOf(root);
    const shared = new Set(Object.keys(manifestOf(root, ".").devDependencies ?? {}));
    const perRoom = rooms.flatMap((room) => {
      // The walls' own tests hold planted imports as texts.
      const own = sources.filter(
        ({ file }) => roomOf(file) === room && !file.startsWith("tools/test/"),
      );
      const inPackages = !["tests", "tools"].includes(room.folder);
      return [
        ...checkRoom(root, room, own, shared),
        // Generated code stands for its runtime.
        ...(inPackages ? unused(root, room.folder, withGenerated(root, own, room), programs) : []),
      ];
    });
    return Promise.resolve([
      ...perRoom,
      ...unused(root, ".", sources, programs),
      ...deadFiles(root, sources),
    ]);
  },
});
