/**
 * The `Files` port on Node: one directory tree, files 0600 and directories 0700.
 *
 * The tree belongs to one user and one product; each process has a subtree of its own. So a link
 * as the last name is refused (O_NOFOLLOW) and paths are checked lexically, while directories on
 * the way are trusted. Only regular files are opened.
 */
import fs from "node:fs";
import fsp from "node:fs/promises";
import nodePath from "node:path";
import type { FileHandle, FileInfo, Files } from "@ioi/base";
import {
  assert,
  compareText,
  isReplacementName,
  OperationError,
  parentPath,
  pathSegments,
  replacementPath,
} from "@ioi/base";
import { nr, syscall } from "../libc/index.ts";
import { NodeFileHandle, realSyncCalls, type SyncCalls } from "./file-handle.ts";
import { errnoName, filesError, orFilesError, syncError } from "./files-errors.ts";
import { lockHolderBytesMax } from "./limits.ts";

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR, O_TRUNC } =
  fs.constants;

/** A FIFO or a device must not make open wait; for regular files the flag means nothing. */
const openFlags = {
  read: O_RDONLY | O_NOFOLLOW | O_NONBLOCK,
  write: O_RDWR | O_NOFOLLOW | O_NONBLOCK,
  create: O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW,
} as const;

const LOCK_EX = 2;
const LOCK_NB = 4;
const EWOULDBLOCK = 11;

export class NodeFiles implements Files {
  readonly #root: string;
  readonly #calls: SyncCalls;
  /** The last replacement of each path that is under way; two must not share one temporary. */
  readonly #replacing = new Map<string, Promise<void>>();

  constructor(root: string, calls: SyncCalls) {
    this.#root = root;
    this.#calls = calls;
  }

  #path(path: string): string {
    return nodePath.join(this.#root, ...pathSegments(path));
  }

