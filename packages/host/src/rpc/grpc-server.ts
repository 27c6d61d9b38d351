/** The answering end of a gRPC connection over HTTP/2. */
import http2 from "node:http2";
import type net from "node:net";
import type { Duplex } from "node:stream";
import { OperationError } from "@ioi/base";
import { drained } from "./drained.ts";
import { Deframer, encodeMessageText, finalHeader, frame, parseTimeout } from "./grpc-framing.ts";
import { rpcStreamsMax, rpcWindowBytes } from "./limits.ts";
import { MessageQueue } from "./queue.ts";
import { grpcStatus, type StatusLine, statusOfError } from "./status.ts";
import {
  type Answer,
  type AnsweredCall,
  type CallContext,
  callerGone,
  type Served,
} from "./transport.ts";

const ownTrailers = ({ code, next }: StatusLine): Record<string, string> => ({
  ...(code === undefined ? {} : { "ioi-code": code }),
  ...(next === undefined ? {} : { "ioi-next": encodeMessageText(next) }),
});

const respondError = (stream: http2.ServerHttp2Stream, line: StatusLine): void => {
  if (stream.destroyed || stream.headersSent) return;
  stream.respond(
    {
      ":status": 200,
      "content-type": "application/grpc",
      "grpc-status": String(line.status),
      "grpc-message": encodeMessageText(line.message),
      ...ownTrailers(line),
    },
    { endStream: true },
  );
};

class GrpcAnswer implements AnsweredCall {
  readonly #stream: http2.ServerHttp2Stream;
  readonly #abort = new AbortController();
  readonly #messages: MessageQueue<Uint8Array>;
  readonly context: CallContext;
  #status: StatusLine = { status: grpcStatus.ok, message: "" };
  #answered = false;

  constructor(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders, peer: string) {
    this.#stream = stream;
    this.context = { signal: this.#abort.signal, peer };
    this.#messages = new MessageQueue(() => {
      if (stream.isPaused()) stream.resume();
    });
    const deframer = new Deframer();
    const timeout = parseTimeout(headers["grpc-timeout"] as string | undefined);
    const timer =
      timeout === undefined
        ? undefined
        : setTimeout(() => {
            this.fail({ status: grpcStatus.deadlineExceeded, message: "deadline passed" });
          }, timeout);
    stream.on("data", (chunk: Buffer) => {
      try {
        for (const message of deframer.push(chunk)) this.#messages.push(message);
      } catch (error) {
        this.fail(statusOfError(error));
      }
      if (this.#messages.length > 64) stream.pause();
    });
    stream.on("end", () => this.#messages.finish());
    stream.on("error", () => undefined);
    stream.on("close", () => {
      clearTimeout(timer);
      // A call that was answered has nobody left to tell; an error captures a stack.
      if (this.#answered) return;
      const reason = callerGone();
      this.#messages.fail(reason);
      this.#abort.abort(reason);
    });
    stream.on("wantTrailers", () => {
      const { status, message } = this.#status;
      stream.sendTrailers({
        "grpc-status": String(status),
        ...(message === "" ? {} : { "grpc-message": encodeMessageText(message) }),
        ...ownTrailers(this.#status),
      });
    });
  }

  get gone(): boolean {
    return this.#abort.signal.aborted;
  }

  async first(): Promise<Uint8Array> {
    for await (const message of this.#messages) return message;
    throw new OperationError("E_RPC_MALFORMED", "no request");
  }

  messages(): AsyncIterable<Uint8Array> {
    return this.#messages;
  }

  send(message: Uint8Array): Promise<void> | undefined {
    this.#respond();
    if (this.#stream.destroyed) throw callerGone();
    return this.#stream.write(frame(message)) ? undefined : drained(this.#stream);
  }

  finish(last?: Uint8Array): void {
    this.#answered = true;
    if (this.#stream.destroyed || this.#stream.writableEnded) return;
    this.#respond(last !== undefined);
    if (last === undefined) this.#stream.end();
    else this.#stream.end(frame(last));
  }

  fail(line: StatusLine): void {
    if (this.#stream.destroyed || this.#stream.writableEnded) return;
    if (!this.#stream.headersSent) respondError(this.#stream, line);
    else {
      this.#status = line;
      this.#stream.end();
    }
    this.#abort.abort(new OperationError("E_RPC_CANCELLED", line.message));
  }

  #respond(final = false): void {
    if (this.#stream.headersSent || this.#stream.destroyed) return;
    this.#stream.respond(
      {
        ":status": 200,
        "content-type": "application/grpc",
        ...(final ? { [finalHeader]: "1" } : {}),
      },
      { waitForTrailers: true },
    );
  }
}

export const serveGrpc = (duplex: Duplex, peer: string, answer: Answer): Served => {
  const session = http2.performServerHandshake(duplex as net.Socket, {
    settings: { initialWindowSize: rpcWindowBytes, maxConcurrentStreams: rpcStreamsMax },
  });
  session.on("error", () => undefined);
  duplex.on("error", () => session.destroy());
  duplex.once("close", () => session.destroy());
  session.on("stream", (stream, headers) => {
    const path = String(headers[":path"]);
    if (answer(path, () => new GrpcAnswer(stream, headers, peer)) !== undefined) return;
    stream.on("error", () => undefined);
    respondError(stream, { status: grpcStatus.unimplemented, message: `no method ${path}` });
  });
  return {
    closed: new Promise((resolve) => {
      session.once("close", resolve);
    }),
    close: () => session.destroy(),
  };
};
