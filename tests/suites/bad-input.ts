/**
 * `suite bad-input`: everything that a person, a disk or another program can hand in wrongly: each
 * line gets a clear answer with its code, in bounded time, and nothing half done.
 */
import { InvariantError } from "@ioi/base";
import type { BadInputCase } from "../lib/bad-input/case.ts";
import { dataCases, withoutMounts } from "../lib/bad-input/data.ts";
import { endPaths, pathCases } from "../lib/bad-input/paths.ts";
import { policyCases } from "../lib/bad-input/policy.ts";
import type { Suite, SuiteCase, SuiteContext } from "./suite.ts";

const judge = async (one: BadInputCase, context: SuiteContext): Promise<SuiteCase> => {
  try {
    const { ok, expected, actual } = await one.run(context.signal);
    return { id: one.id, outcome: ok ? "passed" : "failed", expected, actual };
  } catch (error) {
    if (error instanceof InvariantError) throw error;
    context.signal.throwIfAborted();
    const actual = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { id: one.id, outcome: "failed", expected: "an answer", actual: actual.slice(0, 800) };
  }
};

export const suite: Suite = {
  name: "bad-input",
  covers: ["contract errors", "firewall 8"],
  summary: "malformed, damaged, missing, full, busy, endless: a clear answer each time",
  async run(context) {
    const all = [...policyCases, ...dataCases, ...pathCases];
    const wanted =
      context.caseId === undefined ? all : all.filter(({ id }) => id === context.caseId);
    const cases: SuiteCase[] = [];
    try {
      for (const one of wanted) {
        context.signal.throwIfAborted();
        context.progress(one.id);
        cases.push(await judge(one, context));
      }
    } finally {
      await endPaths();
    }
    return {
      cases,
      metrics: { answered: cases.filter(({ outcome }) => outcome === "passed").length },
      ...(withoutMounts === undefined ? {} : { unavailable: [withoutMounts] }),
    };
  },
};
