/**
 * The network of the programs that a driver starts: their sandbox has one port, which egress serves
 * under the ticket of the act. What a program asks for beyond it is an action of its own, prepared and
 * performed here: its act tells egress, and ends with the program, with what went over it.
 *
 * Invariants: a driver carries no byte of it and decides nothing; an action is prepared only for what a
 * program of this driver waits for. Bounds: egress' own, `wayOutMs`, `networkEntriesMax`.
 */
import { randomBytes } from "node:crypto";
import { equalBytes, InvariantError, ok, OperationError, type Result, toHex } from "@ioi/base";
import type { Client } from "@ioi/host/rpc";
import { sandboxBridgePort, type SpawnOptions } from "@ioi/host/sandbox";
import { type CanonicalValue, encodeCanonical, type pb } from "@ioi/wire";
import type { ActContext, ActReport, ObligationType, PreparedAction } from "../core/driver.ts";
import { refused } from "../core/driver.ts";
import type { ErrorCode } from "../errors.ts";
import { type DriverRejection, reject } from "../fs/roots.ts";
import { cutMs, networkEntriesMax, wayOutMs } from "../limits.ts";
import { opensConnections, type ProgramTrust, programTrust } from "./trust.ts";

/** What a program's environment says of its way out; every name that common clients read. */
export const proxyEnvironment: Readonly<Record<string, string>> = (() => {
  const http = `http://127.0.0.1:${sandboxBridgePort}`;
  const socks = `socks5h://127.0.0.1:${sandboxBridgePort}`;
  const named = { HTTP_PROXY: http, HTTPS_PROXY: http, ALL_PROXY: socks, NO_PROXY: "" };
  return {
    ...named,
    ...Object.fromEntries(
      Object.entries(named).map(([name, value]) => [name.toLowerCase(), value]),
    ),
    NODE_USE_ENV_PROXY: "1",
  };
})();

/** Targets of what a program may ask for. */
export const wantTargets: ReadonlySet<string> = new Set(["net::connect", "net::get", "net::post"]);

interface Want {
  readonly id: number;
  readonly target: string;
  readonly args: Uint8Array;
  prepared: boolean;
}

/** What went over a way out, for the report of its act. */
export interface WayOutSum {
  readonly evidence: Readonly<Record<string, string>>;
  /** Every request in order, as far as they are kept. */
  readonly entries: readonly { readonly [name: string]: CanonicalValue }[];
}

const keepsNothing: ReadonlySet<ObligationType> = new Set();
/** It is made once, whatever the ticket would allow beyond it; egress looks through what it sends. */
const keepsFlow: ReadonlySet<ObligationType> = new Set<ObligationType>(["flow"]);

const permitEvidence = (sum: pb.PermitSum): Record<string, string> => ({
  mode: sum.mode,
  requests: String(sum.requests),
  bytes_up: String(sum.bytesUp),
  bytes_down: String(sum.bytesDown),
  request_log: toHex(sum.requestLog),
  ...(sum.address === "" ? {} : { address: sum.address }),
});

const entryOf = (entry: pb.FlowEntry): { readonly [name: string]: CanonicalValue } => ({
  method: entry.method,
  url: entry.url,
  status: entry.status,
  bytesUp: Number(entry.bytesUp),
  bytesDown: Number(entry.bytesDown),
  mode: entry.mode,
  want: entry.want,
});

/** One act's. */
export class WayOut implements AsyncDisposable {
  readonly #egress: Client<typeof pb.ProgramNetwork>;
  readonly #context: ActContext;
  readonly #words: Uint8Array;
  readonly #ended = Promise.withResolvers<ReadonlyMap<number, pb.PermitSum>>();
  readonly #abort = new AbortController();
  readonly #wants: Map<number, Want> = new Map();
  readonly #forget: () => void;
  /** The act's signal ends its opening, and not what was opened. */
  readonly #outlives: boolean;
  #open = false;
  #closing: Promise<WayOutSum | undefined> | undefined;
  /** Where the program's sandbox sends its way out, for `spawnSandboxed`. */
  readonly bridge: NonNullable<SpawnOptions["bridge"]>;
  readonly descriptor: number;

