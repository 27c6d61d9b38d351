/**
 * The calling end of a channel: typed calls over one connection on a given duplex stream.
 *
 * Invariants: every call has a deadline or a signal; a call settles exactly once; when the
 * connection ends, every open call fails with E_RPC_UNAVAILABLE.
 */
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
import { FrameClient } from "./frame-client.ts";
import { GrpcClient } from "./grpc-client.ts";
import type { CallOptions, ClientTransport } from "./transport.ts";

export type { CallOptions } from "./transport.ts";

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

export interface ConnectOptions {
  /** What the other end speaks: frames among our own processes, gRPC with any other. */
  readonly protocol?: "frames" | "grpc";
}

/** One connection to one peer. */
export class Channel implements AsyncDisposable {
  readonly transport: ClientTransport;

  constructor(duplex: Duplex, { protocol = "frames" }: ConnectOptions = {}) {
    this.transport = protocol === "frames" ? new FrameClient(duplex) : new GrpcClient(duplex);
  }

  /** Resolves when the connection has ended, whoever ended it. */
  get closed(): Promise<void> {
    return this.transport.closed;
  }

  get open(): boolean {
    return this.transport.open;
  }

  close(): void {
    this.transport.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.closed;
  }
}

export const connect = (duplex: Duplex, options: ConnectOptions = {}): Channel =>
  new Channel(duplex, options);

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

const decodeReply = <O extends DescMessage>(schema: O, message: Uint8Array): MessageShape<O> => {
  try {
    return fromBinary(schema, message);
  } catch (cause) {
    throw new OperationError("E_RPC_MALFORMED", "the reply does not decode", { cause });
  }
};

const pathOf = (method: DescMethod): string => `/${method.parent.typeName}/${method.name}`;

const encode = (schema: DescMessage, message: MessageInitShape<DescMessage>): Uint8Array =>
  toBinary(schema, create(schema, message));

const unary = (channel: Channel, method: DescMethod) => {
  const path = pathOf(method);
  return async (request: MessageInitShape<DescMessage>, options: CallOptions = {}) =>
    decodeReply(
      method.output,
      await channel.transport.unary(path, encode(method.input, request), options),
    );
};

const serverStreaming = (channel: Channel, method: DescMethod) =>
  async function* (request: MessageInitShape<DescMessage>, options: CallOptions = {}) {
    const call = channel.transport.stream(pathOf(method), options);
    try {
      call.end(encode(method.input, request));
      for await (const message of call.messages()) yield decodeReply(method.output, message);
    } finally {
      call.cancel();
    }
  };

const bidiStreaming = (channel: Channel, method: DescMethod) =>
  async function* (
    requests: AsyncIterable<MessageInitShape<DescMessage>>,
    options: CallOptions = {},
  ) {
    const call = channel.transport.stream(pathOf(method), options);
    const sending = (async () => {
      for await (const request of requests) {
        if (call.over) return;
        const full = call.send(encode(method.input, request));
        if (full !== undefined) await full;
      }
      call.end();
    })();
    sending.catch((error: unknown) => call.cancel(error));
    try {
      for await (const message of call.messages()) yield decodeReply(method.output, message);
    } finally {
      call.cancel();
    }
  };

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
