/**
 * Keeps the kernel's processes running: one life after another, with growing waits between lives
 * that end early. Holds what outlives them: the data folder, the listening sockets, the log files.
 */
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { type Log, OperationError } from "@ioi/base";
import { listenUnix } from "@ioi/host/libc";
import { createLog, type DataFolder, openDataFolder } from "@ioi/host/ports";
import { startOf } from "@ioi/host/proc";
import { client, implement, serve } from "@ioi/host/rpc";
import { fillCodeCache, makeCodeCache } from "@ioi/host/sandbox";
import { pb } from "@ioi/wire";
import { Kernel } from "./boot.ts";
import type { LauncherConfig } from "./config.ts";
import { ConsoleKeeper } from "./console.ts";
import { SelfTests } from "./doctor.ts";
import { Drivers } from "./drivers.ts";
import { chainOf, prepareDataFolder } from "./first-run.ts";
import { Holders } from "./holders.ts";
import { listFolders, tourFolder } from "./home.ts";
import { giveFolders, giveRun, type Identities, readIdentities } from "./identities.ts";
import { healthyMs, metricsMs, restartFirstMs, restartMostMs } from "./limits.ts";
import { forgetFailure, rememberFailure } from "./last-failure.ts";
import { findModels } from "./listeners.ts";
import { LogFiles } from "./log-files.ts";
import { migrateDataFolder } from "./migrate.ts";
import { buildPage } from "./page-build.ts";
import { portHolder } from "./port-holder.ts";
import { answerScrapes, launcherMetrics } from "./scrapes.ts";
import { type ProcessView, viewProcess, viewSelf } from "./status.ts";
import { VaultCare } from "./vault-care.ts";

const installFolder = fs.realpathSync(fileURLToPath(new URL("../../../", import.meta.url)));
const loopback = ["127.0.0.1", "::1", "localhost"];

