/** From the error numbers of the operating system to the codes of the `Files` port. */
import type { FilesErrorCode } from "@ioi/base";
import { OperationError } from "@ioi/base";

const codes: Readonly<Record<string, FilesErrorCode>> = {
  ENOENT: "E_FILES_NOT_FOUND",
  EEXIST: "E_FILES_EXISTS",
  ENOTEMPTY: "E_FILES_NOT_EMPTY",
  ENOTDIR: "E_FILES_NOT_A_DIRECTORY",
  EISDIR: "E_FILES_IS_A_DIRECTORY",
  ENOSPC: "E_FILES_FULL",
  EDQUOT: "E_FILES_FULL",
  EROFS: "E_FILES_READ_ONLY",
  EACCES: "E_FILES_DENIED",
  EPERM: "E_FILES_DENIED",
  ELOOP: "E_FILES_DENIED",
  EWOULDBLOCK: "E_FILES_LOCKED",
  EAGAIN: "E_FILES_LOCKED",
};

/** The system's name of an error ("ENOENT"), or undefined for what is no system error. */
export const errnoName = (error: unknown): string | undefined => {
  if (!(error instanceof Error) || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
};

/** The same failure as an OperationError; what already is one, or is a bug, stays as it is. */
export const filesError = (error: unknown, what: string): unknown => {
  const name = errnoName(error);
  if (name === undefined || error instanceof OperationError) return error;
  const code = codes[name] ?? "E_FILES_IO";
  return new OperationError(code, `${what}: ${name}`, {
    cause: error,
    retryable: code === "E_FILES_FULL",
  });
};

/** A failed sync is that, whatever the error number: the data may be gone. */
export const syncError = (error: unknown, what: string): OperationError =>
  new OperationError("E_FILES_SYNC_FAILED", `${what}: ${errnoName(error) ?? "failed"}`, {
    cause: error,
  });

export const orFilesError = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    throw filesError(error, what);
  }
};
