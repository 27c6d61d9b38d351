/**
 * The way out of one sandboxed program: it speaks HTTP to a proxy or SOCKS5 to the one port that it
 * sees; each connection is read here, judged by the ticket's flow or as an action of its own, and only
 * then looked up and dialled.
 *
 * Invariants: nothing is looked up for what nothing permits; what is dialled is what was checked;
 * every connection is in the log, whatever came of it. Bounds: the flow's requests, bytes and time,
 * `programConnectionsMax`, `programHeadMs`, `flowEntriesKept`, `helloBytesMax`.
 */
import net from "node:net";
import { OperationError } from "@ioi/base";
import { flowLogHash } from "@ioi/firewall/net";
import { connectAny } from "../connect.ts";
import {
  flowEntriesKept,
  interceptMs,
  programBodyBytesMax,
  programBodyMs,
  programConnectionsMax,
  programHeadMs,
  programHeldBytesMax,
} from "../limits.ts";
import { addressesOf } from "../resolve.ts";
import {
  endWith,
  goOn,
  httpAnswer,
  socksCodeOf,
  socksEnd,
  statusOf,
  tunnelOpened,
} from "./answers.ts";
import type { Call, FlowEntry, FlowOptions } from "./call.ts";
import { chunkedReader, lengthReader } from "./body.ts";
import {
  headLength,
  readHead,
  readInnerHead,
  type RequestWish,
  type TunnelWish,
  type Wish,
} from "./head.ts";
import { Inlet } from "./inlet.ts";
import { openInside } from "./inside.ts";
import {
  isHeld,
  newSum,
  type Permission,
  type Permit,
  Permits,
  type Sum,
  type Want,
} from "./permits.ts";
import { type Meter, relay } from "./relay.ts";
import {
  bodyGate,
  headOf,
  helloGate,
  methodOf,
  modeOf,
  statusIn,
  textOf,
  urlOf,
} from "./wishes.ts";
import { readGreeting, readSocks, socksAnswer, socksReply } from "./socks.ts";

export class ProgramFlow {
  readonly #options: FlowOptions;
  readonly #server: net.Server;
  readonly #permits: Permits;
  readonly #connections: Map<net.Socket, AbortController> = new Map();
  readonly #serving: Set<Promise<void>> = new Set();
  readonly #over: NodeJS.Timeout;
  readonly #live: Map<Wish, { readonly bytesUp: number }> = new Map();
  readonly entries: FlowEntry[] = [];
  /** Over all requests; the lease's own sum is `permits.lease`. */
  readonly total: Sum = newSum();
  refusals = 0;
  /** Why nothing more is carried. */
  ended = "";
  #closed = false;
  #held = 0;

