/**
 * One life of the kernel's processes: guardian, egress, workload, orchestrator, with every channel between
 * them made before they start. Channels cannot be renewed, so the processes live and die together:
 * when one ends, all end, and the supervisor starts the next life (docs/decisions/0001).
 */
import fs from "node:fs";
import type net from "node:net";
import path from "node:path";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type Log, OperationError, toHex } from "@ioi/base";
import { issueCertificate, makeCertificateAuthority } from "@ioi/host/crypto";
import { makePlanes, type PlaneEnd } from "@ioi/host/dataplane";
import { messagePair, passDescriptor, socketPair } from "@ioi/host/libc";
import { descriptors } from "@ioi/host/process";
import {
  type Channel,
  type Client,
  client,
  connect,
  type Implementation,
  serve,
} from "@ioi/host/rpc";
import { kindProfiles, type SandboxSpec, spawnSandboxed } from "@ioi/host/sandbox";
import { pb } from "@ioi/wire";
import type {
  EgressConfig,
  EgressProcessConfig,
  GuardianProcessConfig,
  OrchestratorProcessConfig,
  WorkloadProcessConfig,
} from "./config.ts";
import { bootMs, cutMs, drainMs, endKnownMs } from "./limits.ts";
import { answerAuthorities } from "./authorities.ts";
import { asRole, type Identities } from "./identities.ts";
import { answerListeners } from "./listeners.ts";
import type { LogFiles } from "./log-files.ts";

export type ProcessName = "guardian" | "egress" | "workload" | "orchestrator";

export interface KernelChild {
  readonly name: ProcessName;
  readonly child: ChildProcess;
  readonly control: Client<typeof pb.Process>;
  readonly channel: Channel;
  readonly sandbox: readonly string[];
}

export interface BootOptions {
  readonly dataFolder: string;
  readonly installFolder: string;
  readonly home: string;
  readonly devices: readonly Uint8Array[];
  readonly approveOrigins: readonly string[];
  readonly durable: boolean;
  readonly idleBlockMs?: number;
  readonly host: string;
  readonly port: number;
  readonly version: string;
  readonly egress: EgressConfig;
  /** Kept by the launcher from life to life, and read by the Guardian alone. */
  readonly keysDescriptor: number | undefined;
  /** Listening descriptors, kept by the launcher from life to life. */
  readonly listeners: { readonly guardian: number; readonly workload: number };
  readonly logs: LogFiles;
  readonly log: Log;
  /** Absent: every process is the caller's. */
  readonly identities: Identities | undefined;
  /** The Guardian said who it is; returns the chain's id. */
  readonly onGuardian: (hello: pb.HelloReply) => Promise<string>;
  /** What the Workload may ask of the launcher. */
  readonly launcherService: (kernel: Kernel) => Implementation;
}

const appMain = (name: string): string =>
  fileURLToPath(new URL(`../../${name}/src/main.ts`, import.meta.url));

/** Our end of a descriptor that was given as a pipe. */
const pipeOf = (child: ChildProcess, descriptor: number): net.Socket =>
  (child.stdio as readonly unknown[])[descriptor] as net.Socket;

/** Used as stdio of a child: its number there is its index. */
type Inherited = number | "pipe" | "ignore" | "ipc";

export class Kernel {
  readonly #options: BootOptions;
  readonly #children: Map<ProcessName, KernelChild> = new Map();
  #ended: (reason: string) => void = () => undefined;
  /** Resolves with the name of the process that ended first. */
  readonly ended: Promise<string>;
  /** Message socket to egress, for those of drivers; until the kernel has ended. */
  #waysOut: number | undefined;
  rpcAddress = "";
  httpAddress = "";

  private constructor(options: BootOptions) {
    this.#options = options;
    this.ended = new Promise((resolve) => {
      this.#ended = resolve;
    });
  }

  /** Starts all and returns when each has answered. */
  static async boot(options: BootOptions): Promise<Kernel> {
    const kernel = new Kernel(options);
    try {
      // A process that ends before it answers is a failed boot, whatever else is waited for.
      await Promise.race([
        kernel.#start().catch((error: unknown) => kernel.#whoseEnd(error)),
        kernel.#endedEarly(),
      ]);
      return kernel;
    } catch (error) {
      kernel.kill();
      throw error;
    }
  }

