/** The Anthropic messages protocol. */
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
  stop: "end_turn",
  calls: "tool_use",
  length: "max_tokens",
  filter: "refusal",
} as const;

/** One message of the API may hold a text, calls and results of tools; each becomes one of ours. */
const messagesOf = (message: Json): readonly AskedMessage[] => {
  const role = message["role"] === "assistant" ? "assistant" : "user";
  if (typeof message["content"] === "string") {
    return [{ role, content: message["content"], calls: [] }];
  }
  const blocks = list(message["content"]);
  const results = blocks
    .filter(({ type }) => type === "tool_result")
    .map((block): AskedMessage => ({
      role: "tool",
      content: joinedText(block["content"]),
      calls: [],
      call: textOf(block["tool_use_id"]),
    }));
  const calls = blocks
    .filter(({ type }) => type === "tool_use")
    .map((block) => ({
      id: textOf(block["id"]),
      name: textOf(block["name"]),
      arguments: JSON.stringify(block["input"] ?? {}),
    }));
  const content = joinedText(blocks);
  return content === "" && calls.length === 0 ? results : [...results, { role, content, calls }];
};

const countMarkers = (value: unknown): number => {
  if (Array.isArray(value)) return value.reduce((sum: number, each) => sum + countMarkers(each), 0);
  if (!isRecord(value)) return 0;
  const inside = Object.values(value).reduce((sum: number, each) => sum + countMarkers(each), 0);
  return inside + (isRecord(value["cache_control"]) ? 1 : 0);
};

const read: Protocol["read"] = (body, path, headers): Asked | string => {
  if (!isRecord(body)) return "the body is not an object";
  if (headers["anthropic-version"] === undefined) return "anthropic-version: header is required";
  if (typeof body["model"] !== "string") return "model: Field required";
  if (typeof body["max_tokens"] !== "number") return "max_tokens: Field required";
  const messages = list(body["messages"]);
  if (messages.length === 0) return "messages: at least one message is required";
  if (messages[0]?.["role"] !== "user") return 'messages: first message must use the "user" role';
  return {
    path,
    headers,
    model: body["model"],
    system: joinedText(body["system"]),
    messages: messages.flatMap(messagesOf),
    tools: list(body["tools"]).map((tool) => ({
      name: textOf(tool["name"]),
      description: textOf(tool["description"]),
      schema: tool["input_schema"],
    })),
    maxTokens: body["max_tokens"],
    stream: body["stream"] === true,
    cacheMarkers: countMarkers(body),
    raw: body,
  };
};

const usage = (reply: Reply, asked: Asked): Json | undefined => {
  const used = usageOf(reply, asked);
  if (used === undefined) return undefined;
  const cached = used.cached ?? 0;
  return {
    input_tokens: used.input - cached,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: cached,
    output_tokens: used.output,
  };
};

const callId = (id: string | undefined, index: number): string => id ?? `toolu_${index + 1}`;

/** The API's calls hold JSON; what does not parse can only be told in a stream. */
const inputOf = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

const message = (asked: Asked, rest: Json): Json => ({
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: asked.model,
  ...rest,
});

const whole: Protocol["whole"] = (reply, asked) =>
  message(asked, {
    content: [
      ...(reply.text === undefined ? [] : [{ type: "text", text: reply.text }]),
      ...(reply.calls ?? []).map((call, index) => ({
        type: "tool_use",
        id: callId(call.id, index),
        name: call.name,
        input: inputOf(call.arguments),
      })),
    ],
    stop_reason: finishWords[finishOf(reply)],
    stop_sequence: null,
    ...(usage(reply, asked) === undefined ? {} : { usage: usage(reply, asked) }),
  });

const event = (value: Json): string =>
  `event: ${textOf(value["type"])}\ndata: ${JSON.stringify(value)}\n\n`;

const begin = (asked: Asked, used: Json | undefined): string =>
  event({
    type: "message_start",
    message: message(asked, {
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: used === undefined ? undefined : { ...used, output_tokens: 1 },
    }),
  });

const delta = (index: number, value: Json): string =>
  event({ type: "content_block_delta", index, delta: value });

function* events(reply: Reply, asked: Asked): Generator<string> {
  const used = usage(reply, asked);
  yield begin(asked, used);
  yield event({ type: "ping" });
  let block = 0;
  if (reply.text !== undefined) {
    yield event({
      type: "content_block_start",
      index: block,
      content_block: { type: "text", text: "" },
    });
    for (const piece of pieces(reply.text)) yield delta(block, { type: "text_delta", text: piece });
    yield event({ type: "content_block_stop", index: block });
    block += 1;
  }
  for (const [index, call] of (reply.calls ?? []).entries()) {
    yield event({
      type: "content_block_start",
      index: block,
      content_block: { type: "tool_use", id: callId(call.id, index), name: call.name, input: {} },
    });
    for (const piece of pieces(call.arguments)) {
      yield delta(block, { type: "input_json_delta", partial_json: piece });
    }
    yield event({ type: "content_block_stop", index: block });
    block += 1;
  }
  yield event({
    type: "message_delta",
    delta: { stop_reason: finishWords[finishOf(reply)], stop_sequence: null },
    ...(used === undefined ? {} : { usage: { output_tokens: used["output_tokens"] } }),
  });
  yield event({ type: "message_stop" });
}

const openText = event({
  type: "content_block_start",
  index: 0,
  content_block: { type: "text", text: "" },
});

const zero = { input_tokens: 1, output_tokens: 1 };

export const anthropic: Protocol = {
  path: "/v1/messages",
  read,
  whole,
  events,
  opening: (asked) => begin(asked, zero) + openText,
  textEvent: (_asked, text) => delta(0, { type: "text_delta", text }),
  beginCall: () =>
    event({ type: "content_block_stop", index: 0 }) +
    event({
      type: "content_block_start",
      index: 1,
      content_block: { type: "tool_use", id: "toolu_1", name: "fs_read", input: {} },
    }),
  argumentsEvent: (_asked, text) => delta(1, { type: "input_json_delta", partial_json: text }),
  errorEvent: (text) =>
    event({ type: "error", error: { type: "overloaded_error", message: text } }),
  error: (status, text) => ({
    type: "error",
    error: {
      type:
        status === 401
          ? "authentication_error"
          : status === 404
            ? "not_found_error"
            : status === 429
              ? "rate_limit_error"
              : status === 529
                ? "overloaded_error"
                : status >= 500
                  ? "api_error"
                  : "invalid_request_error",
      message: text,
    },
  }),
  models: (names) => ({
    data: names.map((id) => ({
      type: "model",
      id,
      display_name: id,
      created_at: "2026-01-01T00:00:00Z",
    })),
    has_more: false,
    first_id: names[0] ?? null,
    last_id: names.at(-1) ?? null,
  }),
  // The API takes a key in either header; its own client has changed from one to the other.
  authorised: (headers, key) =>
    headers["x-api-key"] === key || headers["authorization"] === `Bearer ${key}`,
};
