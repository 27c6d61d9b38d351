/**
 * The model driver against the scripted servers, over plain sockets in the place of egress: what it
 * makes of right answers and of every wrong one.
 */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { OperationError } from "@ioi/base";
import {
  type ActContext,
  type ActReport,
  ModelDriver,
  type ModelTransport,
  limits,
} from "@ioi/drivers";
import { contentRefOf } from "@ioi/firewall";
import { nodeCrypto } from "@ioi/host/crypto";
import { type ModelReply, ModelServer, type ModelServerOptions } from "./index.ts";

const transport: ModelTransport = async ({ url, headers, body }, signal) => {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: headers.map(([name, value]): [string, string] => [name, value]),
      body: Buffer.from(body),
      signal,
      redirect: "manual",
    });
    const blocks = async function* (): AsyncGenerator<Uint8Array> {
      try {
        for await (const block of response.body ?? []) yield block;
      } catch (error) {
        signal.throwIfAborted();
        throw new OperationError("E_EGRESS_CUT", "cut", { retryable: true, cause: error });
      }
    };
    return { status: response.status, headers: new Map(response.headers), body: blocks() };
  } catch (error) {
    signal.throwIfAborted();
    throw new OperationError("E_EGRESS_REFUSED", "refused", { retryable: true, cause: error });
  }
};

const prompt = {
  system: "You sort files.",
  messages: [
    { role: "user", content: "Sort invoices/März 🙂" },
    {
      role: "assistant",
      content: "I look.",
      calls: [
        { id: "c1", name: "fs_list", arguments: '{"path":"invoices"}' },
        { id: "c2", name: "fs_list", arguments: "{nonsense" },
      ],
    },
    { role: "tool", content: "a.pdf\n", call: "c1" },
    { role: "tool", content: "the arguments do not parse", call: "c2" },
  ],
  tools: [
    {
      name: "fs_list",
      description: "List a folder.",
      schema: { type: "object", properties: { path: { type: "string" } } },
    },
  ],
};

/** A counter that is never asked twice needs no file. */
const claims = {
  claim: () => new DisposableStack(),
  finish: () => undefined,
  settle: () => ({ status: "unknown", reversible: false }) as const,
};

const bounds = {
  replyBytesMax: 2_000_000,
  firstByteMsMax: 5_000,
  idleMsMax: 5_000,
  wallMsMax: 20_000,
};

interface Asked {
  readonly report: ActReport;
  readonly streamed: string;
}

const ask = async (
  server: { readonly url: string },
  protocol: string,
  options: {
    readonly bounds?: Partial<typeof bounds>;
    readonly prompt?: unknown;
    readonly signal?: AbortSignal;
    readonly transport?: ModelTransport;
  } = {},
): Promise<Asked> => {
  using driver = new ModelDriver({
    claims,
    transport: () => options.transport ?? transport,
    bounds: { ...bounds, ...options.bounds },
  });
  const content = Buffer.from(JSON.stringify(options.prompt ?? prompt));
  const prepared = await driver.prepare("model::infer", {
    model: "scripted/one",
    url: server.url,
    protocol,
    name: "scripted-1",
    price_in: 3_000_000,
    price_out: 15_000_000,
    prompt: contentRefOf(content, nodeCrypto),
    max_tokens: 500,
  });
  assert.ok(prepared.ok, JSON.stringify(prepared));
  using action = prepared.value;
  let streamed = "";
  const report = await action.act({
    counter: 1n,
    actionId: new Uint8Array(32),
    ticket: new Uint8Array(0),
    action: new Uint8Array(0),
    obligations: new Set(),
    content,
    signal: options.signal ?? new AbortController().signal,
    output: (bytes) => (streamed += Buffer.from(bytes).toString("utf8")),
    want: () => undefined,
    input: { read: () => undefined },
  } as ActContext);
  return { report, streamed };
};

const replyOf = ({ report }: Asked): unknown =>
  JSON.parse(Buffer.from(report.result["content"] as Uint8Array).toString("utf8")) as unknown;