  constructor(options: FlowOptions) {
    this.#options = options;
    const { bounds, provider, onWant } = options;
    this.#permits = new Permits(bounds.hosts ?? [], provider, onWant);
    this.#server = net.createServer({ allowHalfOpen: true }, (socket) => {
      this.#accept(socket);
    });
    this.#server.on("error", () => void this.close());
    this.#server.listen({ fd: options.descriptor });
    this.#over = setTimeout(() => this.#end("time"), options.bounds.ms);
  }

  get session(): string {
    return this.#options.session;
  }

  get counter(): bigint {
    return this.#options.counter;
  }

  get granted(): readonly Permit[] {
    return this.#permits.granted;
  }

  get connections(): number {
    return this.#connections.size;
  }

  wanted(id: number): Want | undefined {
    return this.#permits.wanted(id);
  }

  grant(id: number, classes: readonly string[]): boolean {
    return this.#permits.grant(id, classes);
  }

  refuse(id: number, message: string): void {
    this.#permits.refuse(id, message);
  }

  /** Requests under way that have sent something. */
  live(): readonly { readonly method: string; readonly url: string; readonly bytesUp: number }[] {
    return [...this.#live].flatMap(([wish, { bytesUp }]) =>
      bytesUp === 0 ? [] : [{ method: methodOf(wish), url: textOf(wish), bytesUp }],
    );
  }

  /** Everything ends; when it resolves, every connection is in the log. */
  async close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      clearTimeout(this.#over);
      this.#server.close();
      this.#permits.close("the program ended");
      for (const [socket, abort] of this.#connections) {
        abort.abort();
        socket.destroy();
      }
    }
    await Promise.all(this.#serving);
  }

  /** A bound is reached: what runs is cut, what comes is told so. */
  #end(why: "bytes" | "requests" | "time"): void {
    if (this.ended === "") this.ended = why;
    if (why === "requests") return;
    this.#permits.close(`the flow's ${why} are used up`);
    for (const abort of this.#connections.values()) abort.abort();
  }

  #accept(program: net.Socket): void {
    program.on("error", () => program.destroy());
    if (this.#closed || this.#connections.size >= programConnectionsMax) {
      this.refusals += 1;
      program.destroy();
      return;
    }
    const abort = new AbortController();
    this.#connections.set(program, abort);
    program.once("close", () => {
      this.#connections.delete(program);
      abort.abort();
    });
    const serving = this.#serve(program, abort.signal)
      .catch((error: unknown) => {
        program.destroy();
        if (!(error instanceof OperationError)) throw error;
        this.#note("info", error.code);
      })
      .finally(() => this.#serving.delete(serving));
    this.#serving.add(serving);
  }

  #note(level: "info" | "warn", code: string): void {
    const { log, session, counter } = this.#options;
    log.log(level, "egress.program", { session, ticket: counter.toString(), code });
  }

  async #serve(program: net.Socket, closed: AbortSignal): Promise<void> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), programHeadMs);
    const signal = AbortSignal.any([closed, late.signal]);
    const inlet = new Inlet(program, signal);
    let call: Call | undefined;
    try {
      const first = await inlet.read((bytes) => ({ ok: true, value: bytes[0] }));
      if ("type" in first || !first.ok) return this.#malformed(program);
      call =
        first.value === 5
          ? await this.#socksCall(program, inlet, closed)
          : await this.#httpCall(program, inlet, closed);
    } finally {
      clearTimeout(timer);
    }
    if (call !== undefined) await this.#judge(call);
  }

  /** Said nothing, or nothing that could be answered. */
  #malformed(program: net.Socket): undefined {
    this.refusals += 1;
    program.destroy();
  }

  async #httpCall(
    program: net.Socket,
    inlet: Inlet,
    signal: AbortSignal,
  ): Promise<Call | undefined> {
    const refuse = (status: number, message: string): void => {
      httpAnswer(program, status, message);
    };
    const length = await inlet.read(headLength);
    if ("type" in length) return this.#malformed(program);
    const wish = length.ok ? readHead(inlet.take(length.value)) : length;
    if (!wish.ok) {
      this.refusals += 1;
      refuse(wish.error.status, wish.error.message);
      return undefined;
    }
    return {
      program,
      inlet,
      signal,
      wish: wish.value,
      opened: () => {
        if (wish.value.type === "tunnel") program.write(tunnelOpened);
      },
      refuse,
      failed: (code, message) => refuse(statusOf(code), message),
    };
  }

  async #socksCall(
    program: net.Socket,
    inlet: Inlet,
    signal: AbortSignal,
  ): Promise<Call | undefined> {
    const greeting = await inlet.read(readGreeting);
    if ("type" in greeting) return this.#malformed(program);
    if (!greeting.ok) {
      this.refusals += 1;
      endWith(program, Buffer.from([5, 0xff]));
      return undefined;
    }
    inlet.take(greeting.value);
    program.write(Buffer.from([5, 0]));
    const request = await inlet.read(readSocks);
    if ("type" in request) return this.#malformed(program);
    if (!request.ok) {
      this.refusals += 1;
      socksEnd(program, request.error.code ?? socksReply.failed);
      return undefined;
    }
    inlet.take(request.value.length);
    return {
      program,
      inlet,
      signal,
      wish: request.value.wish,
      opened: () => program.write(socksAnswer(socksReply.opened)),
      refuse: () => socksEnd(program, socksReply.notAllowed),
      failed: (code) => socksEnd(program, socksCodeOf(code)),
    };
  }

  #exhausted(): string | undefined {
    const { bounds } = this.#options;
    if (this.ended === "" && this.total.requests >= bounds.requests) this.#end("requests");
    return this.ended === "" ? undefined : `the flow's ${this.ended} are used up`;
  }

  async #judge(call: Call): Promise<void> {
    const { wish, refuse } = call;
    const over = this.#exhausted();
    if (over !== undefined) {
      this.refusals += 1;
      refuse(429, over);
      return;
    }
    using held = new DisposableStack();
    const whole = wish.type === "request" ? await this.#hold(call, wish, held) : wish;
    if (whole === undefined) return;
    const permission = await this.#permits.permit(whole);
    if (permission.type === "refused") {
      this.refusals += 1;
      refuse(permission.status, `${textOf(whole)}: ${permission.message}`);
      return;
    }
    if (call.signal.aborted) return;
    if (permission.type === "permit") await this.#carry({ ...call, wish: whole }, permission);
    else if (whole.type === "tunnel") await this.#intercept(call, whole);
  }

  /** With its body, where that is judged, or comes in chunks; undefined: it was answered. */
  async #hold(
    { program, inlet, signal, refuse }: Call,
    wish: RequestWish,
    held: DisposableStack,
  ): Promise<RequestWish | undefined> {
    const chunked = wish.length === "chunked";
    if (!chunked && (!isHeld(wish) || this.#permits.covers(wish))) return wish;
    const bytes = wish.length === "chunked" ? programBodyBytesMax : wish.length;
    const refused = (status: number, message: string): undefined => {
      this.refusals += 1;
      refuse(status, message);
    };
    if (bytes <= programBodyBytesMax && this.#held + bytes > programHeldBytesMax) {
      return refused(429, "too much that this program sends waits to be judged");
    }
    this.#held += bytes;
    held.defer(() => (this.#held -= bytes));
    if (wish.expects && bytes <= programBodyBytesMax) program.write(goOn);
    const timer = setTimeout(() => program.destroy(), programBodyMs);
    const read = await inlet.read(
      wish.length === "chunked" ? chunkedReader() : lengthReader(wish.length),
    );
    clearTimeout(timer);
    if ("type" in read || signal.aborted) return this.#malformed(program);
    if (!read.ok) return refused(read.error.status, read.error.message);
    const { body, taken } = read.value;
    inlet.take(taken);
    return { ...wish, length: body.length, expects: false, body };
  }

  /** By consent: what the program says to this host is read here, one request a connection. */
  async #intercept(call: Call, wish: TunnelWish): Promise<void> {
    const { program, inlet, signal } = call;
    const { authority } = this.#options;
    const late = new AbortController();
    const timer = setTimeout(() => {
      late.abort();
      program.destroy();
    }, interceptMs);
    const stop = AbortSignal.any([signal, late.signal]);
    call.opened();
    try {
      const opened =
        authority === undefined
          ? undefined
          : await openInside(program, inlet, wish, authority, stop);
      if (opened?.ok === true) {
        const inner = await this.#innerCall(opened.value, wish, signal, stop);
        clearTimeout(timer);
        if (inner !== undefined) await this.#judge(inner);
        return;
      }
      this.#malformed(program);
      this.#note("info", "not-opened");
      const [url, method] = [textOf(wish), methodOf(wish)];
      this.#keep({
        method,
        url,
        status: 0,
        bytesUp: 0,
        bytesDown: 0,
        mode: "intercepted",
        want: 0,
      });
    } finally {
      clearTimeout(timer);
    }
  }

  async #innerCall(
    program: net.Socket,
    place: TunnelWish,
    signal: AbortSignal,
    stop: AbortSignal,
  ): Promise<Call | undefined> {
    const inlet = new Inlet(program, stop);
    const refuse = (status: number, message: string): void => httpAnswer(program, status, message);
    const length = await inlet.read(headLength);
    if ("type" in length) return this.#malformed(program);
    const wish = length.ok ? readInnerHead(inlet.take(length.value), place) : length;
    if (!wish.ok) {
      this.refusals += 1;
      refuse(wish.error.status, wish.error.message);
      return undefined;
    }
    return {
      program,
      // Its body may take longer than its head.
      inlet: inlet.within(signal),
      signal,
      wish: wish.value,
      opened: () => undefined,
      refuse,
      failed: (code, message) => refuse(statusOf(code), message),
    };
  }

  async #carry(
    call: Call,
    { permit, judgedOnly }: Extract<Permission, { readonly type: "permit" }>,
  ): Promise<void> {
    const { wish, signal } = call;
    const sum = permit.sum;
    sum.requests += 1;
    this.total.requests += 1;
    const entry = { status: 0, bytesUp: 0, bytesDown: 0 };
    this.#live.set(wish, entry);
    try {
      const url = urlOf(wish);
      const { resolve, trust } = this.#options.ports;
      const addresses = await addressesOf(url, permit.classes, resolve, signal);
      const { socket, address } = await connectAny(
        wish.type === "tunnel" ? { ...url, scheme: "http" } : url,
        addresses,
        trust,
        signal,
      );
      sum.address = address;
      sum.mode = modeOf(wish);
      await this.#relay(call, socket, judgedOnly, this.#meter(sum, entry), entry);
    } catch (error) {
      if (!(error instanceof OperationError)) {
        if (!signal.aborted) throw error;
      } else {
        call.failed(error.code, error.message);
        this.#note("info", error.code);
      }
    } finally {
      this.#live.delete(wish);
      this.#logged(wish, permit, entry);
    }
  }

  async #relay(
    call: Call,
    server: net.Socket,
    judgedOnly: boolean,
    meter: Meter,
    entry: { status: number },
  ): Promise<void> {
    const { wish, program, inlet, signal } = call;
    call.opened();
    if (wish.type === "tunnel") {
      entry.status = 200;
      const gate = helloGate(wish.host, () => program.destroy());
      const { cut } = await relay(program, server, meter, inlet.rest(), signal, gate);
      gate.stop();
      if (cut !== "" && cut !== "stopped") this.#note("info", "cut");
      return;
    }
    server.once("data", (bytes: Buffer) => (entry.status = statusIn(bytes)));
    const head = headOf(wish, judgedOnly);
    meter.up(head.length);
    server.write(head);
    const { body, length } = wish;
    if (body === undefined) {
      if (wish.expects) program.write(goOn);
      const gate = bodyGate(length === "chunked" ? 0 : length);
      await relay(program, server, meter, inlet.rest(), signal, gate);
      return;
    }
    // All of it or none: a server must not take a part for the whole.
    if (meter.up(body.length) < body.length) {
      server.destroy();
      program.destroy();
      return;
    }
    server.write(body);
    await relay(program, server, meter, Buffer.alloc(0), signal, bodyGate(0));
  }

  /** Bytes count for the permission, for the entry and for all of the flow together. */
  #meter(sum: Sum, entry: { bytesUp: number; bytesDown: number }): Meter {
    const { bounds } = this.#options;
    const count = (side: "bytesUp" | "bytesDown", bytes: number): number => {
      const room = Math.max(0, Math.min(bytes, bounds[side] - this.total[side]));
      this.total[side] += room;
      sum[side] += room;
      entry[side] += room;
      if (room < bytes) this.#end("bytes");
      return room;
    };
    return { up: (bytes) => count("bytesUp", bytes), down: (bytes) => count("bytesDown", bytes) };
  }

  #logged(
    wish: Wish,
    { want, sum }: Permit,
    { status, bytesUp, bytesDown }: Pick<FlowEntry, "status" | "bytesUp" | "bytesDown">,
  ): void {
    const { provider } = this.#options;
    const method = methodOf(wish);
    const url = textOf(wish);
    const logged = { method, url, status, bytes: bytesDown };
    sum.log = flowLogHash(provider, sum.log, logged);
    this.total.log = flowLogHash(provider, this.total.log, logged);
    this.#keep({ method, url, status, bytesUp, bytesDown, mode: modeOf(wish), want });
  }

  #keep(entry: FlowEntry): void {
    if (this.entries.length < flowEntriesKept) this.entries.push(entry);
  }
}
