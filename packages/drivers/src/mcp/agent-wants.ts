/**
 * What an agent's call needs beside its own ticket: the start of the server's program, and each message
 * that keeps a connection to a server elsewhere. Each is asked for while the call is performed, judged
 * as an action of its own, and performed here under its ticket.
 *
 * Invariant: nothing is performed that nobody waits for. Bound: `mcpHeldMax` that wait.
 */
import { equalBytes, ok, OperationError, type Result } from "@ioi/base";
import { type CanonicalValue, encodeCanonical, type McpServer } from "@ioi/wire";
import type { ActContext, ActReport, PreparedAction } from "../core/driver.ts";
import { type DriverRejection, reject } from "../fs/roots.ts";
import { mcpHeldMax } from "../limits.ts";
import { type CallAction, factsOfServer, keepsOfStart } from "./server-start.ts";

interface Want {
  readonly id: number;
  readonly counter: bigint;
  readonly server: McpServer;
  readonly args: Uint8Array;
  readonly perform: (context: ActContext) => Promise<ActReport>;
  readonly refused: (error: OperationError) => void;
  prepared: boolean;
}

export class AgentWants {
  readonly #wants: Map<number, Want> = new Map();
  #last = 0;

  /** Rejects where it is not permitted; `perform` says itself what came of it. */
  async ask(
    context: ActContext,
    server: McpServer,
    action: CallAction,
    perform: (context: ActContext) => Promise<ActReport>,
  ): Promise<never> {
    if (this.#wants.size >= mcpHeldMax) {
      throw new OperationError("E_MCP_BUSY", `${server.name}: too much waits to be judged`);
    }
    return await new Promise<never>((_, refused) => {
      const id = ++this.#last;
      const args = encodeCanonical(action);
      const { counter } = context;
      this.#wants.set(id, { id, counter, server, args, perform, refused, prepared: false });
      context.want({ id, target: "mcp::call", args });
    });
  }

  /** The oldest that nobody has prepared; undefined where nothing like it is waited for. */
  prepare(args: {
    readonly [name: string]: CanonicalValue;
  }): Result<PreparedAction, DriverRejection> {
    const encoded = encodeCanonical(args);
    const alike = [...this.#wants.values()].filter((each) => equalBytes(each.args, encoded));
    const want = alike.find(({ prepared }) => !prepared) ?? alike[0];
    if (want === undefined) {
      return reject("E_ARGUMENTS_INVALID", "no call of this session waits for it");
    }
    want.prepared = true;
    return ok({
      facts: factsOfServer(want.server),
      effect: true,
      content: undefined,
      keeps: keepsOfStart,
      act: async (context) => {
        this.#wants.delete(want.id);
        return await want.perform(context);
      },
      [Symbol.dispose]: () => undefined,
    });
  }

  refuse(counter: bigint, id: number, reason: string): void {
    const want = this.#wants.get(id);
    if (want?.counter !== counter) return;
    this.#wants.delete(id);
    want.refused(new OperationError("E_MCP_START", `${want.server.name}: ${reason}`));
  }
}
