/**
 * The four methods of a driver process over one {@link Driver}. `main.ts` gives them to the RPC
 * server; tests call them directly.
 *
 * Invariants: an act takes its nonce before it looks at anything else; the action's identity is
 * computed from what this instance prepared; every answer is signed with the instance key, a refusal
 * too. Bounds: one act at a time for each prepared action, `preparedMax` of those.
 */
import { randomBytes } from "node:crypto";
import {
  equalBytes,
  err,
  InvariantError,
  OperationError,
  type Result,
  toHex,
  utf8Decode,
  utf8Encode,
} from "@ioi/base";
import {
  actionId as identify,
  type CryptoProvider,
  domainHash,
  domains,
  signPayload,
  type SigningKey,
} from "@ioi/crypto";
import {
  action as actionSchema,
  type CanonicalValue,
  type ContentRef,
  decodeCanonical,
  encodeCanonical,
  outcome as outcomeSchema,
  prepared as preparedSchema,
  previewStatement,
  schema,
} from "@ioi/wire";
import type { ErrorCode } from "../errors.ts";
import type { DriverRejection } from "../fs/roots.ts";
import { errnoOf, operationError } from "../fs/syscalls.ts";
import type { Settlement } from "../effects/settle.ts";
import {
  type ActContext,
  type ActReport,
  type Driver,
  type PreparedAction,
  refused,
} from "./driver.ts";
import { Input, OutputQueue, type StreamEvent } from "./act-streams.ts";
import { NonceTable, type Waiting } from "./nonces.ts";
import { contentRefusal, memoryKeyIn, restrictedBy, withOrigins } from "./obligations.ts";
import { checkTicket, openTicket, type TicketContext } from "./tickets.ts";

export interface PrepareInput {
  readonly target: string;
  readonly args: Uint8Array;
}
export interface PrepareOutput {
  readonly action: Uint8Array;
  readonly prepared: Uint8Array;
  readonly preparedSignature: Uint8Array;
  readonly errorCode: string;
  readonly errorMessage: string;
}
export interface PreviewInput {
  readonly nonce: Uint8Array;
  readonly content: Uint8Array;
}
export interface PreviewOutput {
  readonly statement: Uint8Array;
  readonly signature: Uint8Array;
  readonly text: string;
  readonly errorCode: string;
  readonly errorMessage: string;
}
/** A prepared action by the nonce that it waits under. */
export interface HeldOutput extends PrepareOutput {
  readonly nonce: Uint8Array;
}
type HeldArguments = { readonly [name: string]: CanonicalValue };

export interface ActInput {
  readonly nonce: Uint8Array;
  readonly ticket: Uint8Array;
  readonly content: Uint8Array;
}
export interface ActOutput {
  readonly outcome: Uint8Array;
  readonly outcomeSignature: Uint8Array;
  readonly result: Uint8Array;
  readonly errorMessage: string;
}
export interface ActOutputEvent {
  readonly event: StreamEvent | { readonly case: "result"; readonly value: ActOutput };
}

export interface RefuseInput {
  readonly counter: bigint;
  readonly id: number;
  readonly reason: string;
}
export interface InputInput {
  readonly nonce: Uint8Array;
  readonly bytes: Uint8Array;
  readonly end: boolean;
}

interface CallContext {
  readonly signal: AbortSignal;
}

const noPreview = (error: DriverRejection): PreviewOutput => ({
  statement: nothing,
  signature: nothing,
  text: "",
  errorCode: error.code,
  errorMessage: error.message,
});

/** The shape of `pb.Driver`'s methods. */
export interface DriverHandlers {
  prepare(request: PrepareInput, context: CallContext): Promise<PrepareOutput>;
  preview(request: PreviewInput, context: CallContext): Promise<PreviewOutput>;
  act(request: ActInput, context: CallContext): AsyncIterable<ActOutputEvent>;
  abort(request: { readonly nonce: Uint8Array }, context: CallContext): Promise<object>;
  settle(request: { readonly counter: bigint }, context: CallContext): Promise<Settlement>;
  refuse(request: RefuseInput, context: CallContext): Promise<object>;
  input(request: InputInput, context: CallContext): Promise<object>;
}

