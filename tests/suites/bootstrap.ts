/**
 * From a fresh clone to the ready line: what `npm start` promises on a machine where nothing was
 * prepared, and what it says when it cannot keep it.
 */
import { type BootstrapCase, cases, type Lane, type Verdict } from "./bootstrap/cases.ts";
import { findProgram, type Lab, makeLab } from "./bootstrap/lab.ts";
import type { Suite, SuiteCase, SuiteContext } from "./suite.ts";

const asCase = (id: string, { passed, expected, actual, skipped }: Verdict): SuiteCase =>
  skipped === undefined
    ? { id, outcome: passed ? "passed" : "failed", expected, actual }
    : { id, outcome: "skipped", reason: skipped };

/** Lanes beside each other, and then the next ones. */
const phases: readonly (readonly Lane[])[] = [["cold", "bare"], ["warm"], ["installed", "own"]];

type Done = Map<string, Verdict>;

const playLane = async (
  context: SuiteContext,
  lab: Lab,
  wanted: readonly BootstrapCase[],
  done: Done,
): Promise<void> => {
  for (const each of wanted) {
    context.signal.throwIfAborted();
    context.progress(each.id);
    done.set(each.id, await each.run(lab));
  }
};

const playAll = async (context: SuiteContext, lab: Lab): Promise<Done> => {
  const { caseId, quick } = context;
  const isWanted = ({ id, slow }: BootstrapCase): boolean =>
    caseId === undefined ? !quick || slow !== true : id === caseId;
  const wanted = cases.filter(isWanted);
  const done: Done = new Map();
  for (const phase of phases) {
    const lanes = phase.map((lane) => wanted.filter((each) => each.lane === lane));
    const ended = await Promise.allSettled(lanes.map((each) => playLane(context, lab, each, done)));
    for (const each of ended) if (each.status === "rejected") throw each.reason;
  }
  return done;
};

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
    const done = await playAll(context, lab);
    const verdicts = cases.flatMap(({ id }) => {
      const verdict = done.get(id);
      return verdict === undefined ? [] : [{ id, verdict }];
    });
    return {
      cases: verdicts.map(({ id, verdict }) => asCase(id, verdict)),
      metrics: {
        ...Object.fromEntries(
          verdicts.flatMap(({ verdict }) => Object.entries(verdict.metrics ?? {})),
        ),
        ofCases: cases.length,
      },
      goals: [
        { metric: "coldMs", op: "<=", value: 120_000 },
        { metric: "warmMs", op: "<=", value: 3_000 },
      ],
    };
  },
};
