import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { BudgetLedger, compilePolicy, defaultPrices, priceOf, readPrices } from "../src/index.ts";
import { hashing } from "./support.ts";

describe("the price table", () => {
  test("the shipped one loads, and the longest pattern counts", () => {
    const prices = readPrices("prices.toml", defaultPrices);
    assert.ok(prices.ok);
    assert.deepEqual(
      ["gpt-5-mini-2025", "gpt-5", "claude-sonnet-4-5", "llama3.2"].map(
        (name) => priceOf(prices.value, name)?.input,
      ),
      [250_000, 1_250_000, 3_000_000, undefined],
    );
  });

  const bad: readonly (readonly [string, string])[] = [
    ["no version", ""],
    ["another version", "version = 2"],
    ["an unknown key", 'version = 1\n[[price]]\nmodel = "a"\ninput = 1\noutput = 1\ncached = 1'],
    ["a negative price", 'version = 1\n[[price]]\nmodel = "a"\ninput = -1\noutput = 1'],
    ["no output", 'version = 1\n[[price]]\nmodel = "a"\ninput = 1'],
    ["infinity", 'version = 1\n[[price]]\nmodel = "a"\ninput = inf\noutput = 1'],
    ["no TOML", "version = = 1"],
  ];
  for (const [name, text] of bad) {
    test(`${name}: refused with a place`, () => {
      const prices = readPrices("prices.toml", text);
      assert.ok(!prices.ok);
      assert.ok((prices.error[0]?.at.line ?? 0) >= 1);
    });
  }
});

describe("a budget for models", () => {
  const policyOf = (text: string) =>
    compilePolicy(
      [{ tier: "user", file: "policy.toml", text: `version = 1\n[budget.session]\n${text}` }],
      hashing,
    );

  test("is read in millionths of a dollar", () => {
    const read = (text: string): number | undefined => {
      const policy = policyOf(text);
      return policy.ok ? policy.value.budgets.modelMicrousd : undefined;
    };
    assert.deepEqual(
      ["model_usd = 0.50", "model_usd = 2", 'model_usd = "0.0000019"', "actions = 1"].map(read),
      [500_000, 2_000_000, 1, 500_000],
    );
    assert.equal(policyOf("model_usd = -1").ok, false);
    assert.equal(policyOf("model_tokens = 1.5").ok, false);
  });

  const open = (): BudgetLedger => {
    const ledger = new BudgetLedger();
    const budgets = { actions: 1000, wallMinutes: 20, modelMicrousd: 100, modelTokens: 1000 };
    ledger.open("s", budgets, 0);
    return ledger;
  };

  test("is set aside before, and what was asked for less gives the rest back", () => {
    const ledger = open();
    assert.ok(ledger.reserve("s", 1n, 0, [], { tokens: 500, microusd: 80 }).ok);
    assert.deepEqual(ledger.exceeded("s", 0, { tokens: 100, microusd: 30 }), ["model_usd"]);
    assert.equal(ledger.reserve("s", 2n, 0, [], { tokens: 100, microusd: 30 }).ok, false);
    assert.ok(ledger.commit("s", 1n, { tokens: 50, microusd: 10 }).ok);
    assert.ok(ledger.reserve("s", 2n, 0, [], { tokens: 100, microusd: 30 }).ok);
    assert.deepEqual(ledger.state("s", 0)?.models, {
      spent: { tokens: 50, microusd: 10 },
      reserved: { tokens: 100, microusd: 30 },
    });
  });

  test("counts what nobody reported as it was set aside, and nothing of what was refused", () => {
    const ledger = open();
    assert.ok(ledger.reserve("s", 1n, 0, [], { tokens: 500, microusd: 80 }).ok);
    assert.ok(ledger.commit("s", 1n).ok);
    assert.deepEqual(ledger.exceeded("s", 0, { tokens: 600, microusd: 21 }), [
      "model_usd",
      "model_tokens",
    ]);
    assert.ok(ledger.reserve("s", 2n, 0, [], { tokens: 500, microusd: 20 }).ok);
    assert.ok(ledger.release("s", 2n).ok);
    assert.deepEqual(ledger.exceeded("s", 0, { tokens: 500, microusd: 20 }), []);
  });

  test("of money does not hold up what costs nothing; other actions never look at it", () => {
    const ledger = open();
    assert.ok(ledger.reserve("s", 1n, 0, [], { tokens: 10, microusd: 100 }).ok);
    assert.deepEqual(ledger.exceeded("s", 0, { tokens: 10, microusd: 0 }), []);
    assert.deepEqual(ledger.exceeded("s", 0), []);
  });

  test("is never overspent by requests under way at once", () => {
    const ledger = open();
    let granted = 0;
    for (let n = 0; n < 1000; n++) {
      if (ledger.reserve("s", BigInt(n), 0, [], { tokens: 7, microusd: 3 }).ok) granted++;
    }
    assert.equal(granted, 33);
  });
});
