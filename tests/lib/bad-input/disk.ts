/**
 * Bad input: disks that fill while a kernel runs. They are small file systems in a mount namespace of
 * their own, which takes root.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { OperationError } from "@ioi/base";
import { Scratch } from "../kernel.ts";
import type { BadInputCase, Means, Verdict } from "./case.ts";
import { usedFolder } from "./used.ts";

const inside = fileURLToPath(new URL("disk-inside.ts", import.meta.url));

/** What the full form alone tries: the short one has a write and a program that find no room. */
const slow: ReadonlySet<string> = new Set([
  "full-disk-of-copies-for-undo",
  "full-disk-of-the-folder",
]);

type Said = Readonly<Record<string, Verdict>>;
let said: Promise<Said> | undefined;

/** All of them share a kernel: they run once, whoever asks first. */
const ran = async ({ signal, quick }: Means): Promise<Said> => {
  using scratch = new Scratch();
  const data = await usedFolder(scratch, signal);
  const node = [process.execPath, "--disable-warning=ExperimentalWarning"];
  const command = ["-m", ...node, inside, data, ...(quick ? ["--quick", ...slow] : [])];
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
        ...(slow.has(id) ? { slow: true } : {}),
        run: async (means) => {
          said ??= ran(means);
          const verdict = (await said)[id];
          if (verdict === undefined) throw new OperationError("E_TEST", `${id} was not tried`);
          return verdict;
        },
      }))
    : [];
