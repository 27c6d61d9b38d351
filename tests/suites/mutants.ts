/**
 * `suite mutants`: rules of Guardians, judges, hosts, predicates of divergence and readers of the chain are
 * taken out one by one, and something must go wrong: a fork, a conviction of the innocent, an offender who
 * gets away, a chain that stands still, or a hostile thing that is taken.
 *
 * A case passes if the same run does no harm with the rule in place and some without it; its control is the
 * run without. A rule whose loss nobody sees is a survivor.
 */
import { divergenceMutants } from "./mutants/divergence.ts";
import { guardianMutants } from "./mutants/guardians.ts";
import { hostMutants } from "./mutants/hosts.ts";
import { judgeMutants } from "./mutants/judges.ts";
import type { Mutant } from "./mutants/mutant.ts";
import { readerMutants } from "./mutants/readers.ts";
import type { Suite, SuiteCase, SuiteContext } from "./suite.ts";

const mutants: readonly Mutant[] = [
  ...guardianMutants,
  ...judgeMutants,
  ...hostMutants,
  ...divergenceMutants,
  ...readerMutants,
];

interface Judged {
  readonly each: SuiteCase;
  readonly isCaught: boolean;
  readonly seconds: number;
}

const judge = async (mutant: Mutant): Promise<Judged> => {
  const started = performance.now();
  const harmWith = await mutant.harm(true);
  const harmWithout = await mutant.harm(false);
  const isCaught = harmWith === undefined && harmWithout !== undefined;
  const each: SuiteCase = {
    id: `${mutant.of}/${mutant.rule}`,
    outcome: isCaught ? "passed" : "failed",
    expected: "no harm with the rule, harm without",
    actual: `with: ${harmWith ?? "no harm"}; without: ${harmWithout ?? "no harm"}`,
    control: harmWithout === undefined ? "harmless" : "harmed",
  };
  return { each, isCaught, seconds: (performance.now() - started) / 1000 };
};

export const suite: Suite = {
  name: "mutants",
  covers: ["consensus 10", "consensus 11"],
  summary: "every rule of consensus that is taken out is missed: at least 25, each within 600 s",
  async run({ caseId, progress, signal }: SuiteContext) {
    const judged: Judged[] = [];
    for (const mutant of mutants) {
      signal.throwIfAborted();
      const id = `${mutant.of}/${mutant.rule}`;
      if (caseId !== undefined && caseId !== id) continue;
      progress(id);
      judged.push(await judge(mutant));
    }
    const survivors = judged.filter(({ isCaught }) => !isCaught).map(({ each }) => each.id);
    return {
      cases: judged.map(({ each }) => each),
      metrics: {
        mutants: judged.length,
        caught: judged.length - survivors.length,
        survivors,
        slowestSeconds: Math.max(0, ...judged.map(({ seconds }) => seconds)),
      },
      goals: [
        { metric: "mutants", op: ">=", value: 25 },
        { metric: "slowestSeconds", op: "<=", value: 600 },
      ],
    };
  },
};
