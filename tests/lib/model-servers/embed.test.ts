/** `model::embed` against the scripted server: right answers, and every wrong one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import OpenAI from "openai";
import { type ActContext, type ActReport, ModelDriver, type ModelTransport } from "@ioi/drivers";
import { contentRefOf } from "@ioi/firewall";
import { nodeCrypto } from "@ioi/host/crypto";
import { ModelServer, type ModelServerOptions, scriptedVector } from "./index.ts";

const transport: ModelTransport = async ({ url, headers, body }, signal) => {
  const response = await fetch(url, {
    method: "POST",
    headers: headers.map(([name, value]): [string, string] => [name, value]),
    body: Buffer.from(body),
    signal,
  });
  const blocks = async function* (): AsyncGenerator<Uint8Array> {
    for await (const block of response.body ?? []) yield block;
  };
  return { status: response.status, headers: new Map(response.headers), body: blocks() };
};

const driver = new ModelDriver({
  transport: () => transport,
  bounds: { replyBytesMax: 500_000, firstByteMsMax: 5000, idleMsMax: 5000, wallMsMax: 20_000 },
  claims: {
    claim: () => new DisposableStack(),
    finish: () => undefined,
    settle: () => ({ status: "unknown", reversible: false }),
  },
});

const argumentsOf = (url: string, content: Uint8Array, protocol = "openai") => {
  return {
    model: "local/vectors",
    url,
    protocol,
    name: "scripted-1",
    price_in: 20_000,
    price_out: 0,
    input: contentRefOf(content, nodeCrypto),
  };
};

const embed = async (url: string, content: string): Promise<ActReport> => {
  const bytes = Buffer.from(content);
  const prepared = await driver.prepare("model::embed", argumentsOf(url, bytes));
  assert.ok(prepared.ok, JSON.stringify(prepared));
  using action = prepared.value;
  const context: Partial<ActContext> = {
    counter: 1n,
    content: bytes,
    signal: AbortSignal.timeout(20_000),
    output: () => undefined,
  };
  return await action.act(context as ActContext);
};

const start = (more: Partial<ModelServerOptions> = {}) =>
  ModelServer.start({ protocol: "openai", script: [], ...more });

test("texts become vectors in their order, as the provider's own client reads them", async () => {
  await using server = await start();
  const texts = ["one", "zwei 🙂", "drei"];
  const report = await embed(server.url, JSON.stringify(texts));
  assert.equal(report.status, "confirmed", report.message ?? "");
  const said = JSON.parse(
    Buffer.from(report.result["content"] as Uint8Array).toString(),
  ) as unknown;
  const client = new OpenAI({ apiKey: "x", baseURL: server.url });
  const theirs = await client.embeddings.create({
    model: "scripted-1",
    input: texts,
    encoding_format: "float",
  });
  const byIndex = theirs.data.toSorted((a, b) => a.index - b.index);
  assert.deepEqual(said, {
    embeddings: byIndex.map(({ embedding }) => embedding),
    usage: { input: theirs.usage.prompt_tokens },
  });
  assert.deepEqual(byIndex[1]?.embedding, scriptedVector("zwei 🙂"));
  const { tokens_in, tokens_out, microusd, usage, vectors, dimensions } = report.evidence;
  assert.deepEqual(
    { tokens_in, tokens_out, microusd, usage, vectors, dimensions },
    {
      tokens_in: "4",
      tokens_out: "0",
      microusd: "1",
      usage: "reported",
      vectors: "3",
      dimensions: "4",
    },
  );
});

test("what is no list of texts is refused before anything is sent", async () => {
  await using server = await start();
  const tooMany = JSON.stringify(Array.from({ length: 257 }, () => "x"));
  for (const bad of ["", "text", "{}", "[]", '[""]', "[1]", '["a",null]', '["a"', tooMany]) {
    const report = await embed(server.url, bad);
    assert.deepEqual(
      [report.status, report.code],
      ["refused", "E_PROMPT_INVALID"],
      bad.slice(0, 9),
    );
  }
  assert.deepEqual(server.seen, []);
});

test("a protocol without embeddings answers that they are not there", async () => {
  const args = argumentsOf("https://api.example.com/v1", Buffer.from('["a"]'), "anthropic");
  const prepared = await driver.prepare("model::embed", args);
  assert.ok(!prepared.ok && prepared.error.code === "E_MODEL_NO_EMBEDDINGS");
});

test("a server that answers wrongly is no answer; where nobody counted, it is estimated", async () => {
  type Item = { index: number; embedding: unknown };
  const item = (index: number, embedding: unknown): Item => ({ index, embedding });
  const bad: readonly unknown[] = [
    [],
    {},
    { data: "x" },
    { data: [item(0, [1])] },
    { data: [item(0, [1]), item(0, [1])] },
    { data: [item(0, [1]), item(2, [1])] },
    { data: [item(0, [1]), item(-1, [1])] },
    { data: [item(0, [1]), item(0.5, [1])] },
    { data: [item(0, [1]), { index: "length", embedding: [1] }] },
    { data: [item(0, [1]), item(1, [1, 2])] },
    { data: [item(0, []), item(1, [])] },
    { data: [item(0, ["1"]), item(1, [1])] },
    { data: [item(0, "AACAPw=="), item(1, "AACAPw==")] },
    {
      data: [
        item(0, [1]),
        item(
          1,
          Array.from({ length: 16_385 }, () => 1),
        ),
      ],
    },
  ];
  for (const wrong of bad) {
    await using server = await start({ embeddings: () => wrong });
    const report = await embed(server.url, '["a","b"]');
    const what = JSON.stringify(wrong).slice(0, 60);
    assert.deepEqual([report.status, report.code], ["partial", "E_MODEL_MALFORMED"], what);
    assert.equal(report.evidence["usage"], "estimated");
  }
  await using endless = await start({
    embeddings: () => ({ data: "x".repeat(600_000) }),
  });
  assert.equal((await embed(endless.url, '["a"]')).code, "E_MODEL_TOO_LONG");
  // The control: the same texts of a server that is right.
  await using server = await start();
  assert.equal((await embed(server.url, '["a","b"]')).status, "confirmed");
});
