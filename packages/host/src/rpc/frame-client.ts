/**
 * The calling end of a framed connection.
 *
 * Invariants: a call settles exactly once; a cancelled call is told to the other end, and what still
 * comes for it is credited and dropped. Bounds: `rpcStreamsMax` calls are open, `rpcCallsWaitingMax`
 * wait for one of those to end.
 */
import type { Duplex } from "node:stream";
import { OperationError } from "@ioi/base";
import { decodeCredit, decodeFailure, encodeHead, type Frame, frameType } from "./frame-codec.ts";
import { FrameCall, FrameConnection, type FrameHandler } from "./frame-connection.ts";
import { errorOfStatus } from "./status.ts";
import { rpcCallsWaitingMax, rpcDeadlineMs, rpcStreamsMax } from "./limits.ts";
import {
  type CallOptions,
  type CallStream,
  type ClientTransport,
  Patience,
  peerGone,
} from "./transport.ts";

const nothing = new Uint8Array(0);
const u32Max = 0xffff_ffff;

/** What a call hears. `end` and `fail` come at most once, and nothing after them. */
interface Listener {
  message(message: Uint8Array): void;
  end(): void;
  fail(error: unknown): void;
}

interface Call {
  readonly frames: FrameCall;
  readonly listener: Listener;
  readonly patience: Patience;
}

const failureOf = (payload: Buffer): OperationError => {
  const { status, message, code, next } = decodeFailure(payload);
  return errorOfStatus(status, message, code, next);
};

export class FrameClient implements ClientTransport, FrameHandler {
  readonly #connection: FrameConnection;
  readonly #calls: Map<number, Call> = new Map();
  /** Not admitted yet, oldest first; those that ended meanwhile are passed over. */
  readonly #queue: Call[] = [];
  #admitted = 0;
  #last = 0;

  constructor(duplex: Duplex) {
    this.#connection = new FrameConnection(duplex, this);
  }

  get open(): boolean {
    return this.#connection.open;
  }

  get closed(): Promise<void> {
    return this.#connection.closed;
  }

  close(): void {
    this.#connection.close();
  }

  async unary(path: string, request: Uint8Array, options: CallOptions): Promise<Uint8Array> {
    return await new Promise((resolve, reject) => {
      let reply: Uint8Array | undefined;
      const { frames } = this.#begin(path, options, () => ({
        message: (message) => {
          reply = message;
          this.#connection.ignored(message);
        },
        end: () => {
          if (reply === undefined) reject(new OperationError("E_RPC_MALFORMED", "no reply"));
          else resolve(reply);
        },
        fail: reject,
      }));
      void frames.send(frameType.call, request, headOf(path, options));
    });
  }

  stream(path: string, options: CallOptions): CallStream {
    const call = this.#begin(path, options, (frames) => ({
      message: (message) => frames.receive(message),
      end: () => frames.finish(),
      fail: (error) => frames.fail(error),
    }));
    const { frames } = call;
    void frames.send(frameType.open, nothing, headOf(path, options));
    return {
      send: (message) => frames.send(frameType.message, message),
      end: (last) =>
        void frames.send(last === undefined ? frameType.end : frameType.last, last ?? nothing),
      messages: () => frames.messages(),
      cancel: (error) => {
        this.#cancel(call);
        if (error !== undefined) frames.fail(error);
        frames.discard();
      },
      get over() {
        return frames.over;
      },
    };
  }

  #begin(path: string, options: CallOptions, listen: (frames: FrameCall) => Listener): Call {
    if (!this.open) throw peerGone();
    options.signal?.throwIfAborted();
    const admitted = this.#admitted < rpcStreamsMax;
    if (!admitted && this.#calls.size >= rpcStreamsMax + rpcCallsWaitingMax) {
      throw new OperationError("E_RPC_TOO_LARGE", "too many calls wait on this connection");
    }
    const frames = new FrameCall(this.#connection, this.#nextId(), admitted);
    const deadlineMs = options.deadlineMs ?? rpcDeadlineMs;
    const listener = listen(frames);
    const patience = new Patience(path, options, deadlineMs, (why) => {
      this.#cancel(call);
      listener.fail(why);
    });
    const call: Call = { frames, listener, patience };
    this.#calls.set(frames.id, call);
    if (admitted) this.#admitted++;
    else this.#queue.push(call);
    return call;
  }

  #nextId(): number {
    do this.#last = this.#last >= u32Max ? 1 : this.#last + 1;
    while (this.#calls.has(this.#last));
    return this.#last;
  }

  /** Ends a call at this end; true where it had not ended. */
  #over(call: Call): boolean {
    const { frames, patience } = call;
    if (!this.#calls.delete(frames.id)) return false;
    patience.stop();
    frames.close();
    const waiting = this.#queue.indexOf(call);
    if (waiting !== -1) this.#queue.splice(waiting, 1);
    else this.#admitted--;
    if (this.#admitted < rpcStreamsMax) {
      const next = this.#queue.shift();
      if (next !== undefined) {
        this.#admitted++;
        next.frames.admit();
      }
    }
    return true;
  }

  #cancel(call: Call): void {
    if (!this.#over(call) || !call.frames.begun) return;
    this.#connection.write(frameType.cancel, call.frames.id, nothing);
  }

  frame({ type, call: id, payload }: Frame): void {
    const call = this.#calls.get(id);
    switch (type) {
      case frameType.message:
      case frameType.last:
        this.#connection.arrived(payload);
        if (call === undefined) this.#connection.ignored(payload);
        else call.listener.message(payload);
        if (type === frameType.last) this.#ended(call);
        return;
      case frameType.end:
        this.#ended(call);
        return;
      case frameType.fail: {
        const error = failureOf(payload);
        if (call !== undefined && this.#over(call)) call.listener.fail(error);
        return;
      }
      case frameType.credit:
        call?.frames.granted(decodeCredit(payload));
        return;
      default:
        throw new OperationError("E_RPC_MALFORMED", `a server sends no frame of type ${type}`);
    }
  }

  #ended(call: Call | undefined): void {
    if (call !== undefined && this.#over(call)) call.listener.end();
  }

  ended(): void {
    this.#queue.length = 0;
    for (const call of this.#calls.values()) {
      call.patience.stop();
      call.frames.close();
      call.listener.fail(peerGone());
    }
    this.#calls.clear();
  }
}

const headOf = (path: string, options: CallOptions): Uint8Array => {
  const deadlineMs = options.deadlineMs ?? rpcDeadlineMs;
  return encodeHead({ path, deadlineMs: Number.isFinite(deadlineMs) ? deadlineMs : 0 });
};
