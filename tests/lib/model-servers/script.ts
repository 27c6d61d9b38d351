/**
 * What a scripted model answers, and what it was asked, in words that are the same for both
 * protocols. A script is a list of replies, one for each request in order (the last one repeats), or
 * a function of the request: a model that computes from what it reads.
 */

export interface AskedCall {
  readonly id: string;
  readonly name: string;
  readonly arguments: string;
}
export interface AskedMessage {
  readonly role: "user" | "assistant" | "tool";
  readonly content: string;
  readonly calls: readonly AskedCall[];
  /** Of a tool's result: the call that it answers. */
  readonly call?: string;
}
export interface AskedTool {
  readonly name: string;
  readonly description: string;
  readonly schema: unknown;
}

/** One request, read by the rules of its protocol. */
export interface Asked {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly model: string;
  readonly system: string;
  readonly messages: readonly AskedMessage[];
  readonly tools: readonly AskedTool[];
  readonly maxTokens: number | undefined;
  readonly stream: boolean;
  /** Anthropic: places that carry a marker for the provider's prompt cache. */
  readonly cacheMarkers: number;
  readonly raw: unknown;
}

export interface Usage {
  readonly input: number;
  readonly output: number;
  readonly cached?: number;
}

export type ModelReply =
  | {
      readonly type: "reply";
      readonly text?: string;
      readonly calls?: readonly {
        readonly id?: string;
        readonly name: string;
        readonly arguments: string;
      }[];
      readonly finish?: "stop" | "calls" | "length" | "filter";
      /** Absent: counted roughly; "none": the server gives none. */
      readonly usage?: Usage | "none";
      /** Bytes of one write to the socket; small ones cut characters and events. */
      readonly chunkBytes?: number;
    }
  | {
      readonly type: "status";
      readonly status: number;
      readonly retryAfterS?: number;
      readonly message?: string;
    }
  /** 200 and a stream of what is no protocol at all. */
  | { readonly type: "rubbish" }
  /** Text without an end. */
  | { readonly type: "endless" }
  /** A tool call's arguments without an end. */
  | { readonly type: "endless-arguments" }
  /** One line of a stream that never ends. */
  | { readonly type: "endless-line" }
  /** Accepts the request and says nothing, not even a status. */
  | { readonly type: "never" }
  /** Begins to answer and then says nothing. */
  | { readonly type: "stalls" }
  /** A well-formed beginning, then the connection is cut. */
  | { readonly type: "half" }
  /** A well-formed beginning, then the response ends as if it were whole. */
  | { readonly type: "ends-early" }
  /** The connection is cut before any answer. */
  | { readonly type: "drop" }
  /** A page of HTML with status 200. */
  | { readonly type: "html" }
  /** A character that is cut in the middle, then a proper end. */
  | { readonly type: "cut-utf8" }
  | { readonly type: "many-calls"; readonly count: number }
  /** An error in the middle of the stream, as the protocol tells it. */
  | { readonly type: "error-in-stream" };

export type Script = readonly ModelReply[] | ((asked: Asked, index: number) => ModelReply);

export const replyOf = (script: Script, asked: Asked, index: number): ModelReply =>
  typeof script === "function"
    ? script(asked, index)
    : (script[Math.min(index, script.length - 1)] ?? { type: "status", status: 500 });

type Reply = Extract<ModelReply, { readonly type: "reply" }>;

/** Four characters a token, as a rule of thumb: the scripted server's own count. */
export const usageOf = (reply: Reply, asked: Asked): Usage | undefined => {
  if (reply.usage === "none") return undefined;
  if (reply.usage !== undefined) return reply.usage;
  const said = (reply.text ?? "").length + JSON.stringify(reply.calls ?? []).length;
  return {
    input: Math.ceil(JSON.stringify(asked.raw).length / 4),
    output: Math.ceil(said / 4),
  };
};

export const finishOf = (reply: Reply): "stop" | "calls" | "length" | "filter" =>
  reply.finish ?? ((reply.calls ?? []).length > 0 ? "calls" : "stop");

/** A text in uneven pieces of whole characters, so that nobody can rely on where one ends. */
export const pieces = (text: string): readonly string[] => {
  const characters = Array.from(text);
  const parts: string[] = [];
  for (let at = 0, size = 1; at < characters.length; at += size, size = (size % 7) + 1) {
    parts.push(characters.slice(at, at + size).join(""));
    if (parts.length > 400) {
      parts.push(characters.slice(at + size).join(""));
      break;
    }
  }
  return parts;
};

export type Json = Readonly<Record<string, unknown>>;

export const isRecord = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The records of an array; none of anything else. */
export const list = (value: unknown): readonly Json[] =>
  Array.isArray(value) ? value.filter(isRecord) : [];

export const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

/** A content that is text, or a list of parts of which the texts count. */
export const joinedText = (content: unknown): string =>
  Array.isArray(content)
    ? content
        .map((part) => (isRecord(part) && part["type"] === "text" ? textOf(part["text"]) : ""))
        .join("")
    : textOf(content);
