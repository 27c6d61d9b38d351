/**
 * Asks one model once for what texts mean as vectors: `POST /embeddings` of the OpenAI protocol, read
 * strictly. The input is a JSON list of texts; the answer (`ioi.model-embeddings/1`) has a vector for
 * each, in their order, all of one length, and what was counted.
 *
 * Bounds: those of the exchange; `embedTextsMax`, `embedDimensionsMax`.
 */
import { err, InvariantError, ok, type Result, utf8Decode, utf8Encode } from "@ioi/base";
import { type ModelProtocol, modelEmbedUrl } from "@ioi/firewall";
import { type JsonValue, parseJson } from "@ioi/wire";
import { embedDimensionsMax, embedTextsMax, modelNameCharsMax } from "../limits.ts";
import type { ChatFacts } from "./chat.ts";
import {
  Exchange,
  Failed,
  type ModelBounds,
  type ModelFailure,
  type ModelTransport,
  strangersWords,
} from "./exchange.ts";

export interface EmbedRequest {
  readonly protocol: ModelProtocol;
  /** Base of the API. */
  readonly url: string;
  readonly name: string;
  readonly texts: readonly string[];
  readonly inputBytes: number;
  readonly bounds: ModelBounds;
  readonly signal: AbortSignal;
}

export type EmbedEnd =
  | {
      readonly type: "answered";
      readonly vectors: readonly (readonly number[])[];
      readonly facts: ChatFacts;
    }
  | { readonly type: "failed"; readonly failure: ModelFailure; readonly facts: ChatFacts };

type Json = { readonly [name: string]: unknown };

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The texts of an action's content, or why it is none. */
export const readTexts = (bytes: Uint8Array): Result<readonly string[], string> => {
  const text = utf8Decode(bytes);
  const parsed = text === undefined ? undefined : parseJson(text);
  if (parsed?.ok !== true || !Array.isArray(parsed.value)) return err("the input is no JSON list");
  const list = parsed.value as readonly JsonValue[];
  if (list.length === 0 || list.length > embedTextsMax) {
    return err(`the input has ${list.length} texts; 1 to ${embedTextsMax} are possible`);
  }
  const texts = list.filter((each) => typeof each === "string" && each !== "");
  return texts.length === list.length
    ? ok(texts as readonly string[])
    : err("the input holds what is no text, or an empty one");
};

const malformed = (message: string): ModelFailure => ({
  code: "E_MODEL_MALFORMED",
  message: `the model's server ${message}`,
  retryable: false,
});

const vectorOf = (value: unknown): readonly number[] | undefined => {
  if (!Array.isArray(value) || value.length === 0 || value.length > embedDimensionsMax) {
    return undefined;
  }
  const all = value as readonly unknown[];
  return all.every((each) => typeof each === "number" && Number.isFinite(each))
    ? (all as readonly number[])
    : undefined;
};

/** A vector for each text; servers may answer in another order. */
const vectorsOf = (
  data: unknown,
  count: number,
): Result<readonly (readonly number[])[], ModelFailure> => {
  if (!Array.isArray(data) || data.length !== count) {
    return err(malformed(`answers with other than ${count} vectors`));
  }
  const vectors: (readonly number[] | undefined)[] = Array.from({ length: count }, () => undefined);
  for (const each of data as readonly unknown[]) {
    const { index, embedding } = isObject(each) ? each : {};
    const vector = vectorOf(embedding);
    if (vector === undefined) return err(malformed("answers with what is no vector"));
    if (typeof index !== "number" || !Object.hasOwn(vectors, index)) {
      return err(malformed("answers with a vector for no text"));
    }
    if (vectors[index] !== undefined) return err(malformed("answers twice for one text"));
    vectors[index] = vector;
  }
  const [first] = vectors;
  return vectors.every((each) => each?.length === first?.length)
    ? ok(vectors.filter((each) => each !== undefined))
    : err(malformed("answers with vectors of different lengths"));
};

const tokensOf = (usage: unknown): number | undefined => {
  const count = isObject(usage) ? (usage["prompt_tokens"] ?? usage["total_tokens"]) : undefined;
  return typeof count === "number" && Number.isSafeInteger(count) && count >= 0 ? count : undefined;
};

/** Bytes of a token where nobody counts: as for questions, rather too many. */
const bytesOfToken = 3;

const ask = async (request: EmbedRequest, exchange: Exchange, url: string): Promise<Json> => {
  const headers = { "content-type": "application/json", accept: "application/json" };
  const asked = { model: request.name, input: request.texts, encoding_format: "float" };
  try {
    await exchange.fetch(url, { method: "POST", headers, body: JSON.stringify(asked) });
  } catch (error) {
    if (exchange.whole === undefined || exchange.failure !== undefined) throw error;
  }
  if (exchange.whole === undefined) throw new Failed(malformed("answers with a stream"));
  try {
    const value = JSON.parse(Buffer.from(exchange.whole).toString("utf8")) as unknown;
    if (isObject(value)) return value;
  } catch {
    // Falls through.
  }
  throw new Failed(malformed("answers with what is no JSON object"));
};

export const embed = async (
  request: EmbedRequest,
  transport: ModelTransport,
): Promise<EmbedEnd> => {
  const url = modelEmbedUrl(request.protocol, request.url);
  if (url === undefined) throw new InvariantError("a protocol without embeddings");
  const { bounds, signal } = request;
  using exchange = new Exchange(transport, { url, bounds, signal });
  let answer: Json = {};
  const facts = (): ChatFacts => {
    const told = tokensOf(answer["usage"]);
    const model = answer["model"];
    return {
      servedBy: strangersWords(typeof model === "string" ? model : "").slice(0, modelNameCharsMax),
      usage: {
        input: told ?? Math.ceil(request.inputBytes / bytesOfToken),
        output: 0,
        cached: 0,
      },
      estimated: told === undefined,
      bytesUp: exchange.bytesUp,
      bytesDown: exchange.bytesDown,
      firstMs: exchange.firstMs,
      wallMs: exchange.elapsedMs,
      connection: exchange.evidence,
    };
  };
  try {
    answer = await ask(request, exchange, url);
    const vectors = vectorsOf(answer["data"], request.texts.length);
    if (!vectors.ok) return { type: "failed", failure: vectors.error, facts: facts() };
    return { type: "answered", vectors: vectors.value, facts: facts() };
  } catch (error) {
    signal.throwIfAborted();
    const failure = exchange.failure ?? (error instanceof Failed ? error.failure : undefined);
    if (failure === undefined) throw error;
    return { type: "failed", failure, facts: facts() };
  }
};

export const encodeVectors = (vectors: readonly (readonly number[])[], input: number): Uint8Array =>
  utf8Encode(JSON.stringify({ embeddings: vectors, usage: { input } }));
