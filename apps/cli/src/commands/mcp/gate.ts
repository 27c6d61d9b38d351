/**
 * `ioi gate mcp`: an MCP server behind the gate, for any client that starts servers as commands. What
 * the client writes goes to the Workload, what may pass comes back; nothing is decided here.
 *
 * Standard output holds messages of the protocol and nothing else. Bounds: `gateLineBytesMax` a
 * message, `gateSendsMax` messages that wait.
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { type ExitCode, exitCodes } from "@ioi/base";
import type { pb } from "@ioi/wire";
import type { CommandContext, Handler } from "../../context.ts";
import { visible } from "../../io.ts";
import { type Kernel, openKernel } from "../../kernel/connection.ts";
import { gateDrainMs, gateEndMs, gateLineBytesMax } from "../../limits.ts";
import { failWith } from "../../report.ts";
import { ClientGate, endError, type GateEnd, type OnAsk } from "./client-gate.ts";
import { type ConfirmOptions, confirmServer } from "./servers.ts";
import { folderLines } from "./view.ts";

export interface GateOptions extends ConfirmOptions {
  readonly onAsk?: OnAsk;
  /** A loopback port for clients over HTTP; absent: standard input and output are the client. */
  readonly listen?: number;
  readonly quiet?: boolean;
}

const notCovered = [
  "what the client does by itself: its own shell, its own files, its other servers",
  "what the server does inside its folders, and what it says: tools lie as they like",
  "_meta of a message, logs and progress of the server: they pass unjudged",
];

const banner = (context: CommandContext, server: pb.McpServer, owned: boolean): void => {
  const { output } = context;
  const here = `in a sandbox ${server.network.length === 0 ? "without network" : "of its own"}`;
  const where = server.url === "" ? here : `at ${server.url}, by egress`;
  output.progress(`ioi gate: ${server.name}, ${visible(where)}`);
  for (const line of folderLines(server)) output.progress(line);
  output.progress(
    `  policy: ${server.policy === "" ? "yours" : "its own"}; tools: ${server.pinning}`,
  );
  if (owned)
    output.progress(
      "  no kernel ran: this one ends with the last gate; ./ioi start keeps one with a page",
    );
  output.progress("It does not cover:");
  for (const line of notCovered) output.progress(`  - ${line}`);
};

const noticeText = ({ kind, text, receipt, approval }: pb.GateNotice): string => {
  const mark = receipt === 0n ? "" : `, receipt ${receipt}`;
  const ask = approval === "" ? "" : `, ./ioi approve ${approval}`;
  return `ioi gate: ${kind} ${visible(text)}${mark}${ask}`;
};

/** Requests of the client that wait for their answers, so that its end does not cut them. */
class Waiting {
  readonly #ids: Set<string> = new Set();
  #wake: (() => void) | undefined;

