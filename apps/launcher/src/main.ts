/**
 * The launcher: the kernel's first process and the only one that starts others. It makes channels,
 * certificates and sandboxes, supervises, and kills. It has no network and judges nothing.
 *
 * Contract with who starts it: one argument, {@link LauncherConfig} as JSON; one JSON line on
 * descriptor 3 when ready or not; the end of standard input ends the kernel, or lets the last who
 * holds it end it; SIGTERM drains.
 */
import fs from "node:fs";
import { dieOnBug } from "@ioi/host/process";
import { OperationError } from "@ioi/base";
import type { LauncherConfig } from "./config.ts";
import { failureLine } from "./failure.ts";
import { Supervisor } from "./supervisor.ts";

const readyDescriptor = 3;

const report = (line: object): void => {
  try {
    fs.writeSync(readyDescriptor, `${JSON.stringify(line)}\n`);
  } catch {
    // Started by hand: nobody listens there.
  }
};

const parseConfig = (text: string | undefined): LauncherConfig => {
  try {
    const config = JSON.parse(text ?? "") as LauncherConfig;
    if (typeof config.data === "string" && typeof config.port === "number") return config;
  } catch {
    // Reported below.
  }
  throw new OperationError(
    "E_LAUNCHER_CONFIG",
    "one argument is needed: the configuration as JSON",
  );
};

const main = async (): Promise<void> => {
  const supervisor = await Supervisor.start(parseConfig(process.argv[2]));
  process.on("uncaughtException", dieOnBug(supervisor.log));
  process.on("unhandledRejection", dieOnBug(supervisor.log));
  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    supervisor.stop().then(
      () => process.exit(0),
      () => process.exit(5),
    );
  };
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, stop);
  supervisor.onShutdown(stop);
  const alone = (): void => supervisor.startedByNobody();
  process.stdin.on("end", alone);
  process.stdin.on("error", alone);
  process.stdin.resume();
  // It may outlive who reads this.
  process.stderr.on("error", () => undefined);
  const { rpcAddress: rpc, httpAddress: http, pageAddress: page } = supervisor;
  report({ rpc, http, page });
};

main().catch(async (error: unknown) => {
  const failure = await failureLine(error);
  report({ error: failure });
  if (!(error instanceof OperationError) && error instanceof Error) {
    process.stderr.write(`${error.stack ?? error.message}\n`);
  }
  process.exit(error instanceof OperationError ? 5 : 1);
});
