/**
 * The official client of an agent's session on a server's link: what `mcp::call` of an agent uses.
 * It declares no capability, so that no server may ask it for anything. The start of a program, the
 * opening of a connection over HTTP, and each message that keeps it afterwards, is an action beside the
 * call that needs it.
 *
 * Source: `@modelcontextprotocol/client`. Bounds: `mcpStartMsMax`, `mcpCallMsMax`, `mcpResultBytesMax`.
 */
import { OperationError, utf8Encode } from "@ioi/base";
import { connectTool, openingTools, toolOfMethod } from "@ioi/firewall/net";
import { answerValue } from "@ioi/firewall/origins";
import { nodeCrypto } from "@ioi/host/crypto";
import type { JsonValue, McpServer } from "@ioi/wire";
import { Client, type JSONRPCMessage, type Transport } from "@modelcontextprotocol/client";
import type { ActContext, ActReport } from "../core/driver.ts";
import { mcpCallMsMax, mcpPagesMax, mcpResultBytesMax, mcpStartMsMax } from "../limits.ts";
import { definitionsOf, type ToolDefinition } from "./definitions.ts";
import type { AgentWants } from "./agent-wants.ts";
import { errorMessage, internalErrorCode, type JsonObject, readMessage } from "./messages.ts";
import type { Exchange, Perform, ServerEvents, ServerLink } from "./server-link.ts";
import {
  actOfOpening,
  actOfRequest,
  actOfStart,
  type CallAction,
  methodAction,
  type ServerWays,
  startAction,
} from "./server-start.ts";

export interface AgentCall {
  readonly tool: string;
  readonly args: JsonObject;
  readonly definition: Uint8Array;
  /** As it was judged. */
  readonly action: CallAction;
}

export interface AgentServer {
  readonly server: McpServer;
  readonly ways: ServerWays;
  readonly wants: AgentWants;
}

