/**
 * The console's life: started last, and again by itself when it ends; nothing else ends with it.
 * Its listening sockets are made here once and outlive it, so that no port is lost and a browser's
 * cookie (under a key of this launcher's life) is good in the next one too.
 */
import fs from "node:fs";
import type net from "node:net";
import path from "node:path";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type Log, OperationError, toHex } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { listenLoopback } from "@ioi/host/libc";
import { callerUidOf } from "@ioi/host/proc";
import { descriptors } from "@ioi/host/process";
import { type Client, client, connect } from "@ioi/host/rpc";
import { kindProfiles, type SandboxSpec, spawnSandboxed } from "@ioi/host/sandbox";
import { pb } from "@ioi/wire";
import type { ConsoleProcessConfig, PageConfig } from "./config.ts";
import { asRole, type Identities } from "./identities.ts";
import { drainMs, healthyMs, pagePortsTriedMax, restartFirstMs, restartMostMs } from "./limits.ts";
import type { LogFiles } from "./log-files.ts";
import { portHolder } from "./port-holder.ts";

export interface ConsoleOptions {
  readonly page: PageConfig;
  readonly dataFolder: string;
  readonly version: string;
  /** The descriptor that listens for `ioi open`. */
  readonly links: number;
  readonly logs: LogFiles;
  readonly log: Log;
  readonly identities: Identities | undefined;
}

interface Running {
  readonly child: ChildProcess;
  readonly control: Client<typeof pb.Process>;
  readonly close: () => void;
}

const consoleMain = fileURLToPath(new URL("../../console/src/main.ts", import.meta.url));
const sandbox = ["namespaces", "landlock", "seccomp"] as const;
/** Remembered beside the sockets: a browser keeps its key by origin, and the port is part of it. */
const portFile = "run/page-port";

const rememberedPort = (dataFolder: string): number | undefined => {
  try {
    const port = Number(fs.readFileSync(path.join(dataFolder, portFile), "utf8").trim());
    return Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined;
  } catch {
    return undefined;
  }
};

const listenNear = (first: number): { readonly descriptor: number; readonly port: number } => {
  const last = first === 0 ? 0 : Math.min(first + pagePortsTriedMax - 1, 65_535);
  for (let port = first; port <= last; port++) {
    const listener = listenLoopback(port);
    if (listener !== undefined) return listener;
  }
  throw new OperationError("E_PAGE_PORT", `no port from ${first} on is free for the page`);
};

const pipeOf = (child: ChildProcess, descriptor: number): net.Socket =>
  (child.stdio as readonly unknown[])[descriptor] as net.Socket;

export class ConsoleKeeper {
  readonly #options: ConsoleOptions;
  readonly #listener: number;
  readonly #cookieKey: string = toHex(nodeCrypto.randomBytes(32));
  readonly port: number;
  #running: Running | undefined;
  #timer: NodeJS.Timeout | undefined;
  #waitMs = restartFirstMs;
  #stopping = false;

  constructor(options: ConsoleOptions) {
    this.#options = options;
    const { page, dataFolder } = options;
    const wanted = page.port ?? rememberedPort(dataFolder) ?? page.defaultPort;
    const { descriptor, port } = listenNear(wanted);
    if (wanted !== 0 && port !== wanted) {
      const holder = portHolder(wanted);
      process.stderr.write(`page port ${wanted} is in use by ${holder}; using ${port}\n`);
    }
    this.#listener = descriptor;
    this.port = port;
    fs.writeFileSync(path.join(dataFolder, portFile), `${port}\n`, { mode: 0o600 });
  }

  /** Where the page is. */
  get address(): string {
    return `http://app.localhost:${this.port}`;
  }

  /** Where cards are answered, in a tab and in a frame; a browser's keys belong to one of them. */
  get approveOrigins(): readonly string[] {
    return ["approve", "approve.app"].map((name) => `http://${name}.localhost:${this.port}`);
  }

  /** Whether who calls the page from this port is the owner of the kernel, or the superuser. */
  isOwn(callerPort: number): boolean {
    const uid = callerUidOf(callerPort, this.port);
    const own = this.#options.identities?.person.uid ?? process.getuid?.();
    return uid !== undefined && (uid === 0 || uid === own);
  }

  get child(): ChildProcess | undefined {
    return this.#running?.child;
  }

  get control(): Client<typeof pb.Process> | undefined {
    return this.#running?.control;
  }

  get sandbox(): readonly string[] {
    return sandbox;
  }

  start(): void {
    if (this.#stopping) return;
    const began = performance.now();
    const { child, started } = this.#spawn();
    void started.then((result) => {
      if (!result.ok) {
        const { message } = result.error;
        this.#options.log.log("error", "launcher.sandbox-failed", { name: "console", message });
      }
    });
    const onEnd = (code: number | null, signal: string | null): void => {
      if (this.#running?.child !== child) return;
      this.#running.close();
      this.#running = undefined;
      if (this.#stopping) return;
      if (performance.now() - began > healthyMs) this.#waitMs = restartFirstMs;
      this.#options.log.log("warn", "launcher.console-ended", {
        code: code ?? undefined,
        signal: signal ?? undefined,
        waitMs: this.#waitMs,
      });
      this.#timer = setTimeout(() => this.start(), this.#waitMs);
      this.#waitMs = Math.min(this.#waitMs * 2, restartMostMs);
    };
    child.once("exit", onEnd);
    child.once("error", () => onEnd(null, null));
  }

  /** The folder of pages, not one page: it may be built while the console runs. */
  #spec(pages: string): SandboxSpec {
    const shown = [path.join(this.#options.dataFolder, "run")];
    if (pages !== "") {
      fs.mkdirSync(pages, { recursive: true });
      shown.push(pages);
    }
    return {
      name: "console",
      kind: "console",
      ...kindProfiles.console,
      binds: shown.map((each) => ({ path: each, access: "read" })),
      masks: [],
    };
  }

  #spawn() {
    const { page, dataFolder, version, links, logs } = this.#options;
    const stdio: (number | "pipe" | "ignore")[] = ["ignore", "ignore", "pipe"];
    stdio[descriptors.process] = "pipe";
    stdio[descriptors.launcher] = "ignore";
    stdio[descriptors.peer] = this.#listener;
    stdio[descriptors.second] = links;
    stdio[descriptors.config] = "pipe";
    const { child, started } = spawnSandboxed(this.#spec(page.pages), {
      entry: consoleMain,
      nodeArgs: ["--no-warnings", "--max-semi-space-size=4"],
      stdio,
      ...asRole(this.#options.identities, "console"),
    });
    const config: ConsoleProcessConfig = {
      dataFolder,
      version,
      port: this.port,
      pages: page.pages,
      cookieKey: this.#cookieKey,
    };
    const configPipe = pipeOf(child, descriptors.config);
    configPipe.on("error", () => undefined);
    configPipe.end(JSON.stringify(config));
    if (child.stderr !== null) logs.follow(child.stderr, "console");
    const channel = connect(pipeOf(child, descriptors.process));
    const control = client(pb.Process, channel);
    this.#running = { child, control, close: () => channel.close() };
    return { child, started };
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    const running = this.#running;
    if (running === undefined) return;
    await Promise.race([
      running.control.drain({}, { deadlineMs: drainMs }).catch(() => undefined),
      new Promise((resolve) => setTimeout(resolve, drainMs).unref()),
    ]);
    running.child.kill("SIGKILL");
    running.close();
  }
}
