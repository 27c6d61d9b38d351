/**
 * The calling end of a channel: typed calls over one HTTP/2 connection on a given duplex stream.
 *
 * Invariants: every call has a deadline or a signal; a call settles exactly once; when the
 * connection ends, every open call fails with E_RPC_UNAVAILABLE.
 */
import http2 from "node:http2";
import net from "node:net";
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
import {
  decodeMessageText,
  Deframer,
  errorOfStatus,
  finalHeader,
  frame,
  grpcStatus,
} from "./framing.ts";
import { rpcDeadlineMs, rpcWindowBytes } from "./limits.ts";
import { MessageQueue } from "./queue.ts";

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Milliseconds; `Infinity` for a stream without an end. */
  readonly deadlineMs?: number;
}

type ClientMethod<M> = M extends {
  readonly methodKind: infer K;
  readonly input: infer I extends DescMessage;
  readonly output: infer O extends DescMessage;
}
  ? K extends "unary"
    ? (request: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
    : K extends "server_streaming"
      ? (request: MessageInitShape<I>, options?: CallOptions) => AsyncIterable<MessageShape<O>>
      : K extends "bidi_streaming"
        ? (
            requests: AsyncIterable<MessageInitShape<I>>,
            options?: CallOptions,
          ) => AsyncIterable<MessageShape<O>>
        : never
  : never;

export type Client<S extends DescService> = {
  readonly [K in keyof S["method"]]: ClientMethod<S["method"][K]>;
};

/** One HTTP/2 connection to one peer. */
export class Channel implements AsyncDisposable {
  readonly session: http2.ClientHttp2Session;
  /** Resolves when the connection has ended, whoever ended it. */
  readonly closed: Promise<void>;

  constructor(duplex: Duplex) {
    this.session = http2.connect("http://ioi.invalid", {
      createConnection: () => duplex,
      settings: { initialWindowSize: rpcWindowBytes, enablePush: false },
    });
    this.session.once("connect", () => {
      if (this.open) this.session.setLocalWindowSize(rpcWindowBytes);
    });
    this.closed = new Promise((resolve) => {
      this.session.once("close", resolve);
    });
    // The open calls report the failure; the session's own event only must not be unhandled.
    this.session.on("error", () => undefined);
    duplex.on("error", () => this.session.destroy());
    duplex.once("close", () => this.session.destroy());
  }

  get open(): boolean {
    return !this.session.closed && !this.session.destroyed;
  }

  close(): void {
    this.session.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.closed;
  }
}

export const connect = (duplex: Duplex): Channel => new Channel(duplex);

/** Connects to a Unix socket; rejects with E_RPC_UNAVAILABLE when nobody listens. */
export const dial = async (path: string): Promise<Channel> => {
  const socket = net.connect(path);
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", (cause) =>
      reject(
        new OperationError("E_RPC_UNAVAILABLE", "nobody listens on the socket", {
          cause,
          retryable: true,
        }),
      ),
    );
  });
  return connect(socket);
};

const gone = (): OperationError =>
  new OperationError("E_RPC_UNAVAILABLE", "the other process is gone", { retryable: true });

interface Call {
  readonly stream: http2.ClientHttp2Stream;
  readonly messages: MessageQueue<Buffer>;
}

