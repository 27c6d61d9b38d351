/** Imports by the command itself, in processes that can be killed and measured. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { nodeCrypto } from "@ioi/host/crypto";
import { openFiles } from "@ioi/host/ports";
import { createSubstrate, type Memory, openMemoryFile, type Place } from "@ioi/scs";
import { projectRoot } from "../../report/conditions.ts";

const main = join(projectRoot, "apps/cli/src/main.ts");

const start = (folder: string, argv: readonly string[]): ChildProcess =>
  spawn(process.execPath, ["--no-warnings", main, "scs", ...argv], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
  });

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

const collected = async (child: ChildProcess): Promise<Ended> => {
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (piece: Buffer) => (stdout += piece.toString("utf8")));
  child.stderr?.on("data", (piece: Buffer) => (stderr += piece.toString("utf8")));
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  return { code, signal, stdout, stderr };
};

export const scs = async (folder: string, argv: readonly string[]): Promise<Ended> => {
  const ended = await collected(start(folder, argv));
  if (ended.code !== 0) throw new Error(`ioi scs ${argv.join(" ")}: ${ended.stderr}`);
  return ended;
};

export interface ImportedFile {
  readonly memories: number;
  readonly before: number;
  readonly passedOver: number;
}

export const importFiles = async (
  folder: string,
  memories: string,
  names: readonly string[],
): Promise<readonly ImportedFile[]> => {
  const { stdout } = await scs(folder, ["import", memories, ...names, "--json"]);
  return (JSON.parse(stdout) as { readonly files: readonly ImportedFile[] }).files;
};

export const importFile = async (
  folder: string,
  memories: string,
  name: string,
): Promise<ImportedFile> => {
  const [imported] = await importFiles(folder, memories, [name]);
  if (imported === undefined) throw new Error(`${name}: nothing was said of it`);
  return imported;
};

/**
 * Starts an import and kills it once the memory file has grown by `bytes`; false: it ended before.
 */
export const killImport = async (
  folder: string,
  memories: string,
  name: string,
  hasGrown: () => boolean,
): Promise<boolean> => {
  const child = start(folder, ["import", memories, name]);
  const ended = collected(child);
  const look = setInterval(() => {
    if (hasGrown()) child.kill("SIGKILL");
  }, 2);
  try {
    return (await ended).signal === "SIGKILL";
  } finally {
    clearInterval(look);
  }
};

const placeIn = (folder: string, path: string): Place => ({
  files: openFiles(folder),
  path,
  provider: nodeCrypto,
  now: () => Date.now(),
});

/** A file that lies open and is found by words alone. */
export const create = (folder: string, name: string): Promise<void> =>
  createSubstrate(placeIn(folder, name), { slot: { type: "open" } });

/** Every memory of a file, by number. */
export const memoriesOf = async (folder: string, name: string): Promise<readonly Memory[]> => {
  await using file = await openMemoryFile(placeIn(folder, name), "read");
  const memories: Memory[] = [];
  for (const { id } of file.states()) memories.push(await file.read(id));
  return memories;
};

export interface Grown {
  /** Resident memory, in MiB, for each MiB of the file that was stored. */
  readonly points: readonly { readonly stored: number; readonly rss: number }[];
  readonly memories: number;
}

const residentMiB = (pid: number): number | undefined => {
  try {
    const [line] = /^VmRSS:.*$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return line === undefined ? undefined : Number(/\d+/.exec(line)?.[0]) / 1024;
  } catch {
    // It has ended meanwhile.
    return undefined;
  }
};

/** An import with its resident memory by what it has stored. */
export const measuredImport = async (
  folder: string,
  memories: string,
  name: string,
  storedBytes: () => number,
): Promise<Grown> => {
  const child = start(folder, ["import", memories, name, "--json"]);
  const points: { stored: number; rss: number }[] = [];
  const look = setInterval(() => {
    const rss = residentMiB(child.pid ?? 0);
    if (rss !== undefined) points.push({ stored: storedBytes() / 2 ** 20, rss });
  }, 100);
  try {
    const { code, stdout, stderr } = await collected(child);
    if (code !== 0) throw new Error(stderr);
    const { files } = JSON.parse(stdout) as { readonly files: readonly ImportedFile[] };
    return { points, memories: files[0]?.memories ?? 0 };
  } finally {
    clearInterval(look);
  }
};
