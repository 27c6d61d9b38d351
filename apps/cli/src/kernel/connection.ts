/**
 * The kernel of a data folder, as a command talks to it: the one that runs, or one started for the
 * command's own duration. A kernel that restarts under the command is reached again.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { OperationError } from "@ioi/base";
import { type Channel, type Client, client, dial } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";
import { Links } from "@ioi/wire/console";
import type { CommandContext } from "../context.ts";
import { kernelReadyMs, kernelReconnectMs } from "../limits.ts";
import { failWith } from "../report.ts";
import { type FolderPaths, folderPaths, runningKernel, socketPath } from "./folder.ts";
import type { LaunchedKernel } from "./launch.ts";

export type PersonClient = Client<typeof pb.Person>;
export type ScopesClient = Client<typeof pb.Scopes>;
export type SessionsClient = Client<typeof pb.Sessions>;
export type KernelClient = Client<typeof pb.Kernel>;
export type ModelsClient = Client<typeof pb.Models>;
export type SecretsClient = Client<typeof pb.Secrets>;
export type DevicesClient = Client<typeof pb.Devices>;
export type PolicyClient = Client<typeof pb.Policy>;
export type McpServersClient = Client<typeof pb.McpServers>;
export type McpGatesClient = Client<typeof pb.McpGates>;
export type LinksClient = Client<typeof Links>;

/** What commands need of a kernel; tests give them another one. */
export interface Kernel extends AsyncDisposable {
  /** Started by this command, and ended with it. */
  readonly owned: boolean;
  person(): Promise<PersonClient>;
  scopes(): Promise<ScopesClient>;
  sessions(): Promise<SessionsClient>;
  launcher(): Promise<KernelClient>;
  devices(): Promise<DevicesClient>;
  secrets(): Promise<SecretsClient>;
  models(): Promise<ModelsClient>;
  policy(): Promise<PolicyClient>;
  mcpServers(): Promise<McpServersClient>;
  mcpGates(): Promise<McpGatesClient>;
  /** The console's; fails where no page is served. */
  links(): Promise<LinksClient>;
  /** Waits until the kernel answers again; starts one where none is left and that is allowed. */
  recover(): Promise<void>;
}

export const isUnavailable = (error: unknown): boolean =>
  error instanceof OperationError && error.code === "E_RPC_UNAVAILABLE";

const isLocked = (error: unknown): boolean =>
  error instanceof OperationError && error.code === "E_DATA_LOCKED";

const pollMs = 50;
/** For the launcher to answer whether others hold the kernel, in milliseconds. */
const holdMs = 2_000;

export interface OpenOptions {
  /** Start a kernel where none runs; it ends with the connection, or with the last who holds it. */
  readonly start: boolean;
  /** One that another command started does not end while this connection lasts. */
  readonly hold?: boolean;
}

type Service = "guardianSocket" | "workloadSocket" | "launcherSocket" | "consoleSocket";

export class KernelConnection implements Kernel {
  readonly #paths: FolderPaths;
  readonly #context: CommandContext;
  readonly #mayStart: boolean;
  readonly #holds: boolean;
  readonly #channels = new Map<Service, Channel>();
  #launched: LaunchedKernel | undefined;

  private constructor(context: CommandContext, { start, hold = false }: OpenOptions) {
    this.#paths = folderPaths(context.dataFolder);
    this.#context = context;
    this.#mayStart = start;
    this.#holds = hold;
  }

  static async open(context: CommandContext, options: OpenOptions): Promise<KernelConnection> {
    const connection = new KernelConnection(context, options);
    try {
      await connection.#reach(kernelReadyMs);
      return connection;
    } catch (error) {
      await connection[Symbol.asyncDispose]();
      throw error;
    }
  }

  get owned(): boolean {
    return this.#launched !== undefined;
  }

