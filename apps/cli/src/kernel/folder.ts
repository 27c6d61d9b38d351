/** Where things lie in a data folder, as far as the command line reads them. */
import { existsSync, openSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { OperationError } from "@ioi/base";
import { startOf } from "@ioi/host/proc";
import { smallFileBytesMax } from "../limits.ts";
import { failWith } from "../report.ts";

export interface FolderPaths {
  readonly root: string;
  readonly format: string;
  readonly guardianSocket: string;
  readonly workloadSocket: string;
  readonly launcherSocket: string;
  readonly consoleSocket: string;
  readonly kernelFile: string;
  readonly failureFile: string;
  readonly receipts: string;
  readonly checkpoints: string;
  readonly identityKey: string;
  readonly deviceKey: string;
  readonly policy: string;
  readonly journals: string;
  readonly logs: string;
}

export const folderPaths = (root: string): FolderPaths => ({
  root,
  format: join(root, "FORMAT"),
  guardianSocket: join(root, "run/guardian.sock"),
  workloadSocket: join(root, "run/workload.sock"),
  launcherSocket: join(root, "run/launcher.sock"),
  consoleSocket: join(root, "run/console.sock"),
  kernelFile: join(root, "run/kernel.json"),
  failureFile: join(root, "run/failure.json"),
  receipts: join(root, "guardian/receipts.log"),
  checkpoints: join(root, "guardian/checkpoints.log"),
  identityKey: join(root, "identity/guardian.pub"),
  deviceKey: join(root, "device/terminal.key"),
  policy: join(root, "guardian/policy.toml"),
  journals: join(root, "workload/journals"),
  logs: join(root, "logs"),
});

/** A data folder that exists and that this version may read. */
export const requireFolder = (root: string): FolderPaths => {
  const paths = folderPaths(root);
  if (!existsSync(paths.format)) {
    throw failWith({ code: "E_CLI_NO_DATA", message: `${root} is not a data folder` });
  }
  return paths;
};

/** A file's bytes, bounded. */
export const readBounded = (path: string, bytesMax: number = smallFileBytesMax): Uint8Array => {
  try {
    const { size } = statSync(path);
    if (size > bytesMax) {
      throw failWith({
        code: "E_CLI_FILE",
        message: `${path} has ${size} bytes, over ${bytesMax}`,
      });
    }
    return readFileSync(path);
  } catch (cause) {
    if (cause instanceof OperationError) throw cause;
    throw failWith({ code: "E_CLI_FILE", message: `cannot read ${path}` }, cause);
  }
};

/** What a kernel says of itself while it runs. */
export interface KernelFile {
  readonly pid: number;
  readonly rpc: string;
  readonly http: string;
}

/**
 * The kernel that runs on the folder. One that was killed leaves its file, and its number to other
 * programs: only a process that started when the file says is it.
 */
export const runningKernel = (paths: FolderPaths): KernelFile | undefined => {
  let value: Partial<KernelFile & { readonly started: string }>;
  try {
    value = JSON.parse(readFileSync(paths.kernelFile, "utf8")) as typeof value;
  } catch {
    return undefined;
  }
  const { pid, started, rpc, http } = value;
  if (typeof pid !== "number" || typeof started !== "string" || startOf(pid) !== started) {
    return undefined;
  }
  return { pid, rpc: String(rpc ?? ""), http: String(http ?? "") };
};

/** Longest path of a Unix socket, without its final NUL. */
const SOCKET_PATH_BYTES_MAX = 107;
const folders = new Map<string, number>();

/** The same socket under a name that fits: a long folder is reached through a descriptor. */
export const socketPath = (path: string): string => {
  if (Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX) return path;
  const at = path.lastIndexOf("/");
  const folder = path.slice(0, at);
  // Opened once for the life of the process: a command dials a handful of times.
  const descriptor = folders.get(folder) ?? openSync(folder, "r");
  folders.set(folder, descriptor);
  return `/proc/self/fd/${descriptor}${path.slice(at)}`;
};
