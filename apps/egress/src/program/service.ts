/**
 * The ways out of programs, for one driver each: opened under a ticket that carries a flow, widened by
 * tickets of their own for what the program asks for beyond it, closed when the program has ended.
 *
 * Invariants: one way out for a ticket; it ends with its driver, its session and its bounds.
 * Bounds: `programsMax`, `waysOutKept`,
 * `authoritiesWaitingMax`.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { equalBytes, type Log, OperationError, type Result } from "@ioi/base";
import type { CryptoProvider } from "@ioi/crypto";
import { checkContents } from "@ioi/firewall/content";
import { ProgramAuthority } from "@ioi/host/crypto";
import type { Client } from "@ioi/host/rpc";
import { encodeCanonical, pb } from "@ioi/wire";
import type { SharedPorts } from "../carry.ts";
import { type ClientIdentity, flowOf, permittedAction, type UsedCounters } from "../check.ts";
import { authoritiesWaitingMax, leaseMs, programsMax } from "../limits.ts";
import { ProgramFlow } from "./flow.ts";
import type { FlowHost, Sum, Want } from "./permits.ts";

/** Takes the descriptor that a driver's sandbox sent with these words; undefined where none came. */
export type TakeWayOut = (client: ClientIdentity, words: Uint8Array) => number | undefined;

export interface ProgramsOptions {
  readonly provider: CryptoProvider;
  readonly bootKey: Uint8Array;
  readonly leases: Client<typeof pb.Leases>;
  readonly ports: SharedPorts;
  readonly used: UsedCounters;
  readonly takeWayOut: TakeWayOut;
  /** A program was ended with these under way. */
  readonly onCut: (cut: readonly CutProgram[]) => void;
  readonly log: Log;
}

interface Running {
  readonly client: ClientIdentity;
  readonly flow: ProgramFlow;
  /** Ends the stream of wants. */
  readonly abort: AbortController;
}

type OpenEvent = MessageInitShape<typeof pb.OpenEventSchema>;

const need = <T>(
  result: Result<T, { readonly code: `E_${string}`; readonly message: string }>,
): T => {
  if (result.ok) return result.value;
  throw new OperationError(result.error.code, result.error.message);
};

const noFlow = (): OperationError =>
  new OperationError("E_EGRESS_TICKET", "no way out is open under this ticket");

const sumOf = (sum: Sum) => ({
  requests: sum.requests,
  bytesUp: BigInt(sum.bytesUp),
  bytesDown: BigInt(sum.bytesDown),
  requestLog: sum.log,
});

const openedHosts = (hosts: readonly FlowHost[] = []): readonly string[] =>
  hosts.flatMap(({ host, intercept }) => (intercept === undefined ? [] : [host]));

export interface CutProgram {
  readonly session: string;
  readonly counter: bigint;
  readonly method: string;
  readonly url: string;
  readonly bytesUp: number;
}

/** Wants on their way to the driver. */
class WantQueue {
  #wants: Want[] = [];
  #wake: () => void = () => undefined;

  push(want: Want): void {
    this.#wants.push(want);
    this.#wake();
  }

