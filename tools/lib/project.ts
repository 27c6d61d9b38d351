/** The project's files, and running its tools. */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";

export const projectRoot = resolve(import.meta.dirname, "../..");

/** Folders that hold nothing of the project's own. */
const skipped = new Set(["node_modules", ".git", ".runtime", ".cache", "out", "ioi-data"]);

/** Every file of a project, relative to it, in code point order. */
export const filesOf = (root: string): readonly string[] => {
  const found: string[] = [];
  const walk = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (skipped.has(entry.name)) continue;
      const full = join(folder, entry.name);
      if (entry.isDirectory()) walk(full);
      else if (entry.isFile()) found.push(relative(root, full));
    }
  };
  walk(root);
  return found.toSorted((a, b) => (a < b ? -1 : 1));
};

export const readText = (root: string, file: string): string =>
  readFileSync(join(root, file), "utf8");

export interface Ended {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
  readonly ms: number;
}

export interface RunOptions {
  readonly cwd: string;
  readonly timeoutMs: number;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** Runs a program to its end and keeps what it printed; the last 8 MiB of each stream. */
export const run = (file: string, args: readonly string[], options: RunOptions): Promise<Ended> =>
  new Promise((settle, fail) => {
    const started = performance.now();
    const child = spawn(file, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    const out = collect();
    const err = collect();
    let timedOut = false;
    child.stdout.on("data", out.add);
    child.stderr.on("data", err.add);
    // The whole group, so that nothing a test left behind holds the pipes open.
    const end = (): void => {
      if (child.pid !== undefined) killGroup(child.pid);
    };
    const timer = setTimeout(() => {
      timedOut = true;
      end();
    }, options.timeoutMs);
    process.once("exit", end);
    child.once("error", fail);
    child.once("close", (code) => {
      clearTimeout(timer);
      process.off("exit", end);
      const ms = performance.now() - started;
      settle({ code, stdout: out.text(), stderr: err.text(), timedOut, ms });
    });
  });

const outputBytesMax = 8_388_608;

const collect = (): { readonly add: (chunk: Buffer) => void; readonly text: () => string } => {
  let kept = "";
  return {
    add: (chunk) => {
      kept = (kept + chunk.toString("utf8")).slice(-outputBytesMax);
    },
    text: () => kept,
  };
};

const killGroup = (pid: number): void => {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Gone already.
  }
};

/** A tool of the workspace's node_modules. */
export const tool = (name: string): string => join(projectRoot, "node_modules/.bin", name);
