/**
 * Asks one model once, through the protocol packages of the Vercel AI SDK, and gives what it said.
 *
 * Tools are only offered: what a provider would execute itself is refused, it would go round the
 * gate. Bounds: those of the exchange; text, calls and their arguments; counts where a server
 * reports none are estimated and say so.
 */
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { InvariantError } from "@ioi/base";
import { type ModelProtocol, modelRequestUrl } from "@ioi/firewall";
import { modelCallsMax, modelNameCharsMax, modelReplyTextBytesMax } from "../limits.ts";
import {
  Exchange,
  Failed,
  type ModelBounds,
  type ModelFailure,
  type ModelTransport,
  inItsWords,
  strangersWords,
} from "./exchange.ts";
import type { ModelCall, ModelReply, Prompt, PromptMessage } from "./prompt.ts";

type Model = ReturnType<ReturnType<typeof createAnthropic>>;
type CallOptions = Parameters<Model["doStream"]>[0];
type Message = CallOptions["prompt"][number];
type Tool = NonNullable<CallOptions["tools"]>[number];
type StreamPart =
  Awaited<ReturnType<Model["doStream"]>>["stream"] extends ReadableStream<infer Part>
    ? Part
    : never;
type Whole = Awaited<ReturnType<Model["doGenerate"]>>;
type Finish = Whole["finishReason"];
type Usage = Whole["usage"];

export interface ChatRequest {
  readonly protocol: ModelProtocol;
  /** Base of the API. */
  readonly url: string;
  readonly name: string;
  readonly maxTokens: number;
  readonly prompt: Prompt;
  readonly promptBytes: number;
  readonly bounds: ModelBounds;
  readonly signal: AbortSignal;
  /** Text as it comes. */
  readonly onText: (text: string) => void;
}

/** What was exchanged, whatever came of it. */
export interface ChatFacts {
  /** As the server names it; empty where it does not. */
  readonly servedBy: string;
  readonly usage: ModelReply["usage"];
  readonly estimated: boolean;
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly firstMs: number | undefined;
  readonly wallMs: number;
  /** Of the connection. */
  readonly connection: Readonly<Record<string, string>>;
}

export type ChatEnd =
  | { readonly type: "answered"; readonly reply: ModelReply; readonly facts: ChatFacts }
  | { readonly type: "failed"; readonly failure: ModelFailure; readonly facts: ChatFacts };

/** Marks the end of what stays the same from one request to the next. */
const cached = { anthropic: { cacheControl: { type: "ephemeral" } } } as const;

/** The arguments of a past call; what did not parse is told as what it was. */
const inputOf = (text: string): unknown => {
  try {
    const value = JSON.parse(text) as unknown;
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Falls through: the model is shown what it wrote.
  }
  return { unreadable: text };
};

const messageOf = (message: PromptMessage): Message => {
  switch (message.role) {
    case "user":
      return { role: "user", content: [{ type: "text", text: message.content }] };
    case "assistant":
      return {
        role: "assistant",
        content: [
          ...(message.content === "" ? [] : [{ type: "text" as const, text: message.content }]),
          ...message.calls.map((call) => ({
            type: "tool-call" as const,
            toolCallId: call.id,
            toolName: call.name,
            input: inputOf(call.arguments),
          })),
        ],
      };
    case "tool":
      return {
        role: "tool",
        content: [
          {
            type: "tool-result",
            toolCallId: message.call,
            toolName: message.name,
            output: { type: "text", value: message.content },
          },
        ],
      };
  }
};

const promptOf = ({ system, messages }: Prompt): Message[] => {
  const all: Message[] = messages.map(messageOf);
  const last = all.at(-1);
  if (last !== undefined) all[all.length - 1] = { ...last, providerOptions: cached };
  return system === ""
    ? all
    : [{ role: "system", content: system, providerOptions: cached }, ...all];
};

const toolsOf = ({ tools }: Prompt): Tool[] =>
  tools.map((tool, index) => ({
    type: "function",
    name: tool.name,
    description: tool.description,
    inputSchema: tool.schema,
    ...(index === tools.length - 1 ? { providerOptions: cached } : {}),
  }));

/** The one address where the older name of the bound is refused by newer models. */
const openaiHost = "https://api.openai.com/";

