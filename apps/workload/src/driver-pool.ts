/**
 * The drivers of all sessions: one process for each session and kind, started by the launcher at
 * its first use, its socket handed over beside. A driver that ended is started anew when needed.
 *
 * Invariants: a stopped session gets no driver any more, also none whose start was under way.
 */
import type { Socket } from "node:net";
import { type Log, OperationError, toHex } from "@ioi/base";
import { type Channel, type Client, client, connect } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";
import type {
  ActEnd,
  ActWant,
  AgentLink,
  Driver,
  DriverKind,
  Drivers,
  PreparedAction,
} from "./ends.ts";
import {
  abortMs,
  actDeadlineMs,
  driverDeadlineMs,
  driverSocketMs,
  previewDeadlineMs,
  programKillMs,
} from "./limits.ts";
import { ProgramLink } from "./program-link.ts";

/** What the launcher sends beside a driver's socket. */
interface DriverMessage {
  readonly type: "driver";
  /** Hex. */
  readonly instanceId: string;
  /** Of an agent's program: its error output, beside its input and output. */
  readonly part?: "errors";
}

const isDriverMessage = (message: unknown): message is DriverMessage =>
  typeof message === "object" &&
  message !== null &&
  "type" in message &&
  message.type === "driver" &&
  "instanceId" in message &&
  typeof message.instanceId === "string";

const nameOf = (instance: string, part: "errors" | undefined): string =>
  part === undefined ? instance : `${instance} ${part}`;

export type SocketSource = (listener: (message: unknown, socket: Socket) => void) => void;

/** The launcher's channel of this process. */
export const parentSockets: SocketSource = (listener) => {
  process.on("message", (message: unknown, handle: unknown) => listener(message, handle as Socket));
};

class RemoteDriver implements Driver {
  readonly #client: Client<typeof pb.Driver>;
  readonly mcp: Client<typeof pb.McpDriver>;

  constructor(channel: Channel) {
    this.#client = client(pb.Driver, channel);
    this.mcp = client(pb.McpDriver, channel);
  }

  async prepare(target: string, args: Uint8Array, signal: AbortSignal): Promise<PreparedAction> {
    const reply = await this.#client.prepare(
      { target, args },
      { signal, deadlineMs: driverDeadlineMs },
    );
    if (reply.errorCode !== "") {
      throw new OperationError(reply.errorCode as `E_${string}`, reply.errorMessage);
    }
    return reply;
  }

  async preview(
    nonce: Uint8Array,
    content: Uint8Array,
    signal: AbortSignal,
  ): Promise<{
    readonly statement: Uint8Array;
    readonly signature: Uint8Array;
    readonly text: string;
  }> {
    const reply = await this.#client.preview(
      { nonce, content },
      { signal, deadlineMs: previewDeadlineMs },
    );
    if (reply.errorCode !== "") {
      throw new OperationError(reply.errorCode as `E_${string}`, reply.errorMessage);
    }
    const { statement, signature, text } = reply;
    return { statement, signature, text };
  }

  async act(
    nonce: Uint8Array,
    ticket: Uint8Array,
    content: Uint8Array,
    signal: AbortSignal,
    onOutput: (bytes: Uint8Array, stream: "output" | "errors") => void = () => undefined,
    onWant: (want: ActWant) => void = () => undefined,
    deadlineMs: number = actDeadlineMs,
  ): Promise<ActEnd> {
    const output: Uint8Array[] = [];
    const events = this.#client.act({ nonce, ticket, content }, { signal, deadlineMs });
    for await (const { event } of events) {
      if (event.case === "output" || event.case === "errors") {
        output.push(event.value);
        onOutput(event.value, event.case);
      } else if (event.case === "want") onWant(event.value);
      if (event.case !== "result") continue;
      const { outcome, outcomeSignature, result, errorMessage } = event.value;
      return { outcome, outcomeSignature, result, message: errorMessage, output };
    }
    throw new OperationError("E_DRIVER_MALFORMED", "an act ended without a result");
  }

  async refuse(counter: bigint, id: number, reason: string): Promise<void> {
    await this.#client.refuse({ counter, id, reason }, { deadlineMs: driverDeadlineMs });
  }

  async input(nonce: Uint8Array, bytes: Uint8Array, end: boolean): Promise<void> {
    await this.#client.input({ nonce, bytes, end }, { deadlineMs: driverDeadlineMs });
  }

  async abort(nonce: Uint8Array): Promise<void> {
    await this.#client.abort({ nonce }, { deadlineMs: abortMs });
  }

  async settle(
    counter: bigint,
    signal: AbortSignal,
  ): Promise<{ readonly status: string; readonly reversible: boolean }> {
    return await this.#client.settle({ counter }, { signal, deadlineMs: driverDeadlineMs });
  }
}

interface Running {
  readonly session: string;
  readonly channel: Channel;
  readonly driver: Driver;
}

