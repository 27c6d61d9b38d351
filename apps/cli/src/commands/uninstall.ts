/** `ioi uninstall`: what a removal would delete, and the command for it. It deletes nothing. */
import { existsSync, readdirSync } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exitCodes } from "@ioi/base";
import type { CommandContext, Handler } from "../context.ts";
import { folderPaths, runningKernel } from "../kernel/folder.ts";
import { projectRoot } from "../program.ts";

const quoted = (path: string): string => `'${path.replaceAll("'", `'\\''`)}'`;

interface Item {
  readonly path: string;
  readonly what: string;
  readonly bytes: number;
}

/** Bytes of what is inside; links not followed, a file of several names counted once. */
const sizeOf = async (path: string, seen: Set<string>, signal: AbortSignal): Promise<number> => {
  signal.throwIfAborted();
  const info = await lstat(path);
  if (!info.isDirectory()) {
    const file = `${info.dev} ${info.ino}`;
    if (info.nlink > 1 && seen.has(file)) return 0;
    seen.add(file);
    return info.size;
  }
  let bytes = 0;
  for (const name of await readdir(path)) {
    bytes += await sizeOf(join(path, name), seen, signal).catch(() => 0);
  }
  return bytes;
};

const dataItems = (root: string): readonly (readonly [string, string])[] => {
  if (!existsSync(folderPaths(root).format)) return [];
  const meaning: Readonly<Record<string, string>> = {
    memory: "what agents remember",
    guardian: "policy, keys, secrets, models, receipts",
    identity: "public keys",
    workload: "session journals, and contents that were too long to show",
    orchestrator: "commitments, the chain",
    backups: "the folder as older versions left it",
    vault: "snapshots that undo needs",
    device: "this terminal's approval key",
    logs: "logs",
    run: "sockets of a running kernel",
  };
  return readdirSync(root)
    .toSorted((a, b) => (a < b ? -1 : 1))
    .map((name) => [join(root, name), meaning[name] ?? "bookkeeping"] as const);
};

const programItems: readonly (readonly [string, string])[] = [
  [".runtime", "the pinned Node and pnpm, the packages as downloaded, the built page"],
  ["node_modules", "packages"],
  [".cache", "compiled code"],
];

/** The launcher marks what it made for the page's tour. */
const tourFolders = (home: string | undefined): readonly string[] =>
  home === undefined || !existsSync(home)
    ? []
    : readdirSync(home)
        .filter((name) => /^ioi-tour(?:-\d)?$/.test(name))
        .map((name) => join(home, name))
        .filter((path) => existsSync(join(path, ".ioi-tour")));

/** Left elsewhere where this folder, or a data folder, could not be written; and the tour's. */
const elsewhere = (env: CommandContext["io"]["env"]): readonly (readonly [string, string])[] => {
  const { XDG_CACHE_HOME: given, HOME: home } = env;
  const cache = given || (home ? join(home, ".cache") : undefined);
  const reports = readdirSync(tmpdir()).filter((name) =>
    /^ioi-bug-[0-9a-f-]{36}\.json$/.test(name),
  );
  return [
    ...(cache === undefined ? [] : [[join(cache, "ioi"), "compiled code"] as const]),
    ...reports.map((name) => [join(tmpdir(), name), "report of a bug"] as const),
    ...tourFolders(home).map((path) => [path, "the tour's folder"] as const),
  ];
};

const itemsOf = async (context: CommandContext): Promise<readonly Item[]> => {
  const program = programItems.map(([name, what]) => [join(projectRoot, name), what] as const);
  const places = [...dataItems(context.dataFolder), ...program, ...elsewhere(context.io.env)];
  const items: Item[] = [];
  const seen = new Set<string>();
  for (const [path, what] of places.filter(([each]) => existsSync(each))) {
    items.push({ path, what, bytes: await sizeOf(path, seen, context.signal) });
  }
  return items;
};

export const uninstall: Handler<object> = async (context) => {
  const { output, dataFolder } = context;
  const items = await itemsOf(context);
  const running = runningKernel(folderPaths(dataFolder))?.pid ?? null;
  const outside = items.filter(
    ({ path }) => ![dataFolder, projectRoot].some((folder) => path.startsWith(`${folder}/`)),
  );
  const commands = [
    ...(existsSync(folderPaths(dataFolder).format) ? [dataFolder] : []),
    ...outside.map(({ path }) => path),
    projectRoot,
  ].map((path) => `rm -r ${quoted(path)}`);
  output.value({ schema: "ioi.uninstall/1", items, running, commands });
  if (running !== null) output.line(`a kernel runs (process ${running}); stop it first`);
  for (const { path, what, bytes } of items) {
    output.line(`${String(Math.ceil(bytes / 1024)).padStart(9)} KiB  ${path}  (${what})`);
  }
  output.line("Nothing was deleted. ioi keeps nothing elsewhere; to remove it all:");
  for (const command of commands) output.line(`  ${command}`);
  return exitCodes.done;
};
