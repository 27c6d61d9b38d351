/**
 * The answering end of a channel, whichever of the two protocols the caller begins with. The
 * caller's identity is the connection it came over: a handler gets the `peer` that was named when
 * the connection was served, never a claim from a message.
 *
 * Invariants: a handler ends when its deadline passes or its caller goes; at most `rpcStreamsMax`
 * calls are open on one connection; a bug in a handler reaches `onBug`.
 */
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
import { preface } from "./frame-codec.ts";
import { FrameServer } from "./frame-server.ts";
import { serveGrpc } from "./grpc-server.ts";
import { grpcStatus, statusOfError } from "./status.ts";
import type { Answer, AnsweredCall, CallContext, Served } from "./transport.ts";

export type { CallContext, Served } from "./transport.ts";

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
  /**
   * For peers that are not ours: a call ends after so long, whatever deadline the caller named; one
   * that streams only where its request has not come by then.
   */
  readonly answerMsMax?: number;
}

const decodeRequest = (schema: DescMessage, message: Uint8Array): MessageShape<DescMessage> => {
  try {
    return fromBinary(schema, message);
  } catch (cause) {
    throw new OperationError("E_RPC_MALFORMED", "the request does not decode", { cause });
  }
};

async function* decodeAll(schema: DescMessage, messages: AsyncIterable<Uint8Array>) {
  for await (const message of messages) yield decodeRequest(schema, message);
}

/** Ends a call that takes too long; disposing stops the watch. */
const watchTime = (call: AnsweredCall, msMax: number | undefined): Disposable => {
  const timer =
    msMax === undefined
      ? undefined
      : setTimeout(() => {
          call.fail({ status: grpcStatus.deadlineExceeded, message: `more than ${msMax} ms` });
        }, msMax);
  return { [Symbol.dispose]: () => clearTimeout(timer) };
};

const answerCall = async (
  call: AnsweredCall,
  method: DescMethod,
  handler: AnyHandler,
  answerMsMax: number | undefined,
): Promise<void> => {
  const encodeReply = (reply: MessageInitShape<DescMessage>): Uint8Array =>
    toBinary(method.output, create(method.output, reply));
  using watch = watchTime(call, answerMsMax);
  if (method.methodKind === "unary") {
    const request = decodeRequest(method.input, await call.first());
    const reply = await (handler(request, call.context) as Promise<MessageInitShape<DescMessage>>);
    call.finish(encodeReply(reply));
    return;
  }
  const input =
    method.methodKind === "server_streaming"
      ? decodeRequest(method.input, await call.first())
      : decodeAll(method.input, call.messages());
  watch[Symbol.dispose]();
  const replies = handler(input, call.context) as AsyncIterable<MessageInitShape<DescMessage>>;
  for await (const reply of replies) {
    const full = call.send(encodeReply(reply));
    if (full !== undefined) await full;
  }
  call.finish();
};

const answering =
  (implementations: readonly Implementation[], options: ServeOptions): Answer =>
  (path, begin) => {
    const entry = implementations
      .map((each) => each.methods.get(path))
      .find((found) => found !== undefined);
    if (entry === undefined) return undefined;
    const call = begin();
    return answerCall(call, entry.method, entry.handler, options.answerMsMax).catch(
      (error: unknown) => {
        const wanted = !call.gone;
        call.fail(statusOfError(error));
        if (wanted && !(error instanceof OperationError)) options.onBug?.(error);
      },
    );
  };

/** Answers calls on one duplex stream until it ends. */
export const serve = (
  duplex: Duplex,
  implementations: readonly Implementation[],
  options: ServeOptions = {},
): Served => {
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  const answer = answering(implementations, options);
  const peer = options.peer ?? "unknown";
  const failed = (): void => void duplex.destroy();
  // The first byte tells the protocols apart: a connection of HTTP/2 begins with "PRI".
  const begin = (): void => {
    const chunk = duplex.read() as Buffer | null;
    if (chunk === null) return;
    duplex.off("readable", begin);
    duplex.off("close", resolve);
    duplex.off("error", failed);
    duplex.off("end", failed);
    duplex.unshift(chunk);
    const served =
      chunk[0] === preface[0]
        ? new FrameServer(duplex, peer, answer)
        : serveGrpc(duplex, peer, answer);
    void served.closed.then(resolve);
  };
  duplex.on("readable", begin);
  duplex.once("close", resolve);
  duplex.on("error", failed);
  duplex.once("end", failed);
  if (duplex.destroyed) resolve();
  return { closed, close: failed };
};
