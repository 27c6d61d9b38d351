/**
 * The chain from outside: it goes on from a folder of the version before, says its grade, and its blocks
 * have proofs that verify offline.
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { heightInFixture, layOutFormat2, receiptsInFixture } from "../fixtures/data-format-2.ts";
import { ioi, Scratch, TestKernel } from "../lib/kernel.ts";

let scratch: Scratch;
let data: string;
let kernel: TestKernel;

const formerBlocks = "orchestrator/chain/blocks-0000000000000000.log";
const bytesOf = (name: string): Buffer => fs.readFileSync(path.join(data, name));

before(async () => {
  scratch = new Scratch();
  data = scratch.at("data");
  layOutFormat2(data);
});
after(async () => {
  await kernel.stop();
  scratch[Symbol.dispose]();
});

const json = async <T>(...args: readonly string[]): Promise<T> => {
  const ran = await ioi([...args, "--data", data, "--json"]);
  assert.equal(ran.code, 0, ran.stderr + ran.stdout);
  return ran.json as T;
};

interface ChainStatus {
  readonly height: number;
  readonly grade: string;
  readonly epoch: number;
  readonly start: string;
  readonly firstHeight: number;
  readonly receipts: { readonly size: number };
}

test("a chain of the version before goes on, after a copy of the folder", async () => {
  const former = bytesOf(formerBlocks);
  const headers = bytesOf("guardian/headers.log");
  kernel = await TestKernel.start({ data });
  const status = await json<ChainStatus>("chain", "status");
  assert.equal(status.firstHeight, heightInFixture + 1);
  assert.deepEqual([status.grade, status.epoch], ["local", 0]);
  assert.ok(status.height > heightInFixture);
  assert.ok(status.receipts.size >= receiptsInFixture);
  assert.deepEqual(bytesOf(formerBlocks), former);
  const copy = "backups/format-2";
  assert.deepEqual(bytesOf(`${copy}/${formerBlocks}`), former);
  assert.deepEqual(bytesOf(`${copy}/guardian/headers.log`), headers);
});

test("status says the chain's height and grade", async () => {
  const { chain } = await json<{ readonly chain: { height: number; grade: string } }>("status");
  assert.equal(chain.grade, "local");
  assert.ok(chain.height > heightInFixture);
});

test("a block's proof verifies offline by the start's hash; altered, or of another start, it is 6", async () => {
  const { start } = await json<ChainStatus>("chain", "status");
  const file = scratch.at("block.proof");
  const made = await json<{ readonly start: string }>("chain", "prove", "block", "--out", file);
  assert.equal(made.start, start);
  const verify = async (which: string, by: string) =>
    await ioi(["verify", "block", which, "--start", by, "--json"]);
  const good = await verify(file, start);
  assert.equal(good.code, 0, good.stderr);
  assert.equal((good.json as { readonly grade: string }).grade, "local");
  assert.equal((await verify(file, "00".repeat(32))).code, 6);
  const bytes = fs.readFileSync(file);
  const altered = scratch.at("altered.proof");
  fs.writeFileSync(altered, bytes.with(-9, (bytes.at(-9) ?? 0) ^ 1));
  assert.equal((await verify(altered, start)).code, 6);
});
