/**
 * The answering end of a framed connection.
 *
 * Bounds: `rpcStreamsMax` calls are open, `rpcHandlersMax` handlers run, those of cancelled calls
 * among them: who opens and cancels without end is refused.
 */
import type { Duplex } from "node:stream";
import { OperationError } from "@ioi/base";
import { decodeCredit, decodeHead, encodeFailure, type Frame, frameType } from "./frame-codec.ts";
import { checkSize, FrameCall, FrameConnection, type FrameHandler } from "./frame-connection.ts";
import { grpcStatus, type StatusLine } from "./status.ts";
import { rpcHandlersMax, rpcStreamsMax } from "./limits.ts";
import {
  type Answer,
  type AnsweredCall,
  type CallContext,
  callerGone,
  type Served,
} from "./transport.ts";

const nothing = new Uint8Array(0);

class FrameAnswer implements AnsweredCall, CallContext {
  readonly #server: FrameServer;
  readonly #frames: FrameCall;
  readonly #request: Uint8Array | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly peer: string;
  /** Made when somebody asks for it. */
  #abort: AbortController | undefined;
  #reason: OperationError | undefined;
  #answered = false;

  constructor(
    server: FrameServer,
    frames: FrameCall,
    request: Uint8Array | undefined,
    deadlineMs: number,
  ) {
    this.#server = server;
    this.#frames = frames;
    this.#request = request;
    this.peer = server.peer;
    if (deadlineMs > 0) {
      const status = { status: grpcStatus.deadlineExceeded, message: "deadline passed" };
      this.#timer = setTimeout(() => this.fail(status), deadlineMs);
    }
  }

  get context(): CallContext {
    return this;
  }

  get frames(): FrameCall {
    return this.#frames;
  }

  get gone(): boolean {
    return this.#reason !== undefined;
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#reason !== undefined) this.#abort.abort(this.#reason);
    return this.#abort.signal;
  }

  first(): Uint8Array | Promise<Uint8Array> {
    return this.#request ?? firstOf(this.#frames);
  }

  async *messages(): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#request === undefined) yield* this.#frames.messages();
    else yield this.#request;
  }

  send(message: Uint8Array): Promise<void> | undefined {
    if (this.#reason !== undefined) throw this.#reason;
    return this.#frames.send(frameType.message, message);
  }

  finish(last?: Uint8Array): void {
    checkSize(last);
    if (this.#over()) return;
    const type = last === undefined ? frameType.end : frameType.last;
    const sent = this.#frames.send(type, last ?? nothing);
    if (sent === undefined) this.#server.done(this);
    else void sent.then(() => this.#server.done(this));
  }

  fail(line: StatusLine): void {
    if (this.#over()) return;
    this.#server.refuse(this.#frames.id, line);
    this.#server.done(this);
    this.#stop(new OperationError("E_RPC_CANCELLED", line.message));
  }

  /** The caller is gone, or does not want it any more. */
  cancelled(): void {
    this.#server.done(this);
    if (this.#over()) return;
    this.#stop(callerGone());
  }

  #over(): boolean {
    const before = this.#answered;
    this.#answered = true;
    clearTimeout(this.#timer);
    return before;
  }

  #stop(reason: OperationError): void {
    this.#reason = reason;
    this.#frames.fail(reason);
    this.#abort?.abort(reason);
  }
}

const firstOf = async (frames: FrameCall): Promise<Uint8Array> => {
  for await (const message of frames.messages()) return message;
  throw new OperationError("E_RPC_MALFORMED", "no request");
};

export class FrameServer implements FrameHandler, Served {
  readonly #connection: FrameConnection;
  readonly #calls: Map<number, FrameAnswer> = new Map();
  readonly #answer: Answer;
  readonly peer: string;
  #running = 0;

  constructor(duplex: Duplex, peer: string, answer: Answer) {
    this.peer = peer;
    this.#answer = answer;
    this.#connection = new FrameConnection(duplex, this);
  }

  get closed(): Promise<void> {
    return this.#connection.closed;
  }

  close(): void {
    this.#connection.close();
  }

  frame({ type, call: id, payload }: Frame): void {
    const call = this.#calls.get(id);
    switch (type) {
      case frameType.call:
      case frameType.open:
        if (call !== undefined || id === 0) {
          throw new OperationError("E_RPC_MALFORMED", `call ${id} cannot be opened`);
        }
        this.#open(id, payload, type === frameType.call);
        return;
      case frameType.message:
      case frameType.last:
        this.#connection.arrived(payload);
        if (call === undefined || call.frames.over) this.#connection.ignored(payload);
        else call.frames.receive(payload);
        if (type === frameType.last) call?.frames.finish();
        return;
      case frameType.end:
        call?.frames.finish();
        return;
      case frameType.cancel:
        call?.cancelled();
        return;
      case frameType.credit:
        call?.frames.granted(decodeCredit(payload));
        return;
      default:
        throw new OperationError("E_RPC_MALFORMED", `a client sends no frame of type ${type}`);
    }
  }

  #open(id: number, payload: Buffer, whole: boolean): void {
    const { head, rest } = decodeHead(payload);
    if (whole) {
      // It goes to its handler at once: nothing of it waits here.
      this.#connection.arrived(rest);
      this.#connection.ignored(rest);
    } else if (rest.length > 0) {
      throw new OperationError("E_RPC_MALFORMED", "an opening with a message");
    }
    if (this.#calls.size >= rpcStreamsMax || this.#running >= rpcHandlersMax) {
      this.refuse(id, { status: grpcStatus.resourceExhausted, message: "too many calls" });
      return;
    }
    const handling = this.#answer(head.path, () => {
      const frames = new FrameCall(this.#connection, id, true);
      const call = new FrameAnswer(this, frames, whole ? rest : undefined, head.deadlineMs);
      this.#calls.set(id, call);
      this.#running++;
      return call;
    });
    if (handling === undefined) {
      this.refuse(id, { status: grpcStatus.unimplemented, message: `no method ${head.path}` });
      return;
    }
    // Also that of a cancelled call counts until it has ended.
    void handling.then(() => {
      this.#running--;
    });
  }

  refuse(id: number, line: StatusLine): void {
    this.#connection.write(frameType.fail, id, encodeFailure(line));
  }

  done(call: FrameAnswer): void {
    this.#calls.delete(call.frames.id);
    call.frames.discard();
  }

  ended(): void {
    for (const call of this.#calls.values()) call.cancelled();
    this.#calls.clear();
  }
}
