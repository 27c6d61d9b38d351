/**
 * Why the kernel did not start, as its ready line tells it. What a process said about its own start
 * comes with that process's code; exit code and next step are those of the catalogue that has it.
 */
import { type ErrorCatalogue, type ErrorEntry, OperationError } from "@ioi/base";
import { errors as ownErrors } from "./errors.ts";

/** Loaded only where there is something to explain. */
const catalogues: readonly (() => Promise<ErrorCatalogue>)[] = [
  async () => ownErrors,
  async () => (await import("@ioi/host/process")).processErrors,
  async () => (await import("@ioi/host/rpc")).rpcErrors,
  async () => (await import("@ioi/host/ports")).errors,
  async () => (await import("@ioi/host/sandbox")).errors,
  async () => (await import("@ioi/host/crypto")).errors,
  async () => (await import("@ioi/host/libc")).errors,
  async () => (await import("@ioi/crypto")).errors,
  async () => (await import("@ioi/firewall")).errors,
  async () => (await import("@ioi/drivers")).errors,
];

const entryOf = async (code: `E_${string}`): Promise<ErrorEntry | undefined> => {
  for (const load of catalogues) {
    const catalogue = await load();
    if (Object.hasOwn(catalogue, code)) return catalogue[code];
  }
  return undefined;
};

export interface FailureLine {
  readonly code: string;
  readonly message: string;
  readonly next?: string;
  /** Absent where no catalogue here has the code: the reader may know it. */
  readonly exit?: number;
}

export const failureLine = async (error: unknown): Promise<FailureLine> => {
  if (!(error instanceof OperationError)) {
    const message = error instanceof Error ? error.name : "unknown";
    return { code: "E_LAUNCHER_BOOT", message, exit: 1 };
  }
  const { code, message } = error;
  const entry = await entryOf(code);
  const next = error.next ?? entry?.next;
  return {
    code,
    message,
    ...(next === undefined ? {} : { next }),
    ...(entry === undefined ? {} : { exit: entry.exit }),
  };
};