  #namePath(path: string): string {
    assert(path !== "", "the root has no name to work on");
    return this.#path(path);
  }

  async open(path: string, mode: "read" | "write" | "create"): Promise<FileHandle> {
    const full = this.#namePath(path);
    return await orFilesError(`open ${path}`, async () => {
      const handle = await fsp.open(full, openFlags[mode], 0o600);
      return new NodeFileHandle(await onlyRegular(handle, path), path, this.#calls);
    });
  }

  async readFile(path: string, bytesMax: number): Promise<Uint8Array> {
    const full = this.#namePath(path);
    return await orFilesError(`read ${path}`, async () => {
      await using handle = await onlyRegular(await fsp.open(full, openFlags.read), path);
      const parts: Uint8Array[] = [];
      let length = 0;
      // One byte more than allowed tells a file of the limit from a larger or growing one.
      for (let room = bytesMax + 1; room > 0; room = bytesMax + 1 - length) {
        const part = new Uint8Array(Math.min(room, 65_536));
        const { bytesRead } = await handle.read(part, 0, part.length, length);
        if (bytesRead === 0) break;
        parts.push(part.subarray(0, bytesRead));
        length += bytesRead;
      }
      if (length > bytesMax) {
        throw new OperationError("E_FILES_IO", `${path} is larger than ${bytesMax} bytes`);
      }
      return new Uint8Array(Buffer.concat(parts));
    });
  }

  async replaceFile(path: string, bytes: Uint8Array, mode = 0o600): Promise<void> {
    assert(path !== "", "the root is no file");
    const before = this.#replacing.get(path) ?? Promise.resolve();
    const own = before.catch(() => undefined).then(() => this.#replace(path, bytes, mode));
    this.#replacing.set(path, own);
    try {
      await own;
    } finally {
      if (this.#replacing.get(path) === own) this.#replacing.delete(path);
    }
  }

  async #replace(path: string, bytes: Uint8Array, mode: number): Promise<void> {
    const temporary = this.#path(replacementPath(path));
    await orFilesError(`replace ${path}`, async () => {
      try {
        // A temporary is unlinked, not truncated: it may be a leftover with another mode.
        await fsp.rm(temporary, { force: true });
        await using handle = await fsp.open(
          temporary,
          O_RDWR | O_CREAT | O_EXCL | O_TRUNC | O_NOFOLLOW,
          mode,
        );
        await handle.chmod(mode);
        await handle.writeFile(bytes);
        await this.#calls.datasync(handle).catch((error: unknown) => {
          throw syncError(error, `replace ${path}`);
        });
        await fsp.rename(temporary, this.#path(path));
      } catch (error) {
        await fsp.rm(temporary, { force: true }).catch(() => undefined);
        throw error;
      }
    });
    await this.syncDirectory(parentPath(path));
  }

  async stat(path: string): Promise<FileInfo | undefined> {
    const full = this.#path(path);
    try {
      const stat = await fsp.lstat(full);
      return {
        kind: stat.isFile()
          ? "file"
          : stat.isDirectory()
            ? "directory"
            : stat.isSymbolicLink()
              ? "symlink"
              : "other",
        size: stat.size,
        mode: stat.mode & 0o7777,
      };
    } catch (error) {
      const name = errnoName(error);
      if (name === "ENOENT" || name === "ENOTDIR") return undefined;
      throw filesError(error, `stat ${path}`);
    }
  }

  async list(path: string): Promise<readonly string[]> {
    const full = this.#path(path);
    const names = await orFilesError(`list ${path}`, () => fsp.readdir(full));
    return names.filter((name) => !isReplacementName(name)).sort(compareText);
  }

  async makeDirectory(path: string, mode = 0o700): Promise<void> {
    const full = this.#namePath(path);
    await orFilesError(`make directory ${path}`, () => fsp.mkdir(full, { mode }));
  }

  async rename(from: string, to: string): Promise<void> {
    const [fromFull, toFull] = [this.#namePath(from), this.#namePath(to)];
    await orFilesError(`rename ${from} to ${to}`, () => fsp.rename(fromFull, toFull));
  }

  async remove(path: string): Promise<void> {
    const full = this.#namePath(path);
    await orFilesError(`remove ${path}`, async () => {
      const stat = await fsp.lstat(full);
      await (stat.isDirectory() ? fsp.rmdir(full) : fsp.unlink(full));
    });
  }

  async syncDirectory(path: string): Promise<void> {
    const full = this.#path(path);
    await orFilesError(`sync directory ${path}`, async () => {
      await using handle = await fsp.open(full, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      await handle.sync().catch((error: unknown) => {
        throw syncError(error, `sync directory ${path}`);
      });
    });
  }

  async lock(path: string): Promise<AsyncDisposable> {
    const full = this.#namePath(path);
    return await orFilesError(`lock ${path}`, async () => {
      const handle = await onlyRegular(
        await fsp.open(full, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600),
        path,
      );
      try {
        await takeLock(handle, path);
      } catch (error) {
        await handle.close();
        throw error;
      }
      return {
        // Closing the description releases the lock. The file stays: removing it would let
        // a third process lock a new file while a second one waits with the old.
        async [Symbol.asyncDispose]() {
          await handle.close();
        },
      };
    });
  }
}

const onlyRegular = async (handle: fsp.FileHandle, path: string): Promise<fsp.FileHandle> => {
  try {
    const stat = await handle.stat();
    if (stat.isFile()) return handle;
    throw new OperationError(
      stat.isDirectory() ? "E_FILES_IS_A_DIRECTORY" : "E_FILES_DENIED",
      `${path} is not a regular file`,
    );
  } catch (error) {
    await handle.close();
    throw error;
  }
};

/** flock(2), not fcntl: it is bound to the open description and ends with the process. */
const takeLock = async (handle: fsp.FileHandle, path: string): Promise<void> => {
  const taken = syscall(nr.flock, handle.fd, LOCK_EX | LOCK_NB);
  if (!taken.ok) {
    if (taken.errno !== EWOULDBLOCK) {
      throw new OperationError("E_FILES_IO", `lock ${path}: error ${taken.errno}`);
    }
    const { buffer, bytesRead } = await handle.read(
      Buffer.alloc(lockHolderBytesMax),
      0,
      undefined,
      0,
    );
    const holder = parseLockHolder(buffer.subarray(0, bytesRead));
    throw new OperationError(
      "E_FILES_LOCKED",
      `${path} is locked by ${holder === undefined ? "another process" : `process ${holder}`}`,
    );
  }
  await handle.truncate(0);
  await handle.write(`${process.pid}\n`, 0);
};

/** The process id in a lock file, for the message only: the lock itself is the kernel's. */
export const parseLockHolder = (bytes: Uint8Array): number | undefined => {
  const match = /^([1-9][0-9]{0,9})\n?$/.exec(Buffer.from(bytes).toString("latin1"));
  return match?.[1] === undefined ? undefined : Number(match[1]);
};

/** The tree under an existing directory. `calls` is for tests of failing disks. */
export const openFiles = (root: string, calls: SyncCalls = realSyncCalls): Files =>
  new NodeFiles(nodePath.resolve(root), calls);
