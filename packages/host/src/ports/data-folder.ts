/**
 * The data folder: made on the first start, opened on every later one, by one kernel at a time.
 *
 * FORMAT holds `{"format":2}`. An older folder is opened as it is: the launcher brings it to this
 * format before anything else writes in it. Whatever is wrong is found before anything is written: a newer
 * format, a folder that is something else's, a lock that is taken. Its mode is 0700 afterwards.
 */
import fsp from "node:fs/promises";
import nodePath from "node:path";
import type { Files } from "@ioi/base";
import { OperationError } from "@ioi/base";
import { errnoName, filesError } from "./files-errors.ts";
import { openFiles, parseLockHolder } from "./files.ts";
import { dataFormatBytesMax, dataFreeBytesMin, lockHolderBytesMax } from "./limits.ts";

/** 2: receipts of scopes and devices, headers of the chain, models, secrets. 1: before those. */
export const dataFormat = 3;

export interface DataFolder extends AsyncDisposable {
  /** Absolute, links resolved. */
  readonly path: string;
  readonly files: Files;
  readonly lock: AsyncDisposable;
  /** True when this call made it. */
  readonly created: boolean;
  /** As it was found; of this version where it was made. */
  readonly format: number;
}

export const openDataFolder = async (path: string): Promise<DataFolder> => {
  const asked = nodePath.resolve(path);
  try {
    return await open(asked);
  } catch (error) {
    throw dataError(filesError(error, asked), asked);
  }
};

const open = async (asked: string): Promise<DataFolder> => {
  await makePath(asked);
  const real = await fsp.realpath(asked);
  const files = openFiles(real);
  const found = await checkFormat(files, real);
  const created = found === undefined;
  const lock = await files.lock("lock").catch(async (error: unknown) => {
    if (error instanceof OperationError && error.code === "E_FILES_LOCKED") {
      throw await lockedError(files, real);
    }
    throw error;
  });
  try {
    await checkRoom(real);
    await fsp.chmod(real, 0o700);
    // Another process may have finished the folder, or begun to use it, before the lock was ours.
    if ((await checkFormat(files, real)) === undefined) {
      await files.replaceFile("FORMAT", Buffer.from(`${JSON.stringify({ format: dataFormat })}\n`));
      await openFiles(nodePath.dirname(real)).syncDirectory("");
    }
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
  return {
    path: real,
    files,
    lock,
    created,
    format: found ?? dataFormat,
    [Symbol.asyncDispose]: () => lock[Symbol.asyncDispose](),
  };
};

/** mkdir's own `recursive` says that a parent is missing where the file system is read-only. */
const makePath = async (path: string): Promise<void> => {
  try {
    await fsp.mkdir(path, { mode: 0o700 });
  } catch (error) {
    const name = errnoName(error);
    const parent = nodePath.dirname(path);
    if (name === "EEXIST" && (await fsp.stat(path)).isDirectory()) return;
    if (name !== "ENOENT" || parent === path) throw error;
    await makePath(parent);
    await fsp.mkdir(path, { mode: 0o700 });
  }
};

/** The format of a data folder, undefined for an empty folder; everything else throws. */
const checkFormat = async (files: Files, path: string): Promise<number | undefined> => {
  let text: string;
  try {
    text = Buffer.from(await files.readFile("FORMAT", dataFormatBytesMax)).toString("utf8");
  } catch (error) {
    if (!(error instanceof OperationError) || error.code !== "E_FILES_NOT_FOUND") throw error;
    // A first start that was interrupted leaves its lock.
    const names = (await files.list("")).filter((name) => name !== "lock");
    if (names.length === 0) return undefined;
    throw new OperationError(
      "E_DATA_FOREIGN",
      `${path} is not a data folder: it holds ${JSON.stringify(names[0])} and no FORMAT`,
    );
  }
  const format = parseFormat(text);
  if (format === undefined) {
    throw new OperationError("E_DATA_CORRUPT", `${nodePath.join(path, "FORMAT")} is damaged`);
  }
  if (format > dataFormat) {
    throw new OperationError(
      "E_DATA_NEWER",
      `${path} has format ${format}; this version knows formats up to ${dataFormat}`,
    );
  }
  return format;
};

const parseFormat = (text: string): number | undefined => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || !("format" in value)) return undefined;
  const { format } = value;
  return typeof format === "number" && Number.isSafeInteger(format) && format >= 1
    ? format
    : undefined;
};

const checkRoom = async (path: string): Promise<void> => {
  const { bavail, bsize } = await fsp.statfs(path);
  const free = bavail * bsize;
  if (free >= dataFreeBytesMin) return;
  throw new OperationError(
    "E_DATA_FULL",
    `${path}: ${free} bytes are free, at least ${dataFreeBytesMin} are needed`,
  );
};

const lockedError = async (files: Files, path: string): Promise<OperationError> => {
  const bytes = await files.readFile("lock", lockHolderBytesMax).catch(() => new Uint8Array());
  const holder = parseLockHolder(bytes);
  return holder === undefined
    ? new OperationError("E_DATA_LOCKED", `${path} is in use by another process`)
    : new OperationError("E_DATA_LOCKED", `${path} is in use by process ${holder}`, {
        next: `stop it (kill ${holder}), or use another folder with --data`,
      });
};

const dataCodes: Readonly<Record<string, `E_${string}`>> = {
  E_FILES_READ_ONLY: "E_DATA_READ_ONLY",
  E_FILES_FULL: "E_DATA_FULL",
  E_FILES_DENIED: "E_DATA_DENIED",
  E_FILES_EXISTS: "E_DATA_DENIED",
  E_FILES_NOT_A_DIRECTORY: "E_DATA_DENIED",
};

/** What a file operation says, in terms of the data folder. */
const dataError = (error: unknown, path: string): unknown => {
  if (!(error instanceof OperationError)) return error;
  const code = dataCodes[error.code];
  if (code === undefined) return error;
  const name = errnoName(error.cause) ?? error.code;
  return new OperationError(code, `${path} cannot be used as a data folder: ${name}`, {
    cause: error,
  });
};