/** A request of the call that is performed goes by its own ticket; everything else is asked for. */
class LinkTransport implements Transport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  readonly #of: AgentServer;
  readonly #onRaw: (bytes: Uint8Array) => void;
  /** The act that is performed now; undefined between two. */
  context: ActContext | undefined;
  /** The call whose message has not gone yet. */
  permitted: CallAction | undefined;
  /** Of the last exchange over HTTP that the call's own ticket was for. */
  evidence: Readonly<Record<string, string>> = {};
  /** The ticket for the messages that open the connection, and what egress said of the last one. */
  #opening: ActContext | undefined;
  #opened: Readonly<Record<string, string>> = {};
  #link: ServerLink | undefined;
  ended = false;
  why = "";

  constructor(of: AgentServer, context: ActContext, onRaw: (bytes: Uint8Array) => void) {
    this.#of = of;
    this.context = context;
    this.#onRaw = onRaw;
  }

  async start(): Promise<void> {
    const { server, ways } = this.#of;
    const events: ServerEvents = {
      message: (bytes) => this.#message(bytes),
      fault: (why) => this.onerror?.(new Error(why)),
      ended: (why, errors) => {
        this.ended = true;
        this.why = errors === "" ? why : `${why}: ${errors.slice(-300)}`;
        this.onclose?.();
      },
      request: (tool, perform) => this.#request(methodAction(server, tool), perform),
    };
    this.#link =
      server.url === "" ? await this.#started(events) : await ways.reach(server, events, false);
  }

  get #now(): ActContext {
    if (this.context !== undefined) return this.context;
    throw new OperationError("E_MCP_CANCELLED", "no call of this server is performed");
  }

  /** Opens the connection under one ticket; where nobody gives it, each message goes by its own. */
  async opening(work: () => Promise<void>): Promise<void> {
    const { server, wants } = this.#of;
    if (server.url === "") return await work();
    const action = methodAction(server, connectTool);
    await new Promise<void>((resolve, reject) => {
      const asked = wants.ask(this.#now, server, action, async (context) => {
        this.#opening = context;
        const report = await actOfOpening(work, () => this.#opened, reject);
        this.#opening = undefined;
        resolve();
        return report;
      });
      asked.catch(() => void work().then(resolve, reject));
    });
  }

  async #started(events: ServerEvents): Promise<ServerLink> {
    const { server, ways, wants } = this.#of;
    return await new Promise<ServerLink>((resolve, reject) => {
      const asked = wants.ask(this.#now, server, startAction(server), (context) =>
        actOfStart(() => ways.start(server, events, context), context, resolve, reject),
      );
      asked.catch(reject);
    });
  }

  /** One request over HTTP, and its redirect where there is one; undefined where it comes to nothing. */
  async #request(action: CallAction, perform: Perform): Promise<Exchange | undefined> {
    const sent = await this.#one(action, perform);
    if (sent?.moved === undefined) return sent;
    return await this.#one({ ...action, address: sent.moved }, perform);
  }

  /** Under a ticket of its own. */
  async #one(action: CallAction, perform: Perform): Promise<Exchange | undefined> {
    const { server, wants } = this.#of;
    return await new Promise<Exchange | undefined>((resolve) => {
      const asked = wants.ask(this.#now, server, action, (context) =>
        actOfRequest(() => perform(context, action.address), resolve),
      );
      asked.catch((error: Error) => {
        this.onerror?.(error);
        resolve(undefined);
      });
    });
  }

  #message(bytes: Uint8Array): void {
    const read = readMessage(bytes);
    if (!read.ok) {
      this.onerror?.(new Error(read.error.message));
      return;
    }
    this.#onRaw(bytes);
    this.onmessage?.(JSON.parse(new TextDecoder().decode(bytes)) as JSONRPCMessage);
  }

  async send(message: JSONRPCMessage): Promise<void> {
    const link = this.#link;
    const bytes = utf8Encode(JSON.stringify(message));
    if (link?.exchange === undefined) {
      link?.send(bytes);
      return;
    }
    const exchange = link.exchange.bind(link);
    const perform: Perform = (context, address) => exchange(bytes, context, address);
    const method = "method" in message ? message.method : "answer";
    const { permitted } = this;
    if (method === "tools/call" && permitted !== undefined) {
      this.permitted = undefined;
      const sent = await perform(this.#now);
      this.evidence = sent.evidence;
      this.#unanswered(
        message,
        sent.moved === undefined ? sent : await this.#sentOn(permitted, sent.moved, perform),
      );
      return;
    }
    const action = methodAction(this.#of.server, toolOfMethod(method));
    const sent = await this.#kept(action, perform);
    if (sent === undefined) throw new OperationError("E_MCP_START", `${action.tool}: not sent`);
    this.#unanswered(message, sent);
  }

  /** Under the ticket of the opening where it is one of its messages, else under one of its own. */
  async #kept(action: CallAction, perform: Perform): Promise<Exchange | undefined> {
    const opening = openingTools.has(action.tool) ? this.#opening : undefined;
    if (opening === undefined) return await this.#request(action, perform);
    const sent = await perform(opening);
    this.#opened = sent.evidence;
    if (sent.moved === undefined) return sent;
    return await this.#one({ ...action, address: sent.moved }, perform);
  }

  async #sentOn(call: CallAction, address: string, perform: Perform): Promise<Exchange> {
    const sent = await this.#one({ ...call, address }, perform);
    if (sent !== undefined) return sent;
    const message = `${call.tool}: the server sends it on to ${address}, and nobody permitted that`;
    throw new OperationError("E_MCP_HTTP", message);
  }

  /** A request that has no answer any more gets one of ours. */
  #unanswered(message: JSONRPCMessage, { answered, status }: Exchange): void {
    if (answered || !("method" in message) || !("id" in message)) return;
    const why = `the server answered ${status} without a message`;
    this.#message(errorMessage(message.id, internalErrorCode, why));
  }

  async close(): Promise<void> {
    await this.#link?.close();
  }
}

const failure = (code: "E_MCP_ENDED" | "E_MCP_PROTOCOL", error: unknown): OperationError =>
  error instanceof OperationError
    ? error
    : new OperationError(code, (error instanceof Error ? error.message : "").slice(0, 300));

const partsOf = ({
  content,
}: Readonly<Record<string, unknown>>): readonly Record<string, unknown>[] =>
  Array.isArray(content) ? (content as readonly Record<string, unknown>[]) : [];

/** The answer as a value, as far as it is one. */
const valueOf = (result: Readonly<Record<string, unknown>>): JsonValue =>
  answerValue(
    result["structuredContent"] as JsonValue | undefined,
    partsOf(result).flatMap(({ text }) => (typeof text === "string" ? [text] : [])),
  );

const isText = (value: unknown): value is string => typeof value === "string";

/** What an agent reads of an answer: its texts, and of everything else what it is. */
const contentOf = (result: Readonly<Record<string, unknown>>): Uint8Array => {
  const { structuredContent } = result;
  const parts = partsOf(result);
  const texts = parts.map((part) =>
    typeof part["text"] === "string"
      ? part["text"]
      : `[${[part["type"], part["mimeType"] ?? part["uri"]].filter(isText).join(" ")}]`,
  );
  if (texts.length === 0 && structuredContent !== undefined) {
    texts.push(JSON.stringify(structuredContent));
  }
  return utf8Encode(texts.join("\n").toWellFormed());
};