const withNewName = (body: Record<string, unknown>): Record<string, unknown> => {
  const { max_tokens: max, ...rest } = body;
  return max === undefined ? body : { ...rest, max_completion_tokens: max };
};

const modelOf = (request: ChatRequest, fetch: typeof globalThis.fetch): Model => {
  const { protocol, url, name } = request;
  // Egress adds the credential; what the package sends in its place is dropped by the exchange.
  if (protocol === "anthropic") return createAnthropic({ baseURL: url, apiKey: "-", fetch })(name);
  return createOpenAICompatible({
    name: "model",
    baseURL: url,
    includeUsage: true,
    fetch,
    ...(url.startsWith(openaiHost) ? { transformRequestBody: withNewName } : {}),
  })(name);
};

const finishOf = (
  { unified, raw }: Finish,
  calls: readonly ModelCall[],
): ModelReply["finish"] | undefined => {
  if (raw === undefined) return undefined;
  if (unified === "length") return "length";
  if (unified === "content-filter") return "filter";
  return calls.length > 0 ? "calls" : "stop";
};

const countOf = (value: number | undefined): number | undefined =>
  value !== undefined && Number.isSafeInteger(value) && value >= 0 ? value : undefined;

/** Bytes of a token, low enough that an estimate does not flatter. */
const bytesOfToken = 3;

/** Collects one answer, part by part. */
class Answer {
  readonly #onText: (text: string) => void;
  readonly #calls: ModelCall[] = [];
  readonly #ids = new Set<string>();
  #text = "";
  #begun = 0;
  #bytes = 0;
  servedBy = "";
  #finish: Finish | undefined;
  #usage: Usage | undefined;

  constructor(onText: (text: string) => void) {
    this.#onText = onText;
  }

  #grow(text: string): void {
    this.#bytes += Buffer.byteLength(text);
    if (this.#bytes <= modelReplyTextBytesMax) return;
    const message = `the model says more than ${modelReplyTextBytesMax} bytes`;
    throw new Failed({ code: "E_MODEL_TOO_LONG", message, retryable: false });
  }

  #begin(): void {
    this.#begun += 1;
    if (this.#begun <= modelCallsMax) return;
    const message = `the model calls more than ${modelCallsMax} tools in one answer`;
    throw new Failed({ code: "E_MODEL_TOO_MANY_CALLS", message, retryable: false });
  }

  take(part: StreamPart | Whole["content"][number]): void {
    switch (part.type) {
      case "text-delta":
        return this.#say(part.delta);
      case "text":
        return this.#say(part.text);
      case "reasoning-delta":
      case "tool-input-delta":
        return this.#grow(part.delta);
      case "reasoning":
        return this.#grow(part.text);
      case "tool-input-start":
        return this.#begin();
      case "tool-call":
        return this.#call(part);
      case "response-metadata":
        this.servedBy = strangersWords(part.modelId ?? "").slice(0, modelNameCharsMax);
        return;
      case "finish":
        this.end(part.finishReason, part.usage);
        return;
      case "error":
        throw errorPart(part.error);
      default:
        return;
    }
  }

