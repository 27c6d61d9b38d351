/**
 * The edits of `diffs.ts` shared out among threads, one for each core: a full run would take one core an
 * hour. Bound: `threadsMax`.
 */
import os from "node:os";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { once } from "node:events";
import type { SuiteContext } from "../suite.ts";
import { type DiffRun, runDiffs, type Share } from "./diffs.ts";
import { compiledIfAny, contextOf } from "./engine.ts";

const threadsMax = 16;

interface Given {
  readonly seed: string;
  readonly edits: number;
  readonly actions: number;
}

const sum = (runs: readonly DiffRun[]): DiffRun => ({
  edits: runs.reduce((all, { edits }) => all + edits, 0),
  examples: runs.reduce((all, { examples }) => all + examples, 0),
  provenUnchanged: runs.reduce((all, { provenUnchanged }) => all + provenUnchanged, 0),
  undecided: runs.reduce((all, { undecided }) => all + undecided, 0),
  actionsTried: runs.reduce((all, { actionsTried }) => all + actionsTried, 0),
  wrong: runs.flatMap(({ wrong }) => wrong),
});

export const runDiffsInThreads = async (
  given: Given,
  { signal, progress }: Pick<SuiteContext, "signal" | "progress">,
): Promise<DiffRun> => {
  const of = Math.min(os.availableParallelism(), threadsMax);
  const workers = Array.from({ length: of }, (_, first) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { ...given, first, of } });
    return { first, worker };
  });
  const end = (): void => {
    for (const { worker } of workers) void worker.terminate();
  };
  signal.addEventListener("abort", end, { once: true });
  try {
    const runs = workers.map(async ({ first, worker }): Promise<DiffRun> => {
      worker.on("message", (said: unknown) => {
        if (typeof said === "string") progress(`thread ${first + 1} of ${of}: ${said}`);
      });
      let result: DiffRun | undefined;
      worker.on("message", (said: unknown) => {
        if (typeof said === "object") result = said as DiffRun;
      });
      await once(worker, "exit");
      signal.throwIfAborted();
      if (result === undefined) throw new Error(`thread ${first + 1} ended without a result`);
      return result;
    });
    return sum(await Promise.all(runs));
  } finally {
    signal.removeEventListener("abort", end);
    end();
  }
};

const { signal: never } = new AbortController();

if (!isMainThread && parentPort !== null) {
  const port = parentPort;
  const { seed, edits, actions, first, of } = workerData as Given & Share;
  const tools = {
    compile: compiledIfAny,
    contextOf,
    signal: never,
    progress: (text: string) => port.postMessage(text),
  };
  port.postMessage(await runDiffs(seed, edits, actions, tools, { first, of }));
}