export class DriverPool implements Drivers {
  readonly #launcher: Client<typeof pb.Launcher>;
  readonly #log: Log;
  readonly #running: Map<string, Running> = new Map();
  readonly #starting: Map<string, Promise<Running>> = new Map();
  readonly #stopped: Set<string> = new Set();
  /** Sockets that came, and those that are waited for, by instance. */
  readonly #arrived: Map<string, Socket> = new Map();
  readonly #awaited: Map<string, (socket: Socket) => void> = new Map();

  constructor(launcher: Client<typeof pb.Launcher>, sockets: SocketSource, log: Log) {
    this.#launcher = launcher;
    this.#log = log;
    sockets((message, socket) => {
      if (!isDriverMessage(message) || socket === undefined) return;
      const name = nameOf(message.instanceId, message.part);
      const take = this.#awaited.get(name);
      if (take === undefined) this.#arrived.set(name, socket);
      else take(socket);
    });
  }

  async of(
    session: string,
    kind: DriverKind,
    profile: Uint8Array,
    signal: AbortSignal,
  ): Promise<Driver> {
    const key = `${session} ${kind}`;
    const running = this.#running.get(key);
    if (running?.channel.open === true) return running.driver;
    let starting = this.#starting.get(key);
    if (starting === undefined) {
      starting = this.#start(session, key, profile, signal).finally(() => {
        this.#starting.delete(key);
      });
      this.#starting.set(key, starting);
    }
    return (await starting).driver;
  }

  async program(session: string, profile: Uint8Array, signal: AbortSignal): Promise<AgentLink> {
    if (this.#stopped.has(session)) throw this.#stoppedError();
    const { instanceId } = await this.#launcher.spawnDriver({ profile }, { signal });
    const kill = async (): Promise<void> => {
      try {
        await this.#launcher.killDriver({ instanceId }, { deadlineMs: programKillMs });
      } catch (error) {
        // With the launcher gone, so is everything that it started.
        if (!(error instanceof OperationError)) throw error;
        this.#log.log("warn", "agent.not-killed", { session, code: error.code });
      }
    };
    try {
      const name = toHex(instanceId);
      const [socket, errors] = [
        await this.#socketOf(name, signal),
        await this.#socketOf(nameOf(name, "errors"), signal),
      ];
      if (this.#stopped.has(session)) throw this.#stoppedError();
      return new ProgramLink(socket, errors, kill);
    } catch (error) {
      await kill();
      throw error;
    }
  }

  running(session: string, kind: DriverKind): Driver | undefined {
    const running = this.#running.get(`${session} ${kind}`);
    return running?.channel.open === true ? running.driver : undefined;
  }

  async kill(session: string, signal: AbortSignal): Promise<void> {
    this.#stopped.add(session);
    const starting = [...this.#starting].filter(([key]) => key.startsWith(`${session} `));
    await Promise.allSettled(starting.map(([, start]) => start));
    await this.#launcher.killSession({ session }, { signal });
    this.release(session);
  }

  release(session: string): void {
    for (const [key, running] of this.#running) {
      if (running.session !== session) continue;
      this.#running.delete(key);
      // A driver ends with its socket.
      running.channel.close();
    }
  }

  async #start(
    session: string,
    key: string,
    profile: Uint8Array,
    signal: AbortSignal,
  ): Promise<Running> {
    if (this.#stopped.has(session)) throw this.#stoppedError();
    const { instanceId } = await this.#launcher.spawnDriver({ profile }, { signal });
    const socket = await this.#socketOf(toHex(instanceId), signal);
    const channel = connect(socket);
    const running = { session, channel, driver: new RemoteDriver(channel) };
    if (this.#stopped.has(session)) {
      channel.close();
      throw this.#stoppedError();
    }
    this.#running.set(key, running);
    void channel.closed.then(() => {
      if (this.#running.get(key) !== running) return;
      this.#running.delete(key);
      this.#log.log("warn", "driver.gone", { session });
    });
    return running;
  }

  #stoppedError(): OperationError {
    return new OperationError("E_DRIVER_UNAVAILABLE", "the session was stopped");
  }

  async #socketOf(instance: string, signal: AbortSignal): Promise<Socket> {
    const arrived = this.#arrived.get(instance);
    this.#arrived.delete(instance);
    if (arrived !== undefined) return arrived;
    return await new Promise<Socket>((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", aborted);
        this.#awaited.delete(instance);
      };
      const aborted = (): void => {
        settle();
        reject(signal.reason as Error);
      };
      const timer = setTimeout(() => {
        settle();
        const message = `no driver's socket came within ${driverSocketMs} ms`;
        reject(new OperationError("E_DRIVER_UNAVAILABLE", message, { retryable: true }));
      }, driverSocketMs);
      signal.addEventListener("abort", aborted, { once: true });
      this.#awaited.set(instance, (socket) => {
        settle();
        resolve(socket);
      });
    });
  }
}