const good: Extract<ModelReply, { readonly type: "reply" }> = {
  type: "reply",
  text: "Grüße, 世界 🙂 — I look.",
  calls: [
    { id: "a", name: "fs_list", arguments: '{"path":"invoices/März"}' },
    { id: "a", name: "fs_read", arguments: '{"path": "a.pdf"' },
  ],
  usage: { input: 1200, output: 340, cached: 1000 },
  chunkBytes: 5,
};

const start = (
  protocol: "openai" | "anthropic",
  script: ModelServerOptions["script"],
  more: Partial<ModelServerOptions> = {},
): Promise<ModelServer> => ModelServer.start({ protocol, script, ...more });

for (const protocol of ["openai", "anthropic"] as const) {
  describe(`a model over ${protocol}`, () => {
    test("streams its text and gives text, calls and usage", async () => {
      await using server = await start(protocol, [good]);
      const asked = await ask(server, protocol);
      assert.equal(asked.report.status, "confirmed");
      assert.equal(asked.streamed, good.text);
      const reply = replyOf(asked) as { readonly calls: readonly { readonly id: string }[] };
      // The server gave both calls one id.
      const second = reply.calls[1]?.id ?? "";
      assert.ok(second !== "" && second !== "a");
      assert.deepEqual(reply, {
        text: good.text,
        calls: [
          { id: "a", name: "fs_list", arguments: '{"path":"invoices/März"}' },
          { id: second, name: "fs_read", arguments: '{"path": "a.pdf"' },
        ],
        finish: "calls",
        usage: { input: 1200, output: 340, cached: 1000 },
      });
      const { tokens_in, tokens_out, tokens_cached, usage, microusd, model } =
        asked.report.evidence;
      assert.deepEqual(
        { tokens_in, tokens_out, tokens_cached, usage, microusd, model },
        {
          tokens_in: "1200",
          tokens_out: "340",
          tokens_cached: "1000",
          usage: "reported",
          // 1200 x 3 + 340 x 15 micro-dollars.
          microusd: "8700",
          model: "scripted-1",
        },
      );
    });

    test("is told what the prompt says, and no credential leaves the driver", async () => {
      await using server = await start(protocol, [good]);
      await ask(server, protocol);
      const asked = server.asked[0];
      assert.ok(asked);
      assert.deepEqual(
        { system: asked.system, messages: asked.messages, tools: asked.tools },
        {
          system: prompt.system,
          messages: [
            { role: "user", content: "Sort invoices/März 🙂", calls: [] },
            {
              role: "assistant",
              content: "I look.",
              calls: [
                { id: "c1", name: "fs_list", arguments: '{"path":"invoices"}' },
                { id: "c2", name: "fs_list", arguments: '{"unreadable":"{nonsense"}' },
              ],
            },
            { role: "tool", content: "a.pdf\n", calls: [], call: "c1" },
            { role: "tool", content: "the arguments do not parse", calls: [], call: "c2" },
          ],
          tools: prompt.tools,
        },
      );
      assert.equal(asked.maxTokens, 500);
      assert.equal(asked.headers["authorization"], undefined);
      assert.equal(asked.headers["x-api-key"], undefined);
      assert.equal(asked.cacheMarkers, protocol === "anthropic" ? 3 : 0);
      assert.deepEqual(server.seen, [
        `POST /v1/${protocol === "openai" ? "chat/completions" : "messages"}`,
      ]);
    });

    test("may answer in one piece, and is asked once all the same", async () => {
      await using server = await start(
        protocol,
        [{ ...good, calls: good.calls?.slice(0, 1) ?? [] }],
        {
          neverStreams: true,
        },
      );
      const asked = await ask(server, protocol);
      assert.equal(asked.report.status, "confirmed", asked.report.message ?? "");
      assert.equal(asked.streamed, good.text);
      assert.equal((replyOf(asked) as { readonly finish: string }).finish, "calls");
      assert.equal(server.seen.length, 1);
    });

    for (const finish of ["length", "filter"] as const) {
      test(`ended by ${finish}: said so`, async () => {
        await using server = await start(protocol, [{ type: "reply", text: "half", finish }]);
        assert.equal((replyOf(await ask(server, protocol)) as { finish: string }).finish, finish);
      });
    }

    interface Wrong {
      readonly reply: ModelReply;
      readonly code: string;
      readonly status: "no-effect" | "partial";
      readonly retryable: "yes" | "no";
    }
    const wrong: readonly Wrong[] = [
      {
        reply: { type: "status", status: 401 },
        code: "E_MODEL_KEY",
        status: "no-effect",
        retryable: "no",
      },
      {
        reply: { type: "status", status: 404 },
        code: "E_MODEL_UNKNOWN",
        status: "no-effect",
        retryable: "no",
      },
      {
        reply: { type: "status", status: 400, message: "too many tokens" },
        code: "E_MODEL_REQUEST",
        status: "no-effect",
        retryable: "no",
      },
      {
        reply: { type: "status", status: 500 },
        code: "E_MODEL_SERVER",
        status: "partial",
        retryable: "yes",
      },
      {
        reply: { type: "status", status: 529 },
        code: "E_MODEL_BUSY",
        status: "no-effect",
        retryable: "yes",
      },
      {
        reply: { type: "drop" },
        code: "E_MODEL_UNREACHABLE",
        status: "no-effect",
        retryable: "yes",
      },
      { reply: { type: "half" }, code: "E_MODEL_INCOMPLETE", status: "partial", retryable: "yes" },
      {
        reply: { type: "ends-early" },
        code: "E_MODEL_INCOMPLETE",
        status: "partial",
        retryable: "yes",
      },
      { reply: { type: "html" }, code: "E_MODEL_MALFORMED", status: "partial", retryable: "no" },
      {
        reply: { type: "rubbish" },
        code: "E_MODEL_MALFORMED",
        status: "partial",
        retryable: "yes",
      },
      {
        reply: { type: "cut-utf8" },
        code: "E_MODEL_MALFORMED",
        status: "partial",
        retryable: "yes",
      },
      {
        reply: { type: "error-in-stream" },
        code: "E_MODEL_SERVER",
        status: "partial",
        retryable: "yes",
      },
      { reply: { type: "endless" }, code: "E_MODEL_TOO_LONG", status: "partial", retryable: "no" },
      {
        reply: { type: "endless-arguments" },
        code: "E_MODEL_TOO_LONG",
        status: "partial",
        retryable: "no",
      },
      {
        reply: { type: "endless-line" },
        code: "E_MODEL_TOO_LONG",
        status: "partial",
        retryable: "no",
      },
      {
        reply: { type: "many-calls", count: 10_000 },
        code: "E_MODEL_TOO_MANY_CALLS",
        status: "partial",
        retryable: "no",
      },
    ];
    for (const { reply, code, status, retryable } of wrong) {
      const name = reply.type === "status" ? `${reply.type} ${reply.status}` : reply.type;
      test(`${name}: ${code}, and nothing of it is used`, async () => {
        await using server = await start(protocol, [reply]);
        const { report } = await ask(server, protocol);
        assert.deepEqual(
          {
            code: report.code,
            status: report.status,
            retryable: report.evidence["retryable"],
            result: report.result,
          },
          { code, status, retryable, result: {} },
          report.message ?? "",
        );
        assert.equal(server.seen.length, 1, "asked once");
      });
    }

    for (const type of ["never", "stalls"] as const) {
      test(`${type}: given up after its time`, async () => {
        await using server = await start(protocol, [{ type }]);
        const { report } = await ask(server, protocol, {
          bounds: { firstByteMsMax: 60, idleMsMax: 60 },
        });
        assert.equal(report.code, "E_MODEL_SILENT", report.message ?? "");
        assert.equal(report.evidence["retryable"], "yes");
      });
    }

    test("a stop ends the request at once", async () => {
      await using server = await start(protocol, [{ type: "endless" }]);
      const abort = new AbortController();
      const stopped = new OperationError("E_ABORTED", "the action was stopped");
      const counting: ModelTransport = async (request, signal) => {
        const response = await transport(request, signal);
        setImmediate(() => abort.abort(stopped));
        return response;
      };
      await assert.rejects(
        ask(server, protocol, { signal: abort.signal, transport: counting }),
        (error) => error === stopped,
      );
    });
  });
}

