/**
 * Runs one command inside its own sandbox and waits until nothing of it is left. A stop, the wall
 * limit or a staging area that grows too large ends every descendant.
 *
 * The first process of the command's pid namespace is what is killed: when it is gone, the kernel
 * has ended all others, and only then does the tool that waits for it end.
 */
import fs from "node:fs";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { OperationError } from "@ioi/base";
import { type SandboxedChild, type SandboxSpec, spawnSandboxed } from "@ioi/host/sandbox";
import {
  outputHeadBytesMax,
  outputStreamBytesMax,
  outputTailBytesMax,
  stagedBytesMax,
  stagedCheckMs,
  stopMsMax,
} from "../limits.ts";
import type { InputSource } from "../core/driver.ts";
import { bytesBelow } from "../vault/vault.ts";
import { proxyEnvironment, type WayOut, type WayOutSum } from "../way-out/way-out.ts";
import { KeptOutput } from "./output.ts";

export interface RunRequest {
  readonly spec: SandboxSpec;
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly wallMs: number;
  readonly outputBytes: number;
  /** Folders whose growth is watched. */
  readonly staging: string;
  readonly signal: AbortSignal;
  readonly output: (bytes: Uint8Array, stream: "output" | "errors") => void;
  /** What the program reads; absent: nothing. */
  readonly input?: InputSource;
  /** Its way out, opened when its sandbox has sent it. */
  readonly wayOut?: WayOut;
  /** Beside what every program has. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Starts the sandbox; the tests end it at a moment of their own. */
  readonly spawn?: typeof spawnSandboxed;
}

export type RunEnd =
  | { readonly type: "exited"; readonly code: number | null; readonly signal: string | null }
  | { readonly type: "stopped" | "timeout" | "staged too large" }
  | { readonly type: "no network"; readonly code: string; readonly message: string }
  | { readonly type: "not started"; readonly why: string };

export interface RunResult {
  readonly end: RunEnd;
  readonly stdout: KeptOutput;
  readonly stderr: KeptOutput;
  /** What went over its way out. */
  readonly network?: WayOutSum;
}

/**
 * The environment is this and nothing else; HOME, LANG, PATH and TMPDIR are the sandbox's. Without
 * optional locks git leaves its index alone where it only looks.
 */
const environment: Readonly<Record<string, string>> = { TERM: "dumb", GIT_OPTIONAL_LOCKS: "0" };

const childrenOf = (pid: number): readonly number[] => {
  try {
    const text = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
    return text
      .split(" ")
      .map(Number)
      .filter((child) => child > 1);
  } catch {
    return [];
  }
};

