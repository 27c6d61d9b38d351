/** Calls that a kernel of another version may not know. */
import { OperationError } from "@ioi/base";

export const isCode = (error: unknown, ...codes: readonly string[]): boolean =>
  error instanceof OperationError && codes.includes(error.code);

/** What the call answers, or `instead` where the kernel does not offer it. */
export const whereOffered = async <T>(call: () => Promise<T>, instead: T): Promise<T> => {
  try {
    return await call();
  } catch (error) {
    if (isCode(error, "E_RPC_UNKNOWN_METHOD")) return instead;
    throw error;
  }
};

/** The same, where there is nothing to put in its place. */
export const offered = async <T>(what: string, call: () => Promise<T>): Promise<T> => {
  try {
    return await call();
  } catch (error) {
    if (!isCode(error, "E_RPC_UNKNOWN_METHOD")) throw error;
    throw new OperationError("E_CONSOLE_UNAVAILABLE", `${what} is not available`);
  }
};

export const badRequest = (message: string): OperationError =>
  new OperationError("E_CONSOLE_REQUEST", message);
