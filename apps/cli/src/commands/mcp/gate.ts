/**
 * `ioi gate mcp`: an MCP server behind the gate, for any client that starts servers as commands. What
 * the client writes goes to the Workload, what may pass comes back; nothing is decided here.
 *
 * Standard output holds messages of the protocol and nothing else. Bounds: `gateLineBytesMax` a
 * message, `gateSendsMax` messages on their way.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type ExitCode, exitCodes, OperationError } from "@ioi/base";
import type { pb } from "@ioi/wire";
import type { CommandContext, Handler } from "../../context.ts";
import { visible } from "../../io.ts";
import { type Kernel, openKernel } from "../../kernel/connection.ts";
import {
  callDeadlineMs,
  gateDrainMs,
  gateEndMs,
  gateLineBytesMax,
  gateSendsMax,
} from "../../limits.ts";
import { failWith } from "../../report.ts";
import { type ConfirmOptions, confirmServer } from "./servers.ts";
import { folderLines } from "./view.ts";

export interface GateOptions extends ConfirmOptions {
  readonly onAsk?: "deny" | "wait" | "elicit";
  readonly quiet?: boolean;
}

const notCovered = [
  "what the client does by itself: its own shell, its own files, its other servers",
  "what the server does inside its folders, and what it says: tools lie as they like",
  "_meta of a message, logs and progress of the server: they pass unjudged",
];

const banner = (context: CommandContext, server: pb.McpServer, owned: boolean): void => {
  const { output } = context;
  const where = server.url === "" ? "in a sandbox without network" : `at ${server.url}, by egress`;
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

const pump = async (
  context: CommandContext,
  gates: Awaited<ReturnType<Kernel["mcpGates"]>>,
  session: string,
  waiting: Waiting,
): Promise<void> => {
  const { io, signal } = context;
  const sending = new Set<Promise<unknown>>();
  for await (const line of linesOf(io.input(signal))) {
    waiting.seen(line, "client");
    const sent = gates
      .sendToGate({ session, message: line }, { deadlineMs: callDeadlineMs })
      .catch((error: unknown) => context.output.progress(`ioi gate: ${String(error)}`));
    sending.add(sent);
    void sent.finally(() => sending.delete(sent));
    // In order, and not without bound.
    if (sending.size >= gateSendsMax) await Promise.race(sending);
  }
  await Promise.all(sending);
  await waiting.none(gateDrainMs);
};

const newline = Uint8Array.of(10);

/** What the gate says until it ends. */
const listen = async (
  context: CommandContext,
  events: AsyncIterable<pb.GateEvent>,
  waiting: Waiting,
  heard: { readonly opened: () => void; readonly ended: (end: pb.RelayEnd) => void },
  quiet: boolean,
): Promise<void> => {
  const { io, output } = context;
  for await (const { event } of events) {
    if (event.case === "message") {
      io.outBytes(event.value);
      io.outBytes(newline);
      waiting.seen(event.value, "server");
    } else if (event.case === "notice") {
      if (event.value.kind === "opened") heard.opened();
      if (!quiet || event.value.kind !== "allowed") output.progress(noticeText(event.value));
    } else if (event.case === "end") heard.ended(event.value);
  }
};

const serve = async (
  context: CommandContext,
  kernel: Kernel,
  server: pb.McpServer,
  options: GateOptions,
): Promise<ExitCode> => {
  const person = await kernel.person();
  // Without a kernel that stays, nobody sits at its page: the client's user is asked, unsigned.
  const onAsk = options.onAsk ?? (kernel.owned ? "elicit" : "wait");
  const uttered = await person.utter(
    {
      session: "",
      text: "",
      workspace: "",
      agent: "gate",
      undoes: "",
      mcpServer: server.name,
      clientAnswers: onAsk === "elicit",
    },
    { deadlineMs: callDeadlineMs },
  );
  const { session } = uttered;
  const gates = await kernel.mcpGates();
  const closed = new AbortController();
  const events = gates.openGate(
    { session, server: server.name, onAsk },
    { signal: closed.signal, deadlineMs: Number.POSITIVE_INFINITY },
  );
  const waiting = new Waiting();
  const opened = Promise.withResolvers<"opened">();
  const ended = Promise.withResolvers<pb.RelayEnd | undefined>();
  const heard = { opened: () => opened.resolve("opened"), ended: ended.resolve };
  const listening = listen(context, events, waiting, heard, options.quiet === true).then(
    () => ended.resolve(undefined),
    (error: unknown) => {
      if (closed.signal.aborted) ended.resolve(undefined);
      else ended.reject(error);
    },
  );
  try {
    const begun = await Promise.race([opened.promise, ended.promise]);
    const pumping = async (): Promise<undefined> => {
      await pump(context, gates, session, waiting);
      // What ended the gate may stand right behind the last answer.
      await Promise.race([ended.promise, sleep(gateEndMs)]);
      return undefined;
    };
    const end =
      begun === "opened" ? await Promise.race([ended.promise, pumping()]) : await ended.promise;
    if (end === undefined) return exitCodes.done;
    const words = end.errors === "" ? "" : `; its last words: ${visible(end.errors.slice(-500))}`;
    throw new OperationError(end.code as `E_${string}`, `${end.message}${words}`);
  } finally {
    closed.abort(new OperationError("E_RPC_CANCELLED", "the client has gone"));
    await listening;
  }
};

export const gate: Handler<GateOptions> = async (context, { args, options }) => {
  await using kernel = await openKernel(context, { start: true, hold: true });
  const server = await confirmServer(context, kernel, args, options);
  banner(context, server, kernel.owned);
  return await serve(context, kernel, server, options);
};
