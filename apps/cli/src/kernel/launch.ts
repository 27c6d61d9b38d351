/**
 * Starts the launcher, the kernel's first process, as a child.
 *
 * The contract with it: its one argument is {@link LauncherConfig} in JSON; when the kernel is ready
 * or cannot start it writes one JSON line to descriptor 3 ({@link ReadyLine}); its stdin is a
 * lifeline, so that the end of this process, however it comes, ends the kernel, unless others hold
 * it: then the last of them does; SIGTERM drains.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Readable } from "node:stream";
import { type ExitCode, exitCodes, type OperationError } from "@ioi/base";
import { kernelEnvironment, keysFile } from "./environment.ts";
import { kernelDrainMs, kernelReadyMs, readyLineBytesMax } from "../limits.ts";
import { projectRoot } from "../program.ts";
import { failWith } from "../report.ts";

export interface LauncherConfig {
  /** Absolute path of the data folder. */
  readonly data: string;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Absent: no page is served. */
  readonly page?: PageConfig;
  readonly egress?: EgressConfig;
}

export interface EgressConfig {
  /** Certificate authorities beside the platform's, in PEM. */
  readonly authorities?: readonly string[];
  /** `address:port`. */
  readonly resolver?: string;
}

export interface PageConfig {
  /** Absent: the port of the last time, else `defaultPort`; 0 takes a free one. */
  readonly port?: number;
  readonly defaultPort: number;
  /** Where built pages lie; empty: none is built. */
  readonly pages: string;
}

export type ReadyLine =
  | { readonly rpc: string; readonly http: string; readonly page: string }
  | {
      readonly error: {
        readonly code: string;
        readonly message: string;
        readonly next?: string;
        readonly exit?: ExitCode;
      };
    };

export interface LaunchedKernel {
  readonly pid: number;
  readonly rpc: string;
  readonly http: string;
  /** Where the page is; empty where none is served. */
  readonly page: string;
  /** The launcher's exit code, 128 + signal where it died of one. */
  readonly exited: Promise<number>;
  /** Drains and waits; kills what does not end in time. */
  stop(): Promise<void>;
  /** It goes on without this process, for those who hold it. */
  leave(): void;
}

/** Where the launcher finds the keys of the environment. */
const keysDescriptor = 4;

const launcherProgram = resolve(projectRoot, "apps/launcher/src/main.ts");

const firstLine = (stream: Readable): Promise<string> =>
  new Promise((resolvePromise) => {
    let text = "";
    stream.setEncoding("utf8");
    stream.on("data", (chunk: string) => {
      text += chunk;
      const end = text.indexOf("\n");
      if (end >= 0 || text.length > readyLineBytesMax) {
        resolvePromise(text.slice(0, end < 0 ? readyLineBytesMax : end));
      }
    });
    stream.on("error", () => resolvePromise(text));
    stream.on("close", () => resolvePromise(text));
  });

const exitOf = (child: ChildProcess): Promise<number> =>
  new Promise((resolvePromise) => {
    const signals: Readonly<Record<string, number>> = { SIGINT: 130, SIGTERM: 143, SIGKILL: 137 };
    child.once("exit", (code, signal) => resolvePromise(code ?? signals[signal ?? ""] ?? 1));
    child.once("error", () => resolvePromise(127));
  });

const parseReady = (line: string): ReadyLine | undefined => {
  try {
    const value = JSON.parse(line) as Partial<Record<"rpc" | "http" | "page", unknown>> & {
      readonly error?: Record<string, unknown>;
    };
    if (value.error !== undefined) {
      const { code, message, next, exit } = value.error;
      const known = Object.values(exitCodes).find(
        (each) => each !== exitCodes.done && each === exit,
      );
      return {
        error: {
          code: String(code),
          message: String(message),
          ...(typeof next === "string" ? { next } : {}),
          ...(known === undefined ? {} : { exit: known }),
        },
      };
    }
    const { rpc, http, page } = value;
    const text = (each: unknown): string => (typeof each === "string" ? each : "");
    return typeof rpc === "string" ? { rpc, http: text(http), page: text(page) } : undefined;
  } catch {
    return undefined;
  }
};

const withTimeout = async <T>(
  promise: Promise<T>,
  ms: number,
  signal?: AbortSignal,
): Promise<T | "timeout"> => {
  let timer: NodeJS.Timeout | undefined;
  let onAbort: (() => void) | undefined;
  try {
    return await Promise.race([
      promise,
      new Promise<"timeout">((resolvePromise, reject) => {
        timer = setTimeout(() => resolvePromise("timeout"), ms);
        onAbort = () => reject(signal?.reason);
        signal?.addEventListener("abort", onAbort, { once: true });
        if (signal?.aborted === true) onAbort();
      }),
    ]);
  } finally {
    clearTimeout(timer);
    if (onAbort !== undefined) signal?.removeEventListener("abort", onAbort);
  }
};

const startError = (message: string, cause?: unknown): OperationError =>
  failWith({ code: "E_CLI_KERNEL_START", message }, cause);

/** Starts a kernel and returns once it is ready. */
export const launchKernel = async (
  config: LauncherConfig,
  options: {
    readonly signal: AbortSignal;
    /** What the launcher writes to stderr. */
    readonly onText: (text: string) => void;
    readonly program?: string;
    /** The person's; what of it the kernel gets is decided here. */
    readonly env: Readonly<Record<string, string | undefined>>;
  },
): Promise<LaunchedKernel> => {
  const program = options.program ?? launcherProgram;
  if (!existsSync(program)) throw startError("the launcher is not part of this installation");
  const keys = keysFile(options.env);
  const whole = keys === undefined ? config : { ...config, keysDescriptor };
  const child = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", program, JSON.stringify(whole)],
    {
      stdio: ["pipe", "ignore", "pipe", "pipe", keys ?? "ignore"],
      detached: true,
      env: kernelEnvironment(options.env),
    },
  );
  if (keys !== undefined) closeSync(keys);
  const exited = exitOf(child);
  child.stdin?.on("error", () => undefined);
  child.stderr?.setEncoding("utf8");
  child.stderr?.on("data", (text: string) => options.onText(text));
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> =>
    (stopping ??= (async () => {
      child.kill("SIGTERM");
      if ((await withTimeout(exited, kernelDrainMs)) !== "timeout") return;
      child.kill("SIGKILL");
      await exited;
    })());
  try {
    const line = await withTimeout(
      Promise.race([firstLine(child.stdio[3] as Readable), exited]),
      kernelReadyMs,
      options.signal,
    );
    const ready = typeof line === "string" ? parseReady(line) : undefined;
    if (line === "timeout") throw startError(`it was not ready after ${kernelReadyMs / 1000} s`);
    if (ready === undefined) throw startError("the launcher ended before it was ready");
    if ("error" in ready) throw failWith(ready.error);
    if (child.pid === undefined) throw startError("the launcher has no process");
    const { rpc, http, page } = ready;
    const leave = (): void => {
      for (const stream of child.stdio) stream?.destroy();
      child.unref();
    };
    return { pid: child.pid, rpc, http, page, exited, stop, leave };
  } catch (error) {
    await stop();
    throw error;
  }
};
