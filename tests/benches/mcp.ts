/**
 * `bench mcp`: one call of a tool of the official filesystem server, by the official client, directly
 * and behind `ioi gate mcp` with durable receipts. What the gate adds is the difference of the two
 * medians, and of the two 99th percentiles, of calls that alternate between both.
 */
import fs from "node:fs";
import { basename } from "node:path";
import { connectPeer } from "../lib/mcp/play.ts";
import { behindGate, type McpPlace, openPlace, serverOf } from "../lib/mcp/place.ts";
import type { PeerClient } from "../lib/mcp/peer.ts";
import { Scratch, TestKernel } from "../lib/kernel.ts";
import { quantile, rounded } from "../lib/statistics.ts";
import type { Bench, BenchContext, BenchResult } from "./bench.ts";

interface Times {
  readonly direct: readonly number[];
  readonly through: readonly number[];
}

const timed = async (client: PeerClient, path: string): Promise<number> => {
  const began = performance.now();
  const result = await client.callTool({ name: "get_file_info", arguments: { path } });
  const ms = performance.now() - began;
  if ((result as { readonly isError?: boolean }).isError === true) {
    throw new Error(`the call failed: ${JSON.stringify(result).slice(0, 300)}`);
  }
  return ms;
};

const measure = async (
  place: McpPlace,
  data: string,
  folder: string,
  calls: number,
  warm: number,
): Promise<Times> => {
  const era = "2025-11-25";
  const server = serverOf(place, "filesystem", [folder]);
  await using near = await connectPeer({ place, era, server, folder });
  await using far = await connectPeer({
    place,
    era,
    // Another folder is another server: one name stays with the command that was confirmed for it.
    server: behindGate(server, data, basename(folder)),
    folder,
  });
  const path = `${folder}/a.txt`;
  fs.writeFileSync(path, "a\n");
  const direct: number[] = [];
  const through: number[] = [];
  for (let at = -warm; at < calls; at++) {
    const [one, two] = [await timed(near.seen.client, path), await timed(far.seen.client, path)];
    if (at < 0) continue;
    direct.push(one);
    through.push(two);
  }
  return { direct, through };
};

interface Added {
  readonly addedP50Ms: number;
  readonly addedP99Ms: number;
  readonly directP50Ms: number;
  readonly directP99Ms: number;
  readonly throughP50Ms: number;
  readonly throughP99Ms: number;
}

const addedBy = ({ direct, through }: Times): Added => {
  const at = (times: readonly number[], q: number): number => quantile(times, q);
  return {
    addedP50Ms: rounded(at(through, 0.5) - at(direct, 0.5)),
    addedP99Ms: rounded(at(through, 0.99) - at(direct, 0.99)),
    directP50Ms: rounded(at(direct, 0.5)),
    directP99Ms: rounded(at(direct, 0.99)),
    throughP50Ms: rounded(at(through, 0.5)),
    throughP99Ms: rounded(at(through, 0.99)),
  };
};

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

const run = async (context: BenchContext): Promise<BenchResult> => {
  using scratch = new Scratch();
  const place = await openPlace(scratch);
  const runs = context.quick ? 1 : 3;
  const calls = Number(context.params["calls"] ?? (context.quick ? 400 : 2000));
  const goals = [{ metric: "addedP50Ms", op: "<=", value: 2 }] as const;
  const params = { calls, durable: true };
  if (typeof place === "string") {
    return { metrics: {}, spread: {}, goals, runs: 0, params, unavailable: [place] };
  }
  await using kernel = await TestKernel.start({ data: scratch.at("data") });
  const all: Added[] = [];
  for (let n = 0; n < runs; n++) {
    const folder = scratch.folder(`work-${n}`);
    all.push(addedBy(await measure(place, kernel.data, folder, calls, 200)));
    context.progress(`run ${n + 1} of ${runs}: ${JSON.stringify(all.at(-1))}`);
  }
  const names = Object.keys(all[0] ?? {}) as (keyof Added)[];
  const of = (name: keyof Added): readonly number[] => all.map((each) => each[name]);
  return {
    metrics: Object.fromEntries(names.map((name) => [name, median(of(name))])),
    spread: Object.fromEntries(
      names.map((name) => [name, { min: Math.min(...of(name)), max: Math.max(...of(name)) }]),
    ),
    goals,
    runs,
    params,
  };
};

export const bench: Bench = {
  name: "mcp",
  summary: "what the gate adds to a call of an MCP tool, with durable receipts",
  run,
};
