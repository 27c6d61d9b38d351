/**
 * One framed connection, as both ends need it: frames in and out, and what may be sent.
 *
 * Flow control as in HTTP/2 (RFC 9113, 5.2), by call and by connection, but a message is never cut:
 * it may be sent while both windows are positive and may overdraw them once. So at most a window
 * and one message wait at the receiver, for each call and over all.
 * Invariants: what is taken or thrown away is credited; who sends beyond its windows is cut off.
 */
import type { Duplex } from "node:stream";
import { OperationError } from "@ioi/base";
import { rpcMessageBytesMax } from "@ioi/wire";
import {
  decodeCredit,
  encodeCredit,
  encodeFrame,
  type Frame,
  FrameParser,
  frameType,
  type FrameType,
  preface,
} from "./frame-codec.ts";
import { rpcConnectionBytes, rpcMessageCostBytes, rpcWindowBytes } from "./limits.ts";
import { MessageQueue } from "./queue.ts";
import { drained } from "./drained.ts";

const nothing = new Uint8Array(0);

const costOf = (message: Uint8Array): number => message.length + rpcMessageCostBytes;
const costsNothing: ReadonlySet<FrameType> = new Set([frameType.open, frameType.end]);
const overdraft = rpcMessageBytesMax + rpcMessageCostBytes;

/** Throws E_RPC_TOO_LARGE for what the other end would not take. */
export const checkSize = (message: Uint8Array | undefined): void => {
  if (message !== undefined && message.length > rpcMessageBytesMax) {
    throw new OperationError("E_RPC_TOO_LARGE", `message of ${message.length} bytes`);
  }
};

const beyond = (): OperationError =>
  new OperationError("E_RPC_TOO_LARGE", "more was sent than the window allows");

/** What the receiving end of a window knows. */
class Received {
  readonly #window: number;
  /** Received and not credited. */
  #out = 0;
  /** Taken and not credited yet: told in halves of a window. */
  #owed = 0;

  constructor(window: number) {
    this.#window = window;
  }

