/** Why the kernel of a data folder did not start the last time; the launcher leaves it there. */
import { rmSync } from "node:fs";
import { type ExitCode, exitCodes, OperationError } from "@ioi/base";
import { failWith } from "../report.ts";
import type { FolderPaths } from "./folder.ts";
import { readBounded } from "./folder.ts";

const failureBytesMax = 65_536;

/** Codes that mean: nobody is there who could say more. */
const nobody: ReadonlySet<string> = new Set(["E_CLI_NO_KERNEL", "E_CLI_KERNEL_GONE"]);

/** Undefined where the last start went well, or none was tried. */
export const lastFailure = (paths: FolderPaths): OperationError | undefined => {
  let found: Partial<Record<"at" | "code" | "message" | "next" | "exit", unknown>>;
  try {
    found = JSON.parse(
      Buffer.from(readBounded(paths.failureFile, failureBytesMax)).toString("utf8"),
    ) as typeof found;
  } catch {
    return undefined;
  }
  const { at, code, message, next, exit } = found ?? {};
  if (typeof code !== "string" || !/^E_[A-Z0-9_]{1,60}$/.test(code)) return undefined;
  const known = Object.values(exitCodes).find((each) => each !== exitCodes.done && each === exit);
  return failWith({
    code,
    message: `the kernel did not start at ${String(at)}: ${String(message)}`,
    ...(typeof next === "string" ? { next } : {}),
    ...(known === undefined ? {} : { exit: known satisfies ExitCode }),
  });
};

/** `error`, or why there is no kernel where that is what it says. */
export const whyNoKernel = (error: unknown, paths: FolderPaths): unknown =>
  error instanceof OperationError && nobody.has(error.code) ? (lastFailure(paths) ?? error) : error;

/** Something was mended: the next start says whether it was that. */
export const forgetFailure = (paths: FolderPaths): void => {
  rmSync(paths.failureFile, { force: true });
};
