/**
 * The product as its users run it, for suites, benches and end-to-end tests: the command line as a
 * child process, and a kernel on a folder of its own.
 */
import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { OperationError } from "@ioi/base";
import { client, dial } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";

export const projectRoot: string = fileURLToPath(new URL("../../", import.meta.url)).replace(
  /\/$/,
  "",
);
const cliMain = path.join(projectRoot, "apps/cli/src/main.ts");
/** The launcher, which takes its configuration in JSON and says on descriptor 3 that it is ready. */
export const launcherMain: string = path.join(projectRoot, "apps/launcher/src/main.ts");
const nodeArgs = ["--disable-warning=ExperimentalWarning"];

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as JSON; undefined where it is none. */
  readonly json: unknown;
}

export interface CliOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly timeoutMs?: number;
}

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** Runs `ioi ARGS` to its end. */
export const ioi = (args: readonly string[], options: CliOptions = {}): Promise<CliResult> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...nodeArgs, cliMain, ...args], {
      cwd: options.cwd ?? os.tmpdir(),
      env: { ...process.env, NO_COLOR: "1", ...options.env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs ?? 60_000);
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.input ?? "");
    child.once("error", reject);
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      resolve({
        code: code ?? (signal === "SIGKILL" ? 137 : 1),
        stdout,
        stderr,
        json: parse(stdout),
      });
    });
  });

/** A folder that is removed with its owner. */
export class Scratch implements Disposable {
  readonly path: string = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "ioi-test-")));

  at(...parts: readonly string[]): string {
    return path.join(this.path, ...parts);
  }

  folder(name: string): string {
    const folder = this.at(name);
    fs.mkdirSync(folder, { recursive: true });
    return folder;
  }

  [Symbol.dispose](): void {
    fs.rmSync(this.path, { recursive: true, force: true });
  }
}

export interface KernelOptions {
  readonly data: string;
  readonly port?: number;
  /** False: receipts are not synced before a ticket leaves (measurements only). */
  readonly durable?: boolean;
  /** At the latest after so long the chain makes a block. */
  readonly idleBlockMs?: number;
  /** Authorities and resolver of agents' requests. */
  readonly egress?: { readonly authorities?: readonly string[]; readonly resolver?: string };
  /** Serve the page on a free port, from this folder of built pages; it is built where it lacks. */
  readonly pages?: string;
  /** The person's home; absent: that of who runs the tests. */
  readonly home?: string;
}

/** A kernel under a launcher of its own. */
export class TestKernel implements AsyncDisposable {
  readonly data: string;
  readonly pid: number;
  readonly rpcAddress: string;
  readonly httpAddress: string;
  /** `http://app.localhost:PORT`; empty where no page is served. */
  readonly pageAddress: string;
  /** From the spawn of the launcher to its ready line. */
  readonly startMs: number;
  readonly exited: Promise<number>;
  readonly #stop: () => void;
  readonly #kill: () => void;

  private constructor(parts: {
    data: string;
    pid: number;
    rpc: string;
    http: string;
    page: string;
    startMs: number;
    exited: Promise<number>;
    stop: () => void;
    kill: () => void;
  }) {
    this.data = parts.data;
    this.pid = parts.pid;
    this.rpcAddress = parts.rpc;
    this.httpAddress = parts.http;
    this.pageAddress = parts.page;
    this.startMs = parts.startMs;
    this.exited = parts.exited;
    this.#stop = parts.stop;
    this.#kill = parts.kill;
  }

  static async start(options: KernelOptions): Promise<TestKernel> {
    const began = performance.now();
    const config = {
      data: options.data,
      host: "127.0.0.1",
      port: options.port ?? 0,
      ...(options.durable === undefined ? {} : { durable: options.durable }),
      ...(options.idleBlockMs === undefined ? {} : { idleBlockMs: options.idleBlockMs }),
      ...(options.egress === undefined ? {} : { egress: options.egress }),
      ...(options.pages === undefined
        ? {}
        : { page: { port: 0, defaultPort: 0, pages: options.pages } }),
    };
    const child = spawn(process.execPath, [...nodeArgs, launcherMain, JSON.stringify(config)], {
      stdio: ["pipe", "ignore", "inherit", "pipe"],
      env: options.home === undefined ? process.env : { ...process.env, HOME: options.home },
    });
    const exited = new Promise<number>((resolve) => {
      child.once("exit", (code) => resolve(code ?? 137));
    });
    child.stdin?.on("error", () => undefined);
    let text = "";
    const ready = child.stdio[3];
    if (ready === null || ready === undefined) throw new OperationError("E_TEST", "no ready pipe");
    for await (const chunk of ready as AsyncIterable<Buffer>) {
      text += chunk.toString("utf8");
      if (text.includes("\n")) break;
    }
    const line = parse(text.split("\n")[0] ?? "") as
      | {
          rpc?: string;
          http?: string;
          page?: string;
          error?: { code: `E_${string}`; message: string };
        }
      | undefined;
    if (line?.rpc === undefined || child.pid === undefined) {
      child.kill("SIGKILL");
      throw new OperationError(
        line?.error?.code ?? "E_TEST",
        line?.error?.message ?? "the launcher said nothing",
      );
    }
    return new TestKernel({
      data: options.data,
      pid: child.pid,
      rpc: line.rpc,
      http: line.http ?? "",
      page: line.page ?? "",
      startMs: performance.now() - began,
      exited,
      stop: () => child.kill("SIGTERM"),
      kill: () => child.kill("SIGKILL"),
    });
  }

  async status(): Promise<pb.KernelStatusReply> {
    await using channel = await dial(path.join(this.data, "run/launcher.sock"));
    return await client(pb.Kernel, channel).kernelStatus({}, { deadlineMs: 5000 });
  }

  kill(): void {
    this.#kill();
  }

  async stop(): Promise<number> {
    this.#stop();
    return await this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop();
    const timer = setTimeout(() => this.#kill(), 8000);
    await this.exited;
    clearTimeout(timer);
  }
}
