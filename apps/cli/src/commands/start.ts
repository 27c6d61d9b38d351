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

/** Resolves when the process that started us is no longer our parent. */
const orphaned = async (parent: string | undefined, signal: AbortSignal): Promise<void> => {
  const pid = Number(parent);
  while (Number.isSafeInteger(pid) && pid > 0 && process.ppid === pid) {
    await sleep(parentPollMs, undefined, { signal });
  }
  if (!(Number.isSafeInteger(pid) && pid > 0)) await new Promise<never>(() => undefined);
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