  async person(): Promise<PersonClient> {
    return client(pb.Person, await this.#channel("guardianSocket"));
  }

  async scopes(): Promise<ScopesClient> {
    return client(pb.Scopes, await this.#channel("guardianSocket"));
  }

  async sessions(): Promise<SessionsClient> {
    return client(pb.Sessions, await this.#channel("workloadSocket"));
  }

  async launcher(): Promise<KernelClient> {
    return client(pb.Kernel, await this.#channel("launcherSocket"));
  }

  async devices(): Promise<DevicesClient> {
    return client(pb.Devices, await this.#channel("guardianSocket"));
  }

  async models(): Promise<ModelsClient> {
    return client(pb.Models, await this.#channel("guardianSocket"));
  }

  async mcpServers(): Promise<McpServersClient> {
    return client(pb.McpServers, await this.#channel("guardianSocket"));
  }

  async mcpGates(): Promise<McpGatesClient> {
    return client(pb.McpGates, await this.#channel("workloadSocket"));
  }

  async secrets(): Promise<SecretsClient> {
    return client(pb.Secrets, await this.#channel("guardianSocket"));
  }

  async policy(): Promise<PolicyClient> {
    return client(pb.Policy, await this.#channel("guardianSocket"));
  }

  async links(): Promise<LinksClient> {
    return client(Links, await this.#channel("consoleSocket"));
  }

  async recover(): Promise<void> {
    for (const channel of this.#channels.values()) channel.close();
    this.#channels.clear();
    await this.#reach(kernelReconnectMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const launched = this.#launched;
    this.#launched = undefined;
    const held = launched !== undefined && (await this.#letGo());
    for (const channel of this.#channels.values()) channel.close();
    this.#channels.clear();
    if (held) launched.leave();
    else await launched?.stop();
  }

  /** Whether others hold the kernel that was started here. */
  async #letGo(): Promise<boolean> {
    try {
      const launcher = await this.launcher();
      const { holders } = await launcher.letGo({}, { deadlineMs: holdMs });
      return holders > 0;
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      return false;
    }
  }

  /** As long as the connection lasts; false where the kernel is about to end. */
  async #hold(): Promise<boolean> {
    try {
      const launcher = await this.launcher();
      const deadlineMs = Number.POSITIVE_INFINITY;
      const holding = launcher.hold({}, { deadlineMs })[Symbol.asyncIterator]();
      const first = await holding.next();
      if (first.done === true) return false;
      // It ends with its connection, and says no more.
      holding.next().catch(() => undefined);
      return true;
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      return false;
    }
  }

  async #channel(service: Service): Promise<Channel> {
    const known = this.#channels.get(service);
    if (known?.open === true) return known;
    const channel = await dial(socketPath(this.#paths[service]));
    this.#channels.set(service, channel);
    return channel;
  }

  /** All three sockets answer. */
  async #answers(): Promise<boolean> {
    try {
      await this.#channel("launcherSocket");
      await this.#channel("guardianSocket");
      await this.#channel("workloadSocket");
    } catch {
      return false;
    }
    // Its own is held by the lifeline.
    return !this.#holds || this.#launched !== undefined || (await this.#hold());
  }

  #runsElsewhere(): boolean {
    return runningKernel(this.#paths) !== undefined;
  }

  async #reach(withinMs: number): Promise<void> {
    const { signal } = this.#context;
    const until = performance.now() + withinMs;
    let locked = false;
    for (;;) {
      signal.throwIfAborted();
      if (await this.#answers()) return;
      if (performance.now() >= until) throw this.#unreachable(locked);
      if (this.#launched === undefined && !this.#runsElsewhere() && !locked) {
        if (!this.#mayStart) throw this.#unreachable(false);
        locked = await this.#start();
        if (!locked) continue;
      }
      await sleep(pollMs, undefined, { signal });
      if (locked && !this.#runsElsewhere()) locked = false;
    }
  }

  #unreachable(locked: boolean): OperationError {
    if (locked || this.#launched !== undefined || this.#runsElsewhere()) {
      return failWith({ code: "E_CLI_KERNEL_GONE", message: "the kernel does not answer" });
    }
    return failWith({
      code: "E_CLI_NO_KERNEL",
      message: `no kernel runs on ${this.#paths.root}`,
      next: `./ioi start --data ${this.#paths.root}`,
    });
  }

  /** True where another kernel has the folder and is on its way up or down. */
  async #start(): Promise<boolean> {
    const { io, output, signal, dataFolder } = this.#context;
    try {
      const { launchKernel } = await import("./launch.ts");
      const launched = await launchKernel(
        { data: dataFolder, host: "127.0.0.1", port: 0 },
        { signal, env: io.env, onText: (text) => output.progress(text.trimEnd()) },
      );
      this.#launched = launched;
      // A launcher that ends by itself leaves room for another one.
      void launched.exited.then(() => {
        if (this.#launched === launched) this.#launched = undefined;
      });
      return false;
    } catch (error) {
      if (isLocked(error)) return true;
      throw error;
    }
  }
}

export const openKernel = (context: CommandContext, options: OpenOptions): Promise<Kernel> =>
  KernelConnection.open(context, options);

/** Repeats a call that changes nothing, or the same thing twice, across a restart of the kernel. */
export const retrying = async <T>(kernel: Kernel, call: () => Promise<T>): Promise<T> => {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      await kernel.recover();
    }
  }
};