  seen(line: Uint8Array, from: "client" | "server"): void {
    let message: Partial<Record<"id" | "method" | "params", unknown>>;
    try {
      message = JSON.parse(new TextDecoder().decode(line)) as typeof message;
    } catch {
      return;
    }
    if (message?.method === "notifications/cancelled" && from === "client") {
      const { requestId } = (message.params ?? {}) as { readonly requestId?: unknown };
      this.#ids.delete(JSON.stringify(requestId));
    }
    if (message?.id === undefined || message.id === null) return;
    const key = JSON.stringify(message.id);
    const isCall = message.method !== undefined;
    if (from === "client" && isCall) this.#ids.add(key);
    if (from === "server" && !isCall) this.#ids.delete(key);
    if (this.#ids.size === 0) this.#wake?.();
  }

  /** All answered, or the time is over. */
  async none(withinMs: number): Promise<void> {
    if (this.#ids.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, withinMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Lines of standard input; a line beyond the bound ends the gate, since its end is nowhere. */
async function* linesOf(
  input: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let rest = Buffer.alloc(0);
  for await (const block of input) {
    rest = rest.length === 0 ? Buffer.from(block) : Buffer.concat([rest, block]);
    for (let end = rest.indexOf(10); end !== -1; end = rest.indexOf(10)) {
      const line = rest.subarray(0, end);
      rest = rest.subarray(end + 1);
      if (line.toString("latin1").trim() !== "") yield Uint8Array.from(line);
    }
    if (rest.length > gateLineBytesMax) {
      throw failWith({
        code: "E_CLI_MCP_LINE",
        message: `the client sent a message of more than ${gateLineBytesMax} bytes`,
      });
    }
  }
  if (rest.toString("latin1").trim() !== "") yield Uint8Array.from(rest);
}

const pump = async (context: CommandContext, gate: ClientGate, waiting: Waiting): Promise<void> => {
  const { io, signal } = context;
  for await (const line of linesOf(io.input(signal))) {
    waiting.seen(line, "client");
    await gate.send(line);
  }
  await waiting.none(gateDrainMs);
};

const newline = Uint8Array.of(10);

const noticeOf =
  ({ output }: CommandContext) =>
  (notice: pb.GateNotice): void => {
    output.progress(noticeText(notice));
  };

const serve = async (
  context: CommandContext,
  kernel: Kernel,
  server: pb.McpServer,
  onAsk: OnAsk,
  quiet: boolean,
): Promise<ExitCode> => {
  const { io } = context;
  const waiting = new Waiting();
  const ended = Promise.withResolvers<GateEnd | undefined>();
  const gate = await ClientGate.open(
    kernel,
    server.name,
    onAsk,
    {
      message: (bytes) => {
        io.outBytes(bytes);
        io.outBytes(newline);
        waiting.seen(bytes, "server");
      },
      notice: noticeOf(context),
      ended: ended.resolve,
    },
    quiet,
  );
  try {
    const pumping = async (): Promise<undefined> => {
      await pump(context, gate, waiting);
      // What ended the gate may stand right behind the last answer.
      await Promise.race([ended.promise, sleep(gateEndMs)]);
      return undefined;
    };
    const end = await Promise.race([ended.promise, pumping()]);
    if (end === undefined) return exitCodes.done;
    throw endError(end);
  } finally {
    await gate.close();
  }
};

/** Clients come over HTTP, until the command is told to end. */
const listen = async (
  context: CommandContext,
  kernel: Kernel,
  server: pb.McpServer,
  onAsk: OnAsk,
  { listen: port = 0, quiet = false }: GateOptions,
): Promise<ExitCode> => {
  const { output, signal } = context;
  const { GateListener } = await import("./listen/listener.ts");
  const token = randomBytes(32).toString("base64url");
  const notice = noticeOf(context);
  const listener = new GateListener({
    port,
    token,
    open: async (events) =>
      await ClientGate.open(kernel, server.name, onAsk, { ...events, notice }, quiet),
  });
  await listener.start();
  try {
    const url = `http://127.0.0.1:${listener.port}/mcp`;
    output.value({ schema: "ioi.gate-listens/1", server: server.name, url, token });
    output.line(`listens at ${url}`);
    output.line(`Authorization: Bearer ${token}`);
    if (!signal.aborted) await once(signal, "abort");
    return exitCodes.done;
  } finally {
    await listener.close();
  }
};

export const gate: Handler<GateOptions> = async (context, { args, options }) => {
  await using kernel = await openKernel(context, { start: true, hold: true });
  const server = await confirmServer(context, kernel, args, options);
  banner(context, server, kernel.owned);
  // Without a kernel that stays, nobody sits at its page: the client's user is asked, unsigned.
  const onAsk = options.onAsk ?? (kernel.owned ? "elicit" : "wait");
  if (options.listen !== undefined) return await listen(context, kernel, server, onAsk, options);
  return await serve(context, kernel, server, onAsk, options.quiet === true);
};
