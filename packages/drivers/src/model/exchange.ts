/**
 * One request to a model's server and the bytes of its answer: what the protocol packages see as
 * `fetch`. It alone knows how the transport failed; what the packages make of that is not asked.
 *
 * Invariants: one request, whatever the packages try; no credential leaves from here. Bounds: bytes
 * of the answer, time to its first byte, time between two, all of it; the answer is UTF-8.
 */
import { InvariantError, OperationError } from "@ioi/base";
import type { ErrorCode } from "../errors.ts";
import { modelErrorBytesMax, modelErrorCharsMax } from "../limits.ts";

export interface ModelRequest {
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Uint8Array;
}
export interface ModelResponse {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: AsyncIterable<Uint8Array>;
  /** What the way out says of the connection, once the body was read to its end. */
  readonly evidence?: () => Readonly<Record<string, string>>;
}
/** Sends with POST. Throws an OperationError where no answer came. */
export type ModelTransport = (request: ModelRequest, signal: AbortSignal) => Promise<ModelResponse>;

export interface ModelBounds {
  readonly replyBytesMax: number;
  readonly firstByteMsMax: number;
  readonly idleMsMax: number;
  readonly wallMsMax: number;
}

/** Why there is no answer. */
export interface ModelFailure {
  readonly code: ErrorCode;
  readonly message: string;
  /** The same request may succeed later. */
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
}

export class Failed extends Error {
  readonly failure: ModelFailure;

  constructor(failure: ModelFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

const passed: ReadonlySet<string> = new Set([
  "accept",
  "content-type",
  "anthropic-version",
  "anthropic-beta",
]);

/** Failures of the way out that may be over in a moment. */
const passing: ReadonlySet<string> = new Set([
  "E_EGRESS_BUSY",
  "E_EGRESS_CONNECT",
  "E_EGRESS_NAME",
  "E_EGRESS_RESPONSE",
  "E_EGRESS_TIMEOUT",
]);

/** `ReadableStream.from`, which browsers' types do not know yet. */
const streamOf = (blocks: AsyncIterable<Uint8Array>): ReadableStream => {
  const reader = blocks[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const next = await reader.next();
      if (next.done === true) controller.close();
      else controller.enqueue(next.value);
    },
    cancel: async () => void (await reader.return?.()),
  });
};

/** Text of a stranger in one line of ours. */
export const strangersWords = (text: string): string =>
  text
    .replaceAll(/[\p{Cc}\p{Cf}\s]+/gu, " ")
    .trim()
    .slice(0, modelErrorCharsMax)
    .toWellFormed();

const retryAfterMs = (value: string | undefined): number | undefined => {
  if (value === undefined) return undefined;
  if (/^\d{1,6}(\.\d+)?$/.test(value)) return Math.round(Number(value) * 1000);
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, Math.min(at - Date.now(), 86_400_000));
};

/** What an error's body says: `error.message` in both protocols, else nothing. */
const errorMessage = (body: string): string => {
  try {
    const value = JSON.parse(body) as { readonly error?: unknown; readonly message?: unknown };
    const { error, message } = value;
    const inner =
      typeof error === "object" && error !== null
        ? (error as { readonly message?: unknown }).message
        : (error ?? message);
    return typeof inner === "string" ? strangersWords(inner) : "";
  } catch {
    return "";
  }
};

/** A stranger's text, named and set apart as one: nobody takes it for ours. */
export const inItsWords = (said: string): string =>
  said === "" ? "" : `; its own words, unverified: "${said.replaceAll('"', "'")}"`;

const statusFailure = (
  status: number,
  headers: ReadonlyMap<string, string>,
  body: string,
): ModelFailure => {
  const said = errorMessage(body);
  const message = `the model's server answers ${status}${inItsWords(said)}`;
  if (status === 401 || status === 403) {
    return { code: "E_MODEL_KEY", message, retryable: false };
  }
  if (status === 404) return { code: "E_MODEL_UNKNOWN", message, retryable: false };
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    const afterMs = retryAfterMs(headers.get("retry-after"));
    const busy = status === 429 || status === 503 || status === 529;
    return {
      code: busy ? "E_MODEL_BUSY" : "E_MODEL_SERVER",
      message,
      retryable: true,
      ...(afterMs === undefined ? {} : { retryAfterMs: afterMs }),
    };
  }
  const to = headers.get("location");
  return {
    code: "E_MODEL_REQUEST",
    message: to === undefined ? message : `${message}; it leads to ${strangersWords(to)}`,
    retryable: false,
  };
};

const empty = new Uint8Array(0);

export class Exchange {
  readonly #transport: ModelTransport;
  readonly #bounds: ModelBounds;
  readonly #url: string;
  readonly #caller: AbortSignal;
  readonly #abort: AbortController = new AbortController();
  readonly #startedMs: number = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #sent = false;
  /** Why the request or its answer failed, as far as it failed here. */
  failure: ModelFailure | undefined;
  /** The answer of a server that does not stream. */
  whole: Uint8Array | undefined;
  bytesUp = 0;
  bytesDown = 0;
  firstMs: number | undefined;
  #evidence: (() => Readonly<Record<string, string>>) | undefined;

  constructor(
    transport: ModelTransport,
    options: { readonly url: string; readonly bounds: ModelBounds; readonly signal: AbortSignal },
  ) {
    this.#transport = transport;
    this.#url = options.url;
    this.#bounds = options.bounds;
    this.#caller = options.signal;
    this.#caller.addEventListener("abort", this.#onCaller, { once: true });
    if (this.#caller.aborted) this.#onCaller();
  }

  readonly #onCaller = (): void => this.#abort.abort(this.#caller.reason);

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Of the connection, as far as it was told. */
  get evidence(): Readonly<Record<string, string>> {
    return this.#evidence?.() ?? {};
  }

  get elapsedMs(): number {
    return performance.now() - this.#startedMs;
  }

  /** Ends the request, whatever state it is in. */
  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#caller.removeEventListener("abort", this.#onCaller);
    this.#abort.abort(new OperationError("E_ABORTED", "the request is over"));
  }