const finishOf = (
  trailers: http2.IncomingHttpHeaders,
): { readonly ok: true } | { readonly ok: false; readonly error: OperationError } => {
  const status = Number(trailers["grpc-status"] ?? Number.NaN);
  if (status === grpcStatus.ok) return { ok: true };
  if (Number.isNaN(status)) return { ok: false, error: gone() };
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

const startCall = (channel: Channel, path: string, options: CallOptions): Call => {
  if (!channel.open) throw gone();
  options.signal?.throwIfAborted();
  const deadlineMs = options.deadlineMs ?? rpcDeadlineMs;
  const stream = channel.session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
    ...(Number.isFinite(deadlineMs) ? { "grpc-timeout": `${Math.ceil(deadlineMs)}m` } : {}),
  });
  const deframer = new Deframer();
  const messages = new MessageQueue<Buffer>(() => {
    if (stream.isPaused()) stream.resume();
  });
  let settled = false;
  const settle = (error: unknown): void => {
    if (settled) return;
    settled = true;
    if (timer !== undefined) clearTimeout(timer);
    options.signal?.removeEventListener("abort", onAbort);
    if (error === undefined) messages.finish();
    else messages.fail(error);
  };
  const cancel = (error: unknown): void => {
    settle(error);
    stream.close(http2.constants.NGHTTP2_CANCEL);
  };
  const onAbort = (): void => cancel(options.signal?.reason);
  const timer = Number.isFinite(deadlineMs)
    ? setTimeout(() => {
        cancel(
          new OperationError("E_RPC_DEADLINE", `${path} took more than ${deadlineMs} ms`, {
            retryable: true,
          }),
        );
      }, deadlineMs)
    : undefined;
  options.signal?.addEventListener("abort", onAbort, { once: true });
  let final = false;
  const onHeaders = (headers: http2.IncomingHttpHeaders): void => {
    if (headers[finalHeader] !== undefined) final = true;
    if (headers["grpc-status"] === undefined) return;
    const finish = finishOf(headers);
    settle(finish.ok ? undefined : finish.error);
  };
  stream.on("response", onHeaders);
  stream.on("trailers", onHeaders);
  stream.on("data", (chunk: Buffer) => {
    try {
      for (const message of deframer.push(chunk)) messages.push(message);
      if (final && messages.length > 0) settle(undefined);
    } catch (error) {
      cancel(error);
    }
    if (messages.length > 64) stream.pause();
  });
  // An error captures a stack: it is made only where there is something to tell.
  const lost = (): void => {
    if (!settled) settle(gone());
  };
  stream.on("error", lost);
  stream.on("close", lost);
  return { stream, messages };
};

const decodeReply = <O extends DescMessage>(schema: O, message: Buffer): MessageShape<O> => {
  try {
    return fromBinary(schema, message);
  } catch (cause) {
    throw new OperationError("E_RPC_MALFORMED", "the reply does not decode", { cause });
  }
};

const pathOf = (method: DescMethod): string => `/${method.parent.typeName}/${method.name}`;

const unary =
  (channel: Channel, method: DescMethod) =>
  async (request: MessageInitShape<DescMessage>, options: CallOptions = {}) => {
    const call = startCall(channel, pathOf(method), options);
    call.stream.end(frame(toBinary(method.input, create(method.input, request))));
    let reply: Buffer | undefined;
    for await (const message of call.messages) reply = message;
    if (reply === undefined) throw new OperationError("E_RPC_MALFORMED", "no reply");
    return decodeReply(method.output, reply);
  };

const serverStreaming = (channel: Channel, method: DescMethod) =>
  async function* (request: MessageInitShape<DescMessage>, options: CallOptions = {}) {
    const call = startCall(channel, pathOf(method), options);
    try {
      call.stream.end(frame(toBinary(method.input, create(method.input, request))));
      for await (const message of call.messages) yield decodeReply(method.output, message);
    } finally {
      call.stream.close(http2.constants.NGHTTP2_CANCEL);
    }
  };

const bidiStreaming = (channel: Channel, method: DescMethod) =>
  async function* (
    requests: AsyncIterable<MessageInitShape<DescMessage>>,
    options: CallOptions = {},
  ) {
    const call = startCall(channel, pathOf(method), options);
    const sending = (async () => {
      for await (const request of requests) {
        if (call.stream.destroyed) return;
        const written = call.stream.write(
          frame(toBinary(method.input, create(method.input, request))),
        );
        if (!written) await drained(call.stream);
      }
      call.stream.end();
    })();
    sending.catch(() => call.stream.close(http2.constants.NGHTTP2_CANCEL));
    try {
      for await (const message of call.messages) yield decodeReply(method.output, message);
    } finally {
      call.stream.close(http2.constants.NGHTTP2_CANCEL);
    }
  };

/** Resolves when a stream takes more, or has ended. */
export const drained = (stream: Duplex): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      stream.off("drain", done);
      stream.off("close", done);
      resolve();
    };
    stream.on("drain", done);
    stream.on("close", done);
  });

/** The typed client of a service on a channel. */
export const client = <S extends DescService>(service: S, channel: Channel): Client<S> => {
  const methods: Record<string, unknown> = {};
  for (const method of service.methods) {
    methods[method.localName] =
      method.methodKind === "unary"
        ? unary(channel, method)
        : method.methodKind === "server_streaming"
          ? serverStreaming(channel, method)
          : bidiStreaming(channel, method);
  }
  return methods as Client<S>;
};
