/** A client of a gate: the session that a person opens for it, and its messages both ways. */
import { OperationError } from "@ioi/base";
import { MessageQueue } from "@ioi/host/rpc";
import type { pb } from "@ioi/wire";
import { visible } from "../../io.ts";
import type { Kernel } from "../../kernel/connection.ts";
import { callDeadlineMs, gateSendsMax } from "../../limits.ts";

export type OnAsk = "deny" | "wait" | "elicit";

export type GateEnd = Pick<pb.RelayEnd, "code" | "message" | "errors">;

export interface ClientGateEvents {
  readonly message: (bytes: Uint8Array) => void;
  readonly notice: (notice: pb.GateNotice) => void;
  /** Once. */
  readonly ended: (end: GateEnd) => void;
}

export const endError = ({ code, message, errors }: GateEnd): OperationError => {
  const words = errors === "" ? "" : `; its last words: ${visible(errors.slice(-500))}`;
  return new OperationError(code as `E_${string}`, `${message}${words}`);
};

export class ClientGate {
  readonly #gates: Awaited<ReturnType<Kernel["mcpGates"]>>;
  readonly #session: string;
  /** On their way to the Workload. */
  readonly #said: MessageQueue<Pick<pb.GateFeed, "session" | "message">>;
  /** Kept while the next message has to wait: whoever comes meanwhile waits for the same. */
  #room: PromiseWithResolvers<undefined> | undefined;
  #feeding: Promise<void> = Promise.resolve();
  readonly #closed = new AbortController();
  #following: Promise<void> = Promise.resolve();

  private constructor(gates: Awaited<ReturnType<Kernel["mcpGates"]>>, session: string) {
    this.#gates = gates;
    this.#session = session;
    this.#said = new MessageQueue(() => this.#drained());
  }

  /** Resolves when the first message may be sent. */
  static async open(
    kernel: Kernel,
    server: string,
    onAsk: OnAsk,
    events: ClientGateEvents,
    quiet = false,
  ): Promise<ClientGate> {
    const person = await kernel.person();
    const opening = { session: "", text: "", workspace: "", agent: "gate", undoes: "" };
    const { session } = await person.utter(
      { ...opening, mcpServer: server, clientAnswers: onAsk === "elicit" },
      { deadlineMs: callDeadlineMs },
    );
    const gate = new ClientGate(await kernel.mcpGates(), session);
    const opened = Promise.withResolvers<undefined>();
    gate.#following = gate.#follow({ server, onAsk, quiet }, events, opened);
    try {
      await opened.promise;
      gate.#feeding = gate.#feed();
    } catch (error) {
      await gate.close();
      throw error;
    }
    return gate;
  }

  async #follow(
    asked: { readonly server: string; readonly onAsk: OnAsk; readonly quiet: boolean },
    events: ClientGateEvents,
    opened: PromiseWithResolvers<undefined>,
  ): Promise<void> {
    let end: GateEnd = { code: "E_MCP_ENDED", message: "the gate was closed", errors: "" };
    try {
      const { signal } = this.#closed;
      const options = { signal, deadlineMs: Number.POSITIVE_INFINITY };
      const request = { session: this.#session, ...asked };
      for await (const { event } of this.#gates.openGate(request, options)) {
        if (event.case === "message") events.message(event.value);
        else if (event.case === "notice") {
          if (event.value.kind === "opened") opened.resolve(undefined);
          events.notice(event.value);
        } else if (event.case === "end") end = event.value;
      }
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      if (!this.#closed.signal.aborted) {
        end = { code: error.code, message: error.message, errors: "" };
      }
    }
    opened.reject(endError(end));
    events.ended(end);
  }

  async #feed(): Promise<void> {
    const { signal } = this.#closed;
    const options = { signal, deadlineMs: Number.POSITIVE_INFINITY };
    try {
      for await (const _ of this.#gates.feedGate(this.#said, options));
    } catch (error) {
      // The gate has ended, and says why itself.
      if (!(error instanceof OperationError)) throw error;
    } finally {
      this.#said.clear();
      this.#drained();
    }
  }

  #drained(): void {
    this.#room?.resolve(undefined);
    this.#room = undefined;
  }

  /** In order; resolves when the next one may come. */
  async send(message: Uint8Array): Promise<void> {
    this.#said.push({ session: this.#session, message });
    if (this.#said.length < gateSendsMax) return;
    this.#room ??= Promise.withResolvers();
    await this.#room.promise;
  }

  async close(): Promise<void> {
    this.#closed.abort(new OperationError("E_RPC_CANCELLED", "the client has gone"));
    this.#said.finish();
    await Promise.all([this.#following, this.#feeding]);
  }
}
