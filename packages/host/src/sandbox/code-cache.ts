/**
 * The compiled code that our own processes start from. A sandboxed process reads it and cannot
 * write it: whoever can write it decides what the next process runs. It is filled outside, by
 * loading the same programs once without running them (`loadOnly`).
 *
 * The folder lies inside the product's own, which no driver may name. An entry carries a checksum of
 * its source, so that one that is stale is passed over by the runtime.
 */
import { spawn } from "node:child_process";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { insideId } from "./compile.ts";
import { codeFillMs } from "./limits.ts";
import { loadOnly } from "./load-only.ts";

const projectRoot = fileURLToPath(new URL("../../../../", import.meta.url)).replace(/\/$/, "");

export const codeCacheFolder = `${projectRoot}/.cache/node`;
const stampFile = `${projectRoot}/.cache/sandboxed`;

/** Makes the folder; false where this installation cannot be written to. */
export const makeCodeCache = (): boolean => {
  try {
    mkdirSync(codeCacheFolder, { recursive: true, mode: 0o700 });
    accessSync(codeCacheFolder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
};

/** What our processes run, relative to the project. */
export const programs = (): readonly string[] =>
  [
    ...readdirSync(join(projectRoot, "apps")).map((app) => `apps/${app}/src/main.ts`),
    "packages/drivers/src/main.ts",
  ].filter(
    (file) =>
      existsSync(join(projectRoot, file)) &&
      readFileSync(join(projectRoot, file), "utf8").match(/await run(Kernel|Driver)Process\b/) !==
        null,
  );

/** Changes with every source of ours, with the runtime and with the lockfile. */
const stampOf = (): string => {
  let newest =
    statSync(join(projectRoot, "pnpm-lock.yaml"), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  let files = 0;
  for (const group of ["apps", "packages"]) {
    for (const name of readdirSync(join(projectRoot, group))) {
      const source = join(projectRoot, group, name, "src");
      if (!existsSync(source)) continue;
      for (const entry of readdirSync(source, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || !entry.name.endsWith(".ts")) continue;
        newest = Math.max(newest, statSync(join(entry.parentPath, entry.name)).mtimeMs);
        files++;
      }
    }
  }
  return `${process.version} ${files} ${newest}\n`;
};

const isFilled = (stamp: string): boolean => {
  try {
    return readFileSync(stampFile, "utf8") === stamp;
  } catch {
    return false;
  }
};

/** One program, loaded outside any sandbox; whatever becomes of it, nobody depends on it. */
const load = (program: string, signal: AbortSignal | undefined): Promise<void> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, ["--no-warnings", join(projectRoot, program), loadOnly], {
      cwd: "/",
      env: { NODE_COMPILE_CACHE: codeCacheFolder, PATH: "/usr/local/bin:/usr/bin:/bin" },
      stdio: "ignore",
      timeout: codeFillMs,
      killSignal: "SIGKILL",
      ...(signal === undefined ? {} : { signal }),
    });
    child.once("error", () => {
      if (child.pid === undefined) resolve();
    });
    child.once("close", () => resolve());
  });

/**
 * The runtime keeps a folder for each version of itself and user; a sandbox knows the user by
 * another number, so that the folder gets a second name.
 */
const nameForInside = (): void => {
  const user = process.getuid?.() ?? 0;
  const inside = insideId(user);
  if (inside === user) return;
  for (const name of readdirSync(codeCacheFolder)) {
    if (!name.startsWith(`${process.version}-`) || !name.endsWith(`-${user}`)) continue;
    const other = `${name.slice(0, -String(user).length)}${inside}`;
    if (!existsSync(join(codeCacheFolder, other))) symlinkSync(name, join(codeCacheFolder, other));
  }
};

/** Fills the cache where sources are newer than it; true where there was something to do. */
export const fillCodeCache = async (signal?: AbortSignal): Promise<boolean> => {
  if (!makeCodeCache()) return false;
  const stamp = stampOf();
  if (isFilled(stamp)) return false;
  for (const program of programs()) {
    if (signal?.aborted === true) return false;
    await load(program, signal);
  }
  if (signal?.aborted === true) return false;
  nameForInside();
  writeFileSync(stampFile, stamp, { mode: 0o600 });
  return true;
};