  #fail(failure: ModelFailure): Failed {
    this.failure ??= failure;
    return new Failed(this.failure);
  }

  /** The server has until then to say something more. */
  #expect(ms: number, what: string): void {
    clearTimeout(this.#timer);
    const leftMs = this.#bounds.wallMsMax - this.elapsedMs;
    this.#timer = setTimeout(
      () => {
        const message =
          leftMs < ms ? `no whole answer in ${this.#bounds.wallMsMax} ms` : `${what} for ${ms} ms`;
        this.#abort.abort(this.#fail({ code: "E_MODEL_SILENT", message, retryable: true }));
      },
      Math.max(0, Math.min(ms, leftMs)),
    );
  }

  /** For the packages. */
  readonly fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const url = typeof input === "string" ? input : input instanceof URL ? input.href : input.url;
    const body = init?.body;
    if (url !== this.#url || typeof body !== "string") {
      throw new InvariantError(`the protocol package asks ${url}`);
    }
    if (this.#sent) throw new InvariantError("the protocol package asks twice");
    this.#sent = true;
    const headers = [...new Headers(init?.headers)].filter(([name]) => passed.has(name));
    const bytes = Buffer.from(body, "utf8");
    this.bytesUp = bytes.length;
    this.#expect(this.#bounds.firstByteMsMax, "the model's server says nothing");
    const response = await this.#answer({ url, headers, body: bytes });
    this.#evidence = response.evidence;
    const blocks = this.#read(response.body);
    const { status } = response;
    if (status < 200 || status > 299) {
      throw this.#fail(statusFailure(status, response.headers, await this.#errorBody(blocks)));
    }
    const type = response.headers.get("content-type") ?? "";
    if (/^application\/json\b/i.test(type)) {
      const parts: Uint8Array[] = [];
      for await (const block of blocks) parts.push(block);
      this.whole = Buffer.concat(parts);
      throw new Failed({ code: "E_MODEL_MALFORMED", message: "no stream", retryable: false });
    }
    if (!/^text\/event-stream\b/i.test(type)) {
      const message = `the model's server answers with ${strangersWords(type) || "no content type"}`;
      throw this.#fail({ code: "E_MODEL_MALFORMED", message, retryable: false });
    }
    return new Response(streamOf(blocks), {
      status: 200,
      headers: { "content-type": "text/event-stream" },
    });
  };

  /** The whole answer once more, for the packages' other way of reading. */
  readonly replay = async (): Promise<Response> =>
    new Response(Buffer.from(this.whole ?? empty), {
      status: 200,
      headers: { "content-type": "application/json" },
    });

  async #answer(request: ModelRequest): Promise<ModelResponse> {
    try {
      return await this.#transport(request, this.signal);
    } catch (error) {
      throw this.#transportFailure(error);
    }
  }

  #transportFailure(error: unknown): Error {
    if (this.failure !== undefined) return new Failed(this.failure);
    if (this.#caller.aborted) return this.#caller.reason as Error;
    if (!(error instanceof OperationError)) {
      return error instanceof Error ? error : new InvariantError("a transport threw no error");
    }
    const message = `${error.code}: ${error.message}`;
    if (this.bytesDown > 0) {
      return this.#fail({ code: "E_MODEL_INCOMPLETE", message, retryable: true });
    }
    if (error.code.startsWith("E_SECRET_")) {
      return this.#fail({ code: "E_MODEL_KEY", message, retryable: false });
    }
    const retryable = error.retryable || passing.has(error.code) || error.code.startsWith("E_RPC_");
    return this.#fail({ code: "E_MODEL_UNREACHABLE", message, retryable });
  }

  async *#read(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const decoder = new TextDecoder("utf-8", { fatal: true });
    const check = (block?: Uint8Array): void => {
      try {
        decoder.decode(block, { stream: block !== undefined });
      } catch {
        const message = "the model's server sends what is not UTF-8";
        throw this.#fail({ code: "E_MODEL_MALFORMED", message, retryable: true });
      }
    };
    try {
      for await (const block of body) {
        this.firstMs ??= this.elapsedMs;
        this.bytesDown += block.length;
        if (this.bytesDown > this.#bounds.replyBytesMax) {
          const message = `the answer has more than ${this.#bounds.replyBytesMax} bytes`;
          throw this.#fail({ code: "E_MODEL_TOO_LONG", message, retryable: false });
        }
        check(block);
        this.#expect(this.#bounds.idleMsMax, "the model's server is silent in its answer");
        yield block;
      }
      check();
    } catch (error) {
      throw error instanceof Failed ? error : this.#transportFailure(error);
    } finally {
      clearTimeout(this.#timer);
    }
  }

  async #errorBody(blocks: AsyncIterable<Uint8Array>): Promise<string> {
    const parts: Uint8Array[] = [];
    let bytes = 0;
    try {
      for await (const block of blocks) {
        parts.push(block);
        bytes += block.length;
        if (bytes > modelErrorBytesMax) break;
      }
    } catch (error) {
      // The status says enough; what stopped its text does not replace it.
      if (!(error instanceof Failed)) throw error;
      this.failure = undefined;
    }
    return Buffer.concat(parts).toString("utf8");
  }
}
