/**
 * `Egress` for one driver: check, lease, carry. What runs is known by session, so that a stop cuts
 * it and can say what servers had received.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Clock, type Log, OperationError } from "@ioi/base";
import type { CryptoProvider } from "@ioi/crypto";
import { type Client, type Implementation, implement } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";
import { carry, type SharedPorts } from "./carry.ts";
import { type CheckedRequest, checkRequest, type ClientIdentity, UsedCounters } from "./check.ts";
import type { Connection } from "./connect.ts";
import { Flow, Flows, tagOf } from "./flow.ts";
import { checkConnection, checkListener, type FindListener } from "./listeners.ts";
import { cutRequestsKept, leaseMs, requestsMax, requestsOfClientMax } from "./limits.ts";
import { type CutProgram, Programs, type TakeWayOut } from "./program/service.ts";
import { Redirects } from "./redirects.ts";

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
  readonly ports: SharedPorts;
  readonly listener: FindListener;
  readonly takeWayOut: TakeWayOut;
  readonly clock: Pick<Clock, "now">;
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

type Event = MessageInitShape<typeof pb.FetchEventSchema>;

const changed = (): OperationError =>
  new OperationError("E_EGRESS_RESPONSE", "the server does not go on where its answer broke off");

/** What makes a request the rest of an earlier one; nothing in it is the driver's to choose. */
const continuing = (flow: Flow | undefined): readonly (readonly [string, string])[] =>
  flow === undefined
    ? []
    : [
        ["range", `bytes=${flow.received}-`],
        ["if-range", flow.tag],
      ];

export class Egress {
  readonly #options: EgressOptions;
  readonly #used = new UsedCounters();
  readonly #flows = new Flows();
  readonly #redirects = new Redirects();
  /** Requests that passed their checks and wait for their lease count as running. */
  readonly #running: Set<Running> = new Set();
  /** Requests that ended because nobody wanted their answer any more; the newest. */
  readonly #cut: Sent[] = [];

  readonly #programs: Programs;

  constructor(options: EgressOptions) {
    this.#options = options;
    const onCut = (cut: readonly CutProgram[]): void => this.#keepPrograms(cut);
    this.#programs = new Programs({ ...options, used: this.#used, onCut });
  }

  get running(): number {
    return this.#running.size + this.#programs.running;
  }

  serviceFor(client: ClientIdentity): Implementation {
    return implement(pb.Egress, {
      fetch: (request, context) => this.#fetch(client, request, context.signal),
    });
  }

  /** The network of the programs that this driver starts. */
  programsFor(client: ClientIdentity): Implementation {
    return implement(pb.ProgramNetwork, {
      open: (request, context) => this.#programs.open(client, request, context.signal),
      authority: async (request) => this.#programs.authority(client, request),
      answer: (request, context) => this.#programs.answer(client, request, context.signal),
      close: (request) => this.#programs.close(client, request),
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
    this.#flows.cut(session);
    this.#keepPrograms(this.#programs.cut(session));
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
    this.#keepCut({
      session: client.session,
      counter: ticket.counter,
      method: request.method,
      url: request.url.text.split("?", 1)[0] ?? "",
      bytesUp,
    });
  }

