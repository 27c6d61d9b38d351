/** A driver whose place finds no room: it says so, and goes on where there is some. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { OperationError } from "@ioi/base";
import { type Opened, openLate } from "../src/core/late.ts";

const context = { signal: new AbortController().signal };
const request = { target: "fs::stat", args: new Uint8Array(0) };
const prepared = { errorCode: "" };

const opened = (disposed: () => void = () => undefined): Opened =>
  ({ prepare: async () => prepared, [Symbol.dispose]: disposed }) as unknown as Opened;

const full = (): Error => Object.assign(new Error("ENOSPC: no space"), { code: "ENOSPC" });

test("what cannot be opened is said at each look, and opened at the first that can", async () => {
  let tries = 0;
  let disposals = 0;
  const driver = await openLate(async () => {
    tries += 1;
    if (tries < 3) throw full();
    return opened(() => (disposals += 1));
  });
  const refused = await driver.prepare(request, context);
  assert.equal(refused.errorCode, "E_FS_FULL");
  assert.match(refused.errorMessage, /vault.*ENOSPC/);
  // Two at once try once.
  const both = [driver.prepare(request, context), driver.prepare(request, context)];
  assert.deepEqual(await Promise.all(both), [prepared, prepared]);
  assert.equal(tries, 3);
  driver[Symbol.dispose]();
  assert.equal(disposals, 1);
});

test("nothing is performed or settled before it is open", async () => {
  const driver = await openLate(async () => {
    throw new OperationError("E_VAULT_FORMAT", "newer");
  });
  await assert.rejects(driver.settle({ counter: 1n }, context), /newer/);
  const act = driver.act({} as Parameters<Opened["act"]>[0], context);
  await assert.rejects(async () => {
    for await (const _ of act) assert.fail("it acted");
  }, /newer/);
  driver[Symbol.dispose]();
});

test("a bug is no want of room", async () => {
  await assert.rejects(
    openLate(async () => {
      throw new TypeError("a bug");
    }),
    /a bug/,
  );
});
