/**
 * One policy, three enforcers: what the decision allows, the profile can do; what a refusal refuses, no
 * profile admits, or programs ask and lint says for which folder; nothing reaches beyond the session's
 * folders. Generated policies and operations; of these thousands before the real sandbox, the real
 * files driver and the real egress.
 *
 * Replays: policy `n` is made from the seed and `n` alone.
 */
import { SeededRandom } from "@ioi/base";
import { makeAuthority } from "../lib/driver-process.ts";
import { Scratch } from "../lib/kernel.ts";
import { RealEgress } from "./agreement/egress.ts";
import {
  apart,
  emptyTally,
  Enforcers,
  note,
  runFiles,
  runProgram,
  shuffled,
  type Tally,
  unbound,
} from "./agreement/executed.ts";
import { makeOperation, makePolicy, type Operation } from "./agreement/generate.ts";
import { admits, inProfile, type Judge, judged, judgeOf } from "./agreement/judge.ts";
import { runNet, someHosts } from "./agreement/net.ts";
import { factsOf, fill, filesOf, type Place, placeIn } from "./agreement/place.ts";
import type { Suite, SuiteCase, SuiteContext } from "./suite.ts";

const perPolicy = 250;
const policiesFull = 400;
const policiesQuick = 20;
const worldsFull = 50;
const worldsQuick = 4;
const programSteps = 30;
const fileSteps = 20;

interface Decided {
  generated: number;
  denied: number;
  asked: number;
  lintMissed: number;
}

/** Every operation of many policies, decided and held to what the profiles say. */
const decideAll = (
  context: SuiteContext,
  place: Place,
  policies: number,
  tally: Tally,
): Decided => {
  const there = new Set(filesOf(place));
  const facts = (file: string) => factsOf(file, there);
  const found: Decided = { generated: 0, denied: 0, asked: 0, lintMissed: 0 };
  for (let number = 0; number < policies; number++) {
    context.signal.throwIfAborted();
    const random = new SeededRandom(`${context.seed}/decided/${number}`);
    const text = makePolicy(random, place);
    const judge = judgeOf(place, text);
    if (judge.told.compiled !== judge.told.linted) {
      found.lintMissed++;
      note(
        tally,
        `policy ${number}: lint says "${judge.told.linted}", not "${judge.told.compiled}"`,
      );
    }
    for (let n = 0; n < perPolicy; n++) {
      const operation = makeOperation(random, place);
      const { decision, denials, asked } = judged(judge, operation, facts);
      found.generated++;
      if (decision.verdict === "allow" && !inProfile(judge, operation)) {
        tally.refusedDespiteAllow++;
        note(tally, `policy ${number}: allowed beyond the folders: ${JSON.stringify(operation)}`);
      }
      if (denials.length === 0) continue;
      found.denied++;
      if (asked) found.asked++;
      else if (admits(judge, operation)) {
        tally.admittedDespiteDeny++;
        note(
          tally,
          `policy ${number}: ${denials.join(",")} does not hold ${JSON.stringify(operation)}`,
        );
      }
    }
  }
  return found;
};

/** Operations of this policy that do not disturb each other, refused ones first. */
const chosen = (random: SeededRandom, judge: Judge, there: ReadonlySet<string>) => {
  const all = Array.from({ length: 400 }, () => makeOperation(random, judge.place));
  const refused: Operation[] = [];
  const others: Operation[] = [];
  for (const each of all) {
    const { denials } = judged(judge, each, (file) => factsOf(file, there));
    (denials.length > 0 ? refused : others).push(each);
  }
  const list = apart([...refused.slice(0, 40), ...others]).slice(0, programSteps + fileSteps);
  return shuffled(random, list);
};

interface Done {
  readonly cases: readonly SuiteCase[];
  readonly harm: number;
}

