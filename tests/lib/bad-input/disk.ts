/**
 * Bad input: disks that fill while a kernel runs. They are small file systems in a mount namespace of
 * their own, which takes root.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { OperationError } from "@ioi/base";
import type { BadInputCase, Verdict } from "./case.ts";

const inside = fileURLToPath(new URL("disk-inside.ts", import.meta.url));

type Said = Readonly<Record<string, Verdict>>;
let said: Promise<Said> | undefined;

/** All of them share a kernel: they run once, whoever asks first. */
const ran = async (signal: AbortSignal): Promise<Said> => {
  const command = ["-m", process.execPath, "--disable-warning=ExperimentalWarning", inside];
  const { stdout } = await promisify(execFile)("unshare", command, { signal });
  return JSON.parse(stdout) as Said;
};

const ids = [
  "full-disk-of-the-journal",
  "full-disk-of-receipts",
  "full-disk-of-copies-for-undo",
  "full-disk-of-the-folder",
  "full-disk-of-outputs",
  "program-that-fills-the-disk",
] as const;

export const diskCases: readonly BadInputCase[] =
  process.getuid?.() === 0
    ? ids.map((id) => ({
        id,
        run: async (signal) => {
          said ??= ran(signal);
          const verdict = (await said)[id];
          if (verdict === undefined) throw new OperationError("E_TEST", `${id} was not tried`);
          return verdict;
        },
      }))
    : [];
