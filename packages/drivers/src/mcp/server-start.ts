/**
 * The start of a server's program, as an action of its own: judged before anything of it runs, with a
 * ticket that says what it may reach and what of its folders it does not see. The act lasts as long as
 * the program, and its outcome says what went over its network.
 *
 * Invariants: nothing of a server runs without a ticket; outside of the ticket's places nothing is
 * asked for.
 */
import { OperationError } from "@ioi/base";
import { canonicalJson } from "@ioi/firewall";
import { answerTool, isKeeping, startTool, toolOfMethod } from "@ioi/firewall/net";
import type { CanonicalValue, Facts, McpServer } from "@ioi/wire";
import type { ActContext, ActReport, ObligationType } from "../core/driver.ts";
import type { ErrorCode } from "../errors.ts";
import type { WayOutSum } from "../way-out/way-out.ts";
import { nothingLeft } from "../net/egress-client.ts";
import { readMessage } from "./messages.ts";
import type { Exchange, ServerEvents, ServerLink } from "./server-link.ts";

export interface CallAction {
  readonly [name: string]: CanonicalValue;
  readonly server: string;
  readonly tool: string;
  /** Where a redirect of the server leads. */
  readonly address?: string;
}

/** Of what is no tool: its definition is the server itself. */
export const methodAction = (
  { name, identity }: McpServer,
  tool: string,
  args: CanonicalValue = {},
): CallAction => ({ server: name, tool, arguments: args, definition: identity });

/** What goes over HTTP beside judged calls, named by its method. */
export const transportAction = (bytes: Uint8Array, server: McpServer): CallAction => {
  const read = readMessage(bytes);
  if (!read.ok || !("method" in read.value)) return methodAction(server, answerTool);
  const { method, params } = read.value;
  const tool = toolOfMethod(method);
  if (isKeeping(tool)) return methodAction(server, tool);
  const { _meta: _unjudged, ...given } = params;
  const args = canonicalJson(given);
  // What cannot be judged is not sent: egress compares.
  return methodAction(server, tool, args.ok ? args.value : {});
};

export const startAction = (server: McpServer): CallAction => methodAction(server, startTool);

/** Where a message goes, for the Guardian to compare. */
export const factsOfServer = ({ url }: McpServer): Readonly<Record<string, Facts>> =>
  url === "" ? {} : { server: { realPath: url, exists: true } };

export const keepsOfStart: ReadonlySet<ObligationType> = new Set<ObligationType>([
  "flow",
  "sandbox",
  "origins",
]);

/** A program that runs, and what there is to say of its network when it has ended. */
export interface StartedServer {
  readonly link: ServerLink;
  readonly ended: Promise<WayOutSum | undefined>;
}

export type StartServer = (
  server: McpServer,
  events: ServerEvents,
  context: ActContext,
) => Promise<StartedServer>;

/** How servers are reached: as a program under a ticket, or elsewhere. */
export interface ServerWays {
  readonly start: StartServer;
  /** `listens`: to what it has to say by itself. */
  readonly reach: (
    server: McpServer,
    events: ServerEvents,
    listens: boolean,
  ) => Promise<ServerLink>;
}

const nothing = { bytes: 0, reversible: false } as const;

/** The act: `started` is told once it runs; a stop ends it. */
export const actOfStart = async (
  start: () => Promise<StartedServer>,
  context: ActContext,
  started: (link: ServerLink) => void,
  failed: (error: OperationError) => void,
): Promise<ActReport> => {
  const startedMs = performance.now();
  let running: StartedServer;
  try {
    running = await start();
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    failed(error);
    const { code, message } = error;
    return {
      ...nothing,
      status: "no-effect",
      code: code as ErrorCode,
      message,
      result: {},
      evidence: {},
    };
  }
  const stop = (): void => void running.link.close();
  context.signal.addEventListener("abort", stop, { once: true });
  started(running.link);
  if (context.signal.aborted) stop();
  const sum = await running.ended;
  context.signal.removeEventListener("abort", stop);
  return {
    ...nothing,
    status: "confirmed",
    result: sum === undefined ? {} : { network: sum.entries },
    evidence: { ms: String(Math.round(performance.now() - startedMs)), ...sum?.evidence },
  };
};

/** The act of one request over HTTP that keeps a connection. */
export const actOfRequest = async (
  perform: () => Promise<Exchange>,
  done: (exchange: Exchange | undefined) => void,
): Promise<ActReport> => {
  try {
    const exchange = await perform();
    done(exchange);
    const { status, evidence, moved } = exchange;
    const plain = status < 400 ? "result" : "error";
    const answer = moved === undefined ? plain : "redirect";
    return { ...nothing, status: "confirmed", result: {}, evidence: { ...evidence, answer } };
  } catch (error) {
    done(undefined);
    if (!(error instanceof OperationError)) throw error;
    const { code, message } = error;
    return {
      ...nothing,
      status: nothingLeft.has(code) ? "no-effect" : "unknown",
      code: code as ErrorCode,
      message,
      result: {},
      evidence: {},
    };
  }
};

/** The act of the messages that open a connection over HTTP; egress logs them under its ticket. */
export const actOfOpening = async (
  open: () => Promise<void>,
  evidence: () => Readonly<Record<string, string>>,
  failed: (error: Error) => void,
): Promise<ActReport> => {
  const report = (more: Pick<ActReport, "status" | "code" | "message">): ActReport => ({
    ...nothing,
    ...more,
    result: {},
    evidence: evidence(),
  });
  try {
    await open();
    return report({ status: "confirmed" });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    failed(error);
    const { code = "E_MCP_PROTOCOL", message } = error as Partial<OperationError> & Error;
    const left = Object.keys(evidence()).length > 0 || !nothingLeft.has(code);
    return report({
      status: left ? "unknown" : "no-effect",
      code: code as ErrorCode,
      message: message.slice(0, 300),
    });
  }
};
