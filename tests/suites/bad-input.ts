/**
 * `suite bad-input`: everything that a person, a disk or another program can hand in wrongly: each
 * line gets a clear answer with its code, in bounded time, and nothing half done. Programs that fork
 * without end or ignore signals, and input that goes round the gate, are `suite bypass`.
 */
import { InvariantError } from "@ioi/base";
import type { BadInputCase, Means } from "../lib/bad-input/case.ts";
import { chainCases } from "../lib/bad-input/chain.ts";
import { clockCases } from "../lib/bad-input/clock.ts";
import { dataCases, deadChild, withoutMounts } from "../lib/bad-input/data.ts";
import { diskCases } from "../lib/bad-input/disk.ts";
import { memoryFileCases } from "../lib/bad-input/memory-files.ts";
import { endNet, netCases } from "../lib/bad-input/net.ts";
import { endPaths, pathCases } from "../lib/bad-input/paths.ts";
import { policyCases, policyOfRunning } from "../lib/bad-input/policy.ts";
import { serverCases } from "../lib/bad-input/servers.ts";
import { endUsed } from "../lib/bad-input/used.ts";
import { ioiHere } from "../lib/cli-here.ts";
import { ioi } from "../lib/kernel.ts";
import type { Suite, SuiteCase, SuiteContext } from "./suite.ts";

const judge = async (one: BadInputCase, context: SuiteContext): Promise<SuiteCase> => {
  const { signal, quick } = context;
  const means: Means = { signal, quick, ioi: quick ? ioiHere : ioi };
  try {
    const { ok, expected, actual } = await one.run(means);
    return { id: one.id, outcome: ok ? "passed" : "failed", expected, actual };
  } catch (error) {
    if (error instanceof InvariantError) throw error;
    signal.throwIfAborted();
    const actual = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { id: one.id, outcome: "failed", expected: "an answer", actual: actual.slice(0, 800) };
  }
};

const judgeAll = async (
  list: readonly BadInputCase[],
  context: SuiteContext,
): Promise<readonly SuiteCase[]> => {
  const cases: SuiteCase[] = [];
  for (const one of list) {
    context.signal.throwIfAborted();
    context.progress(one.id);
    cases.push(await judge(one, context));
  }
  return cases;
};

/** Beside each other; within a list one after the other, for they share a kernel. */
const lists: readonly (readonly BadInputCase[])[] = [
  [...policyCases, ...clockCases, ...dataCases],
  [...pathCases, ...serverCases, policyOfRunning, deadChild],
  chainCases,
  netCases,
  memoryFileCases,
  diskCases,
];

export const suite: Suite = {
  name: "bad-input",
  covers: ["contract errors", "firewall 8", "firewall bad input"],
  summary: "malformed, damaged, missing, full, busy, endless: a clear answer each time",
  async run(context) {
    const { caseId, quick } = context;
    const isWanted = ({ id, slow }: BadInputCase): boolean =>
      caseId === undefined ? !quick || slow !== true : id === caseId;
    const wanted = lists.map((list) => list.filter(isWanted));
    let cases: readonly SuiteCase[];
    try {
      // Both have ended before what they share goes.
      const ended = await Promise.allSettled(wanted.map((list) => judgeAll(list, context)));
      cases = ended.flatMap((each) => {
        if (each.status === "rejected") throw each.reason;
        return each.value;
      });
    } finally {
      await endPaths();
      await endNet();
      await endUsed();
    }
    return {
      cases,
      metrics: {
        answered: cases.filter(({ outcome }) => outcome === "passed").length,
        ofCases: lists.flat().length,
      },
      ...(withoutMounts === undefined ? {} : { unavailable: [withoutMounts] }),
    };
  },
};
