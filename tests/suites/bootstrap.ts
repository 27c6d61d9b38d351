/**
 * From a fresh clone to the ready line: what `npm start` promises on a machine where nothing was
 * prepared, and what it says when it cannot keep it.
 */
import { cases, type Verdict } from "./bootstrap/cases.ts";
import { findProgram, makeLab } from "./bootstrap/lab.ts";
import type { Suite, SuiteCase } from "./suite.ts";

const asCase = (id: string, { passed, expected, actual, skipped }: Verdict): SuiteCase =>
  skipped === undefined
    ? { id, outcome: passed ? "passed" : "failed", expected, actual }
    : { id, outcome: "skipped", reason: skipped };

export const suite: Suite = {
  name: "bootstrap",
  covers: ["contract: commands", "dependencies: bootstrap"],
  summary:
    "npm start from a fresh clone: cold, warm, killed, offline, twice, and where it cannot run",
  run: async (context) => {
    for (const name of ["node", "npm"]) {
      if (findProgram(name, context.root) !== undefined) continue;
      return { cases: [], unavailable: [`${name} is not on PATH outside the project`] };
    }
    await using lab = makeLab(context.root, (text) => context.progress(text));
    const done: SuiteCase[] = [];
    const metrics: Record<string, number> = {};
    for (const each of cases) {
      if (context.caseId !== undefined && context.caseId !== each.id) continue;
      if (context.caseId === undefined && context.quick && each.slow === true) continue;
      context.signal.throwIfAborted();
      context.progress(each.id);
      const verdict = await each.run(lab);
      done.push(asCase(each.id, verdict));
      Object.assign(metrics, verdict.metrics);
    }
    return {
      cases: done,
      metrics,
      goals: [
        { metric: "coldMs", op: "<=", value: 120_000 },
        { metric: "warmMs", op: "<=", value: 3_000 },
      ],
    };
  },
};
