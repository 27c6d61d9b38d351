/**
 * The answering end of a channel. The caller's identity is the connection it came over: a handler
 * gets the `peer` that was named when the connection was served, never a claim from a message.
 *
 * Invariants: a handler ends when its deadline passes or its caller goes; at most `rpcStreamsMax`
 * calls are open on one connection; a bug in a handler reaches `onBug`.
 */
import http2 from "node:http2";
import type net from "node:net";
import type { Duplex } from "node:stream";
import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { OperationError } from "@ioi/base";
import { drained } from "./client.ts";
import {
  Deframer,
  encodeMessageText,
  finalHeader,
  frame,
  grpcStatus,
  parseTimeout,
  type StatusLine,
  statusOfError,
} from "./framing.ts";
import { rpcStreamsMax, rpcWindowBytes } from "./limits.ts";
import { MessageQueue } from "./queue.ts";

export interface CallContext {
  /** Aborts when the caller goes, the deadline passes or the connection ends. */
  readonly signal: AbortSignal;
  /** Who is at the other end, as the server of this connection knows it. */
  readonly peer: string;
}

type Handler<M> = M extends {
  readonly methodKind: infer K;
  readonly input: infer I extends DescMessage;
  readonly output: infer O extends DescMessage;
}
  ? K extends "unary"
    ? (request: MessageShape<I>, context: CallContext) => Promise<MessageInitShape<O>>
    : K extends "server_streaming"
      ? (request: MessageShape<I>, context: CallContext) => AsyncIterable<MessageInitShape<O>>
      : K extends "bidi_streaming"
        ? (
            requests: AsyncIterable<MessageShape<I>>,
            context: CallContext,
          ) => AsyncIterable<MessageInitShape<O>>
        : never
  : never;

export type Handlers<S extends DescService> = {
  readonly [K in keyof S["method"]]: Handler<S["method"][K]>;
};

type AnyHandler = (
  input: MessageShape<DescMessage> | AsyncIterable<MessageShape<DescMessage>>,
  context: CallContext,
) => Promise<MessageInitShape<DescMessage>> | AsyncIterable<MessageInitShape<DescMessage>>;

export interface Implementation {
  readonly methods: ReadonlyMap<
    string,
    { readonly method: DescMethod; readonly handler: AnyHandler }
  >;
}

export const implement = <S extends DescService>(
  service: S,
  handlers: Handlers<S>,
): Implementation => ({
  methods: new Map(
    service.methods.map((method) => [
      `/${service.typeName}/${method.name}`,
      {
        method,
        handler: (handlers as Readonly<Record<string, AnyHandler>>)[method.localName] as AnyHandler,
      },
    ]),
  ),
});

export interface ServeOptions {
  /** The name of the peer, from the channel. */
  readonly peer?: string;
  /** A handler threw something that is not an `OperationError`. */
  readonly onBug?: (error: unknown) => void;
}

export interface Served {
  /** Resolves when the connection has ended. */
  readonly closed: Promise<void>;
  close(): void;
}

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

class ServerCall {
  readonly #stream: http2.ServerHttp2Stream;
  readonly #abort = new AbortController();
  readonly messages: MessageQueue<Buffer>;
  readonly context: CallContext;
  #status: StatusLine = { status: grpcStatus.ok, message: "" };
  #answered = false;

  constructor(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders, peer: string) {
    this.#stream = stream;
    this.context = { signal: this.#abort.signal, peer };
    this.messages = new MessageQueue(() => {
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
        for (const message of deframer.push(chunk)) this.messages.push(message);
      } catch (error) {
        this.fail(statusOfError(error));
      }
      if (this.messages.length > 64) stream.pause();
    });
    stream.on("end", () => this.messages.finish());
    stream.on("error", () => undefined);
    stream.on("close", () => {
      clearTimeout(timer);
      // A call that was answered has nobody left to tell; an error captures a stack.
      if (this.#answered) return;
      const reason = new OperationError("E_RPC_CANCELLED", "the caller is gone");
      this.messages.fail(reason);
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

  async send(message: Uint8Array): Promise<void> {
    this.#respond();
    if (this.#stream.destroyed) throw new OperationError("E_RPC_CANCELLED", "the caller is gone");
    if (!this.#stream.write(frame(message))) await drained(this.#stream);
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

const decodeRequest = (schema: DescMessage, message: Buffer): MessageShape<DescMessage> => {
  try {
    return fromBinary(schema, message);
  } catch (cause) {
    throw new OperationError("E_RPC_MALFORMED", "the request does not decode", { cause });
  }
};

async function* decodeAll(schema: DescMessage, messages: AsyncIterable<Buffer>) {
  for await (const message of messages) yield decodeRequest(schema, message);
}

const firstMessage = async (call: ServerCall, schema: DescMessage) => {
  for await (const message of call.messages) return decodeRequest(schema, message);
  throw new OperationError("E_RPC_MALFORMED", "no request");
};

const runCall = async (
  call: ServerCall,
  method: DescMethod,
  handler: AnyHandler,
): Promise<void> => {
  const encodeReply = (reply: MessageInitShape<DescMessage>): Uint8Array =>
    toBinary(method.output, create(method.output, reply));
  if (method.methodKind === "unary") {
    const request = await firstMessage(call, method.input);
    const reply = await (handler(request, call.context) as Promise<MessageInitShape<DescMessage>>);
    call.finish(encodeReply(reply));
    return;
  }
  const input =
    method.methodKind === "server_streaming"
      ? await firstMessage(call, method.input)
      : decodeAll(method.input, call.messages);
  const replies = handler(input, call.context) as AsyncIterable<MessageInitShape<DescMessage>>;
  for await (const reply of replies) await call.send(encodeReply(reply));
  call.finish();
};

/** Answers calls on one duplex stream until it ends. */
export const serve = (
  duplex: Duplex,
  implementations: readonly Implementation[],
  options: ServeOptions = {},
): Served => {
  const session = http2.performServerHandshake(duplex as net.Socket, {
    settings: { initialWindowSize: rpcWindowBytes, maxConcurrentStreams: rpcStreamsMax },
  });
  session.on("error", () => undefined);
  duplex.on("error", () => session.destroy());
  duplex.once("close", () => session.destroy());
  session.on("stream", (stream, headers) => {
    const path = String(headers[":path"]);
    const entry = implementations
      .map((each) => each.methods.get(path))
      .find((e) => e !== undefined);
    if (entry === undefined) {
      stream.on("error", () => undefined);
      respondError(stream, { status: grpcStatus.unimplemented, message: `no method ${path}` });
      return;
    }
    const call = new ServerCall(stream, headers, options.peer ?? "unknown");
    runCall(call, entry.method, entry.handler).catch((error: unknown) => {
      const wanted = !call.context.signal.aborted;
      call.fail(statusOfError(error));
      if (wanted && !(error instanceof OperationError)) options.onBug?.(error);
    });
  });
  return {
    closed: new Promise((resolve) => {
      session.once("close", resolve);
    }),
    close: () => session.destroy(),
  };
};