  constructor(
    egress: Client<typeof pb.ProgramNetwork>,
    descriptor: number,
    context: ActContext,
    stdioIndex: number,
    { outlives, forget }: { readonly outlives: boolean; readonly forget: () => void },
  ) {
    this.#egress = egress;
    this.#outlives = outlives;
    this.#context = context;
    this.#words = Uint8Array.from(randomBytes(16));
    this.#forget = forget;
    this.descriptor = descriptor;
    this.bridge = { descriptor: stdioIndex, words: toHex(this.#words) };
    this.#ended.promise.catch(() => undefined);
  }

  get counter(): bigint {
    return this.#context.counter;
  }

  /** The certificate that its program is to believe; undefined where nothing of it is opened. */
  async authority(signal: AbortSignal): Promise<string | undefined> {
    const { ticket, action } = this.#context;
    if (!opensConnections(ticket)) return undefined;
    const options = { deadlineMs: wayOutMs, signal };
    const { certificate } = await this.#egress.authority({ ticket, action }, options);
    return certificate;
  }

  /** Egress serves it from now on; the sandbox has sent it. */
  async open(signal: AbortSignal): Promise<void> {
    const stop = this.#outlives
      ? this.#abort.signal
      : AbortSignal.any([signal, this.#abort.signal]);
    const onAbort = (): void => this.#abort.abort(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      await this.#opened(stop);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  async #opened(stop: AbortSignal): Promise<void> {
    const { ticket, action } = this.#context;
    const events = this.#egress
      .open(
        { ticket, action, words: this.#words },
        { signal: stop, deadlineMs: Number.POSITIVE_INFINITY },
      )
      [Symbol.asyncIterator]();
    const first = await events.next();
    if (first.done === true || first.value.event.case !== "opened") {
      throw new OperationError("E_EGRESS_RESPONSE", "egress did not open the way out");
    }
    this.#open = true;
    void this.#listen(events);
  }

  async #listen(events: AsyncIterator<pb.OpenEvent>): Promise<void> {
    try {
      for (;;) {
        const next = await events.next();
        if (next.done === true) return;
        const { event } = next.value;
        if (event.case !== "want" || !wantTargets.has(event.value.target)) continue;
        const { id, target, args } = event.value;
        this.#wants.set(id, { id, target, args, prepared: false });
        this.#context.want({ id, target, args });
      }
    } catch (error) {
      // Egress is gone or was told to stop: the program finds nobody there any more.
      if (error instanceof InvariantError) throw error;
    }
  }

  /** The oldest want of exactly this that nobody has prepared. */
  wanted(target: string, args: Uint8Array): Want | undefined {
    const found = [...this.#wants.values()].filter(
      (want) => want.target === target && equalBytes(want.args, args),
    );
    return found.find(({ prepared }) => !prepared) ?? found[0];
  }

  async refuse(id: number, reason: string): Promise<void> {
    if (!this.#wants.delete(id)) return;
    await this.#egress.answer({ counter: this.counter, id, reason }, { deadlineMs: wayOutMs });
  }

  /** The act of a want: permitted until the program ends. */
  async grant(id: number, context: ActContext): Promise<ActReport> {
    const { ticket, action } = context;
    try {
      await this.#egress.answer(
        { counter: this.counter, id, ticket, action },
        { deadlineMs: wayOutMs, signal: context.signal },
      );
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      return refused({ code: error.code as ErrorCode, message: error.message });
    }
    this.#wants.delete(id);
    let sum: pb.PermitSum | undefined;
    try {
      sum = (await this.#ended.promise).get(id);
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
    }
    const bytes = sum === undefined ? 0 : Number(sum.bytesUp) + Number(sum.bytesDown);
    return {
      // Nobody says any more what went over it.
      status: sum === undefined ? "unknown" : sum.requests === 0 ? "no-effect" : "confirmed",
      result: {},
      bytes,
      reversible: false,
      evidence: sum === undefined ? {} : permitEvidence(sum),
    };
  }

  /** The program has ended, or is to be ended (`cut`): nothing more goes over it. */
  close(cut = false): Promise<WayOutSum | undefined> {
    this.#closing ??= this.#close(cut);
    return this.#closing;
  }

  /** Before a stop ends the program: egress still knows what it had under way. Bound: `cutMs`. */
  async cut(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, cutMs);
    await Promise.race([this.close(true), promise]);
    clearTimeout(timer);
  }

  async #close(cut: boolean): Promise<WayOutSum | undefined> {
    this.#forget();
    if (!this.#open) return undefined;
    this.#open = false;
    try {
      const { counter } = this;
      const reply = await this.#egress.close({ counter, cut }, { deadlineMs: wayOutMs });
      this.#ended.resolve(new Map(reply.permits.map((sum) => [sum.id, sum])));
      const { lease } = reply;
      return {
        evidence: {
          net_requests: String(lease?.requests ?? 0),
          net_bytes_up: String(lease?.bytesUp ?? 0),
          net_bytes_down: String(lease?.bytesDown ?? 0),
          net_refused: String(lease?.refused ?? 0),
          request_log: toHex(lease?.requestLog ?? new Uint8Array(32)),
          net_modes: [...new Set(reply.entries.map(({ mode }) => mode))].sort().join(" "),
          ...((lease?.ended ?? "") === "" ? {} : { net_ended: lease?.ended ?? "" }),
        },
        entries: reply.entries.slice(0, networkEntriesMax).map(entryOf),
      };
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      this.#ended.reject(error);
      return undefined;
    } finally {
      this.#abort.abort(new OperationError("E_ABORTED", "the program ended"));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
    this.#ended.reject(new OperationError("E_ABORTED", "the program ended"));
  }
}

/** Whom the program believes; where nothing of it is opened, whom all do. `folder`: the act's own. */
export const trustOf = async (
  wayOut: WayOut | undefined,
  folder: string,
  signal: AbortSignal,
): Promise<Result<ProgramTrust, DriverRejection>> => {
  try {
    const certificate = await wayOut?.authority(signal);
    return ok(
      certificate === undefined
        ? { binds: [], environment: {} }
        : programTrust(folder, certificate),
    );
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    return reject(error.code as ErrorCode, error.message);
  }
};

/** Those of one driver. */
export class WaysOut {
  readonly #egress: Client<typeof pb.ProgramNetwork>;
  readonly #descriptor: number;
  readonly #open: Map<bigint, WayOut> = new Map();

  /** `descriptor`: the message socket over which sandboxes send their way out. */
  constructor(egress: Client<typeof pb.ProgramNetwork>, descriptor: number) {
    this.#egress = egress;
    this.#descriptor = descriptor;
  }

  /** `stdioIndex`: where the program's sandbox gets the message socket. */
  for(context: ActContext, stdioIndex: number, outlives = false): WayOut {
    const { counter } = context;
    const forget = (): void => {
      this.#open.delete(counter);
    };
    const made = new WayOut(this.#egress, this.#descriptor, context, stdioIndex, {
      outlives,
      forget,
    });
    this.#open.set(counter, made);
    return made;
  }

  /**
   * Of what outlives its act, so that nobody stands beside it who could ask: what its ticket does not
   * name is refused at once.
   */
  alone(context: ActContext, stdioIndex: number, why: string): WayOut {
    const refuse = ({ id }: { readonly id: number }): void => {
      // Egress may be gone, and then nobody waits.
      this.refuse(context.counter, id, why).catch(() => undefined);
    };
    return this.for({ ...context, want: refuse }, stdioIndex, true);
  }

  /** What a program of this driver waits for, as an action. */
  prepare(
    target: string,
    args: { readonly [name: string]: CanonicalValue },
  ): Result<PreparedAction, DriverRejection> {
    const encoded = encodeCanonical(args);
    for (const wayOut of this.#open.values()) {
      const want = wayOut.wanted(target, encoded);
      if (want === undefined) continue;
      want.prepared = true;
      return ok({
        facts: {},
        effect: false,
        content: undefined,
        ...(target === "net::post" ? { contentInEgress: true as const } : {}),
        keeps: target === "net::connect" ? keepsNothing : keepsFlow,
        act: (context) => wayOut.grant(want.id, context),
        [Symbol.dispose]: () => undefined,
      });
    }
    return reject("E_ARGUMENTS_INVALID", `${target}: no program of this session waits for it`);
  }

  async refuse(counter: bigint, id: number, reason: string): Promise<void> {
    await this.#open.get(counter)?.refuse(id, reason);
  }
}
