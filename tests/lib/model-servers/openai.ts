/** The OpenAI-compatible chat protocol, as the servers of this machine and most providers speak it. */
import {
  type Asked,
  type AskedMessage,
  finishOf,
  isRecord,
  joinedText,
  type Json,
  list,
  type ModelReply,
  pieces,
  textOf,
  usageOf,
} from "./script.ts";
import type { Protocol } from "./server.ts";

type Reply = Extract<ModelReply, { readonly type: "reply" }>;

const finishWords = {
  stop: "stop",
  calls: "tool_calls",
  length: "length",
  filter: "content_filter",
} as const;

const messageOf = (message: Json): AskedMessage => ({
  role: message["role"] === "tool" || message["role"] === "assistant" ? message["role"] : "user",
  content: joinedText(message["content"]),
  calls: list(message["tool_calls"]).map((call) => {
    const wanted = isRecord(call["function"]) ? call["function"] : {};
    return {
      id: textOf(call["id"]),
      name: textOf(wanted["name"]),
      arguments: textOf(wanted["arguments"]),
    };
  }),
  ...(typeof message["tool_call_id"] === "string" ? { call: message["tool_call_id"] } : {}),
});

const isSystem = ({ role }: Json): boolean => role === "system" || role === "developer";

const read: Protocol["read"] = (body, path, headers): Asked | string => {
  if (!isRecord(body)) return "the body is not an object";
  const messages = list(body["messages"]);
  if (typeof body["model"] !== "string") return "you must provide a model parameter";
  if (messages.length === 0) return "messages must not be empty";
  const max = body["max_tokens"] ?? body["max_completion_tokens"];
  return {
    path,
    headers,
    model: body["model"],
    system: messages
      .filter(isSystem)
      .map((message) => joinedText(message["content"]))
      .join("\n"),
    messages: messages.filter((message) => !isSystem(message)).map(messageOf),
    tools: list(body["tools"]).map((tool) => {
      const offered = isRecord(tool["function"]) ? tool["function"] : {};
      return {
        name: textOf(offered["name"]),
        description: textOf(offered["description"]),
        schema: offered["parameters"],
      };
    }),
    maxTokens: typeof max === "number" ? max : undefined,
    stream: body["stream"] === true,
    cacheMarkers: 0,
    raw: body,
  };
};

const usage = (reply: Reply, asked: Asked): Json | undefined => {
  const used = usageOf(reply, asked);
  return used === undefined
    ? undefined
    : {
        prompt_tokens: used.input,
        completion_tokens: used.output,
        total_tokens: used.input + used.output,
        prompt_tokens_details: { cached_tokens: used.cached ?? 0 },
      };
};

const callId = (id: string | undefined, index: number): string => id ?? `call_${index + 1}`;

const whole: Protocol["whole"] = (reply, asked) => ({
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1_700_000_000,
  model: asked.model,
  choices: [
    {
      index: 0,
      message: {
        role: "assistant",
        content: reply.text ?? null,
        ...(reply.calls === undefined
          ? {}
          : {
              tool_calls: reply.calls.map((call, index) => ({
                id: callId(call.id, index),
                type: "function",
                function: { name: call.name, arguments: call.arguments },
              })),
            }),
      },
      finish_reason: finishWords[finishOf(reply)],
    },
  ],
  ...(usage(reply, asked) === undefined ? {} : { usage: usage(reply, asked) }),
});

const data = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;

const chunk = (asked: Asked, delta: Json, finish: string | null = null): string =>
  data({
    id: "chatcmpl-1",
    object: "chat.completion.chunk",
    created: 1_700_000_000,
    model: asked.model,
    choices: [{ index: 0, delta, finish_reason: finish }],
  });

const callChunk = (asked: Asked, index: number, call: Json): string =>
  chunk(asked, { tool_calls: [{ index, ...call }] });

const wantsUsage = ({ raw }: Asked): boolean =>
  isRecord(raw) &&
  isRecord(raw["stream_options"]) &&
  raw["stream_options"]["include_usage"] === true;

function* events(reply: Reply, asked: Asked): Generator<string> {
  yield chunk(asked, { role: "assistant", content: "" });
  for (const piece of pieces(reply.text ?? "")) yield chunk(asked, { content: piece });
  for (const [index, call] of (reply.calls ?? []).entries()) {
    yield callChunk(asked, index, {
      id: callId(call.id, index),
      type: "function",
      function: { name: call.name, arguments: "" },
    });
    for (const piece of pieces(call.arguments)) {
      yield callChunk(asked, index, { function: { arguments: piece } });
    }
  }
  yield chunk(asked, {}, finishWords[finishOf(reply)]);
  const used = usage(reply, asked);
  if (used !== undefined && wantsUsage(asked)) {
    yield data({
      id: "chatcmpl-1",
      object: "chat.completion.chunk",
      created: 1_700_000_000,
      model: asked.model,
      choices: [],
      usage: used,
    });
  }
  yield "data: [DONE]\n\n";
}

/** Four numbers from the bytes of a text: the same for the same, others for others. */
export const scriptedVector = (text: string): readonly number[] => {
  const numbers = [0.5, -0.25, 0.125, 1];
  for (const [at, byte] of Buffer.from(text).entries()) {
    numbers[at % 4] = (numbers[at % 4] ?? 0) + byte / 256;
  }
  return numbers;
};

/** As servers may: the last text first. */
const embeddings = (body: unknown): Json | string => {
  if (!isRecord(body) || typeof body["model"] !== "string") return "you must provide a model";
  const input = body["input"];
  const texts = typeof input === "string" ? [input] : Array.isArray(input) ? input : [];
  if (texts.length === 0) return "input must not be empty";
  const items = texts.map((text, index) => ({
    object: "embedding",
    index,
    embedding: scriptedVector(String(text)),
  }));
  const tokens = Math.ceil(texts.join("").length / 4);
  return {
    object: "list",
    model: body["model"],
    data: items.toReversed(),
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  };
};

export const openai: Protocol = {
  path: "/v1/chat/completions",
  read,
  whole,
  embeddings,
  events,
  textEvent: (asked, text) => chunk(asked, { content: text }),
  beginCall: (asked) =>
    callChunk(asked, 0, {
      id: "call_1",
      type: "function",
      function: { name: "fs_read", arguments: "" },
    }),
  argumentsEvent: (asked, text) => callChunk(asked, 0, { function: { arguments: text } }),
  errorEvent: (message) => data({ error: { message, type: "server_error", code: null } }),
  error: (status, message) => ({
    error: {
      message,
      type: status >= 500 ? "server_error" : "invalid_request_error",
      param: null,
      code: null,
    },
  }),
  models: (names) => ({
    object: "list",
    data: names.map((id) => ({
      id,
      object: "model",
      created: 1_700_000_000,
      owned_by: "scripted",
    })),
  }),
  authorised: (headers, key) => headers["authorization"] === `Bearer ${key}`,
};
