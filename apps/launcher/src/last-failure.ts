/**
 * Why the kernel of a data folder did not start the last time, for who asks while none runs:
 * `run/failure.json`, until one starts. Nothing depends on it: a disk that does not take it is none.
 */
import fs from "node:fs";
import path from "node:path";
import { failureLine } from "./failure.ts";

const fileOf = (dataFolder: string): string => path.join(dataFolder, "run/failure.json");

export const rememberFailure = async (dataFolder: string, error: unknown): Promise<void> => {
  const failure = { at: new Date().toISOString(), ...(await failureLine(error)) };
  try {
    fs.writeFileSync(fileOf(dataFolder), `${JSON.stringify(failure)}\n`, { mode: 0o600 });
  } catch {
    // The failure itself is told to who started the kernel, and is in the log.
  }
};

export const forgetFailure = (dataFolder: string): void => {
  try {
    fs.rmSync(fileOf(dataFolder), { force: true });
  } catch {
    // As above.
  }
};
