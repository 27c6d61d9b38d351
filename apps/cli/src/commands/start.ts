/** `ioi start`: the launcher as a child of this process, its ready line, its end. */
import { setTimeout as sleep } from "node:timers/promises";
import { exitCodes } from "@ioi/base";
import type { Handler } from "../context.ts";
import { launchKernel } from "../kernel/launch.ts";
import { failWith, SignalExit } from "../report.ts";

interface StartOptions {
  readonly port: number;
  readonly host: string;
  readonly exitWhenReady?: boolean;
}

/** Set by a wrapper that must not leave us behind when it is killed. */
const parentVariable = "IOI_PARENT_PID";
const parentPollMs = 250;

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
};

/**
 * Resolves when the wrapper is gone. It is our parent, or it stands further up and the variable was
 * inherited: then who started us is to be left alone as long as the wrapper lives.
 */
const orphaned = async (wrapper: string | undefined, signal: AbortSignal): Promise<void> => {
  const pid = Number(wrapper);
  if (!Number.isSafeInteger(pid) || pid <= 0) await new Promise<never>(() => undefined);
  const isParent = process.ppid === pid;
  while (isParent ? process.ppid === pid : isAlive(pid)) {
    await sleep(parentPollMs, undefined, { signal });
  }
};

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });

export const start: Handler<StartOptions> = async (context, { options }) => {
  const { io, output, signal } = context;
  const kernel = await launchKernel(
    { data: context.dataFolder, host: options.host, port: options.port },
    { signal, onText: (text) => io.err(text) },
  );
  try {
    output.line(`ORCHESTRATION_RPC_LISTENING_ON_${kernel.rpc}`);
    output.value({ schema: "ioi.start/1", pid: kernel.pid, rpc: kernel.rpc, http: kernel.http });
    if (options.exitWhenReady === true) return exitCodes.done;
    const end = await Promise.race([
      kernel.exited,
      aborted(signal),
      orphaned(io.env[parentVariable], signal).catch(() => undefined),
    ]);
    if (typeof end === "number") {
      throw failWith({
        code: "E_CLI_KERNEL_GONE",
        message: `the launcher ended with exit code ${end}`,
        next: "./ioi logs",
      });
    }
    signal.throwIfAborted();
    throw new SignalExit("SIGTERM");
  } finally {
    await kernel.stop();
  }
};
