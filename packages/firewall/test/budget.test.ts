import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { BudgetLedger } from "../src/index.ts";

const minute = 60_000;
const budgets = { actions: 3, wallMinutes: 20 };

const opened = (): BudgetLedger => {
  const ledger = new BudgetLedger();
  ledger.open("s", budgets, 0);
  return ledger;
};

describe("a budget", () => {
  it("is reserved before and committed after", () => {
    const ledger = opened();
    assert.ok(ledger.reserve("s", 1n, 0).ok);
    assert.ok(ledger.commit("s", 1n).ok);
    assert.ok(ledger.reserve("s", 2n, 0).ok);
    assert.ok(ledger.release("s", 2n).ok);
    assert.deepEqual(ledger.state("s", 0), {
      actionsSpent: 1,
      actionsReserved: 0,
      actionsLeft: 2,
      minutesLeft: 20,
    });
  });
  it("is never overspent by actions under way at once", () => {
    const ledger = new BudgetLedger();
    ledger.open("s", { actions: 100, wallMinutes: 20 }, 0);
    const granted = Array.from({ length: 1000 }, (_, at) =>
      ledger.reserve("s", BigInt(at), 0),
    ).filter(({ ok }) => ok);
    assert.equal(granted.length, 100);
    assert.deepEqual(ledger.exceeded("s", 0), ["actions"]);
  });
  it("of time ends, and a clock set back gives none", () => {
    const ledger = opened();
    assert.deepEqual(ledger.exceeded("s", 20 * minute - 1), []);
    assert.deepEqual(ledger.exceeded("s", 20 * minute), ["wall_minutes"]);
    assert.deepEqual(ledger.exceeded("s", -1), ["wall_minutes"]);
    assert.equal(ledger.state("s", -1)?.minutesLeft, 0);
    assert.equal(ledger.reserve("s", 1n, 21 * minute).ok, false);
  });
  it("is gone beyond only where a person said so", () => {
    const ledger = opened();
    for (const counter of [1n, 2n, 3n]) assert.ok(ledger.reserve("s", counter, 0).ok);
    assert.equal(ledger.reserve("s", 4n, 0).ok, false);
    assert.equal(ledger.reserve("s", 4n, 0, ["wall_minutes"]).ok, false);
    assert.ok(ledger.reserve("s", 4n, 0, ["actions"]).ok);
  });
  it("is not known twice, nor for sessions that are not", () => {
    const ledger = opened();
    assert.ok(ledger.reserve("s", 1n, 0).ok);
    assert.equal(ledger.reserve("s", 1n, 0).ok, false);
    assert.ok(ledger.commit("s", 1n).ok);
    assert.equal(ledger.commit("s", 1n).ok, false);
    assert.equal(ledger.release("t", 1n).ok, false);
    assert.deepEqual(ledger.exceeded("t", 0), ["actions", "wall_minutes"]);
    ledger.close("s");
    assert.equal(ledger.state("s", 0), undefined);
  });
  it("holds over any order of calls", () => {
    const call = fc.record({
      kind: fc.constantFrom("reserve", "commit", "release"),
      counter: fc.integer({ min: 0, max: 9 }),
    });
    fc.assert(
      fc.property(fc.array(call, { maxLength: 60 }), (calls) => {
        const ledger = opened();
        for (const { kind, counter: number } of calls) {
          const counter = BigInt(number);
          if (kind === "reserve") ledger.reserve("s", counter, 0);
          else if (kind === "commit") ledger.commit("s", counter);
          else ledger.release("s", counter);
          const state = ledger.state("s", 0);
          assert.ok(
            state !== undefined && state.actionsSpent + state.actionsReserved <= budgets.actions,
          );
        }
      }),
      { seed: Number(process.env["IOI_SEED"] ?? 77) },
    );
  });
});
