/** What a memory driver may have embedded, by whom, and how the answer comes back to it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeCanonical, decodeCanonical, type CanonicalValue } from "@ioi/wire";
import type { Driver, RegisteredModel } from "../src/ends.ts";
import { inputPieceBytesMax } from "../src/limits.ts";
import { embeddingOf } from "../src/memory-vectors.ts";

const model: RegisteredModel = {
  id: "local/meanings",
  url: "http://127.0.0.1:1/v1",
  protocol: "openai",
  name: "meanings",
  contextTokens: 1,
  inputMicrousd: 3,
  outputMicrousd: 0,
  isMemory: true,
};

const wantOf = (args: CanonicalValue, target = "model::embed") => ({
  id: 1,
  target,
  args: encodeCanonical(args),
});

const pieces: Uint8Array[] = [];
const asking = {
  driver: {
    input: async (_nonce: Uint8Array, bytes: Uint8Array) => void pieces.push(bytes),
  } as unknown as Driver,
  nonce: new Uint8Array(16),
};
const ends = (models: readonly RegisteredModel[]) => ({
  models,
  roots: [],
  home: "/home/a",
  modelDriver: async () => ({}) as Driver,
});

test("texts go to the model for memories, as a list of JSON, at the address that was confirmed", async () => {
  const other = { ...model, id: "other", isMemory: false };
  const want = wantOf({ texts: ["the key", 'a "gate"'] });
  const found = await embeddingOf(ends([other, model]), asking, want)();
  assert.ok(found !== undefined);
  assert.equal(Buffer.from(found.by.content).toString(), JSON.stringify(["the key", 'a "gate"']));
  const args = decodeCanonical(found.args);
  assert.ok(args.ok);
  const { model: id, url, name, price_in: price } = args.value as Record<string, unknown>;
  assert.deepEqual([id, url, name, price], [model.id, model.url, model.name, 3]);
  const answer = `{"embeddings":[[${"1,".repeat(inputPieceBytesMax / 2)}1]]}`;
  await found.by.found(Buffer.from(answer));
  assert.ok(pieces.length > 1 && pieces.every(({ length }) => length <= inputPieceBytesMax));
  assert.equal(Buffer.concat(pieces).toString(), `{"name":"meanings"}\n${answer}\n`);
});

test("without a model for memories there is nobody", async () => {
  const want = wantOf({ texts: ["a"] });
  assert.equal(await embeddingOf(ends([{ ...model, isMemory: false }]), asking, want)(), undefined);
});

test("a driver that asks for anything else is refused", async () => {
  const bad = [
    wantOf({ texts: ["a"] }, "model::infer"),
    wantOf({ texts: ["a"] }, "net::post"),
    wantOf({ texts: [1] }),
    wantOf({ texts: "a" }),
    wantOf({}),
    wantOf(null),
    wantOf("texts"),
    { ...wantOf({}), args: Uint8Array.of(0xff) },
  ];
  for (const want of bad) {
    await assert.rejects(embeddingOf(ends([model]), asking, want)(), {
      code: "E_DRIVER_MALFORMED",
    });
  }
});