export class AgentClient {
  readonly #client: Client;
  readonly #transport: LinkTransport;
  #definitions: ReadonlyMap<string, ToolDefinition> = new Map();
  #stale = true;

  private constructor(client: Client, transport: LinkTransport) {
    this.#client = client;
    this.#transport = transport;
  }

  static async open(of: AgentServer, context: ActContext): Promise<AgentClient> {
    // A server elsewhere is asked which era it speaks; a program gets the hello that all of them know.
    const mode = of.server.url === "" ? "legacy" : "auto";
    const client = new Client(
      { name: "ioi", version: "0.1.0" },
      { capabilities: {}, versionNegotiation: { mode } },
    );
    const made: { agent?: AgentClient } = {};
    const transport = new LinkTransport(of, context, (bytes) => made.agent?.heard(bytes));
    const agent = new AgentClient(client, transport);
    made.agent = agent;
    try {
      await transport.opening(async () => {
        await client.connect(transport, { timeout: mcpStartMsMax });
        await agent.list();
      });
    } catch (error) {
      await transport.close();
      if (transport.ended) throw new OperationError("E_MCP_ENDED", transport.why);
      throw failure("E_MCP_PROTOCOL", error);
    } finally {
      transport.context = undefined;
    }
    return agent;
  }

  get open(): boolean {
    return !this.#transport.ended;
  }

  /** Raw, because the package's own reading of a definition leaves out what it does not know. */
  heard(bytes: Uint8Array): void {
    const read = readMessage(bytes);
    if (!read.ok) return;
    const message = read.value;
    if (message.type === "notification" && message.method === "notifications/tools/list_changed") {
      this.#stale = true;
    }
    if (message.type !== "result" || !Array.isArray(message.result["tools"])) return;
    const defined = definitionsOf(nodeCrypto, message.result);
    if (!defined.ok) return;
    this.#definitions = new Map([
      ...this.#definitions,
      ...defined.value.map((each) => [each.name, each] as const),
    ]);
  }

  async list(): Promise<readonly ToolDefinition[]> {
    this.#definitions = new Map();
    let cursor: string | undefined;
    for (let page = 0; page < mcpPagesMax; page++) {
      const listed = await this.#client.listTools(cursor === undefined ? {} : { cursor });
      cursor = listed.nextCursor;
      if (cursor === undefined) break;
    }
    this.#stale = false;
    return [...this.#definitions.values()];
  }

  definitionOf(tool: string): Uint8Array | undefined {
    return this.#stale ? undefined : this.#definitions.get(tool)?.hash;
  }

  async call({ tool, args, action }: AgentCall, context: ActContext): Promise<ActReport> {
    const { signal } = context;
    this.#transport.context = context;
    this.#transport.permitted = action;
    this.#transport.evidence = {};
    const startedMs = performance.now();
    const evidence = (): Record<string, string> => ({
      ms: String(Math.round(performance.now() - startedMs)),
      ...this.#transport.evidence,
    });
    try {
      const result = (await this.#client.callTool(
        { name: tool, arguments: args },
        { signal, timeout: mcpCallMsMax },
      )) as Readonly<Record<string, unknown>>;
      const content = contentOf(result);
      const failed = result["isError"] === true;
      return {
        status: "confirmed",
        ...(failed ? { code: "E_MCP_TOOL" as const, message: `${tool} says that it failed` } : {}),
        result: {
          content: content.slice(0, mcpResultBytesMax),
          truncated: content.length > mcpResultBytesMax,
        },
        bytes: content.length,
        reversible: false,
        evidence: { ...evidence(), answer: failed ? "error" : "result" },
        // What a tool says of its own failure names nobody.
        ...(failed ? {} : { answer: valueOf(result) }),
      };
    } catch (error) {
      const told = failure("E_MCP_PROTOCOL", error);
      return {
        status: "unknown",
        code: (this.#transport.ended ? "E_MCP_ENDED" : told.code) as "E_MCP_PROTOCOL",
        message: this.#transport.ended ? this.#transport.why : told.message,
        result: {},
        bytes: 0,
        reversible: false,
        evidence: evidence(),
      };
    } finally {
      this.#transport.context = undefined;
    }
  }

  async close(): Promise<void> {
    await this.#client.close();
  }
}
