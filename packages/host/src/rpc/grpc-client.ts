/** The calling end of a gRPC connection over HTTP/2. */
import http2 from "node:http2";
import type { Duplex } from "node:stream";
import { OperationError } from "@ioi/base";
import { drained } from "./drained.ts";
import { decodeMessageText, Deframer, finalHeader, frame } from "./grpc-framing.ts";
import { rpcDeadlineMs, rpcWindowBytes } from "./limits.ts";
import { MessageQueue } from "./queue.ts";
import { errorOfStatus, grpcStatus } from "./status.ts";
import {
  type CallOptions,
  type CallStream,
  type ClientTransport,
  Patience,
  peerGone,
} from "./transport.ts";

type Finish = { readonly ok: true } | { readonly ok: false; readonly error: OperationError };

const finishOf = (trailers: http2.IncomingHttpHeaders): Finish => {
  const status = Number(trailers["grpc-status"] ?? Number.NaN);
  if (status === grpcStatus.ok) return { ok: true };
  if (Number.isNaN(status)) return { ok: false, error: peerGone() };
  const message = decodeMessageText(String(trailers["grpc-message"] ?? ""));
  const code = trailers["ioi-code"];
  const next = trailers["ioi-next"];
  return {
    ok: false,
    error: errorOfStatus(
      status,
      message,
      typeof code === "string" ? code : undefined,
      typeof next === "string" ? decodeMessageText(next) : undefined,
    ),
  };
};

class GrpcCall implements CallStream {
  readonly #stream: http2.ClientHttp2Stream;
  readonly #messages: MessageQueue<Uint8Array>;
  readonly #patience: Patience;
  #settled = false;
  /** The other end promised that there is one message and status 0 behind it. */
  #final = false;

  constructor(session: http2.ClientHttp2Session, path: string, options: CallOptions) {
    const deadlineMs = options.deadlineMs ?? rpcDeadlineMs;
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      ...(Number.isFinite(deadlineMs) ? { "grpc-timeout": `${Math.ceil(deadlineMs)}m` } : {}),
    });
    this.#stream = stream;
    this.#messages = new MessageQueue(() => {
      if (stream.isPaused()) stream.resume();
    });
    this.#patience = new Patience(path, options, deadlineMs, (why) => this.cancel(why));
    const deframer = new Deframer();
    const onHeaders = (headers: http2.IncomingHttpHeaders): void => this.#headers(headers);
    stream.on("response", onHeaders);
    stream.on("trailers", onHeaders);
    stream.on("data", (chunk: Buffer) => {
      try {
        for (const message of deframer.push(chunk)) this.#messages.push(message);
        if (this.#final && this.#messages.length > 0) this.#settle(undefined);
      } catch (error) {
        this.cancel(error);
      }
      if (this.#messages.length > 64) stream.pause();
    });
    // An error captures a stack: it is made only where there is something to tell.
    const lost = (): void => {
      if (!this.#settled) this.#settle(peerGone());
    };
    stream.on("error", lost);
    stream.on("close", lost);
  }

  #headers(headers: http2.IncomingHttpHeaders): void {
    if (headers[finalHeader] !== undefined) this.#final = true;
    if (headers["grpc-status"] === undefined) return;
    const finish = finishOf(headers);
    this.#settle(finish.ok ? undefined : finish.error);
  }

  #settle(error: unknown): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#patience.stop();
    if (error === undefined) this.#messages.finish();
    else this.#messages.fail(error);
  }

  get over(): boolean {
    return this.#stream.destroyed;
  }

  send(message: Uint8Array): Promise<void> | undefined {
    return this.#stream.write(frame(message)) ? undefined : drained(this.#stream);
  }

  end(last?: Uint8Array): void {
    if (last === undefined) this.#stream.end();
    else this.#stream.end(frame(last));
  }

  messages(): AsyncIterable<Uint8Array> {
    return this.#messages;
  }

  cancel(error?: unknown): void {
    this.#settle(error);
    this.#stream.close(http2.constants.NGHTTP2_CANCEL);
  }
}

export class GrpcClient implements ClientTransport {
  readonly #session: http2.ClientHttp2Session;
  readonly closed: Promise<void>;

  constructor(duplex: Duplex) {
    this.#session = http2.connect("http://ioi.invalid", {
      createConnection: () => duplex,
      settings: { initialWindowSize: rpcWindowBytes, enablePush: false },
    });
    this.#session.once("connect", () => {
      if (this.open) this.#session.setLocalWindowSize(rpcWindowBytes);
    });
    this.closed = new Promise((resolve) => {
      this.#session.once("close", resolve);
    });
    // The open calls report the failure; the session's own event only must not be unhandled.
    this.#session.on("error", () => undefined);
    duplex.on("error", () => this.#session.destroy());
    duplex.once("close", () => this.#session.destroy());
  }

  get open(): boolean {
    return !this.#session.closed && !this.#session.destroyed;
  }

  close(): void {
    this.#session.destroy();
  }

  async unary(path: string, request: Uint8Array, options: CallOptions): Promise<Uint8Array> {
    const call = this.stream(path, options);
    call.end(request);
    let reply: Uint8Array | undefined;
    for await (const message of call.messages()) reply = message;
    if (reply === undefined) throw new OperationError("E_RPC_MALFORMED", "no reply");
    return reply;
  }

  stream(path: string, options: CallOptions): CallStream {
    if (!this.open) throw peerGone();
    options.signal?.throwIfAborted();
    return new GrpcCall(this.#session, path, options);
  }
}
