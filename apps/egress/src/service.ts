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
import { leaseMs, requestsMax, requestsOfClientMax } from "./limits.ts";

interface Running {
  readonly client: ClientIdentity;
  readonly checked: CheckedRequest;
  readonly abort: AbortController;
  connection: Connection | undefined;
}

export interface EgressOptions {
  readonly provider: CryptoProvider;
  /** Raw Ed25519 key of this boot of the Guardian. */
  readonly bootKey: Uint8Array;
  readonly leases: Client<typeof pb.Leases>;
  readonly ports: Omit<CarryPorts, "onConnection">;
  readonly log: Log;
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
  readonly #running: Set<Running> = new Set();
  /** Requests that passed their checks and wait for their lease count as running. */
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
    const cut = [...this.#running].filter(
      ({ client }) => session === "" || client.session === session,
    );
    const sent = cut
      .map(({ client, checked: { ticket, request }, connection }) => ({
        session: client.session,
        counter: ticket.counter,
        method: request.method,
        url: request.url.text.split("?", 1)[0] ?? "",
        bytesUp: BigInt(connection?.socket.bytesWritten ?? 0),
      }))
      .filter(({ bytesUp }) => bytesUp > 0n);
    for (const { abort, connection } of cut) {
      abort.abort(stopped());
      connection?.socket.destroy();
    }
    return { sent };
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
