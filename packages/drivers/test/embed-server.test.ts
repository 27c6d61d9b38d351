/** An embedder that asks a server: what it refuses, and what a hostile server cannot do to it. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { serverEmbedder } from "../src/embed/server.ts";

type Answer = (request: IncomingMessage, body: string, response: ServerResponse) => void;

interface Served extends AsyncDisposable {
  readonly url: string;
  readonly asked: readonly { readonly authorization: string | undefined; readonly body: string }[];
}

const serve = async (...answers: readonly Answer[]): Promise<Served> => {
  const asked: { authorization: string | undefined; body: string }[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const body = Buffer.concat(parts).toString("utf8");
      const answer = answers[Math.min(asked.length, answers.length - 1)];
      asked.push({ authorization: request.headers.authorization, body });
      answer?.(request, body, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/v1`,
    asked,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};

const json =
  (value: unknown): Answer =>
  (_request, _body, response) => {
    response.setHeader("content-type", "application/json").end(JSON.stringify(value));
  };

const vectors: Answer = (request, body, response) => {
  const { input } = JSON.parse(body) as { readonly input: readonly string[] };
  const data = input.map((text, index) => ({ index, embedding: [text.length, 1, 0] }));
  json({ data: data.toReversed() })(request, body, response);
};

const signal = (): AbortSignal => new AbortController().signal;
const bounds = { replyBytesMax: 65_536, firstByteMsMax: 200, idleMsMax: 200, wallMsMax: 1000 };

test("texts go to a server of the protocol, and its vectors come back in their order", async () => {
  await using server = await serve(vectors);
  const embedder = await serverEmbedder({
    url: server.url,
    model: "m",
    key: "k",
    signal: signal(),
  });
  assert.deepEqual(embedder.identity, { kind: "openai", name: "m", revision: "" });
  assert.equal(embedder.dimension, 3);
  const given = await embedder.embed(["a", "four"]);
  assert.deepEqual(given, [Float32Array.of(1, 1, 0), Float32Array.of(4, 1, 0)]);
  assert.equal(server.asked[0]?.authorization, "Bearer k");
});

test("what may be over in a moment is asked again, and nothing else", async () => {
  const busy: Answer = (_request, _body, response) =>
    response.writeHead(503, { "retry-after": "0" }).end();
  const refused: Answer = (_request, _body, response) => response.writeHead(400).end();
  const options = { model: "m", dimension: 3, signal: signal() };
  {
    await using server = await serve(busy, busy, vectors);
    const embedder = await serverEmbedder({ ...options, url: server.url });
    assert.equal((await embedder.embed(["a"])).length, 1);
    assert.equal(server.asked.length, 3);
  }
  {
    await using server = await serve(busy);
    const embedder = await serverEmbedder({ ...options, url: server.url });
    await assert.rejects(embedder.embed(["a"]), { code: "E_MODEL_BUSY" });
    assert.equal(server.asked.length, 3);
  }
  {
    await using server = await serve(refused);
    const embedder = await serverEmbedder({ ...options, url: server.url });
    await assert.rejects(embedder.embed(["a"]), { code: "E_MODEL_REQUEST" });
    assert.equal(server.asked.length, 1);
  }
});

test("no text leaves the machine unless it was said that it may", async () => {
  const options = { model: "m", dimension: 3, signal: signal() };
  for (const url of [
    "https://api.example.com/v1",
    "http://192.168.1.2/v1",
    "http://10.0.0.1:1/v1",
  ]) {
    await assert.rejects(serverEmbedder({ ...options, url }), { code: "E_EMBED_REMOTE" });
    // The control: only that word is missing.
    await serverEmbedder({ ...options, url, mayLeaveMachine: true });
  }
  const url = "http://192.168.1.2/v1";
  await assert.rejects(serverEmbedder({ ...options, url, mayLeaveMachine: true, key: "k" }), {
    code: "E_EMBED_REMOTE",
  });
  for (const bad of ["file:///etc", "http://a:b@127.0.0.1/v1", "http://127.1/v1", "x", ""]) {
    await assert.rejects(serverEmbedder({ ...options, url: bad }), { code: "E_EMBED_ADDRESS" });
  }
});

test("a redirect leads nowhere", async () => {
  await using elsewhere = await serve(vectors);
  await using server = await serve((_request, _body, response) =>
    response.writeHead(307, { location: `${elsewhere.url}/embeddings` }).end(),
  );
  const embedder = await serverEmbedder({
    url: server.url,
    model: "m",
    dimension: 3,
    signal: signal(),
  });
  await assert.rejects(embedder.embed(["secret"]), { code: "E_MODEL_REQUEST" });
  assert.equal(elsewhere.asked.length, 0);
});

test("a hostile server gives an error, in bounded time and memory", async () => {
  const endless: Answer = (_request, _body, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    const more = (): void => {
      while (response.writable && response.write("[".repeat(16_384)));
      response.once("drain", more);
    };
    more();
  };
  const silent: Answer = () => undefined;
  const one = (embedding: unknown): Answer => json({ data: [{ index: 0, embedding }] });
  const cases: readonly (readonly [string, Answer, string])[] = [
    ["endless", endless, "E_MODEL_TOO_LONG"],
    ["silent", silent, "E_MODEL_SILENT"],
    ["no JSON", (_request, _body, response) => response.end("<html>"), "E_MODEL_MALFORMED"],
    ["too few", json({ data: [] }), "E_MODEL_MALFORMED"],
    ["a text", one("x"), "E_MODEL_MALFORMED"],
    ["no number", one([1, null, 2]), "E_MODEL_MALFORMED"],
    ["for no text", json({ data: [{ index: 7, embedding: [1, 2, 3] }] }), "E_MODEL_MALFORMED"],
    ["another dimension", one([1, 2]), "E_SCS_VECTOR"],
    ["beyond a float", one([1e300, 0, 0]), "E_SCS_VECTOR"],
  ];
  for (const [name, answer, code] of cases) {
    await using server = await serve(answer);
    const embedder = await serverEmbedder({
      url: server.url,
      model: "m",
      dimension: 3,
      signal: signal(),
      bounds,
    });
    await assert.rejects(embedder.embed(["a"]), { code }, name);
  }
});

test("who cancels does not wait", async () => {
  await using server = await serve(() => undefined);
  const controller = new AbortController();
  const embedder = await serverEmbedder({
    url: server.url,
    model: "m",
    dimension: 3,
    signal: controller.signal,
  });
  const asked = embedder.embed(["a"]);
  controller.abort(new Error("stop"));
  await assert.rejects(asked, { message: "stop" });
});
