/** Model servers of this machine, found on real sockets. */
import assert from "node:assert/strict";
import http from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { describe, test } from "node:test";
import { discoverModels, ollamaPort } from "../src/models/index.ts";
import { listenerOf } from "../src/proc/index.ts";

const serving = async (
  answer: (response: http.ServerResponse) => void,
): Promise<{ readonly port: number } & AsyncDisposable> => {
  const server = http.createServer((_request, response) => answer(response));
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};

const json = (value: unknown) => (response: http.ServerResponse) => {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(value));
};
const { signal } = new AbortController();
const find = (port: number) => discoverModels({}, signal, [{ server: "vllm", port }]);

describe("a listening port", () => {
  test("has an owner and a program", async () => {
    await using server = await serving(json({}));
    assert.deepEqual(listenerOf(server.port), {
      uid: process.getuid?.(),
      program: process.execPath,
    });
  });
  test("that nobody listens on has none", async () => {
    const { port } = await (async () => {
      await using server = await serving(json({}));
      return { port: server.port };
    })();
    assert.equal(listenerOf(port), undefined);
  });
});

describe("models of this machine", () => {
  test("are found with owner, program and what the server says of them", async () => {
    await using server = await serving(
      json({ object: "list", data: [{ id: "qwen3:8b", max_model_len: 32_768 }, { id: "b/c" }] }),
    );
    const url = `http://127.0.0.1:${server.port}/v1`;
    const who = { ownerUid: process.getuid?.(), program: process.execPath };
    assert.deepEqual(await find(server.port), [
      { id: "vllm/qwen3:8b", url, name: "qwen3:8b", contextTokens: 32_768, ...who },
      { id: "vllm/b/c", url, name: "b/c", contextTokens: 0, ...who },
    ]);
  });

  const others: readonly (readonly [string, (response: http.ServerResponse) => void])[] = [
    ["another kind of server", (response) => response.end("<html>")],
    ["one that refuses", (response) => response.writeHead(404).end("{}")],
    ["one that redirects", (response) => response.writeHead(302, { location: "/x" }).end()],
    ["one that sends without end", (response) => response.end("x".repeat(3_000_000))],
    ["a list that is none", json({ data: "x" })],
    ["names that are none", json({ data: [{ id: "a b" }, { id: "\u202E" }, { id: 7 }, null] })],
  ];
  for (const [name, answer] of others) {
    test(`${name}: nothing is found`, async () => {
      await using server = await serving(answer);
      assert.deepEqual(await find(server.port), []);
    });
  }

  test("OLLAMA_HOST counts where it means this machine", () => {
    assert.deepEqual(
      [
        undefined,
        "",
        "127.0.0.1:99",
        "http://localhost:1/",
        "0.0.0.0",
        ":7",
        "10.0.0.1:9",
        "a:0",
      ].map(ollamaPort),
      [undefined, undefined, 99, 1, 11_434, 7, undefined, undefined],
    );
  });
});