export interface HandlerOptions extends TicketContext {
  readonly driver: Driver;
  readonly provider: CryptoProvider;
  readonly instanceKey: SigningKey;
  /** Monotonic, in milliseconds. */
  readonly nowMs: () => number;
}

const nothing = new Uint8Array(0);

export const failedPreparation = (error: DriverRejection): PrepareOutput => ({
  action: nothing,
  prepared: nothing,
  preparedSignature: nothing,
  errorCode: error.code,
  errorMessage: error.message,
});

const argumentsOf = (
  bytes: Uint8Array,
): { readonly [name: string]: CanonicalValue } | undefined => {
  const decoded = decodeCanonical(bytes);
  if (!decoded.ok) return undefined;
  const { value } = decoded;
  return typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array)
    ? (value as { readonly [name: string]: CanonicalValue })
    : undefined;
};

/** The characters that a content reference shows: none where the content is not UTF-8. */
const headMatches = (content: Uint8Array, head: string): boolean => {
  if (head === "") return true;
  const text = utf8Decode(content);
  return text !== undefined && text.startsWith(head);
};

const contentMatches = (
  provider: CryptoProvider,
  reference: ContentRef | undefined,
  content: Uint8Array,
): boolean =>
  reference === undefined
    ? content.length === 0
    : content.length === reference.length &&
      equalBytes(provider.sha256(content), reference.sha256) &&
      headMatches(content, reference.head);

/** What a stop, the caller's end or both have in common. */
const stopReason = (): OperationError => new OperationError("E_ABORTED", "the action was stopped");

interface Running {
  readonly abort: AbortController;
  readonly ended: Promise<void>;
  readonly input: Input;
}

class Instance {
  readonly #options: HandlerOptions;
  readonly #nonces = new NonceTable();
  readonly #running = new Map<string, Running>();

  constructor(options: HandlerOptions) {
    this.#options = options;
  }

  async prepare(request: PrepareInput, context: CallContext): Promise<PrepareOutput> {
    const { driver } = this.#options;
    const args = argumentsOf(request.args);
    if (args === undefined) {
      const message = "the arguments are not a canonical map";
      return failedPreparation({ code: "E_ARGUMENTS_INVALID", message });
    }
    const result = await this.#look(driver.prepare(request.target, args, context.signal));
    if (!result.ok) return failedPreparation(result.error);
    return this.hold(request.target, args, result.value);
  }

  /** What was prepared waits under a nonce of its own, which nobody but the ticket's holder uses. */
  hold(target: string, args: HeldArguments, held: PreparedAction): HeldOutput {
    const { provider, instanceId, profile, instanceKey } = this.#options;
    const action = schema.encode(actionSchema, { version: 1, target, args, facts: held.facts });
    const nonce = Uint8Array.from(randomBytes(16));
    const actionId = identify(provider, action);
    const statement = schema.encode(preparedSchema, {
      version: 1,
      instanceId,
      nonce,
      session: profile.session,
      actionId,
      ...(held.sealTo === undefined ? {} : { sealTo: held.sealTo }),
    });
    const { signature } = signPayload(provider, instanceKey, domains.prepared, statement);
    const madeMs = this.#options.nowMs();
    this.#nonces.add({ nonce, target, actionId, action, prepared: held, madeMs });
    return {
      nonce,
      action,
      prepared: statement,
      preparedSignature: signature,
      errorCode: "",
      errorMessage: "",
    };
  }

  /** The action goes on waiting: a preview permits nothing and uses nothing up. */
  async preview({ nonce, content }: PreviewInput): Promise<PreviewOutput> {
    const { provider, instanceId, instanceKey, profile, nowMs } = this.#options;
    const waiting = this.#nonces.look(nonce, nowMs());
    if (waiting === undefined) {
      return noPreview({ code: "E_TICKET_MISSING", message: "no action waits under this nonce" });
    }
    const { prepared: held, actionId } = waiting;
    if (held.preview === undefined) {
      return noPreview({ code: "E_PREVIEW_NONE", message: `${waiting.target} has no preview` });
    }
    if (!contentMatches(provider, held.content, content)) {
      const message = "the content is not what the action commits to";
      return noPreview({ code: "E_CONTENT_MISMATCH", message });
    }
    const made = await this.#look(held.preview(content));
    if (!made.ok) return noPreview(made.error);
    const { before, after, text } = made.value;
    const statement = schema.encode(previewStatement, {
      version: 1,
      instanceId,
      nonce,
      session: profile.session,
      actionId,
      ...(before === undefined ? {} : { before }),
      ...(after === undefined ? {} : { after }),
      textHash: domainHash(provider, domains.preview, utf8Encode(text)),
    });
    const { signature } = signPayload(provider, instanceKey, domains.preview, statement);
    return { statement, signature, text, errorCode: "", errorMessage: "" };
  }

