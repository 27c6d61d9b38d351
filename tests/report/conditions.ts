/** Under what conditions a report was made: version, commit, machine, load, where the vectors lie. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statfsSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { dirname, join, resolve } from "node:path";

/** Absolute path of the project. */
export const projectRoot: string = resolve(import.meta.dirname, "../..");

export const projectVersion = (): string => {
  const manifest = JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8")) as {
    readonly version: string;
  };
  return manifest.version;
};

const git = (...args: readonly string[]): string | undefined => {
  try {
    return execFileSync("git", ["-C", projectRoot, ...args], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      timeout: 10_000,
    }).trim();
  } catch {
    // No git here, or no repository: a report says `null` then.
    return undefined;
  }
};

export const commitState = (): { readonly commit: string | null; readonly dirty: boolean } => {
  const commit = git("rev-parse", "HEAD");
  if (commit === undefined || !/^[0-9a-f]{40,64}$/.test(commit))
    return { commit: null, dirty: false };
  const changes = git("status", "--porcelain");
  return { commit, dirty: changes !== undefined && changes !== "" };
};

/** File system magic numbers, from statfs(2). */
const FILESYSTEMS: ReadonlyMap<number, string> = new Map([
  [0xef53, "ext4"],
  [0x5846_5342, "xfs"],
  [0x9123_683e, "btrfs"],
  [0x0102_1994, "tmpfs"],
  [0x794c_7630, "overlayfs"],
  [0x2fc1_2fc1, "zfs"],
  [0x6969, "nfs"],
  [0x6573_5546, "fuse"],
  [0xf2f5_2010, "f2fs"],
  [0x0102_1997, "9p"],
]);

/** The kind of file system under the deepest existing parent of `path`. */
export const filesystemOf = (path: string): string => {
  let at = resolve(path);
  while (!existsSync(at)) at = dirname(at);
  const { type } = statfsSync(at);
  return FILESYSTEMS.get(type >>> 0) ?? `0x${(type >>> 0).toString(16)}`;
};

export interface MachineInfo {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryMiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly filesystem: string;
}

export const machineInfo = (workPath: string): MachineInfo => {
  const cores = cpus();
  return {
    cpu: cores[0]?.model.trim() ?? "unknown",
    cores: cores.length,
    memoryMiB: Math.round(totalmem() / 1_048_576),
    kernel: release(),
    node: process.versions.node,
    filesystem: filesystemOf(workPath),
  };
};

/** One-minute load average, two decimals. */
export const loadNow = (): number => Math.round((loadavg()[0] ?? 0) * 100) / 100;

/** `IOI_VECTORS`, else `shared/vectors` beside the project; undefined where neither is there. */
export const vectorsPath = (): string | undefined => {
  const named = process.env["IOI_VECTORS"];
  const candidate =
    named !== undefined && named !== "" ? resolve(named) : join(projectRoot, "../shared/vectors");
  return existsSync(candidate) ? candidate : undefined;
};
