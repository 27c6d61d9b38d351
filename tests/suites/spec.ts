/**
 * `suite spec`: the specification of consensus against what it says of itself.
 *
 * - `model/...`: the models of `@ioi/modelcheck` are explored to the end: with a guard nothing is violated,
 *   without it the shortest attack is found, of the length that is known (quick: the small ones);
 * - `attack/...`: the same on production Guardians, judges and hosts;
 * - `traces`: random walks of the model and the shortest attacks are taken by production Guardians, judge and
 *   engine, whose states are compared after every step; `replayed` are those without a difference;
 * - `regressions`: each of T1 to T20 has a case, `heldBy` says which.
 *
 * A case passes if there is no harm with the guard and some without; the latter is its control.
 */
import { SeededRandom } from "@ioi/base";
import { twinOf } from "@ioi/consensus/testing";
import { nodeCrypto } from "@ioi/host/crypto";
import { explore, Replay, SigningModel, walk } from "@ioi/modelcheck";
import { regressions } from "./spec/attacks.ts";
import { check, modelled } from "./spec/models.ts";
import type { Suite, SuiteCase, SuiteContext } from "./suite.ts";

const walksFull = 1000;
const walksQuick = 100;
const stepsMax = 60;
/** T1 to T20 of specs/consensus. */
const regressionCount = 20;

const judged = (
  id: string,
  harmWith: string | undefined,
  harmWithout: string | undefined,
): SuiteCase => ({
  id,
  outcome: harmWith === undefined && harmWithout !== undefined ? "passed" : "failed",
  expected: "no harm with the guard, harm without",
  actual: `with: ${harmWith ?? "no harm"}; without: ${harmWithout ?? "no harm"}`,
  control: harmWithout === undefined ? "harmless" : "harmed",
});

/** Shortest attacks, which real certificates must repeat. */
const attackTraces = (): readonly (string | undefined)[] =>
  (["unbound", "lockless"] as const).map((kind) => {
    const nodes = ["sound", "sound", kind] as const;
    const size = kind === "unbound" ? { views: 2, blocks: 2 } : { views: 4, blocks: 1 };
    const model = new SigningModel({ nodes, quorum: 2, ...size });
    const found = explore(model);
    if (found.type !== "violated") return `${kind}: no attack`;
    const replay = new Replay(model);
    for (const step of found.trace) {
      const difference = replay.take(step);
      if (difference !== undefined) return `${kind}: ${difference}`;
    }
    const last = found.trace.at(-1);
    return last !== undefined && replay.isForked(last.state) ? undefined : `${kind}: no fork`;
  });

const traces = ({ quick, seed, signal }: SuiteContext): readonly (string | undefined)[] => {
  const random = new SeededRandom(`${seed}/walks`);
  const provider = twinOf(nodeCrypto);
  const models = [
    { nodes: 3, quorum: 2, views: 4, blocks: 2 },
    { nodes: 4, quorum: 3, views: 4, blocks: 1 },
    { nodes: 5, quorum: 3, views: 3, blocks: 2 },
  ].map(
    ({ nodes, ...size }) =>
      new SigningModel({
        nodes: Array.from({ length: nodes }, () => "sound" as const),
        opening: "timeouts",
        ...size,
      }),
  );
  const found: (string | undefined)[] = [...attackTraces()];
  for (let i = 0; i < (quick ? walksQuick : walksFull); i++) {
    signal.throwIfAborted();
    const model = models[i % models.length];
    if (model !== undefined) found.push(walk(model, random, stepsMax, provider).difference);
  }
  return found;
};

/** Cases by the regression that they hold; large models are left to the full form. */
const regressionsIn = (cases: readonly SuiteCase[]): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Array.from({ length: regressionCount }, (_, i) => {
      const held = cases.filter(({ id }) => id.split("/")[1] === `T${i + 1}`);
      const words = held.map(({ id, outcome }) =>
        outcome === "passed" ? id : `${id}: ${outcome}`,
      );
      return [`T${i + 1}`, words.join(", ")];
    }),
  );

const completeness = (heldBy: Readonly<Record<string, string>>): SuiteCase => {
  const missing = Object.keys(heldBy).filter((name) => heldBy[name] === "");
  return {
    id: "regressions",
    outcome: missing.length === 0 ? "passed" : "failed",
    expected: `a case for each of T1 to T${regressionCount}`,
    actual: missing.length === 0 ? "all have one" : `none for ${missing.join(", ")}`,
  };
};

export const suite: Suite = {
  name: "spec",
  covers: ["consensus 5", "consensus 6", "consensus 7", "consensus 10"],
  summary:
    "consensus: every guard is needed, in models that are explored whole and in production code",
  async run(context: SuiteContext) {
    const { caseId, quick, progress, signal } = context;
    const isAsked = (id: string): boolean => caseId === undefined || caseId === id;
    const cases: SuiteCase[] = [];
    let states = 0;
    for (const each of modelled) {
      signal.throwIfAborted();
      const id = `model/${each.id}`;
      if (!isAsked(id)) continue;
      if (quick && each.isLarge === true) {
        cases.push({ id, outcome: "inapplicable", reason: "left to the full form: it is large" });
        continue;
      }
      progress(id);
      const { harmWith, harmWithout, states: explored } = check(each);
      states += explored;
      cases.push(judged(id, harmWith, harmWithout));
    }
    for (const each of regressions) {
      const id = `attack/${each.id}`;
      if (!isAsked(id)) continue;
      progress(id);
      cases.push(judged(id, await each.harm(true), await each.harm(false)));
    }
    cases.push({
      id: "attack/T18",
      outcome: "inapplicable",
      reason: "the hand-over to A-PMFT is not part of this version",
    });
    const replayed = isAsked("traces") ? traces(context) : [];
    const differences = replayed.filter((each) => each !== undefined);
    if (isAsked("traces")) {
      cases.push({
        id: "traces",
        outcome: differences.length === 0 ? "passed" : "failed",
        expected: "no difference",
        actual: differences[0] ?? "no difference",
      });
    }
    const heldBy = regressionsIn(cases);
    if (caseId === undefined) cases.push(completeness(heldBy));
    return {
      cases,
      metrics: {
        heldBy,
        states,
        traces: replayed.length,
        replayed: replayed.length - differences.length,
      },
      goals: [
        { metric: "traces", op: ">=", value: quick ? walksQuick : walksFull },
        { metric: "replayed", op: "=", value: replayed.length },
      ],
    };
  },
};
