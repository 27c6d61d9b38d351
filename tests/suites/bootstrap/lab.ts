/**
 * Fresh copies of the project in a scratch folder, and `npm start` in them as a newcomer would
 * type it: the machine's own Node and npm, a home folder of its own, no cache.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { filesOf } from "../../../tools/lib/project.ts";

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout(): string;
  stderr(): string;
}

export interface Lab extends AsyncDisposable {
  /** A folder of this run; everything is inside it. */
  readonly folder: string;
  /** A copy of the project without anything installed. */
  copy(name: string): string;
  /** One that stays without: of those that are refused and leave nothing behind, one after the other. */
  bare(): string;
  /** A copy in which the runtime and packages are installed; made once, by one cold start. */
  installed(): Promise<Installed>;
  run(cwd: string, command: readonly string[], env?: NodeJS.ProcessEnv): Running;
  /** Processes that run out of a copy, as `pid name`. */
  processesOf(copy: string): readonly string[];
}

export interface Installed {
  readonly copy: string;
  readonly data: string;
  readonly cold: Ended;
}

export const readyLine = /^ORCHESTRATION_RPC_LISTENING_ON_[0-9.]+:[0-9]+$/gm;

/** Programs of the machine, not those of the project that runs this suite. */
const pathWithout = (root: string): string =>
  (process.env["PATH"] ?? "/usr/bin:/bin")
    .split(":")
    .filter((folder) => !folder.startsWith(root))
    .join(":");

export const findProgram = (name: string, root: string): string | undefined =>
  pathWithout(root)
    .split(":")
    .map((folder) => join(folder, name))
    .find((file) => existsSync(file));

const environment = (root: string, home: string): NodeJS.ProcessEnv => {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(npm_|pnpm_|IOI_|NODE_(?!EXTRA_CA))|^(INIT_CWD|CI|XDG_.*)$/i.test(name),
    ),
  );
  return { ...env, HOME: home, PATH: pathWithout(root) };
};

const start = (cwd: string, command: readonly string[], env: NodeJS.ProcessEnv): Running => {
  const [file = "", ...args] = command;
  const started = performance.now();
  const child = spawn(file, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"], detached: true });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString("utf8")));
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString("utf8")));
  const ended = new Promise<Ended>((settle, fail) => {
    child.once("error", fail);
    child.once("exit", (code) => {
      const ms = performance.now() - started;
      // The pipes may be held by a process that should be gone; they are read as far as they are.
      setImmediate(() => settle({ code, stdout: out, stderr: err, ms }));
    });
  });
  return { child, ended, stdout: () => out, stderr: () => err };
};

/** The program file of a process, whatever mount namespace it lives in. */
const isProgram = (
  pid: string,
  program: { readonly dev: number; readonly ino: number },
): boolean => {
  try {
    const { dev, ino } = statSync(`/proc/${pid}/exe`);
    return dev === program.dev && ino === program.ino;
  } catch {
    return false;
  }
};

const workingFolder = (pid: string): string => {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return "";
  }
};

const commandLine = (pid: string): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
  } catch {
    return "";
  }
};

/** Works in the copy, or names it. */
const isIn = (pid: string, copy: string): boolean => {
  const folder = workingFolder(pid);
  return folder === copy || folder.startsWith(`${copy}/`) || commandLine(pid).includes(copy);
};

const processesOf = (copy: string): readonly string[] => {
  const node = join(copy, ".runtime/bin/node");
  const program = existsSync(node) ? statSync(node) : { dev: -1, ino: -1 };
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => isProgram(pid, program) || isIn(pid, copy))
    .map((pid) => `${pid} ${commandLine(pid)}`);
};

export const makeLab = (root: string, progress: (text: string) => void): Lab => {
  const folder = mkdtempSync(join(tmpdir(), "ioi-bootstrap-"));
  const home = join(folder, "home");
  mkdirSync(home);
  // How this machine reaches the registry, if it has to be told.
  const settings = join(homedir(), ".npmrc");
  if (existsSync(settings)) copyFileSync(settings, join(home, ".npmrc"));
  const env = environment(root, home);
  let installing: Promise<Installed> | undefined;

  // Read once: the project may change while this runs.
  const pristine = join(folder, "pristine");
  for (const file of filesOf(root)) {
    mkdirSync(dirname(join(pristine, file)), { recursive: true });
    cpSync(join(root, file), join(pristine, file));
  }

  const copy = (name: string): string => {
    const target = join(folder, name);
    execFileSync("cp", ["-a", pristine, target]);
    return target;
  };

  let bareCopy: string | undefined;

  const run = (cwd: string, command: readonly string[], more: NodeJS.ProcessEnv = {}): Running =>
    start(cwd, command, { ...env, ...more });

  const install = async (): Promise<Installed> => {
    progress("cold start in a fresh copy");
    const target = copy("installed");
    const data = join(folder, "data");
    const cold = await run(target, startCommand(data)).ended;
    return { copy: target, data, cold };
  };

  return {
    folder,
    copy,
    bare: () => (bareCopy ??= copy("bare")),
    run,
    processesOf,
    installed: () => (installing ??= install()),
    [Symbol.asyncDispose]: async () => {
      for (const line of processesOf(folder)) {
        try {
          process.kill(Number(line.split(" ")[0]), "SIGKILL");
        } catch {
          // Gone by itself.
        }
      }
      await new Promise((wait) => setTimeout(wait, 100));
      // Some ten thousand files: the runtime's own way takes several times as long.
      execFileSync("rm", ["-rf", folder]);
    },
  };
};

/** What a newcomer types. */
export const startCommand = (data: string, ...more: readonly string[]): readonly string[] => [
  "npm",
  "start",
  "--",
  "--data",
  data,
  "--port",
  "0",
  "--exit-when-ready",
  ...more,
];

/** The same, staying up. */
export const stayCommand = (data: string): readonly string[] =>
  startCommand(data).filter((word) => word !== "--exit-when-ready");

/** Waits until a condition holds, looking every 50 ms; false when it did not in time. */
export const within = async (ms: number, holds: () => boolean): Promise<boolean> => {
  const until = performance.now() + ms;
  while (performance.now() < until) {
    if (holds()) return true;
    await new Promise((wait) => setTimeout(wait, 50));
  }
  return holds();
};
