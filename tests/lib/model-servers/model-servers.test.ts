/**
 * The scripted servers against the providers' own clients: what a real client understands is what a
 * real server sends.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { ModelServer, type ModelReply } from "./index.ts";

const reply: ModelReply = {
  type: "reply",
  text: "Grüße, 世界 🙂 — I look first.",
  calls: [
    { id: "call_a", name: "fs_list", arguments: '{"path":"invoices/März"}' },
    { id: "call_b", name: "fs_read", arguments: '{"path":"a.pdf","as":"text"}' },
  ],
  usage: { input: 120, output: 34, cached: 20 },
  chunkBytes: 3,
};

const openaiTools: OpenAI.Chat.Completions.ChatCompletionTool[] = [
  {
    type: "function",
    function: { name: "fs_list", description: "List a folder.", parameters: { type: "object" } },
  },
];
const openaiMessages: OpenAI.Chat.Completions.ChatCompletionMessageParam[] = [
  { role: "system", content: "You sort files." },
  { role: "user", content: "Go." },
  {
    role: "assistant",
    content: "Looking.",
    tool_calls: [{ id: "c1", type: "function", function: { name: "fs_list", arguments: "{}" } }],
  },
  { role: "tool", tool_call_id: "c1", content: "a.pdf" },
];

const openaiClient = (server: ModelServer, apiKey = "k"): OpenAI =>
  new OpenAI({ baseURL: server.url, apiKey, maxRetries: 0, timeout: 5000 });
const anthropicClient = (server: ModelServer, apiKey = "k"): Anthropic =>
  new Anthropic({
    baseURL: server.url.replace(/\/v1$/, ""),
    apiKey,
    maxRetries: 0,
    timeout: 5000,
  });

const anthropicRequest = {
  model: "claude-scripted",
  max_tokens: 100,
  system: "You sort files.",
  tools: [
    { name: "fs_list", description: "List a folder.", input_schema: { type: "object" as const } },
  ],
  messages: [
    { role: "user" as const, content: "Go." },
    {
      role: "assistant" as const,
      content: [
        { type: "text" as const, text: "Looking." },
        { type: "tool_use" as const, id: "c1", name: "fs_list", input: {} },
      ],
    },
    {
      role: "user" as const,
      content: [{ type: "tool_result" as const, tool_use_id: "c1", content: "a.pdf" }],
    },
  ],
};

const askedWords = {
  system: "You sort files.",
  messages: [
    { role: "user", content: "Go.", calls: [] },
    {
      role: "assistant",
      content: "Looking.",
      calls: [{ id: "c1", name: "fs_list", arguments: "{}" }],
    },
    { role: "tool", content: "a.pdf", calls: [], call: "c1" },
  ],
  tools: [{ name: "fs_list", description: "List a folder.", schema: { type: "object" } }],
};

const wordsOf = (server: ModelServer): unknown => {
  const { system, messages, tools } = server.asked[0] ?? {};
  return { system, messages, tools };
};

describe("the OpenAI-compatible server, with OpenAI's client", () => {
  test("streams text, calls in fragments and usage", async () => {
    await using server = await ModelServer.start({ protocol: "openai", script: [reply] });
    const stream = openaiClient(server).chat.completions.stream({
      model: "m",
      messages: openaiMessages,
      tools: openaiTools,
      max_tokens: 64,
      stream_options: { include_usage: true },
    });
    const whole = await stream.finalChatCompletion();
    const message = whole.choices[0]?.message;
    assert.deepEqual(
      {
        text: message?.content,
        calls: message?.tool_calls?.map((call) =>
          call.type === "function"
            ? { id: call.id, name: call.function.name, arguments: call.function.arguments }
            : call,
        ),
        finish: whole.choices[0]?.finish_reason,
        usage: [
          whole.usage?.prompt_tokens,
          whole.usage?.completion_tokens,
          whole.usage?.prompt_tokens_details?.cached_tokens,
        ],
      },
      { text: reply.text, calls: reply.calls, finish: "tool_calls", usage: [120, 34, 20] },
    );
    assert.deepEqual(wordsOf(server), askedWords);
    assert.equal(server.asked[0]?.maxTokens, 64);
  });

  test("answers whole where no stream is asked for", async () => {
    await using server = await ModelServer.start({ protocol: "openai", script: [reply] });
    const whole = await openaiClient(server).chat.completions.create({
      model: "m",
      messages: openaiMessages,
    });
    assert.equal(whole.choices[0]?.message.content, reply.text);
    assert.equal(whole.choices[0]?.message.tool_calls?.length, 2);
    assert.equal(whole.usage?.completion_tokens, 34);
  });

  test("lists models, and refuses a wrong key, in words that the client knows", async () => {
    await using server = await ModelServer.start({
      protocol: "openai",
      script: [{ type: "status", status: 429, retryAfterS: 7 }],
      models: ["llama3.2", "qwen3"],
      key: "right",
    });
    const listed = await openaiClient(server, "right").models.list();
    assert.deepEqual(
      listed.data.map(({ id }) => id),
      ["llama3.2", "qwen3"],
    );
    await assert.rejects(openaiClient(server, "wrong").models.list(), OpenAI.AuthenticationError);
    await assert.rejects(
      openaiClient(server, "right").chat.completions.create({
        model: "m",
        messages: openaiMessages,
      }),
      (error) => error instanceof OpenAI.RateLimitError && error.headers.get("retry-after") === "7",
    );
  });
});

describe("the Anthropic server, with Anthropic's client", () => {
  test("streams text, calls in fragments and usage", async () => {
    await using server = await ModelServer.start({ protocol: "anthropic", script: [reply] });
    const whole = await anthropicClient(server).messages.stream(anthropicRequest).finalMessage();
    assert.deepEqual(
      {
        content: whole.content.map((block) =>
          block.type === "tool_use"
            ? { id: block.id, name: block.name, input: block.input }
            : block.type === "text"
              ? block.text
              : block.type,
        ),
        stop: whole.stop_reason,
        usage: [
          whole.usage.input_tokens,
          whole.usage.output_tokens,
          whole.usage.cache_read_input_tokens,
        ],
      },
      {
        content: [
          reply.text,
          { id: "call_a", name: "fs_list", input: { path: "invoices/März" } },
          { id: "call_b", name: "fs_read", input: { path: "a.pdf", as: "text" } },
        ],
        stop: "tool_use",
        usage: [100, 34, 20],
      },
    );
    assert.deepEqual(wordsOf(server), askedWords);
  });

  test("answers whole where no stream is asked for", async () => {
    await using server = await ModelServer.start({ protocol: "anthropic", script: [reply] });
    const whole = await anthropicClient(server).messages.create(anthropicRequest);
    assert.deepEqual(
      whole.content.map(({ type }) => type),
      ["text", "tool_use", "tool_use"],
    );
    assert.equal(whole.usage.output_tokens, 34);
  });

  test("lists models, and tells overload and a wrong key in words that the client knows", async () => {
    await using server = await ModelServer.start({
      protocol: "anthropic",
      script: [{ type: "status", status: 529 }, { type: "error-in-stream" }],
      key: "right",
    });
    const listed = await anthropicClient(server, "right").models.list();
    assert.deepEqual(
      listed.data.map(({ id }) => id),
      ["scripted-1"],
    );
    await assert.rejects(
      anthropicClient(server, "wrong").models.list(),
      Anthropic.AuthenticationError,
    );
    await assert.rejects(
      anthropicClient(server, "right").messages.create(anthropicRequest),
      (error) => error instanceof Anthropic.APIError && error.status === 529,
    );
    await assert.rejects(
      anthropicClient(server, "right").messages.stream(anthropicRequest).finalMessage(),
      /overloaded/,
    );
  });
});

describe("a server that misbehaves", () => {
  for (const type of ["rubbish", "half", "drop", "html", "ends-early"] as const) {
    test(`${type}: the provider's client does not take it for an answer`, async () => {
      await using server = await ModelServer.start({ protocol: "anthropic", script: [{ type }] });
      const asking = anthropicClient(server).messages.stream(anthropicRequest).finalMessage();
      await assert.rejects(asking);
    });
  }

  for (const type of ["endless", "endless-arguments", "endless-line"] as const) {
    test(`${type}: sends until its reader goes`, async () => {
      for (const protocol of ["openai", "anthropic"] as const) {
        await using server = await ModelServer.start({ protocol, script: [{ type }] });
        const response = await fetch(
          `${server.url}${protocol === "openai" ? "/chat/completions" : "/messages"}`,
          {
            method: "POST",
            headers: { "anthropic-version": "2023-06-01", "content-type": "application/json" },
            body: JSON.stringify({
              model: "m",
              max_tokens: 5,
              stream: true,
              messages: [{ role: "user", content: "x" }],
            }),
          },
        );
        let bytes = 0;
        for await (const block of response.body ?? []) {
          bytes += block.length;
          if (bytes > 500_000) break;
        }
        assert.ok(bytes > 500_000);
      }
    });
  }
});