/** Ends the namespace from its first process on; the waiting tool only where that does not help. */
const endAll = (child: ChildProcess): void => {
  const { pid } = child;
  if (pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const children = childrenOf(pid);
  for (const each of children) {
    try {
      process.kill(each, "SIGKILL");
    } catch {
      // It ended by itself.
    }
  }
  if (children.length === 0) child.kill("SIGKILL");
  else setTimeout(() => child.kill("SIGKILL"), stopMsMax / 2).unref();
};

/** What comes after `isCut` is the tool's complaint about its child's end, not the command's. */
const collect = (
  child: ChildProcess,
  request: RunRequest,
  isCut: () => boolean,
): [KeptOutput, KeptOutput] => {
  const half = Math.max(1, Math.floor(request.outputBytes / 2));
  let streamed = 0;
  const streams = [child.stdout, child.stderr].map((stream) => {
    const kept = new KeptOutput(
      Math.min(outputHeadBytesMax, half),
      Math.min(outputTailBytesMax, half),
    );
    stream?.on("data", (block: Buffer) => {
      if (isCut()) return;
      kept.push(block);
      const room = Math.min(outputStreamBytesMax, request.outputBytes) - streamed;
      if (room <= 0) return;
      const shown = Uint8Array.from(block.subarray(0, room));
      streamed += shown.length;
      request.output(shown, stream === child.stdout ? "output" : "errors");
    });
    stream?.on("error", () => undefined);
    return kept;
  });
  return streams as [KeptOutput, KeptOutput];
};

/** Where the message socket stands in the `stdio` of a program with a way out. */
export const wayOutIndex = 3;

/** A sandbox that cannot even be described for this machine is one that did not start. */
const start = (request: RunRequest): SandboxedChild | string => {
  const { wayOut, input } = request;
  try {
    return (request.spawn ?? spawnSandboxed)(request.spec, {
      program: request.program,
      args: request.args,
      env: {
        ...environment,
        ...(wayOut === undefined ? {} : proxyEnvironment),
        ...request.environment,
      },
      cwd: request.cwd,
      stdio: [
        input === undefined ? "ignore" : "pipe",
        "pipe",
        "pipe",
        ...(wayOut === undefined ? [] : [wayOut.descriptor]),
      ],
      ...(wayOut === undefined ? {} : { bridge: wayOut.bridge }),
      detached: true,
    });
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    return error.message;
  }
};

/** What is typed goes to the program as it takes it; what it does not read is its own affair. */
const feed = ({ stdin }: ChildProcess, input: InputSource | undefined): void => {
  if (stdin === null || input === undefined) return;
  stdin.on("error", () => undefined);
  input.read((bytes) => {
    if (bytes === undefined) stdin.end();
    else if (!stdin.destroyed) stdin.write(bytes);
  });
};

/** Why egress does not serve the program's way out; undefined where it does, or there is none. */
const opened = async ({ wayOut, signal }: RunRequest): Promise<OperationError | undefined> => {
  try {
    await wayOut?.open(signal);
    return undefined;
  } catch (error) {
    if (error instanceof OperationError) return error;
    if (!signal.aborted) throw error;
    return new OperationError("E_ABORTED", "the command was stopped");
  }
};

export const runCommand = async (request: RunRequest): Promise<RunResult> => {
  const sandboxed = start(request);
  if (typeof sandboxed === "string") {
    const [stdout, stderr] = [new KeptOutput(0, 0), new KeptOutput(0, 0)];
    return { end: { type: "not started", why: sandboxed }, stdout, stderr };
  }
  const { child, started } = sandboxed;
  let cut: "stopped" | "timeout" | "staged too large" | "no network" | undefined;
  const [stdout, stderr] = collect(child, request, () => cut !== undefined);
  const closed = once(child, "close").catch(() => undefined);
  const stop = (why: typeof cut) => (): void => {
    cut ??= why;
    endAll(child);
  };
  const { wayOut } = request;
  const onAbort = (): void => {
    if (wayOut === undefined) return stop("stopped")();
    // Whatever the program makes of its cut connections, it was stopped.
    cut ??= "stopped";
    void wayOut.cut().finally(() => endAll(child));
  };
  request.signal.addEventListener("abort", onAbort, { once: true });
  if (request.signal.aborted) onAbort();
  const wall = setTimeout(stop("timeout"), request.wallMs);
  const watch = setInterval(() => {
    if (bytesBelow(request.staging) > stagedBytesMax) stop("staged too large")();
  }, stagedCheckMs);
  const ready = await started;
  if (ready.ok) feed(child, request.input);
  const failure = ready.ok && cut === undefined ? await opened(request) : undefined;
  if (failure !== undefined) stop("no network")();
  await closed;
  clearTimeout(wall);
  clearInterval(watch);
  request.signal.removeEventListener("abort", onAbort);
  const end: RunEnd =
    failure !== undefined && cut === "no network"
      ? { type: cut, code: failure.code, message: failure.message }
      : cut !== undefined && cut !== "no network"
        ? { type: cut }
        : ready.ok
          ? { type: "exited", code: child.exitCode, signal: child.signalCode }
          : { type: "not started", why: ready.error.message };
  return { end, stdout, stderr };
};
