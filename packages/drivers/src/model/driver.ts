/**
 * The model driver: `model::infer` and `model::embed`, one request to one confirmed model.
 *
 * The Guardian has compared model, address and price with its registry before there is a ticket;
 * egress sends to the address that the ticket's action names and adds the credential. Asking changes
 * nothing in the world that an undo could name; it costs, and the evidence says how much.
 */
import { ok, type Result } from "@ioi/base";
import { isModelProtocol, modelEmbedUrl, modelPriceMax, readModelUrl } from "@ioi/firewall";
import { type CanonicalValue, contentRef, schema } from "@ioi/wire";
import {
  type ActContext,
  type ActReport,
  type Driver,
  type ObligationType,
  type PreparedAction,
  refused,
} from "../core/driver.ts";
import type { Settlement } from "../effects/settle.ts";
import { type DriverRejection, reject } from "../fs/roots.ts";
import { contentBytesMax } from "../limits.ts";
import type { RequestClaims } from "../net/claims.ts";
import type { ChatEnd, ChatFacts } from "./chat.ts";
import { embed, type EmbedEnd, encodeVectors, readTexts } from "./embed.ts";
import type { ModelBounds, ModelFailure, ModelTransport } from "./exchange.ts";
import { encodeReply, readPrompt } from "./prompt.ts";

const { int, record, text } = schema;

const confirmed = {
  model: text(128),
  url: text(2048),
  protocol: text(16),
  name: text(256),
  price_in: int(0, modelPriceMax),
  price_out: int(0, modelPriceMax),
};
export const inferArguments = record({
  ...confirmed,
  prompt: contentRef,
  max_tokens: int(1, 1_000_000),
});
export const embedArguments = record({ ...confirmed, input: contentRef });
type Infer = schema.Infer<typeof inferArguments>;
type Embed = schema.Infer<typeof embedArguments>;
type Priced = Pick<Infer, "price_in" | "price_out">;

export interface ModelDriverOptions {
  /** The way out, for one act under its ticket. */
  readonly transport: (context: ActContext) => ModelTransport;
  readonly bounds: ModelBounds;
  /** Which questions were begun: one counter asks once, also over restarts. */
  readonly claims: Pick<RequestClaims, "claim" | "finish" | "settle">;
}

const keepsNothing: ReadonlySet<ObligationType> = new Set();

/** Micro-dollars, rounded up: what was asked for is never cheaper than it was. */
export const costMicrousd = (
  { price_in: priceIn, price_out: priceOut }: Pick<Infer, "price_in" | "price_out">,
  tokens: { readonly input: number; readonly output: number },
): bigint => {
  const millionth =
    BigInt(tokens.input) * BigInt(priceIn) + BigInt(tokens.output) * BigInt(priceOut);
  return (millionth + 999_999n) / 1_000_000n;
};

const costEvidence = (infer: Priced, facts: ChatFacts): Record<string, string> => ({
  tokens_in: String(facts.usage.input),
  tokens_out: String(facts.usage.output),
  tokens_cached: String(facts.usage.cached),
  usage: facts.estimated ? "estimated" : "reported",
  microusd: costMicrousd(infer, facts.usage).toString(),
});

const timeEvidence = (facts: ChatFacts): Record<string, string> => ({
  ...facts.connection,
  bytes_up: String(facts.bytesUp),
  bytes_down: String(facts.bytesDown),
  ms: String(Math.round(facts.wallMs)),
  ...(facts.firstMs === undefined ? {} : { ms_first: String(Math.round(facts.firstMs)) }),
  ...(facts.servedBy === "" ? {} : { model: facts.servedBy }),
});

/** A server that refused has asked nothing of its model; one that fell silent may have. */
const costsNothing: ReadonlySet<string> = new Set([
  "E_MODEL_UNREACHABLE",
  "E_MODEL_BUSY",
  "E_MODEL_KEY",
  "E_MODEL_UNKNOWN",
  "E_MODEL_REQUEST",
]);

const failed = (infer: Priced, failure: ModelFailure, facts: ChatFacts): ActReport => {
  const free = costsNothing.has(failure.code) || (facts.bytesDown === 0 && facts.bytesUp === 0);
  return {
    status: free ? "no-effect" : "partial",
    code: failure.code,
    message: failure.message,
    result: {},
    bytes: facts.bytesDown,
    reversible: false,
    evidence: {
      ...(free ? {} : costEvidence(infer, facts)),
      ...timeEvidence(facts),
      retryable: failure.retryable ? "yes" : "no",
      ...(failure.retryAfterMs === undefined
        ? {}
        : { retry_after_ms: String(failure.retryAfterMs) }),
    },
  };
};

const reportOf = (infer: Infer, end: ChatEnd): ActReport => {
  if (end.type === "failed") return failed(infer, end.failure, end.facts);
  const content = encodeReply(end.reply);
  return {
    status: "confirmed",
    result: { content },
    bytes: content.length,
    reversible: false,
    evidence: {
      ...costEvidence(infer, end.facts),
      ...timeEvidence(end.facts),
      finish: end.reply.finish,
      calls: String(end.reply.calls.length),
    },
  };
};

