/** Confirmed models: what may be one, what an action is compared with, and what a question costs. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { OperationError } from "@ioi/base";
import { defaultPolicy, defaultPrices } from "@ioi/firewall";
import { SimFiles, SimLog } from "@ioi/sim";
import type { Action } from "@ioi/wire";
import {
  modelAmount,
  type ModelRecord,
  ModelRegistry,
  PriceSource,
  type ProposalReply,
} from "../src/index.ts";
import { PolicyText, TestDriver, World } from "./support.ts";

const local: ModelRecord = {
  id: "ollama/llama3.2",
  protocol: "openai",
  url: "http://127.0.0.1:11434/v1",
  name: "llama3.2",
  secret: "",
  ownerUid: 1000,
  program: "/usr/bin/ollama",
  contextTokens: 8192,
};
const remote: ModelRecord = {
  ...local,
  id: "anthropic/sonnet",
  protocol: "anthropic",
  url: "https://api.anthropic.com/v1",
  name: "claude-sonnet-4-5",
  secret: "ANTHROPIC_API_KEY",
  program: "",
};
const plain = { isDefault: false, unscrubbedConsent: false };

class Prices {
  text: string | undefined = defaultPrices;
  readonly log: SimLog = new SimLog();
  readonly source: PriceSource = new PriceSource(
    { name: "prices.toml", stamp: () => this.text, text: () => this.text ?? "" },
    this.log,
  );
}

const open = (files: SimFiles = new SimFiles({ seed: "models" }), prices = new Prices()) =>
  ModelRegistry.open(files, prices.source);

const codeOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
    return "";
  } catch (error) {
    return error instanceof OperationError ? error.code : String(error);
  }
};

describe("the registry", () => {
  test("keeps what was confirmed over a restart; the first is the default", async () => {
    const files = new SimFiles({ seed: "models" });
    const registry = await open(files);
    await registry.confirm(local, plain);
    await registry.confirm({ ...local, id: "two", url: "http://LOCALHOST:1234/v1/" }, plain);
    const again = await open(files.kill());
    assert.deepEqual(
      again.models.map(({ id, url, isDefault, loopback, priceIn }) => ({
        id,
        url,
        isDefault,
        loopback,
        priceIn,
      })),
      [
        { id: local.id, url: local.url, isDefault: true, loopback: true, priceIn: 0 },
        {
          id: "two",
          url: "http://localhost:1234/v1",
          isDefault: false,
          loopback: true,
          priceIn: 0,
        },
      ],
    );
    assert.equal(await again.remove(local.id), true);
    assert.equal(again.find("two")?.isDefault, true);
    assert.equal(await again.remove(local.id), false);
  });

  test("a model that is not on this machine needs one consent for the folder", async () => {
    const registry = await open();
    assert.equal(await codeOf(registry.confirm(remote, plain)), "E_MODEL_CONSENT");
    assert.equal(registry.models.length, 0);
    await registry.confirm(remote, { ...plain, unscrubbedConsent: true });
    assert.equal(registry.unscrubbedConsent, true);
    await registry.confirm({ ...remote, id: "other" }, plain);
    assert.equal(registry.models.length, 2);
  });

  test("consent that comes with a local model is none", async () => {
    const registry = await open();
    await registry.confirm(local, { ...plain, unscrubbedConsent: true });
    assert.equal(registry.unscrubbedConsent, false);
  });

  test("a remote model has a price: the table's, or its own, which counts before it", async () => {
    const prices = new Prices();
    const registry = await open(new SimFiles({ seed: "p" }), prices);
    const unknown = { ...remote, name: "mystery-1" };
    const agreed = { ...plain, unscrubbedConsent: true };
    assert.equal(await codeOf(registry.confirm(unknown, agreed)), "E_MODEL_PRICE");
    await registry.confirm({ ...unknown, priceIn: 5, priceOut: 7 }, agreed);
    await registry.confirm({ ...remote, id: "table" }, agreed);
    assert.deepEqual(
      registry.models.map(({ priceIn, priceOut }) => [priceIn, priceOut]),
      [
        [5, 7],
        [3_000_000, 15_000_000],
      ],
    );
    prices.text = 'version = 1\n[[price]]\nmodel = "claude-*"\ninput = 4\noutput = 20\n';
    assert.equal(registry.find("table")?.priceIn, 4_000_000);
    prices.text = "version = 9";
    assert.equal(registry.find("table")?.priceIn, 4_000_000, "the last that loaded counts");
    assert.match(registry.priceError, /^prices.toml:1:11/);
  });

  const bad: readonly (readonly [string, Partial<ModelRecord>])[] = [
    ["an id with a space", { id: "a b" }],
    ["an empty id", { id: "" }],
    ["another protocol", { protocol: "gopher" }],
    ["an address with a user", { url: "http://u@127.0.0.1/v1" }],
    ["plain http to the net", { url: "http://api.example.com/v1" }],
    ["a name with a line break", { name: "a\nb" }],
    ["a name that turns the text around", { name: "a\u202Eb" }],
    ["half a price", { priceIn: 1 }],
  ];
  for (const [name, change] of bad) {
    test(`${name}: refused`, async () => {
      const registry = await open();
      const confirming = registry.confirm(
        { ...local, ...change },
        { ...plain, unscrubbedConsent: true },
      );
      assert.equal(await codeOf(confirming), "E_MODEL_INVALID");
    });
  }

  test("one model is for memories: of the OpenAI protocol, never the default by being first", async () => {
    const files = new SimFiles({ seed: "m" });
    const registry = await open(files);
    const state = async () =>
      (await open(files)).models.map(({ id, isMemory, isDefault }) => [id, isMemory, isDefault]);
    await registry.confirm({ ...local, id: "embed" }, { ...plain, isMemory: true });
    assert.deepEqual(await state(), [["embed", true, false]]);
    await registry.confirm(local, plain);
    assert.deepEqual(await state(), [
      ["embed", true, false],
      [local.id, false, true],
    ]);
    await registry.confirm(local, { ...plain, isMemory: true });
    assert.equal(registry.find("embed")?.isMemory, false);
    await registry.confirm(local, { ...plain, isMemory: false });
    assert.ok(!registry.models.some(({ isMemory }) => isMemory));
    await registry.confirm(local, { ...plain, isMemory: true });
    await registry.remove(local.id);
    assert.deepEqual(await state(), [["embed", false, true]]);
    const other = { ...local, protocol: "anthropic" };
    assert.equal(
      await codeOf(registry.confirm(other, { ...plain, isMemory: true })),
      "E_MODEL_INVALID",
    );
  });

  test("a file of a newer version, a damaged and a cut one are refused, and left as they are", async () => {
    const files = new SimFiles({ seed: "f" });
    await (await open(files)).confirm(local, plain);
    const good = await files.readFile("models", 65_536);
    const cases: readonly (readonly [Uint8Array, string])[] = [
      [Buffer.concat([Buffer.from("ioi.models/3\n"), good.subarray(13)]), "E_MODELS_FORMAT"],
      [good.subarray(0, good.length - 1), "E_MODELS_FILE"],
      [Buffer.from("{}"), "E_MODELS_FILE"],
      [new Uint8Array(0), "E_MODELS_FILE"],
    ];
    for (const [bytes, code] of cases) {
      await files.replaceFile("models", bytes);
      assert.equal(await codeOf(open(files)), code);
      assert.deepEqual(Buffer.from(await files.readFile("models", 65_536)), Buffer.from(bytes));
    }
  });
});

const infer = (changes: Action["args"] = {}): Action => ({
  version: 1,
  target: "model::infer",
  args: {
    model: local.id,
    url: local.url,
    protocol: local.protocol,
    name: local.name,
    price_in: 0,
    price_out: 0,
    prompt: { sha256: new Uint8Array(32), length: 3000, head: "{" },
    max_tokens: 500,
    ...changes,
  },
  facts: {},
});

describe("a question to a model", () => {
  const world = async (
    models: readonly ModelRecord[],
    policy = defaultPolicy,
  ): Promise<{ world: World; id: string; driver: TestDriver; registry: ModelRegistry }> => {
    const made = await World.open({ policy: new PolicyText(policy) });
    const registry = await open(new SimFiles({ seed: "w" }));
    for (const model of models) {
      await registry.confirm(model, { ...plain, unscrubbedConsent: model.program === "" });
    }
    made.core.attachModels(registry);
    const { id } = await made.session("sort my invoices");
    return { world: made, id, driver: new TestDriver(made, id, "model"), registry };
  };
  const told = ({ verdict, decision }: ProposalReply): readonly [string, string] => [
    verdict,
    decision.rules[0]?.id ?? "",
  ];

  test("to a confirmed model goes without asking, with the shipped policy", async () => {
    const at = await world([local]);
    assert.deepEqual(told(await at.world.propose(at.driver, infer())), ["allow", "models"]);
  });

  const changed: readonly (readonly [string, Action["args"]])[] = [
    ["another model", { model: "gpt" }],
    ["another port", { url: "http://127.0.0.1:11435/v1" }],
    ["another host", { url: "https://evil.example/v1" }],
    ["another protocol", { protocol: "anthropic" }],
    ["another name", { name: "llama3.3" }],
    ["another price", { price_out: 1 }],
  ];
  for (const [name, change] of changed) {
    test(`${name} than confirmed: refused, whatever the policy says`, async () => {
      const at = await world([local]);
      const reply = await at.world.propose(at.driver, infer(change));
      assert.deepEqual(told(reply), ["deny", "builtin:model"]);
      assert.equal(reply.ticket, undefined);
    });
  }

  test("a removed model is refused from the next question on", async () => {
    const at = await world([local]);
    await at.registry.remove(local.id);
    const reply = await at.world.propose(at.driver, infer());
    assert.deepEqual(told(reply), ["deny", "builtin:model"]);
  });

  const priced = { ...local, priceIn: 1_000_000, priceOut: 10_000_000 };
  // 3,000 bytes are at most 1,000 tokens: 1,000 x 1 + 500 x 10 micro-dollars.
  const pricedInfer = infer({ price_in: 1_000_000, price_out: 10_000_000 });

  test("sets aside what it may cost, and commits what its driver says it did", async () => {
    const at = await world([priced]);
    const before = (): unknown =>
      at.world.core.ledger.budgets.state(at.id, at.world.clock.wall())?.models;
    const reply = await at.world.propose(at.driver, pricedInfer);
    assert.deepEqual(modelAmount(pricedInfer), { tokens: 1500, microusd: 6000 });
    assert.deepEqual(before(), {
      spent: { tokens: 0, microusd: 0 },
      reserved: { tokens: 1500, microusd: 6000 },
    });
    const ticket = at.world.openTicket(reply.ticket);
    const evidence = { tokens_in: "700", tokens_out: "20", microusd: "900" };
    await at.world.gate.report(at.driver.outcome(ticket, { evidence }));
    const spent = { spent: { tokens: 720, microusd: 900 }, reserved: { tokens: 0, microusd: 0 } };
    assert.deepEqual(before(), spent);
    const next = await at.world.restart();
    const again = next.core.ledger.budgets.state(at.id, next.clock.wall())?.models;
    assert.deepEqual(again, spent, "the log alone knows it");
  });

  test("whose end nobody knows counts as it was set aside", async () => {
    const at = await world([priced]);
    const reply = await at.world.propose(at.driver, pricedInfer);
    await at.world.gate.report({
      session: at.id,
      counter: reply.counter,
      outcome: undefined,
      signature: new Uint8Array(0),
      status: "unknown",
      reportedBy: "workload",
    });
    assert.deepEqual(
      at.world.core.ledger.budgets.state(at.id, at.world.clock.wall())?.models?.spent,
      { tokens: 1500, microusd: 6000 },
    );
  });

  test("beyond the money of the session asks", async () => {
    const policy = defaultPolicy.replace("model_usd = 0.50", "model_usd = 0.01");
    const at = await world([priced], policy);
    assert.equal((await at.world.propose(at.driver, pricedInfer)).verdict, "allow");
    const second = await at.world.propose(at.driver, pricedInfer);
    assert.equal(second.verdict, "ask");
    assert.deepEqual(second.decision.asks, [{ kind: "budget", id: "model_usd" }]);
  });

  test("many at once never overspend", async () => {
    const at = await world([priced]);
    const replies = await Promise.all(
      Array.from({ length: 150 }, () =>
        at.world.propose(at.driver, pricedInfer, { headless: true }),
      ),
    );
    // 500,000 micro-dollars hold 83 reservations of 6,000.
    assert.equal(replies.filter(({ verdict }) => verdict === "allow").length, 83);
  });
});