  async #endedEarly(): Promise<never> {
    const name = await this.ended;
    // Why it ended may be on its way as the answer to the greeting.
    await new Promise((resolve) => setTimeout(resolve, 100));
    throw new OperationError("E_LAUNCHER_BOOT", `the ${name} ended before it was ready`);
  }

  /** A channel closes a moment before the end of its process is known: that end is the reason. */
  async #whoseEnd(error: unknown): Promise<never> {
    const isEnd = error instanceof OperationError && error.code === "E_RPC_UNAVAILABLE";
    if (isEnd) {
      await Promise.race([
        this.#endedEarly(),
        new Promise((resolve) => setTimeout(resolve, endKnownMs).unref()),
      ]);
    }
    throw error;
  }

  get children(): readonly KernelChild[] {
    return [...this.#children.values()];
  }

  /** The workload's child process: drivers' sockets are sent to it. */
  get workload(): ChildProcess {
    return this.#required("workload").child;
  }

  /** The egress process: the other ends of drivers' sockets are sent to it. */
  get egress(): KernelChild {
    return this.#required("egress");
  }

  /** Hands egress the message socket over which this driver's sandboxes send their way out. */
  passWayOut(instanceId: Uint8Array, descriptor: number): void {
    if (this.#waysOut !== undefined) passDescriptor(this.#waysOut, instanceId, descriptor);
  }

  /** Ends the requests of a session, or of all; an egress that does not answer is ended itself. */
  async cut(session: string): Promise<pb.CutReply> {
    const { channel, child } = this.egress;
    try {
      return await client(pb.EgressControl, channel).cut({ session }, { deadlineMs: cutMs });
    } catch (error) {
      child.kill("SIGKILL");
      throw error;
    }
  }

  get guardian(): Client<typeof pb.Process> {
    return this.#required("guardian").control;
  }

  get orchestrator(): Channel {
    return this.#required("orchestrator").channel;
  }

  #required(name: ProcessName): KernelChild {
    const child = this.#children.get(name);
    if (child === undefined) throw new OperationError("E_LAUNCHER_BOOT", `${name} is not running`);
    return child;
  }

  #orchestratorPlace(): Pick<OrchestratorProcessConfig, "host" | "port" | "idleBlockMs"> {
    const { host, port, idleBlockMs } = this.#options;
    return { host, port, ...(idleBlockMs === undefined ? {} : { idleBlockMs }) };
  }

  async #start(): Promise<void> {
    const {
      dataFolder,
      version,
      devices,
      installFolder,
      home,
      durable,
      listeners,
      keysDescriptor,
    } = this.#options;
    const authority = makeCertificateAuthority("launcher");
    const common = (name: ProcessName) => ({
      dir: path.join(dataFolder, name),
      dataFolder,
      credentials: issueCertificate(authority, name),
      version,
    });
    const [workloadEnd, orchestratorToWorkload] = socketPair();
    const [guardianEnd, orchestratorToGuardian] = socketPair();
    const [guardianToEgress, egressEnd] = socketPair();
    const [waysOut, egressWaysOut] = messagePair();
    this.#waysOut = waysOut;
    const guardianConfig: GuardianProcessConfig = {
      ...common("guardian"),
      productFolders: [dataFolder, installFolder],
      home,
      devices: devices.map(toHex),
      approveOrigins: this.#options.approveOrigins,
      durable,
      keysOffered: keysDescriptor !== undefined,
    };
    const [workloadPlanes, orchestratorPlanes] = this.#makePlanes();
    const planes = workloadPlanes !== undefined;
    const workloadConfig: WorkloadProcessConfig = { ...common("workload"), home, planes };
    const guardian = this.#spawn("guardian", guardianConfig, {
      peer: guardianEnd,
      second: listeners.guardian,
      egress: guardianToEgress,
      ...(keysDescriptor === undefined ? {} : { offered: keysDescriptor }),
    });
    const workload = this.#spawn("workload", workloadConfig, {
      peer: workloadEnd,
      second: listeners.workload,
      ...workloadPlanes,
    });
    const guardianHello = await guardian.control.hello({}, { deadlineMs: bootMs });
    const egress = this.#spawn("egress", this.#egressConfig(guardianHello), {
      peer: egressEnd,
      second: egressWaysOut,
    });
    const chainId = await this.#options.onGuardian(guardianHello);
    const orchestratorConfig: OrchestratorProcessConfig = {
      ...common("orchestrator"),
      ...this.#orchestratorPlace(),
      chainId,
      identity: toHex(guardianHello.identity),
      planes,
    };
    const orchestrator = this.#spawn("orchestrator", orchestratorConfig, {
      peer: orchestratorToWorkload,
      second: orchestratorToGuardian,
      ...orchestratorPlanes,
    });
    const hello = await orchestrator.control.hello({}, { deadlineMs: bootMs });
    this.rpcAddress = hello.rpcAddress;
    this.httpAddress = hello.httpAddress;
    await egress.control.hello({}, { deadlineMs: bootMs });
    await workload.control.hello({}, { deadlineMs: bootMs });
  }

  /** For what is large between Workload and Orchestrator; without it the frames carry that too. */
  #makePlanes(): readonly [PlaneEnd, PlaneEnd] | readonly [undefined, undefined] {
    try {
      return makePlanes("ioi-bulk");
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      const { code, message } = error;
      this.#options.log.log("warn", "launcher.no-dataplane", { code, message });
      return [undefined, undefined];
    }
  }

  #egressConfig({ identity, bootCertificate }: pb.HelloReply): EgressProcessConfig {
    const { authorities, resolver } = this.#options.egress;
    return {
      guardianIdentity: toHex(identity),
      bootCertificate: toHex(bootCertificate),
      authorities: authorities ?? [],
      ...(resolver === undefined ? {} : { resolver }),
    };
  }

  #spec(name: ProcessName): SandboxSpec {
    return {
      name,
      kind: name,
      ...kindProfiles[name],
      // Egress has the network, and therefore nothing else.
      binds:
        name === "egress"
          ? []
          : [{ path: path.join(this.#options.dataFolder, name), access: "write" }],
      masks: [],
    };
  }

  #spawn(
    name: ProcessName,
    config: object,
    inherited: Readonly<Partial<Record<keyof typeof descriptors, number>>>,
  ): KernelChild {
    const stdio: Inherited[] = ["ignore", "ignore", "pipe"];
    stdio[descriptors.process] = "pipe";
    stdio[descriptors.launcher] = name === "workload" ? "pipe" : "ignore";
    stdio[descriptors.config] = "pipe";
    for (const [role, fd] of Object.entries(inherited)) {
      stdio[descriptors[role as keyof typeof descriptors]] = fd;
    }
    const holes = Array.from(stdio, (given) => given ?? "ignore");
    // Sockets of drivers come over it.
    const takesSockets = name === "workload" || name === "egress";
    const spec = this.#spec(name);
    const { child, started } = spawnSandboxed(spec, {
      entry: appMain(name),
      nodeArgs: ["--no-warnings", "--max-semi-space-size=8"],
      stdio: takesSockets ? [...holes, "ipc"] : holes,
      ...asRole(this.#options.identities, name),
      ...(takesSockets ? { serialization: "json" as const } : {}),
    });
    const { listeners, keysDescriptor } = this.#options;
    const kept: readonly (number | undefined)[] = [...Object.values(listeners), keysDescriptor];
    for (const fd of Object.values(inherited)) if (!kept.includes(fd)) fs.closeSync(fd);
    const configPipe = pipeOf(child, descriptors.config);
    configPipe.on("error", () => undefined);
    configPipe.end(JSON.stringify(config));
    if (child.stderr !== null) this.#options.logs.follow(child.stderr, name);
    if (name === "egress") {
      answerListeners(child);
      answerAuthorities(child, this.#options.log);
    }
    const channel = connect(pipeOf(child, descriptors.process));
    if (name === "workload") {
      serve(pipeOf(child, descriptors.launcher), [this.#options.launcherService(this)], {
        peer: "workload",
      });
    }
    void started.then((result) => {
      if (!result.ok) {
        this.#options.log.log("error", "launcher.sandbox-failed", {
          name,
          message: result.error.message,
        });
      }
    });
    child.once("exit", (code, signal) => {
      this.#options.log.log("warn", "launcher.process-ended", {
        name,
        code: code ?? undefined,
        signal: signal ?? undefined,
      });
      this.#ended(name);
    });
    child.once("error", () => this.#ended(name));
    const kernelChild: KernelChild = {
      name,
      child,
      control: client(pb.Process, channel),
      channel,
      sandbox: ["namespaces", "landlock", "seccomp"],
    };
    this.#children.set(name, kernelChild);
    return kernelChild;
  }

  /**
   * What the workload has acknowledged first, then a last block of it, which the Guardian signs, then
   * the Guardian.
   */
  async drain(): Promise<void> {
    for (const name of ["workload", "egress", "orchestrator", "guardian"] as const) {
      const child = this.#children.get(name);
      if (child === undefined || child.child.exitCode !== null) continue;
      try {
        await child.control.drain({}, { deadlineMs: drainMs });
      } catch (error) {
        const code = error instanceof OperationError ? error.code : "bug";
        this.#options.log.log("warn", "launcher.drain-failed", { name, code });
      }
    }
    await this.#gone();
  }

  /** Ends everything at once. */
  kill(): void {
    for (const { child } of this.#children.values()) child.kill("SIGKILL");
    for (const { channel } of this.#children.values()) channel.close();
    if (this.#waysOut !== undefined) fs.closeSync(this.#waysOut);
    this.#waysOut = undefined;
  }

  async #gone(): Promise<void> {
    const exits = this.children.map(
      ({ child }) =>
        new Promise<void>((resolve) => {
          if (child.exitCode !== null || child.signalCode !== null) resolve();
          else child.once("exit", () => resolve());
        }),
    );
    await Promise.race([
      Promise.all(exits),
      new Promise((resolve) => setTimeout(resolve, 1000).unref()),
    ]);
    this.kill();
  }
}