  #say(text: string): void {
    this.#grow(text);
    this.#text += text;
    if (text !== "") this.#onText(text);
  }

  #call(part: Extract<StreamPart, { readonly type: "tool-call" }>): void {
    if (part.providerExecuted === true) {
      const message = "the provider ran a tool of its own";
      throw new Failed({ code: "E_MODEL_MALFORMED", message, retryable: false });
    }
    if (this.#calls.length >= modelCallsMax) this.#begin();
    this.#grow(part.toolName);
    let id = part.toolCallId;
    for (let n = 2; this.#ids.has(id); n++) id = `${part.toolCallId}_${n}`;
    this.#ids.add(id);
    this.#calls.push({
      id: id.toWellFormed(),
      name: part.toolName.toWellFormed(),
      arguments: part.input.toWellFormed(),
    });
  }

  end(finish: Finish, usage: Usage): void {
    this.#finish = finish;
    this.#usage = usage;
  }

  usage(promptBytes: number): Pick<ChatFacts, "usage" | "estimated"> {
    const input = countOf(this.#usage?.inputTokens.total);
    const output = countOf(this.#usage?.outputTokens.total);
    const estimate = (bytes: number): number => Math.ceil(bytes / bytesOfToken);
    return {
      usage: {
        input: input ?? estimate(promptBytes),
        output: output ?? estimate(this.#bytes),
        cached: countOf(this.#usage?.inputTokens.cacheRead) ?? 0,
      },
      estimated: input === undefined || output === undefined,
    };
  }

  reply(promptBytes: number): ModelReply {
    const finish = this.#finish === undefined ? undefined : finishOf(this.#finish, this.#calls);
    if (finish === undefined) {
      const message = "the model's answer ends in the middle";
      throw new Failed({ code: "E_MODEL_INCOMPLETE", message, retryable: true });
    }
    const { usage } = this.usage(promptBytes);
    return { text: this.#text.toWellFormed(), calls: this.#calls, finish, usage };
  }
}

/** An error that the server told inside its stream, or what the package could not read. */
const errorPart = (error: unknown): Failed => {
  if (error instanceof Failed) return error;
  const { message, type, statusCode, data } = (
    typeof error === "object" && error !== null ? error : { message: String(error) }
  ) as { readonly [key: string]: unknown };
  const said = strangersWords(typeof message === "string" ? message : "");
  if (/without a finish reason/.test(said)) {
    const text = "the model's answer ends in the middle";
    return new Failed({ code: "E_MODEL_INCOMPLETE", message: text, retryable: true });
  }
  // A package's own complaint carries nothing of the server's; what the server told does.
  const ofPackage = error instanceof Error && statusCode === undefined && data === undefined;
  if (ofPackage && type === undefined) {
    const text = "the model's server sends what its protocol does not know";
    return new Failed({ code: "E_MODEL_MALFORMED", message: text, retryable: true });
  }
  return new Failed({
    code: "E_MODEL_SERVER",
    message: `the model's server fails in its answer${inItsWords(said)}`,
    retryable: true,
  });
};

/** The failure that counts: what happened on the wire before what the package made of it. */
const failureOf = (error: unknown, exchange: Exchange): ModelFailure => {
  if (exchange.failure !== undefined) return exchange.failure;
  if (error instanceof Failed) return error.failure;
  if (error instanceof InvariantError) throw error;
  return errorPart(error).failure;
};

const stream = async (
  request: ChatRequest,
  exchange: Exchange,
  options: CallOptions,
  answer: Answer,
): Promise<void> => {
  try {
    const { stream: parts } = await modelOf(request, exchange.fetch).doStream(options);
    for await (const part of parts) answer.take(part);
  } catch (error) {
    if (exchange.whole === undefined) throw error;
    const whole = await modelOf(request, exchange.replay).doGenerate(options);
    answer.servedBy = strangersWords(whole.response?.modelId ?? "").slice(0, modelNameCharsMax);
    for (const part of whole.content) answer.take(part);
    answer.end(whole.finishReason, whole.usage);
  }
};

export const chat = async (request: ChatRequest, transport: ModelTransport): Promise<ChatEnd> => {
  const url = modelRequestUrl(request.protocol, request.url);
  if (url === undefined) throw new InvariantError("a protocol that is none");
  const { bounds, signal, promptBytes } = request;
  using exchange = new Exchange(transport, { url, bounds, signal });
  const answer = new Answer(request.onText);
  const tools = toolsOf(request.prompt);
  const options: CallOptions = {
    prompt: promptOf(request.prompt),
    maxOutputTokens: request.maxTokens,
    abortSignal: exchange.signal,
    ...(tools.length === 0 ? {} : { tools, toolChoice: { type: "auto" } }),
  };
  const facts = (): ChatFacts => ({
    servedBy: answer.servedBy,
    ...answer.usage(promptBytes),
    bytesUp: exchange.bytesUp,
    bytesDown: exchange.bytesDown,
    firstMs: exchange.firstMs,
    wallMs: exchange.elapsedMs,
    connection: exchange.evidence,
  });
  try {
    await stream(request, exchange, options, answer);
    const reply = answer.reply(promptBytes);
    return { type: "answered", reply, facts: facts() };
  } catch (error) {
    signal.throwIfAborted();
    return { type: "failed", failure: failureOf(error, exchange), facts: facts() };
  }
};