/** A listening socket in a folder whose path may be longer than a socket's may be. */
const listenIn = (folder: string, name: string): number => {
  fs.rmSync(path.join(folder, name), { force: true });
  const directory = fs.openSync(folder, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  try {
    return listenUnix(`/proc/self/fd/${directory}/${name}`);
  } finally {
    fs.closeSync(directory);
  }
};

const versionOf = (): string =>
  (
    JSON.parse(fs.readFileSync(path.join(installFolder, "package.json"), "utf8")) as {
      version: string;
    }
  ).version;

export class Supervisor {
  readonly log: Log;
  readonly #config: LauncherConfig;
  readonly #data: DataFolder;
  readonly #logs: LogFiles;
  readonly #drivers: Drivers;
  readonly #vaultCare: VaultCare;
  readonly #devices: readonly Uint8Array[];
  readonly #listeners: { readonly guardian: number; readonly workload: number };
  readonly #startedMs: number = Date.now();
  readonly #shutdown: (() => void)[] = [];
  /** The answer to who let go is on its way before the kernel ends. */
  readonly #holders: Holders = new Holders(() => setImmediate(() => this.#shutDown()));
  /** Ends what runs beside the kernel and nobody waits for. */
  readonly #beside: AbortController = new AbortController();
  readonly #besides: Promise<void>[] = [];
  readonly #doctor: SelfTests;
  readonly #metrics = launcherMetrics(() => this.#views());
  readonly #console: ConsoleKeeper | undefined;
  readonly #identities: Identities | undefined;
  #kernel: Kernel | undefined;
  #server: net.Server | undefined;
  #port: number;
  #restarts = 0;
  #stopping = false;

  private constructor(
    config: LauncherConfig,
    data: DataFolder,
    devices: readonly Uint8Array[],
    userUmask: number,
    identities: Identities | undefined,
  ) {
    this.#config = config;
    this.#identities = identities;
    this.#data = data;
    this.#devices = devices;
    this.#port = config.port;
    this.#doctor = new SelfTests(data.path);
    this.#logs = new LogFiles(path.join(data.path, "logs"));
    this.log = createLog({
      fields: { process: "launcher" },
      write: (line) => this.#logs.write(line.trimEnd()),
    });
    this.#drivers = new Drivers(data.path, this.#logs, this.log, userUmask, identities);
    this.#vaultCare = new VaultCare({
      vaults: path.join(data.path, "vault"),
      busy: () => new Set(this.#drivers.running.map(({ vault }) => vault)),
      nowMs: () => Date.now(),
      log: this.log,
    });
    const run = path.join(data.path, "run");
    this.#listeners = {
      guardian: listenIn(run, "guardian.sock"),
      workload: listenIn(run, "workload.sock"),
    };
    const { page } = config;
    if (page !== undefined) {
      this.#console = new ConsoleKeeper({
        page,
        dataFolder: data.path,
        version: versionOf(),
        links: listenIn(run, "console.sock"),
        logs: this.#logs,
        log: this.log,
        identities,
      });
    }
    if (identities !== undefined) giveFolders(data.path, identities);
  }

  static async start(config: LauncherConfig): Promise<Supervisor> {
    if (!loopback.includes(config.host)) {
      throw new OperationError(
        "E_LAUNCHER_HOST",
        `${config.host} is not a loopback address, and authentication is not available`,
      );
    }
    const userUmask = process.umask(0o077);
    const data = await openDataFolder(config.data);
    const kept = await migrateDataFolder(data);
    if (kept !== undefined) process.stderr.write(`migrated ${data.path}; as it was: ${kept}\n`);
    const identities = readIdentities(data.path);
    const devices = await prepareDataFolder(data);
    const supervisor = new Supervisor(config, data, devices, userUmask, identities);
    if (supervisor.#data.created) process.stderr.write(`made ${data.path}\n`);
    makeCodeCache();
    await supervisor.#boot();
    await supervisor.#listen();
    supervisor.#vaultCare.start();
    supervisor.#startPage();
    supervisor.#keepCode();
    void supervisor.#supervise();
    return supervisor;
  }

  /** What the runtime compiled of our programs, for the next of them; nothing waits for it. */
  #keepCode(): void {
    this.#besides.push(
      fillCodeCache(this.#beside.signal).then(
        (filled) => {
          if (filled) this.log.log("info", "launcher.code-kept");
        },
        () => this.log.log("warn", "launcher.code-not-kept"),
      ),
    );
  }

  #startPage(): void {
    this.#console?.start();
    const { pages = "" } = this.#config.page ?? {};
    if (pages !== "") this.#besides.push(buildPage(pages, this.log, this.#beside.signal));
  }

  get rpcAddress(): string {
    return this.#kernel?.rpcAddress ?? "";
  }

  get httpAddress(): string {
    return this.#kernel?.httpAddress ?? "";
  }

  /** Where the page is; empty where none is served. */
  get pageAddress(): string {
    return this.#console?.address ?? "";
  }

  onShutdown(stop: () => void): void {
    this.#shutdown.push(stop);
  }

  #shutDown(): void {
    for (const stop of this.#shutdown) stop();
  }

  /** Who started the kernel is gone: it ends now, or with the last who holds it. */
  startedByNobody(): void {
    const holders = this.#holders.leave();
    if (holders > 0) this.log.log("info", "launcher.held", { holders });
  }

  /** Why none runs is there to be asked while none does. */
  async #boot(): Promise<void> {
    try {
      await this.#bootKernel();
    } catch (error) {
      await rememberFailure(this.#data.path, error);
      throw error;
    }
    forgetFailure(this.#data.path);
  }

  async #bootKernel(): Promise<void> {
    this.#kernel = await Kernel.boot({
      dataFolder: this.#data.path,
      installFolder,
      home: this.#home,
      identities: this.#identities,
      devices: this.#devices,
      approveOrigins: this.#console?.approveOrigins ?? [],
      durable: this.#config.durable !== false,
      ...(this.#config.idleBlockMs === undefined ? {} : { idleBlockMs: this.#config.idleBlockMs }),
      host: this.#config.host,
      port: this.#port,
      version: versionOf(),
      egress: this.#config.egress ?? {},
      keysDescriptor: this.#config.keysDescriptor,
      listeners: this.#listeners,
      logs: this.#logs,
      log: this.log,
      onGuardian: async (hello) => {
        this.#drivers.trust(hello);
        return await chainOf(this.#data, hello.identity);
      },
      launcherService: (kernel) =>
        implement(pb.Launcher, {
          spawnDriver: async ({ profile }) => ({
            instanceId: await this.#drivers.spawn(kernel, profile),
          }),
          killSession: async ({ session }) => await this.#stopSession(kernel, session),
          killDriver: async ({ instanceId }) => {
            await this.#drivers.killOne(instanceId);
            return {};
          },
        }),
    });
    const { orchestrator, children } = this.#kernel;
    const others = () => {
      const controls = children
        .filter(({ name }) => name !== "orchestrator")
        .map(({ control }) => control);
      const { control } = this.#console ?? {};
      return control === undefined ? controls : [...controls, control];
    };
    void answerScrapes(orchestrator, others, () => this.#metrics.update(), this.log);
    this.#rememberPort(this.#kernel.rpcAddress);
    const { pid } = process;
    const file = {
      pid,
      started: startOf(pid),
      rpc: this.rpcAddress,
      http: this.httpAddress,
      page: this.pageAddress,
    };
    await this.#data.files.replaceFile("run/kernel.json", Buffer.from(`${JSON.stringify(file)}\n`));
    this.#giveRun();
  }

  get #home(): string {
    return this.#identities?.person.home ?? os.homedir();
  }

  #giveRun(): void {
    if (this.#identities !== undefined) giveRun(this.#data.path, this.#identities);
  }

  /** In a home that is not ours the superuser writes nothing. */
  #tour(): string {
    if (this.#identities === undefined) return tourFolder(this.#home);
    throw new OperationError("E_FOLDER_REFUSED", "a service makes no folder for the tour");
  }

  /** Drivers end and requests are cut at once; neither waits for the other. */
  async #chainStatus(signal: AbortSignal) {
    const kernel = this.#kernel;
    if (kernel === undefined) throw new OperationError("E_RPC_UNAVAILABLE", "the kernel restarts");
    const node = client(pb.Node, kernel.orchestrator);
    const status = await node.status({}, { signal, deadlineMs: metricsMs });
    const { head, timeMs, receiptsSize, receiptsRoot, anchor, height, grade } = status;
    const known = height === undefined ? {} : { height };
    return { ...known, head, timeMs, receiptsSize, receiptsRoot, anchor, grade };
  }

  async #stopSession(kernel: Kernel | undefined, session: string) {
    const [killed, cut] = await Promise.all([
      this.#drivers.kill(session === "" ? undefined : session),
      kernel?.cut(session),
    ]);
    return { killed, sent: cut?.sent ?? [] };
  }

  /** The next life listens where this one did. */
  #rememberPort(address: string): void {
    const bound = Number(address.slice(address.lastIndexOf(":") + 1));
    if (this.#config.port !== 0 && bound !== this.#config.port && this.#restarts === 0) {
      process.stderr.write(
        `port ${this.#config.port} is in use by ${portHolder(this.#config.port)}; using ${bound}\n`,
      );
    }
    this.#port = bound;
  }

  async #supervise(): Promise<void> {
    let waitMs = restartFirstMs;
    while (!this.#stopping) {
      const began = performance.now();
      const ended = await this.#kernel?.ended;
      if (this.#stopping) return;
      this.log.log("warn", "launcher.restarting", { ended, waitMs });
      this.#kernel?.kill();
      await this.#drivers.kill();
      if (performance.now() - began > healthyMs) waitMs = restartFirstMs;
      await new Promise((resolve) => setTimeout(resolve, waitMs));
      waitMs = Math.min(waitMs * 2, restartMostMs);
      this.#restarts++;
      this.#metrics.restarted();
      await this.#bootAgain();
    }
  }

  /** Tries until it runs: what fails now (a full disk) may be mended while we wait. */
  async #bootAgain(): Promise<void> {
    for (
      let waitMs = restartFirstMs;
      !this.#stopping;
      waitMs = Math.min(waitMs * 2, restartMostMs)
    ) {
      try {
        await this.#boot();
        return;
      } catch (error) {
        const code = error instanceof OperationError ? error.code : "bug";
        this.log.log("error", "launcher.boot-failed", { code });
        await new Promise((resolve) => setTimeout(resolve, waitMs));
      }
    }
  }

  async #listen(): Promise<void> {
    const fd = listenIn(path.join(this.#data.path, "run"), "launcher.sock");
    const kernelService = implement(pb.Kernel, {
      kernelStatus: async () => this.#status(),
      stopSession: async ({ session }) => await this.#stopSession(this.#kernel, session),
      shutdown: async () => {
        setImmediate(() => this.#shutDown());
        return {};
      },
      findModels: async ({ url }, { signal }) => await findModels(url, signal),
      listFolders: async ({ path: folder }) => listFolders(this.#home, this.#own, folder),
      tourFolder: async () => ({ path: this.#tour() }),
      doctor: async () => ({ json: await this.#doctor.run() }),
      doctorStatus: async () => this.#doctor.status(),
      pageCaller: async ({ port }) => ({ own: this.#console?.isOwn(port) === true }),
      chainStatus: async (_request, { signal }) => await this.#chainStatus(signal),
      hold: (_request, { signal }) => this.#holders.hold(signal),
      letGo: async () => ({ holders: this.#holders.leave() }),
    });
    this.#server = net.createServer((socket) => {
      serve(socket, [kernelService], { peer: "person" });
    });
    await new Promise<void>((resolve) => this.#server?.listen({ fd }, resolve));
    this.#giveRun();
  }

  /** Folders that are the product's, and shown to nobody. */
  get #own(): readonly string[] {
    return [this.#data.path, installFolder];
  }

  #consoleView(): readonly ProcessView[] {
    const { child, sandbox } = this.#console ?? {};
    if (child?.pid === undefined || sandbox === undefined) return [];
    return [viewProcess("console", child.pid, sandbox)];
  }

  #views(): readonly ProcessView[] {
    return [
      viewSelf(),
      ...this.#consoleView(),
      ...(this.#kernel?.children ?? []).map(({ name, child, sandbox }) =>
        viewProcess(name, child.pid ?? 0, sandbox),
      ),
      ...this.#drivers.running.map(({ kind, child }) =>
        viewProcess(`driver-${kind}`, child.pid ?? 0, ["namespaces", "landlock", "seccomp"]),
      ),
    ];
  }

  #status() {
    return {
      processes: this.#views().map((view) => ({ ...view, sandbox: [...view.sandbox] })),
      rpcAddress: this.rpcAddress,
      httpAddress: this.httpAddress,
      startedMs: BigInt(this.#startedMs),
      restarts: this.#restarts,
      sandbox: "user, pid, net, ipc and mount namespaces; landlock; seccomp",
      page: this.pageAddress,
    };
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.log.log("info", "launcher.stopping");
    this.#beside.abort();
    await this.#console?.stop();
    await this.#kernel?.drain();
    await this.#drivers.kill();
    this.#vaultCare[Symbol.dispose]();
    this.#server?.close();
    await Promise.all(this.#besides);
    for (const name of [
      "guardian.sock",
      "workload.sock",
      "launcher.sock",
      "console.sock",
      "kernel.json",
    ]) {
      fs.rmSync(path.join(this.#data.path, "run", name), { force: true });
    }
    await this.#data[Symbol.asyncDispose]();
  }
}