  /** A failure of the system while looking is a rejection; a bug goes up. */
  async #look<T>(
    looking: Promise<Result<T, DriverRejection>>,
  ): Promise<Result<T, DriverRejection>> {
    try {
      return await looking;
    } catch (error) {
      const failure = failureOf(error);
      if (failure === undefined) throw error;
      return err(failure);
    }
  }

  async *act(request: ActInput, context: CallContext): AsyncGenerator<ActOutputEvent> {
    // Taken before anything is looked at: whatever comes of this act, there is no second one.
    const waiting = this.#nonces.take(request.nonce, this.#options.nowMs());
    const outputs = new OutputQueue();
    const abort = new AbortController();
    const onGone = (): void => abort.abort(stopReason());
    context.signal.addEventListener("abort", onGone, { once: true });
    if (context.signal.aborted) onGone();
    const input = new Input();
    const work = this.#perform(request, waiting, abort.signal, outputs, input);
    const key = toHex(request.nonce);
    const ended = work.then(
      () => outputs.finish(),
      () => outputs.finish(),
    );
    this.#running.set(key, { abort, ended, input });
    try {
      for await (const event of outputs.read()) yield { event };
      yield { event: { case: "result", value: await work } };
    } finally {
      // The reader may stop reading early; the effect is ended, and waited for, all the same.
      context.signal.removeEventListener("abort", onGone);
      abort.abort(stopReason());
      await ended;
      this.#running.delete(key);
    }
  }

  async abort(nonce: Uint8Array): Promise<object> {
    this.#nonces.take(nonce, this.#options.nowMs())?.prepared[Symbol.dispose]();
    const running = this.#running.get(toHex(nonce));
    running?.abort.abort(stopReason());
    await running?.ended;
    return {};
  }

  async refuse({ counter, id, reason }: RefuseInput): Promise<object> {
    await this.#options.driver.refuse?.(counter, id, reason);
    return {};
  }

  input({ nonce, bytes, end }: InputInput): object {
    this.#running.get(toHex(nonce))?.input.give(bytes, end);
    return {};
  }

  async settle(counter: bigint): Promise<Settlement> {
    await Promise.all([...this.#running.values()].map((running) => running.ended));
    return this.#options.driver.settle(counter);
  }

  async #perform(
    request: ActInput,
    waiting: Waiting | undefined,
    signal: AbortSignal,
    outputs: OutputQueue,
    input: Input,
  ): Promise<ActOutput> {
    const opened = openTicket(this.#options, request.ticket);
    const counter = opened.ok ? opened.value.counter : 0n;
    if (waiting === undefined) {
      const message = "no action waits under this nonce";
      const error: DriverRejection = opened.ok
        ? { code: "E_TICKET_MISSING", message }
        : opened.error;
      return this.#report(counter, new Uint8Array(32), refused(error));
    }
    using held = waiting.prepared;
    const report = async (): Promise<ActReport> => {
      if (!opened.ok) return refused(opened.error);
      const { driver, provider, nowMs } = this.#options;
      const kept = checkTicket(this.#options, opened.value, waiting, nowMs());
      if (!kept.ok) return refused(kept.error);
      if (!contentMatches(provider, held.content, request.content)) {
        const message = "the content is not what the action commits to";
        return refused({ code: "E_CONTENT_MISMATCH", message });
      }
      const forbidden =
        held.contentInEgress === true
          ? undefined
          : await contentRefusal(opened.value.obligations, request.content);
      if (forbidden !== undefined) return refused(forbidden);
      if (signal.aborted) return refused({ code: "E_ABORTED", message: "the action was stopped" });
      return await actOnce(driver, counter, held, {
        counter,
        actionId: waiting.actionId,
        ticket: request.ticket,
        action: waiting.action,
        obligations: kept.value,
        ...restrictedBy(opened.value.obligations),
        ...memoryKeyIn(opened.value.obligations),
        content: request.content,
        signal,
        output: (value, stream = "output") => outputs.push({ case: stream, value }),
        want: (value) => outputs.push({ case: "want", value }),
        input,
      });
    };
    const done = await caught(report, signal);
    const obligations = opened.ok ? opened.value.obligations : [];
    const { provider } = this.#options;
    return this.#report(counter, waiting.actionId, await withOrigins(provider, done, obligations));
  }

  #report(counter: bigint, actionId: Uint8Array, report: ActReport): ActOutput {
    const { provider, instanceId, instanceKey } = this.#options;
    const result = encodeCanonical(report.result);
    const statement = schema.encode(outcomeSchema, {
      version: 1,
      counter,
      actionId,
      instanceId,
      status: report.status,
      resultHash: domainHash(provider, domains.result, result),
      bytes: report.bytes,
      ...(report.code === undefined ? {} : { code: report.code }),
      reversible: report.reversible,
      evidence: report.evidence,
    });
    const { signature } = signPayload(provider, instanceKey, domains.outcome, statement);
    return {
      outcome: statement,
      outcomeSignature: signature,
      result,
      errorMessage: report.message ?? "",
    };
  }

  [Symbol.dispose](): void {
    this.#nonces[Symbol.dispose]();
    for (const running of this.#running.values()) running.abort.abort(stopReason());
  }
}

/** Acts under the counter's claim; a refusal after it is noted, so that the counter stays settled. */
const actOnce = async (
  driver: Driver,
  counter: bigint,
  held: PreparedAction,
  context: ActContext,
): Promise<ActReport> => {
  if (!held.effect) return held.act(context);
  const claim = driver.claim(counter);
  if (claim === undefined) {
    return refused({ code: "E_TICKET_USED", message: `counter ${counter} was acted on before` });
  }
  let report: ActReport;
  {
    using _claim = claim;
    report = await caught(() => held.act(context), context.signal);
  }
  if (report.status === "refused" || report.status === "no-effect") await driver.settle(counter);
  return report;
};

/** A failure of the world becomes a refusal that names it; a bug goes up. */
const caught = async (work: () => Promise<ActReport>, signal: AbortSignal): Promise<ActReport> => {
  try {
    return await work();
  } catch (error) {
    if (error instanceof InvariantError) throw error;
    if (signal.aborted && error === signal.reason) {
      const stopped = refused({ code: "E_ABORTED", message: "the action was stopped" });
      return { ...stopped, status: "no-effect" };
    }
    const failure = failureOf(error);
    if (failure === undefined) throw error;
    return refused(failure);
  }
};

/** What the system or the disk failed with; undefined for a bug. */
const failureOf = (error: unknown): DriverRejection | undefined => {
  const failure = errnoOf(error) === undefined ? error : operationError(error, "the system failed");
  return failure instanceof OperationError
    ? { code: failure.code as ErrorCode, message: failure.message }
    : undefined;
};

export interface DisposableHandlers extends DriverHandlers, Disposable {
  /** What a driver prepared by itself: a message that it holds. */
  hold(target: string, args: HeldArguments, held: PreparedAction): HeldOutput;
}

export const createHandlers = (options: HandlerOptions): DisposableHandlers => {
  const instance = new Instance(options);
  return {
    prepare: (request, context) => instance.prepare(request, context),
    hold: (target, args, held) => instance.hold(target, args, held),
    preview: (request) => instance.preview(request),
    act: (request, context) => instance.act(request, context),
    abort: (request) => instance.abort(request.nonce),
    refuse: (request) => instance.refuse(request),
    input: async (request) => instance.input(request),
    settle: (request) => instance.settle(request.counter),
    [Symbol.dispose]: () => instance[Symbol.dispose](),
  };
};
