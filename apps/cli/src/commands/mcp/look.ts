/**
 * Lets a confirmed server say what its tools are, so that they are pinned before anybody calls them:
 * a client that says hello and asks for the list, through the gate like any other.
 */
import { OperationError } from "@ioi/base";
import type { pb } from "@ioi/wire";
import type { CommandContext } from "../../context.ts";
import type { Kernel } from "../../kernel/connection.ts";
import { callDeadlineMs, mcpLookMs } from "../../limits.ts";

const newest = "2026-07-28";
const older = "2025-11-25";

const info = { name: "ioi", version: "0.1.0" };

const hello = {
  jsonrpc: "2.0",
  id: "hello",
  method: "initialize",
  params: { protocolVersion: older, capabilities: {}, clientInfo: info },
};
const ready = { jsonrpc: "2.0", method: "notifications/initialized" };

const list = (cursor: string | undefined, stateless: boolean): object => ({
  jsonrpc: "2.0",
  id: `list ${cursor ?? ""}`,
  method: "tools/list",
  params: {
    ...(cursor === undefined ? {} : { cursor }),
    ...(stateless
      ? {
          _meta: {
            "io.modelcontextprotocol/protocolVersion": newest,
            "io.modelcontextprotocol/clientInfo": info,
            "io.modelcontextprotocol/clientCapabilities": {},
          },
        }
      : {}),
  },
});

interface Answer {
  readonly id?: unknown;
  readonly error?: { readonly message?: unknown };
  readonly result?: { readonly nextCursor?: unknown };
}

/** What to say next; undefined at the end. */
const next = (answer: Answer, stateless: boolean): readonly object[] | undefined => {
  if (answer.id === "hello") {
    // A server of the newest era alone knows no hello.
    return answer.error === undefined ? [ready, list(undefined, false)] : [list(undefined, true)];
  }
  if (answer.error !== undefined) return undefined;
  const cursor = answer.result?.nextCursor;
  return typeof cursor === "string" ? [list(cursor, stateless)] : undefined;
};

const failed = (message: string): OperationError => new OperationError("E_CLI_MCP_LOOK", message);

/** Throws where the server does not start, or does not say in time what it has. */
export const lookAtTools = async (
  { signal }: CommandContext,
  kernel: Kernel,
  server: pb.McpServer,
): Promise<void> => {
  const person = await kernel.person();
  const { session } = await person.utter(
    { session: "", text: "", workspace: "", agent: "gate", undoes: "", mcpServer: server.name },
    { deadlineMs: callDeadlineMs },
  );
  const gates = await kernel.mcpGates();
  const closed = new AbortController();
  const timer = setTimeout(
    () => closed.abort(failed(`${server.name} said nothing for ${mcpLookMs / 1000} s`)),
    mcpLookMs,
  );
  const send = async (message: object): Promise<void> => {
    const bytes = new TextEncoder().encode(JSON.stringify(message));
    // Where the gate has ended meanwhile, what it says last is the reason.
    await gates
      .sendToGate({ session, message: bytes }, { deadlineMs: callDeadlineMs })
      .catch(() => undefined);
  };
  let stateless = false;
  try {
    const events = gates.openGate(
      { session, server: server.name, onAsk: "deny" },
      {
        signal: AbortSignal.any([signal, closed.signal]),
        deadlineMs: Number.POSITIVE_INFINITY,
      },
    );
    for await (const { event } of events) {
      if (event.case === "end") {
        const { message, errors } = event.value;
        throw failed(`${message}${errors === "" ? "" : `: ${errors.slice(-300)}`}`);
      }
      if (event.case === "notice" && event.value.text.startsWith("session ")) await send(hello);
      if (event.case !== "message") continue;
      const answer = JSON.parse(new TextDecoder().decode(event.value)) as Answer;
      if (answer.id === undefined) continue;
      if (answer.id === "hello") stateless = answer.error !== undefined;
      const more = next(answer, stateless);
      if (more === undefined) {
        if (answer.error === undefined) return;
        throw failed(`${server.name}: ${String(answer.error.message).slice(0, 300)}`);
      }
      for (const message of more) await send(message);
    }
  } finally {
    clearTimeout(timer);
    closed.abort(failed("looked"));
  }
};