const vectorsReport = (given: Embed, end: EmbedEnd): ActReport => {
  if (end.type === "failed") return failed(given, end.failure, end.facts);
  const content = encodeVectors(end.vectors, end.facts.usage.input);
  return {
    status: "confirmed",
    result: { content },
    bytes: content.length,
    reversible: false,
    evidence: {
      ...costEvidence(given, end.facts),
      ...timeEvidence(end.facts),
      vectors: String(end.vectors.length),
      dimensions: String(end.vectors[0]?.length ?? 0),
    },
  };
};

const complaintOf = (infer: Omit<Infer, "prompt" | "max_tokens">): string | undefined => {
  const url = readModelUrl(infer.url);
  if (!url.ok) return `url: ${url.error}`;
  if (url.value.url !== infer.url) return "url is not in its one spelling";
  if (!isModelProtocol(infer.protocol)) return "protocol is none";
  return infer.name === "" || infer.model === "" ? "the model has no name" : undefined;
};

const encoder = new TextEncoder();

export class ModelDriver implements Driver {
  readonly kind = "model";
  readonly #options: ModelDriverOptions;

  constructor(options: ModelDriverOptions) {
    this.#options = options;
  }

  async prepare(
    target: string,
    args: { readonly [name: string]: CanonicalValue },
  ): Promise<Result<PreparedAction, DriverRejection>> {
    if (target === "model::embed") return this.#prepareEmbed(args);
    if (target !== "model::infer") {
      return reject("E_TARGET_UNKNOWN", `the model driver does not perform ${target}`);
    }
    const decoded = inferArguments.fromCanonical(args, "args");
    if (!decoded.ok) return reject("E_ARGUMENTS_INVALID", decoded.error);
    const complaint = complaintOf(decoded.value);
    if (complaint !== undefined) return reject("E_ARGUMENTS_INVALID", complaint);
    return this.#prepared(decoded.value.prompt, (context) => this.#infer(decoded.value, context));
  }

  #prepareEmbed(args: {
    readonly [name: string]: CanonicalValue;
  }): Result<PreparedAction, DriverRejection> {
    const decoded = embedArguments.fromCanonical(args, "args");
    if (!decoded.ok) return reject("E_ARGUMENTS_INVALID", decoded.error);
    const { protocol, url, input } = decoded.value;
    const complaint = complaintOf(decoded.value);
    if (complaint !== undefined) return reject("E_ARGUMENTS_INVALID", complaint);
    if (modelEmbedUrl(protocol, url) === undefined) {
      return reject("E_MODEL_NO_EMBEDDINGS", `${protocol} has no embeddings`);
    }
    return this.#prepared(input, (context) => this.#embed(decoded.value, context));
  }

  #prepared(
    content: Infer["prompt"],
    ask: (context: ActContext) => Promise<ActReport>,
  ): Result<PreparedAction, DriverRejection> {
    if (content.length > contentBytesMax) {
      return reject("E_ARGUMENTS_INVALID", "what it is told is too long");
    }
    return ok({
      facts: {},
      effect: true,
      content,
      keeps: keepsNothing,
      act: (context) => this.#act(ask, context),
      [Symbol.dispose]: () => undefined,
    });
  }

  async #act(
    ask: (context: ActContext) => Promise<ActReport>,
    context: ActContext,
  ): Promise<ActReport> {
    const report = await ask(context);
    if (report.status !== "refused") this.#options.claims.finish(context.counter, report.status);
    return report;
  }

  async #infer(infer: Infer, context: ActContext): Promise<ActReport> {
    const prompt = readPrompt(context.content);
    if (!prompt.ok) return refused(reject("E_PROMPT_INVALID", prompt.error).error);
    if (!isModelProtocol(infer.protocol)) {
      return refused(reject("E_ARGUMENTS_INVALID", "protocol is none").error);
    }
    // The packages are large; a session that asks no model does not load them.
    const { chat } = await import("./chat.ts");
    const end = await chat(
      {
        protocol: infer.protocol,
        url: infer.url,
        name: infer.name,
        maxTokens: infer.max_tokens,
        prompt: prompt.value,
        promptBytes: context.content.length,
        bounds: this.#options.bounds,
        signal: context.signal,
        onText: (text) => context.output(encoder.encode(text)),
      },
      this.#options.transport(context),
    );
    return reportOf(infer, end);
  }

  async #embed(given: Embed, context: ActContext): Promise<ActReport> {
    const texts = readTexts(context.content);
    if (!texts.ok) return refused(reject("E_PROMPT_INVALID", texts.error).error);
    const end = await embed(
      {
        protocol: "openai",
        url: given.url,
        name: given.name,
        texts: texts.value,
        inputBytes: context.content.length,
        bounds: this.#options.bounds,
        signal: context.signal,
      },
      this.#options.transport(context),
    );
    return vectorsReport(given, end);
  }

  claim(counter: bigint): Disposable | undefined {
    return this.#options.claims.claim(counter);
  }

  async settle(counter: bigint): Promise<Settlement> {
    return this.#options.claims.settle(counter);
  }

  [Symbol.dispose](): void {
    // Holds nothing.
  }
}
