/**
 * Explores every schedule of a kind, view by view. After each view the worlds that are the same up to names
 * are one (`./canonical.ts`), which stands for all schedules that lead to it; `scenarios` counts those.
 *
 * Worlds are known by schedules, and played anew from the start where they are taken up, by whichever thread
 * does it. Two schedules of one world are compared by all that follows: `compared` of those that were merged,
 * spread evenly over each view.
 */
import type { Threads } from "../../lib/threads.ts";
import type { Answer, Child, Kind, Schedule, Task } from "./explorer.ts";
import { roundsOf, wordsOf } from "./rounds.ts";

interface Standing {
  readonly schedule: Schedule;
  scenarios: number;
}

export interface Explored {
  readonly kind: Kind;
  /** Schedules that were explored or stand for explored ones. */
  readonly scenarios: number;
  /** Worlds after each view. */
  readonly worlds: readonly number[];
  readonly transitions: number;
  readonly merged: number;
  readonly compared: number;
  readonly different: readonly string[];
  /** Schedules at whose end something is wrong, the first few; how many there are, with those merged. */
  readonly complaints: readonly string[];
  readonly conflicts: number;
  /** Of those, forks. */
  readonly forks: number;
  readonly inputs: number;
  readonly last: ReadonlySet<string>;
}

export interface LayersOptions {
  /** Otherwise every schedule is played by itself. */
  readonly isMerging: boolean;
  /** Pairs that are compared, in each view. */
  readonly comparedMax: number;
  readonly progress: (text: string) => void;
}

const perTask = 8;
const shownMax = 5;

const chunksOf = <T>(items: readonly T[]): readonly (readonly T[])[] =>
  Array.from({ length: Math.ceil(items.length / perTask) }, (_, i) =>
    items.slice(i * perTask, (i + 1) * perTask),
  );

class Layer {
  readonly standings = new Map<string, Standing>();
  readonly merged: (readonly [Schedule, Schedule])[] = [];
  readonly #isMerging: boolean;
  #number = 0;

  constructor(isMerging: boolean) {
    this.#isMerging = isMerging;
  }

  add(print: string, schedule: Schedule, scenarios: number): void {
    const key = this.#isMerging ? print : `${print}/${this.#number++}`;
    const known = this.standings.get(key);
    if (known === undefined) this.standings.set(key, { schedule, scenarios });
    else {
      known.scenarios += scenarios;
      this.merged.push([known.schedule, schedule]);
    }
  }
}

/** Evenly out of all. */
const sampleOf = <T>(items: readonly T[], count: number): readonly T[] => {
  const step = Math.max(1, Math.ceil(items.length / Math.max(1, count)));
  return count === 0 ? [] : items.filter((_, at) => at % step === 0);
};

export const exploreLayers = async (
  kind: Kind,
  threads: Threads<Task, Answer>,
  { isMerging, comparedMax, progress }: LayersOptions,
): Promise<Explored> => {
  const rounds = roundsOf(kind.nodes);
  const [complaints, different]: [string[], string[]] = [[], []];
  const worlds: number[] = [];
  let [transitions, merged, compared, conflicts, forks, inputs] = [0, 0, 0, 0, 0, 0];
  let standings: readonly Standing[] = [{ schedule: [], scenarios: 1 }];
  let last: ReadonlySet<string> = new Set();
  const judge = ({ complaint, isForked }: Child, schedule: Schedule, scenarios: number): void => {
    if (complaint === undefined) return;
    conflicts += scenarios;
    if (isForked) forks += scenarios;
    if (complaints.length < shownMax) complaints.push(`${wordsOf(schedule)}: ${complaint}`);
  };
  for (let view = 1; view <= kind.views; view++) {
    const layer = new Layer(isMerging);
    const chunks = chunksOf(standings);
    const expanded = await threads.run(
      chunks.map((each) => ({
        type: "expand",
        kind,
        schedules: each.map(({ schedule }) => schedule),
      })),
      (_, done) => progress(`view ${view} of ${kind.views}: ${done} of ${chunks.length} shares`),
    );
    const children = expanded.flatMap((answer) => answer.children);
    for (const [at, { schedule, scenarios }] of standings.entries()) {
      for (const [number, child] of (children[at] ?? []).entries()) {
        const next = [...schedule, ...rounds.slice(number, number + 1)];
        transitions += 1;
        judge(child, next, scenarios);
        layer.add(child.print, next, scenarios);
      }
    }
    const isLast = view === kind.views;
    const pairs = isLast ? [] : sampleOf(layer.merged, comparedMax);
    const answers = await threads.run(
      chunksOf(pairs).map((each) => ({ type: "compare", kind, pairs: each })),
    );
    for (const [a, b] of answers.flatMap((answer) => answer.different)) {
      different.push(`${wordsOf(a)} and ${wordsOf(b)}`);
    }
    for (const answer of [...expanded, ...answers]) inputs += answer.inputs;
    compared += pairs.length;
    merged += layer.merged.length;
    worlds.push(layer.standings.size);
    standings = [...layer.standings.values()];
    last = new Set(children.flat().map(({ print }) => print));
  }
  const scenarios = standings.reduce((sum, each) => sum + each.scenarios, 0);
  return {
    kind,
    scenarios,
    worlds,
    transitions,
    merged,
    compared,
    different,
    complaints,
    conflicts,
    forks,
    inputs,
    last,
  };
};
