/**
 * The answering end of the Connect protocol, as far as the page uses it: unary calls with JSON
 * bodies. Source: connectrpc.com/docs/protocol, "Unary-Request". Tested against
 * `@connectrpc/connect-web`; the official server costs half a second at start and 13 MiB.
 *
 * What a failure of ours was travels beside the protocol's code: `ioi-code` and `ioi-next` in the
 * headers of the answer, which the client shows as the error's metadata.
 */
import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  fromJson,
  type JsonValue,
  type MessageInitShape,
  type MessageShape,
  toJson,
} from "@bufbuild/protobuf";
import { OperationError } from "@ioi/base";
import { callMs, doctorCallMs } from "../limits.ts";

export interface CallContext {
  /** The browser that asks, by its cookie. */
  readonly browser: string;
  /** Aborts when the caller goes or the call takes too long. */
  readonly signal: AbortSignal;
}

type Handler<M> = M extends {
  readonly input: infer I extends DescMessage;
  readonly output: infer O extends DescMessage;
}
  ? (request: MessageShape<I>, context: CallContext) => Promise<MessageInitShape<O>>
  : never;

export type Handlers<S extends DescService> = {
  readonly [K in keyof S["method"]]: Handler<S["method"][K]>;
};

type AnyHandler = (
  request: MessageShape<DescMessage>,
  context: CallContext,
) => Promise<MessageInitShape<DescMessage>>;

export type Calls = ReadonlyMap<
  string,
  { readonly method: DescMethod; readonly handler: AnyHandler }
>;

/** By path, as `/ioi.console.v1.Console/Overview`. */
export const callsOf = <S extends DescService>(service: S, handlers: Handlers<S>): Calls =>
  new Map(
    service.methods.map((method) => [
      `/${service.typeName}/${method.name}`,
      {
        method,
        handler: (handlers as Readonly<Record<string, AnyHandler>>)[method.localName] as AnyHandler,
      },
    ]),
  );

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Codes of the protocol that are used, with their HTTP status. */
const statusOf = {
  invalid_argument: 400,
  failed_precondition: 400,
  deadline_exceeded: 504,
  not_found: 404,
  resource_exhausted: 429,
  unimplemented: 501,
  internal: 500,
  unavailable: 503,
} as const;
type Code = keyof typeof statusOf;

const codes: Readonly<Record<string, Code>> = {
  E_RPC_UNAVAILABLE: "unavailable",
  E_RPC_CANCELLED: "unavailable",
  E_RPC_DEADLINE: "deadline_exceeded",
  E_RPC_UNKNOWN_METHOD: "unimplemented",
  E_RPC_MALFORMED: "invalid_argument",
  E_RPC_TOO_LARGE: "resource_exhausted",
  E_RPC_INTERNAL: "internal",
  E_CONSOLE_REQUEST: "invalid_argument",
  E_CONSOLE_BUSY: "resource_exhausted",
  E_CONSOLE_UNAVAILABLE: "unimplemented",
  E_CONSOLE_PLAN_GONE: "not_found",
  E_SESSION_UNKNOWN: "not_found",
  E_APPROVAL_UNKNOWN: "not_found",
};

const fail = (code: Code, message: string, own: Readonly<Record<string, string>> = {}): Answer => ({
  status: statusOf[code],
  headers: { "content-type": "application/json", ...own },
  body: JSON.stringify({ code, message }),
});

/** Header values are ASCII; percent signs and everything beyond it are escaped. */
const headerText = (text: string): string =>
  text.toWellFormed().replaceAll(/[^\x20-\x24\x26-\x7E]/gu, (char) => encodeURIComponent(char));

const failed = (error: OperationError): Answer =>
  fail(codes[error.code] ?? "failed_precondition", error.message, {
    "ioi-code": error.code,
    ...(error.next === undefined ? {} : { "ioi-next": headerText(error.next) }),
  });

export interface ConnectRequest {
  readonly path: string;
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  readonly protocolVersion: string | undefined;
  readonly timeoutMs: string | undefined;
  readonly body: Uint8Array;
  readonly browser: string;
  readonly signal: AbortSignal;
}

const malformed = (request: ConnectRequest): Answer | undefined => {
  const type = (request.contentType ?? "").toLowerCase().replaceAll(" ", "");
  if (type !== "application/json" && type !== "application/json;charset=utf-8") {
    return {
      status: 415,
      headers: { "content-type": "application/json", "accept-post": "application/json" },
      body: JSON.stringify({ code: "invalid_argument", message: "calls are application/json" }),
    };
  }
  if (request.protocolVersion !== "1") {
    return fail("invalid_argument", "connect-protocol-version must be 1");
  }
  if (![undefined, "identity"].includes(request.contentEncoding)) {
    return fail("unimplemented", "bodies are not compressed");
  }
  return undefined;
};

const parse = (bytes: Uint8Array): JsonValue | undefined => {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as JsonValue;
  } catch {
    return undefined;
  }
};

const deadlineOf = ({ path, timeoutMs }: ConnectRequest): number => {
  // The self-test alone takes longer than a person waits for anything else.
  const most = path.endsWith("/Doctor") ? doctorCallMs : callMs;
  const wanted = /^\d{1,10}$/.test(timeoutMs ?? "") ? Number(timeoutMs) : most;
  return Math.min(wanted, most);
};

/** Answers one call. A bug in a handler is thrown. */
export const answerCall = async (calls: Calls, request: ConnectRequest): Promise<Answer> => {
  const call = calls.get(request.path);
  if (call === undefined) return fail("unimplemented", "there is no such call");
  const wrong = malformed(request);
  if (wrong !== undefined) return wrong;
  const json = parse(request.body);
  if (json === undefined) return fail("invalid_argument", "the body is not JSON");
  const { method, handler } = call;
  let input: MessageShape<DescMessage>;
  try {
    input = fromJson(method.input, json);
  } catch {
    // What the decoder says may quote what was sent.
    return fail("invalid_argument", `the body is not a ${method.input.name}`);
  }
  const late = AbortSignal.timeout(deadlineOf(request));
  const signal = AbortSignal.any([request.signal, late]);
  try {
    const output = await handler(input, { browser: request.browser, signal });
    const body = JSON.stringify(
      toJson(method.output, create(method.output, output), { alwaysEmitImplicit: true }),
    );
    return { status: 200, headers: { "content-type": "application/json" }, body };
  } catch (error) {
    if (late.aborted) return fail("deadline_exceeded", "the call took too long");
    if (request.signal.aborted) return fail("unavailable", "the caller is gone");
    if (error instanceof OperationError) return failed(error);
    throw error;
  }
};
