/** The model driver before the compliance suite; what it makes of servers is tested beside them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { nodeCrypto } from "@ioi/host/crypto";
import { complianceSuite, type CompliancePlace } from "../src/compliance.ts";
import { costMicrousd, ModelDriver } from "../src/model/driver.ts";
import type { ModelTransport } from "../src/model/exchange.ts";
import { RequestClaims } from "../src/net/claims.ts";
import { contentRef, Session } from "./support.ts";

const chunk = (delta: object, finish: string | null): string =>
  `data: ${JSON.stringify({ id: "1", model: "m", choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;

/** A server in memory: how often it was asked, and whether it still answers. */
class Server {
  asked = 0;
  answering = false;

  readonly transport: ModelTransport = async (request, signal) => {
    this.asked += 1;
    const endless = Buffer.from(request.body).includes("without end");
    return {
      status: 200,
      headers: new Map([["content-type", "text/event-stream"]]),
      body: this.#answer(endless, signal),
    };
  };

  async *#answer(endless: boolean, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    this.answering = true;
    try {
      yield Buffer.from(chunk({ role: "assistant", content: "Hello." }, null));
      while (endless) {
        await sleep(5, undefined, { signal });
        yield Buffer.from(chunk({ content: "more" }, null));
      }
      yield Buffer.from(`${chunk({}, "stop")}data: [DONE]\n\n`);
    } finally {
      this.answering = false;
    }
  }
}

const bounds = {
  replyBytesMax: 1_000_000,
  firstByteMsMax: 5_000,
  idleMsMax: 5_000,
  wallMsMax: 20_000,
};

let made = 0;
const inferOf = (text: string) => {
  const messages = [{ role: "user", content: text }];
  const content = Buffer.from(JSON.stringify({ system: "", messages, tools: [] }));
  return {
    target: "model::infer",
    args: {
      model: "m",
      url: "http://127.0.0.1:9/v1",
      protocol: "openai",
      name: "m",
      price_in: 1,
      price_out: 1,
      prompt: contentRef(content),
      max_tokens: 10,
    },
    content,
  };
};

const model = (): CompliancePlace => {
  let offsetMs = 0;
  const server = new Server();
  const s = new Session({
    nowMs: () => performance.now() + offsetMs,
    driver: (engine) =>
      new ModelDriver({
        transport: () => server.transport,
        bounds,
        claims: new RequestClaims(`${engine.vault.path}/claims`),
      }),
  });
  return {
    handlers: s.handlers,
    bootKey: s.bootKey,
    instancePublicKey: s.instanceKey.publicKey,
    instanceId: s.instanceId,
    session: "s1",
    profileHash: s.profileHash,
    obligations: [],
    advanceMs: (ms) => {
      offsetMs += ms;
    },
    folders: [s.root, s.vaultPath],
    effect: () => inferOf(`question ${++made}`),
    effects: () => server.asked,
    refused: () => ({ target: "model::infer", args: { ...inferOf("x").args, url: "http://x/v1" } }),
    failing: () => ({
      action: { ...inferOf("x"), content: Buffer.from("{}") },
      meanwhile: () => {},
    }),
    endless: () => ({
      action: inferOf("without end"),
      running: () => server.answering,
      announces: true,
    }),
    leftovers: () => [],
    [Symbol.asyncDispose]: () => s[Symbol.asyncDispose](),
  };
};

test("the model driver complies", async () => {
  const cases = await complianceSuite(model, nodeCrypto);
  assert.ok(cases.length > 20);
  assert.deepEqual(
    cases
      .filter(({ passed }) => !passed)
      .map(({ id, expected, actual }) => ({ id, expected, actual })),
    [],
  );
});

test("what was asked for is never cheaper than it was", () => {
  const price = { price_in: 3, price_out: 15 };
  assert.deepEqual(
    [
      costMicrousd(price, { input: 0, output: 0 }),
      costMicrousd(price, { input: 1, output: 0 }),
      costMicrousd(price, { input: 1_000_000, output: 1_000_000 }),
      costMicrousd(
        { price_in: 1_000_000_000_000, price_out: 0 },
        { input: Number.MAX_SAFE_INTEGER, output: 0 },
      ),
    ],
    [0n, 1n, 18n, BigInt(Number.MAX_SAFE_INTEGER) * 1_000_000n],
  );
});
