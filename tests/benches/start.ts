/**
 * `bench start`: from the command to the ready line. Warm: `./ioi start --exit-when-ready` on a data
 * folder that exists. Cold: the same on a new folder (keys, certificate and genesis are made). The
 * installation itself is measured by `suite bootstrap`.
 */
import path from "node:path";
import { OperationError } from "@ioi/base";
import { ioi, Scratch } from "../lib/kernel.ts";
import { quantile, rounded, spreadOf } from "../lib/statistics.ts";
import type { Bench } from "./bench.ts";

const once = async (data: string): Promise<number> => {
  const began = performance.now();
  const { code, stderr } = await ioi(["start", "--data", data, "--port", "0", "--exit-when-ready"]);
  if (code !== 0) throw new OperationError("E_TEST", `start ended with ${code}: ${stderr}`);
  return performance.now() - began;
};

export const bench: Bench = {
  name: "start",
  summary: "time from the command to the ready line, cold and warm",
  async run(context) {
    const runs = context.quick ? 3 : 7;
    const cold: number[] = [];
    const warm: number[] = [];
    for (let run = 0; run < runs; run++) {
      context.signal.throwIfAborted();
      context.progress(`run ${run + 1} of ${runs}`);
      using scratch = new Scratch();
      const data = path.join(scratch.path, "data");
      cold.push(await once(data));
      warm.push(await once(data));
    }
    const coldMs = rounded(quantile(cold, 0.5), 0);
    const warmMs = rounded(quantile(warm, 0.5), 0);
    return {
      metrics: { coldMs, warmMs },
      spread: { coldMs: spreadOf(cold), warmMs: spreadOf(warm) },
      goals: [{ metric: "warmMs", op: "<=", value: 3000 }],
      runs,
      params: { statistic: "median", includesStop: true },
    };
  },
};