  #keepPrograms(cut: readonly CutProgram[]): void {
    for (const { url, bytesUp, ...each } of cut) {
      this.#keepCut({ ...each, url: url.split("?", 1)[0] ?? "", bytesUp: BigInt(bytesUp) });
    }
  }

  #keepCut(sent: Sent): void {
    this.#cut.push(sent);
    if (this.#cut.length > cutRequestsKept) this.#cut.shift();
  }

  async *#fetch(
    client: ClientIdentity,
    given: pb.FetchRequest,
    signal: AbortSignal,
  ): AsyncGenerator<MessageInitShape<typeof pb.FetchEventSchema>> {
    const { checked, flow: known } = this.#checked(client, given);
    if (known !== undefined) known.running = true;
    let flow = known;
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
      const lease =
        flow?.lease ??
        (await this.#options.leases.lease(
          { ticket: given.ticket, action: given.action },
          { signal: stop, deadlineMs: leaseMs },
        ));
      flow ??= this.#begun(client, checked, lease);
      const headers = [
        ...checked.headers,
        ...lease.headers.map(({ name, value }) => [name, value] as const),
        ...continuing(known?.type === "answer" ? known : undefined),
      ];
      const { listener } = lease;
      const find = this.#options.listener;
      if (listener !== undefined) {
        await checkListener(find, checked.request.url.port, listener);
      }
      if (given.body.length > Number(lease.bytesUpMax)) {
        throw new OperationError("E_EGRESS_REQUEST", "the body is larger than the lease allows");
      }
      const carried = carry(
        checked.request,
        headers,
        given.body,
        {
          bytesDownMax: Math.min(Number(lease.bytesDownMax), flow?.bytesDownLeft ?? Infinity),
          addressClasses: new Set(lease.addressClasses),
          hidden: lease.headers.map(({ value }) => value),
        },
        {
          ...this.#options.ports,
          onConnection: (connection) => {
            running.connection = connection;
          },
          admit: async (connection) => {
            if (listener !== undefined) await checkConnection(find, connection, listener, stop);
          },
        },
        stop,
      );
      const events = this.#seen(carried, running, given.body);
      if (flow === undefined) yield* events;
      else yield* this.#logged(events, flow, running);
    } catch (error) {
      if (stop.aborted) this.#remember(running);
      const code = error instanceof OperationError ? error.code : "bug";
      this.#options.log.log("info", "egress.ended", { ...noted(checked), code });
      throw error;
    } finally {
      this.#running.delete(running);
    }
  }

  /** The events of one request; the redirect of a message may be followed. */
  async *#seen(
    events: AsyncGenerator<Event>,
    { client, checked }: Running,
    body: Uint8Array,
  ): AsyncGenerator<Event> {
    for await (const message of events) {
      const { event } = message;
      if (event?.case === "head" && checked.ticket.target === "mcp::call") {
        this.#redirects.note(client, checked.request, body, event.value);
      }
      yield message;
    }
  }

  #begun(client: ClientIdentity, checked: CheckedRequest, lease: pb.LeaseReply): Flow | undefined {
    const { clock, provider } = this.#options;
    if (checked.flow === undefined) return undefined;
    const type = checked.ticket.target === "mcp::call" ? "messages" : "answer";
    const flow = new Flow(client, type, lease, checked.flow, clock.now(), provider);
    flow.running = true;
    this.#flows.add(checked.ticket.counter, flow);
    return flow;
  }

  /** The events of one request of a flow; its end says what all of them were. */
  async *#logged(
    events: AsyncGenerator<Event>,
    flow: Flow,
    running: Running,
  ): AsyncGenerator<Event> {
    const { checked } = running;
    const before = flow.received;
    let status = 0;
    let noted = false;
    const note = (): void => {
      if (noted) return;
      noted = true;
      const bytesUp = running.connection?.socket.bytesWritten ?? 0;
      flow.ended(checked, status, bytesUp, flow.received - before);
    };
    try {
      for await (const message of events) {
        const { event } = message;
        if (event?.case === "head") {
          status = event.value.status ?? 0;
          if (flow.type === "answer") {
            if (before === 0) flow.tag = tagOf(event.value);
            else if (status !== 206) throw changed();
          }
        } else if (event?.case === "body") flow.received += event.value.length;
        if (event?.case !== "end") {
          yield message;
          continue;
        }
        note();
        // Whole: there is nothing to go on with.
        if (flow.type === "answer") {
          flow.over = true;
          this.#flows.end(checked.ticket.counter);
        }
        const more = { requests: flow.requests, requestLog: flow.log };
        yield { event: { case: "end", value: { ...event.value, ...more } } };
      }
    } finally {
      note();
    }
  }

  #checked(
    client: ClientIdentity,
    given: pb.FetchRequest,
  ): { readonly checked: CheckedRequest; readonly flow: Flow | undefined } {
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
    const { request, ticket } = checked.value;
    const flow = this.#further(client, given, ticket.counter);
    if (flow === undefined && !this.#used.take(ticket.counter)) {
      throw new OperationError("E_EGRESS_TICKET", "the ticket was used before");
    }
    if (request.from !== undefined && !this.#redirects.take(client, request, given.body)) {
      throw new OperationError("E_EGRESS_REQUEST", "the server sent no such message there");
    }
    return { checked: checked.value, flow };
  }

  /** The flow that a request goes on with; undefined where it is its ticket's first. */
  #further(client: ClientIdentity, given: pb.FetchRequest, counter: bigint): Flow | undefined {
    const goesOn = given.offset > 0n || this.#flows.has(counter);
    if (!goesOn) return undefined;
    const now = this.#options.clock.now();
    const further = { offset: Number(given.offset), bytesUp: given.body.length };
    const flow = this.#flows.continued(counter, client, further, now);
    if (!flow.ok) throw new OperationError(flow.error.code, flow.error.message);
    return flow.value;
  }
}
