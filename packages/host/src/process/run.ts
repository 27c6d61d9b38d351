/**
 * What every process of the kernel does alike: take its configuration, answer the launcher, end
 * when the launcher ends, drain when asked, and die on a bug.
 *
 * Exit codes: 0 drained or the launcher is gone; 1 a bug; 5 the world failed at start.
 */
import type { Duplex } from "node:stream";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Log, OperationError } from "@ioi/base";
import { pb } from "@ioi/wire";
import { createLog } from "../ports/index.ts";
import { loadOnly } from "../sandbox/load-only.ts";
import { type Implementation, implement, serve } from "../rpc/index.ts";
import { descriptors, inheritedSocket, readConfig } from "./descriptors.ts";
import { drainMs } from "./limits.ts";
import { metricsText } from "./metrics.ts";

export interface KernelProcess {
  hello(): MessageInitShape<typeof pb.HelloReplySchema>;
  /** Make durable what is acknowledged. */
  drain(): Promise<void>;
  /** Guardian: who is who. */
  registerInstance?(request: pb.RegisterInstanceRequest): void;
  /** Other services that the launcher may call. */
  readonly services?: readonly Implementation[];
}

const report = (log: Log, event: string, error: unknown): void => {
  log.log("error", event, {
    code: error instanceof OperationError ? error.code : "bug",
    message: error instanceof OperationError ? error.message : undefined,
    name: error instanceof Error ? error.name : typeof error,
    // Names of functions and files, never values.
    stack:
      error instanceof Error ? (error.stack ?? "").split("\n").slice(1, 8).join(" ") : undefined,
  });
};

/** Ends the process after a bug. The launcher sees it and starts the kernel's processes anew. */
export const dieOnBug =
  (log: Log) =>
  (error: unknown): void => {
    report(log, "process.bug", error);
    process.exit(1);
  };

/** Ends the process after a failure of the world that only a new life can mend. */
export const dieOn =
  (log: Log) =>
  (error: unknown): void => {
    report(log, "process.failed", error);
    process.exit(5);
  };

const processService = (kernelProcess: KernelProcess, log: Log): Implementation =>
  implement(pb.Process, {
    hello: async () => kernelProcess.hello(),
    drain: async () => {
      const timer = setTimeout(() => {
        log.log("error", "process.drain-timeout");
        process.exit(5);
      }, drainMs);
      await kernelProcess.drain();
      clearTimeout(timer);
      setImmediate(() => setImmediate(() => process.exit(0)));
      return {};
    },
    metrics: async () => ({ prometheus: await metricsText() }),
    registerInstance: async (request) => {
      if (kernelProcess.registerInstance === undefined) {
        throw new OperationError("E_RPC_UNKNOWN_METHOD", "this process registers no instances");
      }
      kernelProcess.registerInstance(request);
      return {};
    },
  });

/** The whole life of a process of the kernel; nothing, where only its code is to be loaded. */
export const runKernelProcess = async <C>(
  name: string,
  start: (config: C, log: Log) => Promise<KernelProcess>,
): Promise<void> => {
  if (process.argv[2] === loadOnly) return;
  const log = createLog({ fields: { process: name } });
  process.on("uncaughtException", dieOnBug(log));
  process.on("unhandledRejection", dieOnBug(log));
  // A terminal's Ctrl-C reaches the whole group; the launcher decides what it means.
  process.on("SIGINT", () => undefined);
  process.on("SIGTERM", () => undefined);
  process.on("SIGHUP", () => undefined);
  const launcher = inheritedSocket(descriptors.process);
  let kernelProcess: KernelProcess;
  try {
    kernelProcess = await start(readConfig<C>(), log);
  } catch (error) {
    report(log, "process.failed", error);
    await tellLauncher(launcher, error);
    process.exit(error instanceof OperationError ? 5 : 1);
  }
  const served = serve(
    launcher,
    [processService(kernelProcess, log), ...(kernelProcess.services ?? [])],
    { peer: "launcher", onBug: dieOnBug(log) },
  );
  log.log("info", "process.ready", { pid: process.pid });
  await served.closed;
  process.exit(0);
};

/** How long a process that could not start waits to be asked why, in milliseconds. */
const lastWordsMs = 2_000;

/** Answers the launcher's greeting with why there is nobody to greet. */
const tellLauncher = async (launcher: Duplex, error: unknown): Promise<void> => {
  const told = Promise.withResolvers<void>();
  const failure = async (): Promise<never> => {
    setImmediate(() => setTimeout(told.resolve, 20));
    throw error;
  };
  const service = implement(pb.Process, {
    hello: failure,
    drain: failure,
    metrics: failure,
    registerInstance: failure,
  });
  const served = serve(launcher, [service], { peer: "launcher" });
  setTimeout(told.resolve, lastWordsMs).unref();
  await Promise.race([told.promise, served.closed]);
};
