/**
 * The MCP driver: `mcp::call`, a call of one tool of one confirmed server. An agent's call goes by
 * the official client of this driver; a gate's client speaks for itself through a relay
 * ({@link RelaySession}), and its calls go on by the same tickets.
 *
 * What a server does cannot be undone from here. A counter is claimed once in the life of this
 * process; after a crash what a call did is unknown.
 */
import { equalBytes, ok, OperationError, type Result } from "@ioi/base";
import { jsonOfCanonical } from "@ioi/firewall";
import { type CanonicalValue, type McpServer, type Profile, schema } from "@ioi/wire";
import type {
  ActContext,
  ActReport,
  Driver,
  ObligationType,
  PreparedAction,
} from "../core/driver.ts";
import { refused } from "../core/driver.ts";
import type { Settlement } from "../effects/settle.ts";
import { type DriverRejection, reject } from "../fs/roots.ts";
import { mcpRelaysMax } from "../limits.ts";
import type { AgentClient } from "./agent-client.ts";
import { AgentWants } from "./agent-wants.ts";
import { isJsonObject } from "./messages.ts";
import { type Hold, RelaySession } from "./relay-session.ts";
import { factsOfServer, type ServerWays } from "./server-start.ts";

const { bytes, optional, record, text } = schema;
const callArguments = record({
  server: text(64),
  tool: text(128),
  arguments: schema.anything,
  definition: bytes(32),
  address: optional(text(4096)),
});

export interface McpDriverOptions {
  readonly profile: Profile;
  readonly ways: ServerWays;
}

const keepsOrigins: ReadonlySet<ObligationType> = new Set<ObligationType>(["origins"]);
const nothing = { result: {}, bytes: 0, reversible: false } as const;

export class McpDriver implements Driver {
  readonly kind = "mcp";
  readonly #options: McpDriverOptions;
  readonly #claimed: Map<bigint, Settlement["status"]> = new Map();
  readonly #relays: Map<string, RelaySession> = new Map();
  readonly #clients: Map<string, Promise<AgentClient>> = new Map();
  readonly #wants = new AgentWants();
  #lastRelay = 0;

  constructor(options: McpDriverOptions) {
    this.#options = options;
  }

  server(name: string): McpServer | undefined {
    return this.#options.profile.servers?.find((each) => each.name === name);
  }

  async prepare(
    target: string,
    args: { readonly [name: string]: CanonicalValue },
  ): Promise<Result<PreparedAction, DriverRejection>> {
    if (target !== "mcp::call") {
      return reject("E_TARGET_UNKNOWN", `the mcp driver does not perform ${target}`);
    }
    const decoded = callArguments.fromCanonical(args, "args");
    if (!decoded.ok) return reject("E_ARGUMENTS_INVALID", decoded.error);
    const { server: name, tool, definition, address } = decoded.value;
    if (tool.startsWith("#") || address !== undefined) return this.#wants.prepare(args);
    const server = this.server(name);
    if (server === undefined) {
      return reject("E_MCP_SERVER", `the session has no server ${JSON.stringify(name)}`);
    }
    const json = jsonOfCanonical(decoded.value.arguments as CanonicalValue);
    if (json === undefined || !isJsonObject(json)) {
      return reject("E_ARGUMENTS_INVALID", "the arguments are no JSON object");
    }
    return ok({
      facts: factsOfServer(server),
      effect: true,
      content: undefined,
      keeps: keepsOrigins,
      act: async (context) => {
        const action = { ...args, server: name, tool };
        const report = await this.#call(server, { tool, args: json, definition, action }, context);
        this.#claimed.set(context.counter, settled(report.status));
        return report;
      },
      [Symbol.dispose]: () => undefined,
    });
  }

  async #call(
    server: McpServer,
    call: Parameters<AgentClient["call"]>[0],
    context: ActContext,
  ): Promise<ActReport> {
    let client: AgentClient;
    try {
      client = await this.#client(server, context);
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      return {
        ...nothing,
        status: "no-effect",
        code: error.code as "E_MCP_ENDED",
        message: error.message,
        evidence: {},
      };
    }
    const known = client.definitionOf(call.tool);
    if (known === undefined || !equalBytes(known, call.definition)) {
      const message = `${call.tool} of ${server.name} is not what was confirmed`;
      return refused({ code: "E_MCP_DEFINITION", message });
    }
    return await client.call(call, context);
  }

  async #client(server: McpServer, context: ActContext): Promise<AgentClient> {
    const known = this.#clients.get(server.name);
    if (known !== undefined) {
      const client = await known;
      if (client.open) return client;
    }
    // The official client is large; a gate's session does not load it.
    const { AgentClient } = await import("./agent-client.ts");
    const { ways } = this.#options;
    const opening = AgentClient.open({ server, ways, wants: this.#wants }, context);
    this.#clients.set(server.name, opening);
    opening.catch(() => this.#clients.delete(server.name));
    return await opening;
  }

  claim(counter: bigint): Disposable | undefined {
    if (this.#claimed.has(counter)) return undefined;
    this.#claimed.set(counter, "unknown");
    return { [Symbol.dispose]: () => undefined };
  }

  async refuse(counter: bigint, id: number, reason: string): Promise<void> {
    this.#wants.refuse(counter, id, reason);
  }

  async settle(counter: bigint): Promise<Settlement> {
    return { status: this.#claimed.get(counter) ?? "unknown", reversible: false };
  }

  /** A relay for a client of its own; undefined where the session has no such server. */
  openRelay(name: string, hold: Hold): { readonly id: string; readonly session: RelaySession } {
    const server = this.server(name);
    if (server === undefined) {
      throw new OperationError("E_MCP_SERVER", `the session has no server ${JSON.stringify(name)}`);
    }
    if (this.#relays.size >= mcpRelaysMax) {
      throw new OperationError("E_MCP_BUSY", `${this.#relays.size} clients are relayed already`);
    }
    const id = `r${++this.#lastRelay}`;
    const session = new RelaySession({ server, ways: this.#options.ways, hold });
    this.#relays.set(id, session);
    return { id, session };
  }

  relay(id: string): RelaySession {
    const relay = this.#relays.get(id);
    if (relay === undefined) throw new OperationError("E_MCP_ENDED", "the relay has ended");
    return relay;
  }

  async closeRelay(id: string): Promise<void> {
    const relay = this.#relays.get(id);
    this.#relays.delete(id);
    await relay?.close();
  }

  [Symbol.dispose](): void {
    for (const id of this.#relays.keys()) void this.closeRelay(id);
    for (const client of this.#clients.values()) {
      void client.then((each) => each.close()).catch(() => undefined);
    }
  }
}

const settled = (status: ActReport["status"]): Settlement["status"] =>
  status === "refused" ? "no-effect" : status;