  add(cost: number): void {
    this.#out += cost;
    if (this.#out > this.#window + overdraft) throw beyond();
  }

  /** The credit to tell the sender, or 0 for not yet. */
  taken(cost: number): number {
    this.#owed += cost;
    if (this.#owed < this.#window / 2) return 0;
    const credit = this.#owed;
    this.#owed = 0;
    this.#out -= credit;
    return credit;
  }
}

interface Waiting {
  readonly type: FrameType;
  readonly message: Uint8Array;
  readonly head: Uint8Array | undefined;
  readonly cost: number;
  readonly done: () => void;
}

/** Messages of one call in both directions. */
export class FrameCall {
  readonly id: number;
  readonly #connection: FrameConnection;
  readonly #received = new Received(rpcWindowBytes);
  readonly #messages: MessageQueue<Uint8Array> = new MessageQueue();
  /** Received and not taken. */
  #queued = 0;
  #credit = rpcWindowBytes;
  #waiting: Waiting[] = [];
  #admitted: boolean;
  #begun = false;
  #over = false;
  #discarded = false;

  /** `admitted`: it may send now; otherwise after `admit`. */
  constructor(connection: FrameConnection, id: number, admitted: boolean) {
    this.#connection = connection;
    this.id = id;
    this.#admitted = admitted;
  }

  /** The other end knows of it. */
  get begun(): boolean {
    return this.#begun;
  }

  get over(): boolean {
    return this.#over;
  }

  admit(): void {
    this.#admitted = true;
    this.flush();
  }

  /** A message arrived. */
  receive(message: Uint8Array): void {
    const cost = costOf(message);
    this.#received.add(cost);
    this.#queued += cost;
    this.#messages.push(message);
  }

  /** No more messages will come. */
  finish(): void {
    this.#messages.finish();
  }

  fail(error: unknown): void {
    this.#messages.fail(error);
  }

  async *messages(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const message of this.#messages) {
      this.#taken(costOf(message));
      yield message;
    }
  }

  #taken(cost: number): void {
    if (this.#discarded) return;
    this.#queued -= cost;
    this.#connection.taken(cost);
    const credit = this.#received.taken(cost);
    if (credit > 0 && !this.#over) {
      this.#connection.write(frameType.credit, this.id, encodeCredit(credit));
    }
  }

  granted(bytes: number): void {
    this.#credit += bytes;
    if (this.#credit > rpcWindowBytes) throw beyond();
    this.flush();
  }

  /**
   * Sends a message, or an end with nothing in it, when the windows allow. The promise, where there
   * is one, is to be waited for before the next: it resolves also when the call is over.
   */
  send(
    type: FrameType,
    message: Uint8Array = nothing,
    head?: Uint8Array,
  ): Promise<void> | undefined {
    if (this.#over) return undefined;
    checkSize(message);
    const cost = costsNothing.has(type) ? 0 : costOf(message);
    if (this.#waiting.length === 0 && this.#may(cost)) {
      this.#write(type, message, head, cost);
      return this.#connection.backlog();
    }
    return new Promise((resolve) => {
      this.#waiting.push({ type, message, head, cost, done: resolve });
      this.#connection.wait(this);
    });
  }

  #may(cost: number): boolean {
    return this.#admitted && (cost === 0 || (this.#credit > 0 && this.#connection.credit > 0));
  }

  #write(type: FrameType, message: Uint8Array, head: Uint8Array | undefined, cost: number): void {
    this.#begun = true;
    this.#credit -= cost;
    this.#connection.spend(cost);
    this.#connection.write(type, this.id, message, head);
  }

  /** Sends what may be sent now. */
  flush(): void {
    for (;;) {
      const [next] = this.#waiting;
      if (next === undefined || !this.#may(next.cost)) break;
      this.#waiting.shift();
      this.#write(next.type, next.message, next.head, next.cost);
      next.done();
    }
    if (this.#waiting.length === 0) this.#connection.waitNoMore(this);
  }

  /** Nothing is sent any more; what came may still be read. */
  close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#connection.waitNoMore(this);
    for (const { done } of this.#waiting.splice(0)) done();
  }

  /** Nobody reads any more: what was not taken is thrown away. */
  discard(): void {
    this.close();
    if (this.#discarded) return;
    this.#discarded = true;
    this.#messages.clear();
    if (this.#queued > 0) this.#connection.taken(this.#queued);
  }
}

export interface FrameHandler {
  /** Throws an `OperationError` where the other end broke the protocol: the connection ends. */
  frame(frame: Frame): void;
  /** The connection has ended. */
  ended(): void;
}

export class FrameConnection {
  readonly #duplex: Duplex;
  readonly #handler: FrameHandler;
  readonly #parser = new FrameParser();
  readonly #received = new Received(rpcConnectionBytes);
  readonly #waiting = new Set<FrameCall>();
  #credit = rpcConnectionBytes;
  #corked = false;
  #open = true;
  readonly closed: Promise<void>;

  constructor(duplex: Duplex, handler: FrameHandler) {
    this.#duplex = duplex;
    this.#handler = handler;
    this.closed = new Promise((resolve) => {
      const end = (): void => {
        if (!this.#open) return;
        this.#open = false;
        duplex.destroy();
        this.#handler.ended();
        resolve();
      };
      duplex.on("error", end);
      duplex.once("end", end);
      duplex.once("close", end);
      if (duplex.destroyed) end();
    });
    duplex.on("data", (chunk: Buffer) => this.#arrived(chunk));
    this.#put([preface]);
  }

  get open(): boolean {
    return this.#open;
  }

  get credit(): number {
    return this.#credit;
  }

  close(): void {
    this.#duplex.destroy();
  }

  #arrived(chunk: Buffer): void {
    if (!this.#open) return;
    try {
      for (const frame of this.#parser.push(chunk)) this.#frame(frame);
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      this.close();
    }
  }

  #frame(frame: Frame): void {
    if (frame.type === frameType.credit && frame.call === 0) {
      this.#credit += decodeCredit(frame.payload);
      if (this.#credit > rpcConnectionBytes) throw beyond();
      for (const call of this.#waiting) {
        if (this.#credit <= 0) break;
        call.flush();
      }
      return;
    }
    this.#handler.frame(frame);
  }

  /** A message arrived, for whom ever: it counts until it is taken. */
  arrived(message: Uint8Array): void {
    this.#received.add(costOf(message));
  }

  /** A message that nobody waits for. */
  ignored(message: Uint8Array): void {
    this.taken(costOf(message));
  }

  taken(cost: number): void {
    const credit = this.#received.taken(cost);
    if (credit > 0) this.write(frameType.credit, 0, encodeCredit(credit));
  }

  spend(cost: number): void {
    this.#credit -= cost;
  }

  wait(call: FrameCall): void {
    this.#waiting.add(call);
  }

  waitNoMore(call: FrameCall): void {
    this.#waiting.delete(call);
  }

  write(type: FrameType, call: number, payload: Uint8Array, head?: Uint8Array): void {
    if (this.#open) this.#put(encodeFrame(type, call, payload, head));
  }

  /** What is written in one turn goes out in one write: one system call, one record of TLS. */
  #put(pieces: readonly Uint8Array[]): void {
    if (!this.#corked) {
      this.#corked = true;
      this.#duplex.cork();
      process.nextTick(() => {
        this.#corked = false;
        this.#duplex.uncork();
      });
    }
    for (const piece of pieces) this.#duplex.write(piece);
  }

  /** Resolves when the stream takes more; undefined where it does. */
  backlog(): Promise<void> | undefined {
    return this.#duplex.writableNeedDrain ? drained(this.#duplex) : undefined;
  }
}
