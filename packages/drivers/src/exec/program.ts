/**
 * Which file a command runs: a name is looked for in a fixed search path, never in the caller's
 * environment; the file is identified by device, inode and the hash of its bytes.
 */
import fs from "node:fs";
import { err, ok, type Result } from "@ioi/base";
import type { Facts } from "@ioi/wire";
import { hashOpened, type Identity, identityOf, sameIdentity } from "../fs/entries.ts";
import { type DriverRejection, isWithin, reject, type Roots } from "../fs/roots.ts";
import { errnoOf, Fd } from "../fs/syscalls.ts";
import { programBytesMax } from "../limits.ts";

export const searchPath: readonly string[] = ["/usr/local/bin", "/usr/bin", "/bin"];
/** What a command's sandbox shows beside the session's folders. */
const systemFolders: readonly string[] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"];

export interface Program {
  /** As it is started; may be a link to `realPath` (the name decides what some programs do). */
  readonly path: string;
  readonly realPath: string;
  readonly identity: Identity;
  readonly facts: Facts;
}

const candidates = (name: string, cwd: string): readonly string[] => {
  if (name.startsWith("/")) return [name];
  if (!name.includes("/")) return searchPath.map((folder) => `${folder}/${name}`);
  return [`${cwd}/${name.startsWith("./") ? name.slice(2) : name}`];
};

const isExecutable = (file: string): boolean => {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
};

const isSystem = (path: string): boolean => systemFolders.some((folder) => isWithin(path, folder));

/** What the sandbox shows; links are followed only where no command can put one. */
const isShown = (roots: Roots, path: string, realPath: string): boolean => {
  if (roots.isMasked(realPath)) return false;
  if (isSystem(path)) return isSystem(realPath);
  return path === realPath && roots.locate(realPath, "read").ok;
};

/** Hashes by identity: the same program is hashed once a process. */
class HashCache {
  readonly #hashes = new Map<string, Uint8Array>();

  async of(file: string, signal: AbortSignal): Promise<Uint8Array> {
    using fd = new Fd(fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW));
    const stat = fs.fstatSync(fd.number, { bigint: true });
    const key = [stat.dev, stat.ino, stat.size, stat.mtimeNs, stat.ctimeNs].join(":");
    const known = this.#hashes.get(key);
    if (known !== undefined) return known;
    const hash = await hashOpened(fd, Number(stat.size), signal);
    if (this.#hashes.size >= 64) this.#hashes.clear();
    this.#hashes.set(key, hash);
    return hash;
  }
}

const hashes = new HashCache();

export const findProgram = async (
  roots: Roots,
  name: string,
  cwd: string,
  signal: AbortSignal,
): Promise<Result<Program, DriverRejection>> => {
  const path = candidates(name, cwd).find(isExecutable);
  if (path === undefined) {
    return reject("E_EXEC_PROGRAM", `${name} is not an executable in ${searchPath.join(", ")}`);
  }
  try {
    const realPath = fs.realpathSync(path);
    if (!isShown(roots, path, realPath)) {
      return reject("E_EXEC_PROGRAM", `${path} is outside what a command can see`);
    }
    const stat = fs.lstatSync(realPath, { bigint: true });
    if (!stat.isFile() || stat.size > BigInt(programBytesMax)) {
      return reject("E_EXEC_PROGRAM", `${path} is no program that can be hashed`);
    }
    const facts: Facts = {
      realPath,
      exists: true,
      kind: "file",
      dev: stat.dev,
      ino: stat.ino,
      size: Number(stat.size),
      nlink: Number(stat.nlink),
      mode: Number(stat.mode & 0o7777n),
      sha256: await hashes.of(realPath, signal),
    };
    return ok({ path, realPath, identity: identityOf(stat), facts });
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return reject("E_EXEC_PROGRAM", `${path} cannot be read`);
  }
};

/** The same file still stands behind the name, unchanged. */
export const recheckProgram = (program: Program): Result<null, DriverRejection> => {
  const changed = reject("E_FS_CHANGED", `${program.path} is not the program that was prepared`);
  try {
    if (fs.realpathSync(program.path) !== program.realPath) return changed;
    const now = identityOf(fs.lstatSync(program.realPath, { bigint: true }));
    return sameIdentity(now, program.identity, true) ? ok(null) : err(changed.error);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return changed;
  }
};
