/**
 * Lets a confirmed server say what its tools are, so that they are pinned before anybody calls them:
 * a client that says hello and asks for the list, through the gate like any other.
 */
import { OperationError } from "@ioi/base";
import type { pb } from "@ioi/wire";
import type { CommandContext } from "../../context.ts";
import type { Kernel } from "../../kernel/connection.ts";
import { mcpLookMs } from "../../limits.ts";
import { ClientGate, type GateEnd } from "./client-gate.ts";

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

const wordsOf = ({ message, errors }: GateEnd): string =>
  `${message}${errors === "" ? "" : `: ${errors.slice(-300)}`}`;

/** Says hello and asks for the list, page by page; done with the last. */
class Look {
  readonly done = Promise.withResolvers<undefined>();
  readonly #name: string;
  #gate: ClientGate | undefined;
  #stateless = false;

  constructor(name: string) {
    this.#name = name;
    this.done.promise.catch(() => undefined);
  }

  begin(gate: ClientGate): void {
    this.#gate = gate;
    this.#send([hello]);
  }

  async end(): Promise<void> {
    await this.#gate?.close();
  }

  heard(bytes: Uint8Array): void {
    const answer = JSON.parse(new TextDecoder().decode(bytes)) as Answer;
    if (answer.id === undefined) return;
    if (answer.id === "hello") this.#stateless = answer.error !== undefined;
    const more = next(answer, this.#stateless);
    if (more !== undefined) this.#send(more);
    else if (answer.error === undefined) this.done.resolve(undefined);
    else {
      const said = String(answer.error.message).slice(0, 300);
      this.done.reject(failed(`${this.#name}: ${said}`));
    }
  }

  #send(messages: readonly object[]): void {
    for (const message of messages) {
      void this.#gate?.send(new TextEncoder().encode(JSON.stringify(message)));
    }
  }
}

/** Throws where the server does not start, or does not say in time what it has. */
export const lookAtTools = async (
  { signal }: CommandContext,
  kernel: Kernel,
  { name }: pb.McpServer,
): Promise<void> => {
  const look = new Look(name);
  const late = (): void =>
    look.done.reject(failed(`${name} said nothing for ${mcpLookMs / 1000} s`));
  const timer = setTimeout(late, mcpLookMs);
  const stopped = (): void => look.done.reject(signal.reason);
  signal.addEventListener("abort", stopped, { once: true });
  const opening = ClientGate.open(
    kernel,
    name,
    "deny",
    {
      message: (bytes) => look.heard(bytes),
      notice: () => undefined,
      ended: (end) => look.done.reject(failed(wordsOf(end))),
    },
    true,
  );
  opening.then(
    (gate) => look.begin(gate),
    () => undefined,
  );
  try {
    await look.done.promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stopped);
    await look.end();
  }
};
