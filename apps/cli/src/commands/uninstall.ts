/** `ioi uninstall`: what a removal would delete, and the command for it. It deletes nothing. */
import { existsSync, readdirSync } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { exitCodes } from "@ioi/base";
import type { CommandContext, Handler } from "../context.ts";
import { folderPaths, runningKernel } from "../kernel/folder.ts";
import { projectRoot } from "../program.ts";

interface Item {
  readonly path: string;
  readonly what: string;
  readonly bytes: number;
}

/** Bytes of what is inside, links not followed. */
const sizeOf = async (path: string, signal: AbortSignal): Promise<number> => {
  signal.throwIfAborted();
  const info = await lstat(path);
  if (!info.isDirectory()) return info.size;
  let bytes = 0;
  for (const name of await readdir(path)) {
    bytes += await sizeOf(join(path, name), signal).catch(() => 0);
  }
  return bytes;
};

const dataItems = (root: string): readonly (readonly [string, string])[] => {
  if (!existsSync(folderPaths(root).format)) return [];
  const meaning: Readonly<Record<string, string>> = {
    guardian: "policy, keys, receipts",
    identity: "public keys",
    workload: "session journals",
    orchestrator: "commitments",
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
  [".runtime", "the pinned Node and pnpm"],
  ["node_modules", "packages"],
  [".cache", "compiled code"],
];

const itemsOf = async (context: CommandContext): Promise<readonly Item[]> => {
  const program = programItems
    .map(([name, what]) => [join(projectRoot, name), what] as const)
    .filter(([path]) => existsSync(path));
  const items: Item[] = [];
  for (const [path, what] of [...dataItems(context.dataFolder), ...program]) {
    items.push({ path, what, bytes: await sizeOf(path, context.signal) });
  }
  return items;
};

export const uninstall: Handler<object> = async (context) => {
  const { output, dataFolder } = context;
  const items = await itemsOf(context);
  const running = runningKernel(folderPaths(dataFolder))?.pid ?? null;
  const commands = [
    ...(existsSync(folderPaths(dataFolder).format) ? [`rm -r '${dataFolder}'`] : []),
    `rm -r '${projectRoot}'`,
  ];
  output.value({ schema: "ioi.uninstall/1", items, running, commands });
  if (running !== null) output.line(`a kernel runs (process ${running}); stop it first`);
  for (const { path, what, bytes } of items) {
    output.line(`${String(Math.ceil(bytes / 1024)).padStart(9)} KiB  ${path}  (${what})`);
  }
  output.line("Nothing was deleted. ioi keeps nothing outside these folders; to remove it all:");
  for (const command of commands) output.line(`  ${command}`);
  return exitCodes.done;
};
