/** Starts a sandboxed program and tells whether its sandbox could be built. */
import { spawn, type ChildProcess, type IOType, type StdioOptions } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { Readable } from "node:stream";
import { err, ok, OperationError, type Rejection, type Result } from "@ioi/base";
import { codeBinds } from "./code-binds.ts";
import { codeCacheFolder } from "./code-cache.ts";
import { sandboxedCommand, type SandboxedCommand } from "./compile.ts";
import { findProgram } from "./namespace-tool.ts";
import { startedMark } from "./plan.ts";
import type { SandboxBind, SandboxSpec } from "./spec.ts";

export type StdioEntry = IOType | "ipc" | number | null | undefined;

export interface SpawnOptions {
  /** Our own TypeScript entry, run by this runtime; its code is bound for reading. */
  readonly entry?: string;
  /** Or any program, by its absolute path inside. */
  readonly program?: string;
  readonly args?: readonly string[];
  /** Flags of the runtime before `entry`. */
  readonly nodeArgs?: readonly string[];
  /** The whole environment beside HOME, LANG, PATH and TMPDIR. Nothing is inherited. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly stdio?: readonly StdioEntry[];
  readonly serialization?: "json" | "advanced";
  /**
   * The index in `stdio` of a message socket (`messagePair`) that takes the listening end of the
   * sandbox's way out, with these words (hex); the program does not get it. Needs `network: "own"`.
   */
  readonly bridge?: { readonly descriptor: number; readonly words: string };
  /** A session of its own, without the caller's terminal. */
  readonly detached?: boolean;
  /** Another user than the caller; only the superuser may say so. */
  readonly identity?: SandboxIdentity;
}

/** A user of the machine, and its group. */
export interface SandboxIdentity {
  readonly uid: number;
  readonly gid: number;
}

export interface SandboxedChild {
  /** `kill("SIGKILL")` ends the whole sandbox. */
  readonly child: ChildProcess;
  /** Settles when the program has started inside, or its sandbox could not be built. */
  readonly started: Promise<Result<void, Rejection<"E_SANDBOX_SETUP">>>;
}

/** What the runtime compiled is its owner's alone; another user does without. */
const withCode = (spec: SandboxSpec, foreign: boolean): SandboxSpec => {
  const shown = new Set(spec.binds.map((bind) => bind.path));
  const more: readonly SandboxBind[] = codeBinds().filter(
    ({ path }) => !shown.has(path) && !(foreign && path === codeCacheFolder),
  );
  return { ...spec, binds: [...more, ...spec.binds] };
};

const startReport = (child: ChildProcess, status: number): SandboxedChild["started"] =>
  new Promise((resolve) => {
    const stream = child.stdio[status] as Readable;
    let text = "";
    let settled = false;
    const settle = (failure: string | null): void => {
      if (settled) return;
      settled = true;
      stream.destroy();
      resolve(
        failure === null ? ok(undefined) : err({ code: "E_SANDBOX_SETUP", message: failure }),
      );
    };
    child.on("error", (error) => settle(error.message));
    stream.setEncoding("utf8");
    stream.on("data", (piece: string) => {
      text = (text + piece).slice(0, 65_536);
      if (text === startedMark) settle(null);
    });
    stream.on("end", () => settle(text === "" ? "ended before it started" : text));
    stream.on("error", (error: Error) => settle(error.message));
  });

/**
 * The command under another user, from its first process on: it is that user whose numbers the
 * namespaces map. Its own tool asks once more to end with its parent, since who changes the user
 * forgets that.
 */
const asUser = (
  { program, args }: SandboxedCommand,
  identity: SandboxIdentity | undefined,
): readonly [string, readonly string[]] => {
  if (identity === undefined) return [program, args];
  const setpriv = findProgram("setpriv");
  if (setpriv === null) throw new OperationError("E_SANDBOX_TOOL", "setpriv is missing");
  const { uid, gid } = identity;
  const user = [`--reuid=${uid}`, `--regid=${gid}`, "--clear-groups", "--inh-caps=-all"];
  return [setpriv, [...user, "--pdeathsig", "KILL", "--", program, ...args]];
};

/** What `child_process.spawn` is given; the environment holds the confiner and its plan. */
export interface Launch {
  readonly first: string;
  readonly rest: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly stdio: readonly StdioEntry[];
  /** Where the report comes. */
  readonly status: number;
  readonly options: Pick<SpawnOptions, "serialization" | "detached">;
}

export const launchOf = (spec: SandboxSpec, options: SpawnOptions): Launch => {
  const { entry, program, bridge } = options;
  if ((entry === undefined) === (program === undefined)) {
    throw new OperationError("E_SANDBOX_SPEC", "either an entry or a program");
  }
  const stdio: StdioEntry[] = [...(options.stdio ?? ["ignore", "inherit", "inherit"])];
  while (stdio.length < 3) stdio.push("ignore");
  const status = stdio.length;
  stdio.push("pipe");
  const command = sandboxedCommand(
    entry === undefined ? spec : withCode(spec, options.identity !== undefined),
    entry === undefined ? (program ?? "") : process.execPath,
    entry === undefined
      ? (options.args ?? [])
      : [...(options.nodeArgs ?? ["--no-warnings"]), entry, ...(options.args ?? [])],
    entry === undefined
      ? (options.env ?? {})
      : { NODE_COMPILE_CACHE: codeCacheFolder, ...options.env },
    {
      descriptors: stdio
        .map((given, index) =>
          given !== "ignore" && index !== status && index !== bridge?.descriptor ? index : -1,
        )
        .filter((index) => index > 2),
      status,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(bridge === undefined ? {} : { bridge }),
    },
  );
  const [first, rest] = asUser(command, options.identity);
  return {
    first,
    rest,
    env: command.env,
    stdio,
    status,
    options: {
      ...(options.serialization === undefined ? {} : { serialization: options.serialization }),
      ...(options.detached === undefined ? {} : { detached: options.detached }),
    },
  };
};

export const startLaunch = ({ first, rest, env, stdio, status, options }: Launch) => {
  const child = spawn(first, rest, { ...options, env, cwd: "/", stdio: stdio as StdioOptions });
  return { child, started: startReport(child, status) };
};

export const spawnSandboxed = (spec: SandboxSpec, options: SpawnOptions): SandboxedChild =>
  startLaunch(launchOf(spec, options));

const firstProcesses = (pid: number): readonly number[] => {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
      .split(" ")
      .map(Number)
      .filter((child) => child > 1);
  } catch {
    return [];
  }
};

/**
 * Ends a sandbox and resolves when nothing of it is left. The first process is killed rather than
 * the tool that waits for it: the tool's own end would come before that of the descendants.
 */
export const endSandbox = async (child: ChildProcess): Promise<void> => {
  const { pid } = child;
  if (pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  const first = firstProcesses(pid);
  for (const each of first) {
    try {
      process.kill(each, "SIGKILL");
    } catch {
      // It ended by itself.
    }
  }
  // Before the namespace exists there is nothing below the tool.
  if (first.length === 0) child.kill("SIGKILL");
  await ended;
};
