/**
 * `bench idle`: what the product costs while it does nothing: the memory of every process of it
 * (proportional set size) and its processor time, as a share of one core, over a minute.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { cpuTicks, descendantsOf, pssKiB } from "@ioi/host/proc";
import { Scratch, TestKernel } from "../lib/kernel.ts";
import { quantile, rounded, spreadOf } from "../lib/statistics.ts";
import type { Bench } from "./bench.ts";

const ticksPerSecond = 100;

const ticksOf = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => sum + (cpuTicks(pid) ?? 0), 0);

const pssMiBOf = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => sum + (pssKiB(pid) ?? 0), 0) / 1024;

export const bench: Bench = {
  name: "idle",
  summary: "memory and processor time of every process while nothing happens",
  async run(context) {
    const windowMs = context.quick ? 10_000 : 60_000;
    const samples = context.quick ? 5 : 12;
    using scratch = new Scratch();
    await using kernel = await TestKernel.start({ data: scratch.at("data"), pages: "" });
    // What a start leaves behind is let go first.
    await sleep(3000, undefined, { signal: context.signal });
    const pss: number[] = [];
    const before = ticksOf(descendantsOf(kernel.pid));
    const began = performance.now();
    for (let sample = 0; sample < samples; sample++) {
      await sleep(windowMs / samples, undefined, { signal: context.signal });
      pss.push(pssMiBOf(descendantsOf(kernel.pid)));
      context.progress(`${Math.round((performance.now() - began) / 1000)} s`);
    }
    const pids = descendantsOf(kernel.pid);
    const seconds = (performance.now() - began) / 1000;
    const cpuPercent = rounded(((ticksOf(pids) - before) / ticksPerSecond / seconds) * 100, 2);
    const pssMiB = rounded(quantile(pss, 0.5), 1);
    return {
      metrics: { pssMiB, cpuPercent, processes: pids.length },
      spread: { pssMiB: spreadOf(pss), cpuPercent: { min: cpuPercent, max: cpuPercent } },
      goals: [
        { metric: "pssMiB", op: "<=", value: 420 },
        { metric: "cpuPercent", op: "<=", value: 1 },
      ],
      runs: 1,
      params: { windowS: rounded(seconds, 1), samples },
    };
  },
};