test("without usage: estimated, and said so", async () => {
  await using server = await start("openai", [
    { type: "reply", text: "x".repeat(300), usage: "none" },
  ]);
  const { evidence, status } = (await ask(server, "openai")).report;
  assert.equal(status, "confirmed");
  assert.equal(evidence["usage"], "estimated");
  assert.ok(Number(evidence["tokens_out"]) >= 75, evidence["tokens_out"] ?? "");
  assert.ok(Number(evidence["tokens_in"]) >= 100, evidence["tokens_in"] ?? "");
});

test("429 tells when to ask again, as seconds or as a date", async () => {
  await using server = await start("openai", [{ type: "status", status: 429, retryAfterS: 7 }]);
  const { report } = await ask(server, "openai");
  assert.equal(report.evidence["retry_after_ms"], "7000");
  assert.match(report.message ?? "", /429; its own words, unverified: "scripted 429"$/);
});

test("a server's words come in one bounded line", async () => {
  const message = `no\n\u0007\u202Ereally ${"x".repeat(10_000)}`;
  await using server = await start("openai", [{ type: "status", status: 400, message }]);
  const { report } = await ask(server, "openai");
  assert.match(
    report.message ?? "",
    /^the model's server answers 400; its own words, unverified: "no really x+"$/,
  );
  assert.ok((report.message ?? "").length < 400);
});

