import assert from "node:assert/strict";
import { test } from "node:test";
import { Holders } from "../src/holders.ts";
import { holdersMax } from "../src/limits.ts";

const held = async (holders: Holders): Promise<{ readonly release: () => Promise<unknown> }> => {
  const abort = new AbortController();
  const holding = holders.hold(abort.signal);
  assert.equal((await holding.next()).done, false);
  return {
    release: async () => {
      const ended = holding.next();
      abort.abort();
      return await ended;
    },
  };
};

const made = (): { readonly holders: Holders; readonly stops: () => number } => {
  let stops = 0;
  return { holders: new Holders(() => stops++), stops: () => stops };
};

test("it ends with who started it where nobody holds it, and once", () => {
  const { holders, stops } = made();
  assert.equal(stops(), 0);
  assert.equal(holders.leave(), 0);
  assert.equal(holders.leave(), 0);
  assert.equal(stops(), 1);
});

test("it ends with the last who holds it, and not before its starter has gone", async () => {
  const { holders, stops } = made();
  const early = await held(holders);
  await early.release();
  assert.equal(stops(), 0);
  const [a, b] = [await held(holders), await held(holders)];
  assert.equal(holders.leave(), 2);
  await a.release();
  const late = await held(holders);
  await b.release();
  assert.equal(stops(), 0);
  await late.release();
  assert.equal(stops(), 1);
});

test("one that ends is not held any more; the number of holders is bounded", async () => {
  const { holders } = made();
  for (let count = 0; count < holdersMax; count++) await held(holders);
  await assert.rejects(held(holders), { code: "E_KERNEL_HELD" });
  const ending = made().holders;
  ending.leave();
  await assert.rejects(held(ending), { code: "E_RPC_UNAVAILABLE" });
});