const executeAll = async (
  context: SuiteContext,
  place: Place,
  worlds: number,
  tally: Tally,
): Promise<Done> => {
  const authority = makeAuthority();
  await using enforcers = Enforcers.open(place, authority);
  await using egress = await RealEgress.open(authority);
  const there = new Set(filesOf(place));
  const cases: SuiteCase[] = [];
  let harm = 0;
  for (let number = 0; number < worlds; number++) {
    const id = `policy-${number}`;
    context.signal.throwIfAborted();
    if (context.caseId !== undefined && context.caseId !== id) continue;
    if (number % 10 === 0) context.progress(`${number} of ${worlds} policies executed`);
    const random = new SeededRandom(`${context.seed}/executed/${number}`);
    const judge = judgeOf(place, makePolicy(random, place, someHosts(random)));
    const steps = chosen(random, judge, there);
    const own: Tally = { ...emptyTally() };
    fill(place);
    await runProgram(enforcers, judge, steps.slice(0, programSteps), own);
    fill(place);
    await runFiles(enforcers, judge, steps.slice(programSteps), own);
    const left = await runNet(judge, egress, own);
    fill(place);
    const free = await unbound(enforcers, judge, steps.slice(0, programSteps));
    harm += free + left;
    const wrong = own.admittedDespiteDeny + own.refusedDespiteAllow + own.admittedBeyond;
    cases.push({
      id,
      outcome: wrong === 0 ? "passed" : "failed",
      expected: "the three agree",
      actual: `${own.executed} executed, ${own.denied} refused, ${wrong} wrong: ${own.wrong.join("; ")}`,
      // Policies that refuse nothing of what was tried have no protection to take away.
      control: free + left > 0 ? "harmed" : "none",
    });
    for (const key of ["executed", "asked", "denied", "beyond"] as const) tally[key] += own[key];
    tally.admittedDespiteDeny += own.admittedDespiteDeny;
    tally.refusedDespiteAllow += own.refusedDespiteAllow;
    tally.admittedBeyond += own.admittedBeyond;
  }
  return { cases, harm };
};

export const suite: Suite = {
  name: "agreement",
  covers: ["firewall 4", "firewall 2"],
  summary: "decision, sandbox and egress agree: generated operations, thousands of them executed",
  run: async (context) => {
    using scratch = new Scratch();
    const place = placeIn(scratch.path);
    const { quick, progress } = context;
    progress("operations are decided");
    const tally = emptyTally();
    const decided = decideAll(context, place, quick ? policiesQuick : policiesFull, tally);
    const wrongDecided = tally.admittedDespiteDeny + tally.refusedDespiteAllow + decided.lintMissed;
    const done = await executeAll(context, place, quick ? worldsQuick : worldsFull, tally);
    return {
      cases: [
        {
          id: "decided",
          outcome: wrongDecided === 0 && decided.denied > 0 ? "passed" : "failed",
          expected: "what is refused is in no profile, or asked; lint names which",
          actual: `${wrongDecided} wrong of ${decided.generated}: ${tally.wrong.join("; ")}`,
        },
        ...done.cases,
      ],
      metrics: {
        generated: decided.generated,
        executed: tally.executed,
        admittedDespiteDeny: tally.admittedDespiteDeny,
        refusedDespiteAllow: tally.refusedDespiteAllow,
        beyond: tally.beyond,
        admittedBeyond: tally.admittedBeyond,
        denied: decided.denied + tally.denied,
        asked: decided.asked + tally.asked,
        lintMissed: decided.lintMissed,
        harmWithout: done.harm,
      },
      goals: [
        { metric: "generated", op: ">=", value: quick ? 5000 : 100_000 },
        { metric: "executed", op: ">=", value: quick ? 150 : 2000 },
        { metric: "admittedDespiteDeny", op: "=", value: 0 },
        { metric: "refusedDespiteAllow", op: "=", value: 0 },
        { metric: "admittedBeyond", op: "=", value: 0 },
        { metric: "lintMissed", op: "=", value: 0 },
        { metric: "harmWithout", op: ">=", value: 1 },
      ],
    };
  },
};
