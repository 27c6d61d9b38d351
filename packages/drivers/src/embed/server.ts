/**
 * An embedder that asks a server of this machine: `POST /embeddings` of the OpenAI protocol, so Ollama,
 * llama.cpp, LM Studio and vLLM. For commands that run without a kernel; an agent's embeddings are
 * actions and go through egress.
 *
 * Texts leave for loopback alone, unless it was said that they may go further. A redirect is an answer
 * that is no vector. Bounds: those of `ModelBounds` below; `embedAttemptsMax` tries of what may be over in
 * a moment, and between them what the server asks for, at most `embedRetryMsMax`.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { OperationError, type Signal } from "@ioi/base";
import { readModelUrl } from "@ioi/firewall";
import { type Embedder, functionEmbedder } from "@ioi/scs";
import { embedAttemptsMax, embedReplyBytesMax, embedRetryMsMax } from "../limits.ts";
import { embed } from "../model/embed.ts";
import type { ModelBounds, ModelTransport } from "../model/exchange.ts";

export interface ServerEmbedderOptions {
  /** Base of the API, as in `http://127.0.0.1:11434/v1`. */
  readonly url: string;
  readonly model: string;
  /** Of what it gives; absent: it is asked once. */
  readonly dimension?: number;
  readonly mayLeaveMachine?: boolean;
  /** Sent as a bearer token. */
  readonly key?: string;
  readonly signal: AbortSignal;
  readonly bounds?: ModelBounds;
}

const usualBounds: ModelBounds = {
  replyBytesMax: embedReplyBytesMax,
  firstByteMsMax: 120_000,
  idleMsMax: 30_000,
  wallMsMax: 300_000,
};

const transportOf =
  (key: string | undefined): ModelTransport =>
  async ({ url, headers, body }, signal) => {
    const all = new Headers(headers.map(([name, value]): [string, string] => [name, value]));
    if (key !== undefined) all.set("authorization", `Bearer ${key}`);
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: all,
        body: new Uint8Array(body),
        redirect: "manual",
        signal,
      });
      return {
        status: response.status,
        headers: new Map(response.headers),
        body: (response.body ?? []) as AsyncIterable<Uint8Array>,
      };
    } catch (error) {
      signal.throwIfAborted();
      const cause = error instanceof Error ? (error.cause ?? error) : error;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new OperationError("E_EGRESS_CONNECT", `${new URL(url).host}: ${why}`, { cause });
    }
  };

const checkedUrl = ({ url, mayLeaveMachine = false, key }: ServerEmbedderOptions): string => {
  const read = readModelUrl(url);
  if (!read.ok) throw new OperationError("E_EMBED_ADDRESS", `${url}: ${read.error}`);
  const { place, scheme, host } = read.value;
  if (place !== "loopback" && !mayLeaveMachine) {
    throw new OperationError("E_EMBED_REMOTE", `${host} is not this machine`);
  }
  if (key !== undefined && scheme === "http" && place !== "loopback") {
    throw new OperationError("E_EMBED_REMOTE", `a key would go to ${host} in the clear`);
  }
  return read.value.url;
};

const ask = async (
  { model, key, signal, bounds = usualBounds }: ServerEmbedderOptions,
  url: string,
  texts: readonly string[],
): Promise<readonly (readonly number[])[]> => {
  const inputBytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  for (let attempt = 1; ; attempt++) {
    const end = await embed(
      { protocol: "openai", url, name: model, texts, inputBytes, bounds, signal },
      transportOf(key),
    );
    if (end.type === "answered") return end.vectors;
    const { code, message, retryable, retryAfterMs = 500 * attempt } = end.failure;
    if (!retryable || attempt >= embedAttemptsMax) throw new OperationError(code, message);
    await sleep(Math.min(retryAfterMs, embedRetryMsMax), undefined, { signal });
  }
};

/** What the person's own abort and the caller's both end. */
const joined = (own: AbortSignal, other: Signal | undefined): AbortSignal =>
  other instanceof AbortSignal ? AbortSignal.any([own, other]) : own;

export const serverEmbedder = async (options: ServerEmbedderOptions): Promise<Embedder> => {
  const url = checkedUrl(options);
  let { dimension } = options;
  if (dimension === undefined) {
    const [probe] = await ask(options, url, ["dimension"]);
    dimension = probe?.length ?? 0;
  }
  const identity = { kind: "openai", name: options.model, revision: "" };
  return functionEmbedder({ identity, dimension }, (texts, signal) =>
    ask({ ...options, signal: joined(options.signal, signal) }, url, texts),
  );
};