test("a redirect is not followed", async () => {
  await using server = await start("openai", [good]);
  const redirecting: ModelTransport = async () => ({
    status: 307,
    headers: new Map([["location", `${server.url}/chat/completions`]]),
    body: (async function* (): AsyncGenerator<Uint8Array> {})(),
  });
  const { report } = await ask(server, "openai", { transport: redirecting });
  assert.equal(report.code, "E_MODEL_REQUEST");
  assert.match(report.message ?? "", /it leads to http/);
  assert.equal(server.seen.length, 0);
});

describe("a prompt that is none", () => {
  const cases: readonly (readonly [string, unknown])[] = [
    ["no object", []],
    ["no messages", { system: "", messages: [], tools: [] }],
    ["an unknown field", { ...prompt, temperature: 1 }],
    ["an unknown role", { ...prompt, messages: [{ role: "system", content: "x" }] }],
    ["an answer to no call", { ...prompt, messages: [{ role: "tool", content: "x", call: "z" }] }],
    ["a tool without a schema", { ...prompt, tools: [{ name: "a", description: "b" }] }],
    [
      "too many tools",
      { ...prompt, tools: Array.from({ length: limits.modelToolsMax + 1 }, () => prompt.tools[0]) },
    ],
  ];
  for (const [name, bad] of cases) {
    test(`${name}: refused, nothing is sent`, async () => {
      await using server = await start("openai", [good]);
      const { report } = await ask(server, "openai", { prompt: bad });
      assert.equal(report.code, "E_PROMPT_INVALID", report.message ?? "");
      assert.equal(report.status, "refused");
      assert.equal(server.seen.length, 0);
    });
  }
});

test("an address in another spelling is not prepared", async () => {
  using driver = new ModelDriver({ transport: () => transport, bounds, claims });
  const content = Buffer.from("{}");
  for (const url of ["http://127.0.0.1:80/v1", "http://127.0.0.1/v1/", "http://LOCALHOST/v1"]) {
    const prepared = await driver.prepare("model::infer", {
      model: "m",
      url,
      protocol: "openai",
      name: "n",
      price_in: 0,
      price_out: 0,
      prompt: contentRefOf(content, nodeCrypto),
      max_tokens: 1,
    });
    assert.equal(prepared.ok, false, url);
  }
});
