/** What the two transports have in common: framed among our own processes, gRPC with foreign ones. */
import type { StatusLine } from "./status.ts";
import { OperationError } from "@ioi/base";

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Milliseconds; `Infinity` for a stream without an end. */
  readonly deadlineMs?: number;
}

/** A call that sends or gets more than one message. */
export interface CallStream {
  /** The promise, where there is one, is to be waited for before the next. */
  send(message: Uint8Array): Promise<void> | undefined;
  end(last?: Uint8Array): void;
  messages(): AsyncIterable<Uint8Array>;
  /** Nobody reads any more, or the reason why nobody shall. */
  cancel(error?: unknown): void;
  readonly over: boolean;
}

/** The calling end of a connection. A call that cannot begin throws or rejects. */
export interface ClientTransport {
  readonly open: boolean;
  readonly closed: Promise<void>;
  close(): void;
  unary(path: string, request: Uint8Array, options: CallOptions): Promise<Uint8Array>;
  stream(path: string, options: CallOptions): CallStream;
}

export interface CallContext {
  /** Aborts when the caller goes, the deadline passes or the connection ends. */
  readonly signal: AbortSignal;
  /** Who is at the other end, as the server of this connection knows it. */
  readonly peer: string;
}

/** The answering end of one call. */
export interface AnsweredCall {
  readonly context: CallContext;
  /** Nobody waits for an answer any more. */
  readonly gone: boolean;
  first(): Uint8Array | Promise<Uint8Array>;
  messages(): AsyncIterable<Uint8Array>;
  send(message: Uint8Array): Promise<void> | undefined;
  finish(last?: Uint8Array): void;
  fail(line: StatusLine): void;
}

export interface Served {
  /** Resolves when the connection has ended. */
  readonly closed: Promise<void>;
  close(): void;
}

/**
 * Begins to answer a call; undefined where there is no such method. Resolves, always, when its
 * handler has ended.
 */
export type Answer = (path: string, call: () => AnsweredCall) => Promise<void> | undefined;

export const peerGone = (): OperationError =>
  new OperationError("E_RPC_UNAVAILABLE", "the other process is gone", { retryable: true });

export const callerGone = (): OperationError =>
  new OperationError("E_RPC_CANCELLED", "the caller is gone");

export const deadlinePassed = (path: string, deadlineMs: number): OperationError =>
  new OperationError("E_RPC_DEADLINE", `${path} took more than ${deadlineMs} ms`, {
    retryable: true,
  });

/**
 * A caller's deadline and signal on one call. `end` is called at most once, and not after `stop`.
 */
export class Patience {
  readonly #signal: AbortSignal | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #aborted: () => void;

  constructor(path: string, options: CallOptions, deadlineMs: number, end: (why: unknown) => void) {
    this.#signal = options.signal;
    this.#aborted = () => {
      this.stop();
      end(this.#signal?.reason);
    };
    this.#signal?.addEventListener("abort", this.#aborted, { once: true });
    if (Number.isFinite(deadlineMs)) {
      this.#timer = setTimeout(() => {
        this.stop();
        end(deadlinePassed(path, deadlineMs));
      }, deadlineMs);
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this.#aborted);
  }
}
