/**
 * A data folder with something of everything in it: a session that read and wrote, receipts, a
 * checkpoint and the block that has it. Made once; each case has its copy.
 */
import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { client, dial } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";
import { runAgent } from "../agent-runs.ts";
import { Scratch, TestKernel } from "../kernel.ts";

export const waitMs = 20_000;
export const idleBlockMs = 200;

export const checkpoint = async (data: string): Promise<void> => {
  await using channel = await dial(path.join(data, "run/guardian.sock"));
  await client(pb.Person, channel).checkpoint({}, { deadlineMs: waitMs });
};

const receipts = async (data: string): Promise<{ readonly size: bigint }> => {
  await using channel = await dial(path.join(data, "run/guardian.sock"));
  return await client(pb.Person, channel).listReceipts({ from: 0n, limit: 0, session: "" });
};

export const statusOf = async (kernel: TestKernel): Promise<{ readonly receiptsSize: bigint }> => {
  await using channel = await dial(path.join(kernel.data, "run/launcher.sock"));
  return await client(pb.Kernel, channel).chainStatus({}, { deadlineMs: waitMs });
};

export const until = async (isSo: () => Promise<boolean>, signal: AbortSignal): Promise<void> => {
  for (const end = performance.now() + waitMs; !(await isSo());) {
    if (performance.now() > end) return;
    await sleep(50, undefined, { signal });
  }
};

/** A checkpoint over all receipts, and the block that has it; how many receipts there are. */
export const anchor = async (kernel: TestKernel, signal: AbortSignal): Promise<number> => {
  await checkpoint(kernel.data);
  const { size } = await receipts(kernel.data);
  await until(async () => (await statusOf(kernel)).receiptsSize === size, signal);
  return Number(size);
};

let used: Promise<Scratch> | undefined;

const make = async (signal: AbortSignal): Promise<Scratch> => {
  const made = new Scratch();
  const workspace = made.folder("work");
  fs.writeFileSync(path.join(workspace, "a.txt"), "hi\n");
  await using kernel = await TestKernel.start({ data: made.at("data"), idleBlockMs });
  await runAgent(kernel.data, { text: "/read a.txt && /write b.txt x", workspace });
  await anchor(kernel, signal);
  return made;
};

/** A copy of it in `scratch`. */
export const usedFolder = async (scratch: Scratch, signal: AbortSignal): Promise<string> => {
  const from = (await (used ??= make(signal))).at("data");
  const data = scratch.at("data");
  await promisify(execFile)("cp", ["-a", from, data]);
  return data;
};

/** The folder that was copied goes. */
export const endUsed = async (): Promise<void> => {
  // One that could not be made has failed its cases already.
  const made = await used?.catch(() => undefined);
  used = undefined;
  made?.[Symbol.dispose]();
};
