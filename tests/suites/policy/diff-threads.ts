/** The edits of `diffs.ts` shared out among threads: a full run would take one core an hour. */
import { isMainThread } from "node:worker_threads";
import { runInThreads, serve } from "../../lib/threads.ts";
import type { SuiteContext } from "../suite.ts";
import { type DiffRun, editsOfPolicy, runDiffs, type Share } from "./diffs.ts";
import { compiledIfAny, contextOf } from "./engine.ts";

interface Given {
  readonly seed: string;
  readonly edits: number;
  readonly actions: number;
}

const sharesMax = 64;

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
  const of = Math.min(Math.ceil(given.edits / editsOfPolicy), sharesMax);
  const tasks = Array.from({ length: of }, (_, first) => ({ ...given, first, of }));
  const told = ({ wrong }: DiffRun, done: number): void =>
    progress(`${done} of ${of} shares of the edits, ${wrong.length} wrong in the last`);
  return sum(
    await runInThreads<Given & Share, DiffRun>(new URL(import.meta.url), tasks, signal, told),
  );
};

if (!isMainThread) {
  const { signal } = new AbortController();
  const tools = { compile: compiledIfAny, contextOf, signal, progress: () => undefined };
  serve<Given & Share, DiffRun>(async ({ seed, edits, actions, first, of }) =>
    runDiffs(seed, edits, actions, tools, { first, of }),
  );
}