  async *read(signal: AbortSignal): AsyncGenerator<Want> {
    const stop = (): void => this.#wake();
    signal.addEventListener("abort", stop, { once: true });
    while (!signal.aborted) {
      const wants = this.#wants;
      this.#wants = [];
      yield* wants;
      if (this.#wants.length > 0 || signal.aborted) continue;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

export class Programs {
  readonly #options: ProgramsOptions;
  readonly #running: Map<bigint, Running> = new Map();
  /** Of programs that have not started. */
  readonly #authorities: Map<
    bigint,
    { readonly client: ClientIdentity; readonly authority: ProgramAuthority }
  > = new Map();

  constructor(options: ProgramsOptions) {
    this.#options = options;
  }

  get running(): number {
    return this.#running.size;
  }

  /** What the program of this ticket is to believe, before it starts. */
  authority(
    client: ClientIdentity,
    given: pb.AuthorityRequest,
  ): MessageInitShape<typeof pb.AuthorityReplySchema> {
    const { provider, bootKey } = this.#options;
    const { ticket } = need(permittedAction(provider, bootKey, client, given));
    const hosts = openedHosts(flowOf(ticket)?.hosts);
    if (hosts.length === 0) {
      throw new OperationError("E_EGRESS_TICKET", "the ticket opens no connection");
    }
    const { counter } = ticket;
    const known = this.#authorities.get(counter);
    if (known?.client === client) return { certificate: known.authority.certificate };
    const authority = new ProgramAuthority(`ioi: program ${counter}`, hosts);
    this.#authorities.set(counter, { client, authority });
    if (this.#authorities.size > authoritiesWaitingMax) {
      const [oldest = 0n] = this.#authorities.keys();
      this.#authorities.delete(oldest);
    }
    return { certificate: authority.certificate };
  }

  /** Whoever asked for none has a program that believes none: its connections do not open. */
  #taken(
    client: ClientIdentity,
    counter: bigint,
    hosts: readonly FlowHost[],
  ): ProgramAuthority | undefined {
    const known = this.#authorities.get(counter);
    this.#authorities.delete(counter);
    const opened = openedHosts(hosts);
    if (opened.length === 0) return undefined;
    return known?.client === client
      ? known.authority
      : new ProgramAuthority(`ioi: program ${counter}`, opened);
  }

  async *open(
    client: ClientIdentity,
    given: pb.OpenRequest,
    signal: AbortSignal,
  ): AsyncGenerator<OpenEvent> {
    const { provider, bootKey, ports, log, leases } = this.#options;
    const { ticket } = need(permittedAction(provider, bootKey, client, given));
    const bounds = flowOf(ticket);
    if (bounds?.hosts === undefined) {
      throw new OperationError("E_EGRESS_TICKET", "the ticket has no network for a program");
    }
    if (this.#running.size >= programsMax) {
      const message = `${this.#running.size} programs have a network`;
      throw new OperationError("E_EGRESS_BUSY", message, { retryable: true });
    }
    if (!this.#options.used.take(ticket.counter)) {
      throw new OperationError("E_EGRESS_TICKET", "the ticket was used before");
    }
    const { action } = given;
    await leases.lease({ ticket: given.ticket, action }, { signal, deadlineMs: leaseMs });
    const descriptor = this.#options.takeWayOut(client, given.words);
    if (descriptor === undefined) {
      throw new OperationError("E_EGRESS_REQUEST", "no sandbox sent its way out");
    }
    const { session, counter } = ticket;
    const authority = this.#taken(client, counter, bounds.hosts);
    const wants = new WantQueue();
    const onWant = (want: Want): void => wants.push(want);
    const flow = new ProgramFlow({
      session,
      counter,
      bounds,
      descriptor,
      provider,
      ports,
      onWant,
      ...(authority === undefined ? {} : { authority }),
      log,
    });
    const abort = new AbortController();
    this.#running.set(counter, { client, flow, abort });
    try {
      yield { event: { case: "opened", value: {} } };
      const stop = AbortSignal.any([signal, abort.signal]);
      for await (const { id, target, args } of wants.read(stop)) {
        yield { event: { case: "want", value: { id, target, args: encodeCanonical(args) } } };
      }
    } finally {
      // Its driver is gone without a word: what was under way is cut.
      this.#options.onCut(this.#live(flow));
      void flow.close();
      this.#running.delete(counter);
    }
  }

  #found(client: ClientIdentity, counter: bigint): Running {
    const running = this.#running.get(counter);
    if (running === undefined || running.client !== client) throw noFlow();
    return running;
  }

  async answer(
    client: ClientIdentity,
    given: pb.AnswerRequest,
    signal: AbortSignal,
  ): Promise<object> {
    const { flow } = this.#found(client, given.counter);
    const want = flow.wanted(given.id);
    // Its connection is gone, or waited too long.
    if (want === undefined) throw new OperationError("E_EGRESS_REQUEST", "nobody waits for this");
    if (given.ticket.length === 0) {
      flow.refuse(given.id, given.reason === "" ? "refused" : given.reason);
      return {};
    }
    const { provider, bootKey, used, leases } = this.#options;
    const { ticket, action } = need(permittedAction(provider, bootKey, client, given));
    const same = equalBytes(encodeCanonical(action.args), encodeCanonical(want.args));
    if (action.target !== want.target || !same) {
      throw new OperationError("E_EGRESS_REQUEST", "the ticket is for something else");
    }
    const forbidden = checkContents(ticket.obligations, want.body);
    if (forbidden !== undefined) {
      flow.refuse(given.id, forbidden.message);
      throw new OperationError(forbidden.code, forbidden.message);
    }
    if (!used.take(ticket.counter)) {
      throw new OperationError("E_EGRESS_TICKET", "the ticket was used before");
    }
    const lease = await leases.lease(
      { ticket: given.ticket, action: given.action },
      { signal, deadlineMs: leaseMs },
    );
    flow.grant(given.id, lease.addressClasses);
    return {};
  }

  async close(
    client: ClientIdentity,
    { counter, cut }: pb.CloseRequest,
  ): Promise<MessageInitShape<typeof pb.CloseReplySchema>> {
    const { flow, abort } = this.#found(client, counter);
    if (cut) this.#options.onCut(this.#live(flow));
    await flow.close();
    abort.abort();
    return {
      lease: { ...sumOf(flow.total), refused: flow.refusals, ended: flow.ended },
      permits: flow.granted.map(({ want, sum }) => ({
        id: want,
        ...sumOf(sum),
        mode: sum.mode,
        address: sum.address,
      })),
      entries: flow.entries.map((entry) => ({
        ...entry,
        bytesUp: BigInt(entry.bytesUp),
        bytesDown: BigInt(entry.bytesDown),
      })),
    };
  }

  #live(flow: ProgramFlow): readonly CutProgram[] {
    const { session, counter } = flow;
    return flow.live().map((each) => ({ session, counter, ...each }));
  }

  /** Ends the ways out of a session, or all; says what was under way and had sent something. */
  cut(session: string): readonly CutProgram[] {
    const cut: CutProgram[] = [];
    for (const { client, flow, abort } of this.#running.values()) {
      if (session !== "" && client.session !== session) continue;
      cut.push(...this.#live(flow));
      void flow.close();
      abort.abort();
    }
    return cut;
  }
}
