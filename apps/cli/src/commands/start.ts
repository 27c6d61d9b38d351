/** `ioi start`: the launcher as a child of this process, its ready line, its end. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { exitCodes, OperationError } from "@ioi/base";
import { forgetVariables } from "@ioi/host/libc";
import type { CommandContext, Handler } from "../context.ts";
import { keysIn } from "../kernel/environment.ts";
import { readBounded } from "../kernel/folder.ts";
import { type EgressConfig, launchKernel, type PageConfig } from "../kernel/launch.ts";
import { projectRoot } from "../program.ts";
import { failWith, hint, SignalExit, usage } from "../report.ts";
import { hasDisplay, openPage } from "./open.ts";

interface StartOptions {
  readonly port: number;
  readonly host: string;
  readonly exitWhenReady?: boolean;
  /** False with --no-page. */
  readonly page: boolean;
  readonly pagePort?: number;
  /** False with --no-open. */
  readonly open: boolean;
  readonly ca?: string;
  readonly resolver?: string;
}

const certificate = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

const egressOf = ({ ca, resolver }: StartOptions): EgressConfig | undefined => {
  if (ca === undefined && resolver === undefined) return undefined;
  const text = ca === undefined ? "" : Buffer.from(readBounded(ca)).toString("utf8");
  const authorities = text.match(certificate) ?? [];
  if (ca !== undefined && authorities.length === 0) throw usage(`${ca} holds no certificate`);
  return { authorities, ...(resolver === undefined ? {} : { resolver }) };
};

const defaultPagePort = 9001;

/** Who takes any port for the one takes any for the other. */
const pageOf = ({ page, pagePort, port, exitWhenReady }: StartOptions): PageConfig | undefined => {
  if (!page || exitWhenReady === true) return undefined;
  const wanted = pagePort ?? (port === 0 ? 0 : undefined);
  return {
    ...(wanted === undefined ? {} : { port: wanted }),
    defaultPort: defaultPagePort,
    pages: join(projectRoot, ".runtime/page"),
  };
};

/** The page's address for who reads, its opened link for who has a display. */
const showPage = async (context: CommandContext, page: string, open: boolean): Promise<void> => {
  const { output, io, dataGiven } = context;
  output.progress(`page: ${page}  (${hint("./ioi open", dataGiven)} gives the link)`);
  if (!open || output.json || !io.stdoutIsTerminal || !hasDisplay(io.env)) return;
  try {
    await openPage(context);
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    output.progress(`the page was not opened: ${error.message}`);
  }
};

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
  const page = pageOf(options);
  const egress = egressOf(options);
  const kernel = await launchKernel(
    {
      data: context.dataFolder,
      host: options.host,
      port: options.port,
      ...(page === undefined ? {} : { page }),
      ...(egress === undefined ? {} : { egress }),
    },
    { signal, env: io.env, onText: (text) => io.err(text) },
  );
  // What was handed on is not to be read here.
  if (io.env === process.env) forgetVariables(keysIn(io.env));
  try {
    output.line(`ORCHESTRATION_RPC_LISTENING_ON_${kernel.rpc}`);
    output.value({
      schema: "ioi.start/1",
      pid: kernel.pid,
      rpc: kernel.rpc,
      http: kernel.http,
      page: kernel.page === "" ? null : kernel.page,
    });
    if (options.exitWhenReady === true) return exitCodes.done;
    if (kernel.page !== "") await showPage(context, kernel.page, options.open);
    const end = await Promise.race([
      kernel.exited,
      aborted(signal),
      orphaned(io.env[parentVariable], signal).catch(() => undefined),
    ]);
    if (end === 0) {
      output.progress("the kernel was stopped");
      return exitCodes.done;
    }
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
