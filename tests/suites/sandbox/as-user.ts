/**
 * Runs a program of the project as an ordinary user from a process of root. The project may stand
 * in a folder which that user cannot enter, so it is shown at another place in a mount namespace of
 * its own.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** A user and group that own nothing. */
const userId = 4242;

/** $1 project, $2 its place, $3 runtime, $4 its place, $5 temporary folder, $6 entry below the project, rest. */
const script = `set -e
mount --bind "$1" "$2"
mount --bind "$3" "$4"
runtime=$4 entry=$2/$6
export TMPDIR=$5 HOME=$5/home
shift 6
cd /
exec setpriv --reuid ${userId} --regid ${userId} --clear-groups \\
  "$runtime" --no-warnings "$entry" "$@"
`;

export interface UserRun {
  /** What the program printed; null where it did not end well. */
  readonly out: string | null;
  readonly failure: string;
}

export const runAsUser = async (
  root: string,
  entry: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<UserRun> => {
  const base = mkdtempSync(`${tmpdir()}/ioi-as-user-`);
  try {
    chmodSync(base, 0o755);
    const [project, runtime, temporary] = [`${base}/project`, `${base}/node`, `${base}/tmp`];
    mkdirSync(project);
    writeFileSync(runtime, "");
    mkdirSync(temporary);
    mkdirSync(`${temporary}/home`);
    writeFileSync(`${temporary}/home/letter.txt`, "not for a sandbox");
    chownSync(temporary, userId, userId);
    chownSync(`${temporary}/home`, userId, userId);
    const places = [root, project, process.execPath, runtime, temporary];
    const all = [...places, path.relative(root, entry), ...args];
    const child = spawn(
      "/usr/bin/unshare",
      ["--mount", "--propagation", "private", "/bin/sh", "-c", script, "sh", ...all],
      { env: { PATH: "/usr/bin:/bin" }, stdio: ["ignore", "pipe", "pipe"], signal },
    );
    const text = { out: "", err: "" };
    child.stdout.setEncoding("utf8").on("data", (piece: string) => (text.out += piece));
    child.stderr.setEncoding("utf8").on("data", (piece: string) => (text.err += piece));
    const [code] = (await once(child, "close")) as [number | null];
    return code === 0
      ? { out: text.out, failure: "" }
      : { out: null, failure: text.err.slice(-2000) };
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
};
