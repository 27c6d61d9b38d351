/**
 * `Egress` for one driver: check, lease, carry. What runs is known by session, so that a stop cuts
 * it and can say what servers had received.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Log, OperationError } from "@ioi/base";
import type { CryptoProvider } from "@ioi/crypto";
import { type Client, type Implementation, implement } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";
import { carry, type CarryPorts } from "./carry.ts";
import { type CheckedRequest, checkRequest, type ClientIdentity, UsedCounters } from "./check.ts";
import type { Connection } from "./connect.ts";
import { checkListener, type FindListener } from "./listeners.ts";
import { cutRequestsKept, leaseMs, requestsMax, requestsOfClientMax } from "./limits.ts";

interface Running {
  readonly client: ClientIdentity;
  readonly checked: CheckedRequest;
  readonly abort: AbortController;
  connection: Connection | undefined;
  /** Its end is known, or was told, already. */
  remembered: boolean;
}

export interface EgressOptions {
  readonly provider: CryptoProvider;
  /** Raw Ed25519 key of this boot of the Guardian. */
  readonly bootKey: Uint8Array;
  readonly leases: Client<typeof pb.Leases>;
  readonly ports: Omit<CarryPorts, "onConnection">;
  readonly listener: FindListener;
  readonly log: Log;
}

interface Sent {
  readonly session: string;
  readonly counter: bigint;
  readonly method: string;
  readonly url: string;
  readonly bytesUp: bigint;
}

const stopped = (): OperationError =>
  new OperationError("E_EGRESS_STOPPED", "the session was stopped");

/** A line of a log holds ids and numbers, no address and no content. */
const noted = (checked: CheckedRequest) => ({
  session: checked.ticket.session,
  ticket: checked.ticket.counter.toString(),
});

export class Egress {
  readonly #options: EgressOptions;
  readonly #used = new UsedCounters();
  /** Requests that passed their checks and wait for their lease count as running. */
  readonly #running: Set<Running> = new Set();
  /** Requests that ended because nobody wanted their answer any more; the newest. */
  readonly #cut: Sent[] = [];

  constructor(options: EgressOptions) {
    this.#options = options;
  }

  get running(): number {
    return this.#running.size;
  }

  serviceFor(client: ClientIdentity): Implementation {
    return implement(pb.Egress, {
      fetch: (request, context) => this.#fetch(client, request, context.signal),
    });
  }

  control(): Implementation {
    return implement(pb.EgressControl, { cut: async ({ session }) => this.cut(session) });
  }

  /** Ends the requests of a session, or all. */
  cut(session: string): MessageInitShape<typeof pb.CutReplySchema> {
    const meant = (each: { readonly session: string }): boolean =>
      session === "" || each.session === session;
    for (const running of this.#running) {
      if (!meant(running.client)) continue;
      this.#remember(running);
      running.abort.abort(stopped());
      running.connection?.socket.destroy();
    }
    // Told to everybody who stops the session: the Workload and the person both do.
    return { sent: this.#cut.filter(meant) };
  }

  /** Once; a request of which nothing was written is not one. */
  #remember(running: Running): void {
    const { client, checked, connection, remembered } = running;
    const { ticket, request } = checked;
    const bytesUp = BigInt(connection?.socket.bytesWritten ?? 0);
    if (bytesUp === 0n || remembered) return;
    running.remembered = true;
    this.#cut.push({
      session: client.session,
      counter: ticket.counter,
      method: request.method,
      url: request.url.text.split("?", 1)[0] ?? "",
      bytesUp,
    });
    if (this.#cut.length > cutRequestsKept) this.#cut.shift();
  }

  async *#fetch(
    client: ClientIdentity,
    given: pb.FetchRequest,
    signal: AbortSignal,
  ): AsyncGenerator<MessageInitShape<typeof pb.FetchEventSchema>> {
    const checked = this.#checked(client, given);
    const running: Running = {
      client,
      checked,
      abort: new AbortController(),
      connection: undefined,
      remembered: false,
    };
    this.#running.add(running);
    const stop = AbortSignal.any([signal, running.abort.signal]);
    try {
      const lease = await this.#options.leases.lease(
        { ticket: given.ticket, action: given.action },
        { signal: stop, deadlineMs: leaseMs },
      );
      const headers = [
        ...checked.headers,
        ...lease.headers.map(({ name, value }) => [name, value] as const),
      ];
      if (lease.listener !== undefined) {
        await checkListener(this.#options.listener, checked.request.url.port, lease.listener);
      }
      if (given.body.length > Number(lease.bytesUpMax)) {
        throw new OperationError("E_EGRESS_REQUEST", "the body is larger than the lease allows");
      }
      yield* carry(
        checked.request,
        headers,
        given.body,
        {
          bytesDownMax: Number(lease.bytesDownMax),
          addressClasses: new Set(lease.addressClasses),
        },
        {
          ...this.#options.ports,
          onConnection: (connection) => {
            running.connection = connection;
          },
        },
        stop,
      );
    } catch (error) {
      if (stop.aborted) this.#remember(running);
      const code = error instanceof OperationError ? error.code : "bug";
      this.#options.log.log("info", "egress.ended", { ...noted(checked), code });
      throw error;
    } finally {
      this.#running.delete(running);
    }
  }

  #checked(client: ClientIdentity, given: pb.FetchRequest): CheckedRequest {
    const { provider, bootKey, log } = this.#options;
    const checked = checkRequest(provider, bootKey, client, given);
    if (!checked.ok) {
      const { code, message } = checked.error;
      log.log("warn", "egress.refused", { session: client.session, code });
      throw new OperationError(code, message);
    }
    const ofClient = [...this.#running].filter((each) => each.client === client).length;
    if (this.#running.size >= requestsMax || ofClient >= requestsOfClientMax) {
      throw new OperationError("E_EGRESS_BUSY", `${ofClient} requests of this driver run`, {
        retryable: true,
      });
    }
    if (!this.#used.take(checked.value.ticket.counter)) {
      throw new OperationError("E_EGRESS_TICKET", "the ticket was used before");
    }
    return checked.value;
  }
}
