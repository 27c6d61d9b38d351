/**
 * `suite signer`: a Guardian that is killed before any effect, set back to an older copy, copied whole,
 * or outlived by a successor; in memory with an anchor of either kind, and as the real program.
 *
 * - `doubleSignatures`: pairs that no sound Guardian signs, by one that was killed, or whose counter
 *   saw that an older copy was put in its place;
 * - `falseConvictions`: proofs that hold against one of those;
 * - `clonesFree`: copies that contradicted their original and are not convicted.
 *
 * A software anchor does not see that an older copy was put in its place. The suite does not say that it
 * does: those trials must show the label, sign twice, and be convicted by what they signed.
 * Controls: a shell that answers before what it answered is durable signs twice.
 */
import { SeededRandom } from "@ioi/base";
import { twinOf } from "@ioi/consensus/testing";
import { nodeCrypto } from "@ioi/host/crypto";
import { Scratch } from "../lib/kernel.ts";
import { badRequests, clonedFolder, Folder, type Life, restoredFolder } from "./signer/lives.ts";
import { hastyTrial, type Trial, trial } from "./signer/trials.ts";
import type { Suite, SuiteCase, SuiteContext } from "./suite.ts";

const provider = twinOf(nodeCrypto);
const unprotected = "software, rollback protection none";

interface Sums {
  readonly counts: Map<string, number>;
  readonly failures: SuiteCase[];
}

/** What each fault promises. */
const isAsPromised = ({ fault, protection, doubles, convictions, wasSetBack }: Trial): boolean => {
  if (fault === "clone" || fault === "outlived") return doubles > 0 && convictions > 0;
  if (fault === "restore" && protection === "none") return wasSetBack && convictions > 0;
  return doubles === 0 && convictions === 0 && !wasSetBack;
};

/** In memory, by seed. */
const simulate = (context: SuiteContext, trials: number): Sums => {
  const counts = new Map<string, number>();
  const count = (name: string, more: number): void => {
    counts.set(name, (counts.get(name) ?? 0) + more);
  };
  const failures: SuiteCase[] = [];
  for (let i = 0; i < trials; i++) {
    context.signal.throwIfAborted();
    if (i > 0 && i % 10_000 === 0) context.progress(`${i} of ${trials} in memory`);
    const each = trial(provider, new SeededRandom(`${context.seed} ${i}`));
    const isClone = each.fault === "clone" || each.fault === "outlived";
    const isSetBack = each.fault === "restore" && each.protection === "none";
    count("trials", 1);
    count("kills", each.kills);
    count("envelopes", each.released);
    if (isClone) {
      count("clones", 1);
      if (each.convictions === 0) count("clonesFree", 1);
    } else if (isSetBack) {
      count("softwareSetBack", 1);
      if (each.convictions > 0) count("softwareSetBackConvicted", 1);
    } else {
      count("doubleSignatures", each.doubles);
      count("falseConvictions", each.convictions);
      if (each.fault === "restore") count("counterSetBackRefused", each.wasSetBack ? 0 : 1);
    }
    if (isAsPromised(each) || failures.length >= 10) continue;
    const id = `trial-${i}-${each.fault}-${each.protection}`;
    failures.push({ id, outcome: "failed", expected: "as promised", actual: JSON.stringify(each) });
  }
  return { counts, failures };
};

const caseOf = (id: string, isGood: boolean, expected: string, actual: unknown): SuiteCase => ({
  id,
  outcome: isGood ? "passed" : "failed",
  expected,
  actual: JSON.stringify(actual),
});

const isConvicted = ({ doubles, convictions, label }: Life): boolean =>
  doubles > 0 && convictions > 0 && label === unprotected;

interface Programs {
  readonly cases: readonly SuiteCase[];
  readonly trials: number;
  readonly doubles: number;
  readonly free: number;
}

const runPrograms = async (
  context: SuiteContext,
  lives: number,
  others: number,
): Promise<Programs> => {
  using scratch = new Scratch();
  const random = new SeededRandom(`program ${context.seed}`);
  const cases: SuiteCase[] = [];
  const folder = await Folder.make(scratch.at("killed"));
  for (let i = 0; i < lives; i++) {
    context.signal.throwIfAborted();
    if (i > 0 && i % 20 === 0) context.progress(`${i} of ${lives} lives of the program`);
    await folder.life(random);
  }
  // Once more, to ask for the opposite of the last life's.
  await folder.life(random, 0);
  const killed = folder.judged("");
  const isSound = killed.doubles === 0 && killed.released >= lives;
  cases.push(caseOf("program-killed", isSound, "signs, and nothing twice", killed));
  const taken = await badRequests(scratch.at("bad"), random);
  cases.push(caseOf("program-bad-requests", taken.length === 0, "all refused", taken));
  let free = 0;
  for (let i = 0; i < others; i++) {
    context.signal.throwIfAborted();
    const restored = await restoredFolder(scratch.at(`restored-${i}`));
    const cloned = await clonedFolder(scratch.at(`cloned-${i}`));
    if (!isConvicted(cloned)) free += 1;
    const isLocked = cloned.second === "E_FILES_LOCKED";
    cases.push(
      caseOf(`program-set-back-${i}`, isConvicted(restored), "labelled, convicted", restored),
      caseOf(`program-copied-${i}`, isConvicted(cloned), "labelled, convicted", cloned),
      caseOf(`program-twice-on-a-folder-${i}`, isLocked, "E_FILES_LOCKED", cloned.second),
    );
  }
  return { cases, trials: lives + 2 * others, doubles: killed.doubles, free };
};

export const suite: Suite = {
  name: "signer",
  covers: ["consensus 2", "consensus 6"],
  summary:
    "a Guardian killed, set back, copied: none that is sound signs twice, every copy is convicted",
  async run(context) {
    const trials = Number(context.params["trials"] ?? (context.quick ? 2000 : 100_000));
    const others = context.quick ? 1 : 20;
    const lives = context.quick ? 6 : 160;
    const { counts, failures } = simulate(context, trials);
    let harmed = 0;
    for (let i = 0; i < 50; i++) {
      const { doubles } = hastyTrial(provider, new SeededRandom(`hasty ${context.seed} ${i}`));
      if (doubles > 0) harmed += 1;
    }
    const control: SuiteCase = {
      id: "killed-in-memory",
      outcome: failures.length === 0 ? "passed" : "failed",
      control: harmed > 0 ? "harmed" : "harmless",
      reason: "a shell that answers first signs twice",
    };
    const programs = await runPrograms(context, lives, others);
    const metric = (name: string): number => counts.get(name) ?? 0;
    return {
      cases: [control, ...failures, ...programs.cases],
      metrics: {
        trials: metric("trials"),
        kills: metric("kills"),
        envelopes: metric("envelopes"),
        doubleSignatures: metric("doubleSignatures") + programs.doubles,
        falseConvictions: metric("falseConvictions"),
        clones: metric("clones"),
        clonesFree: metric("clonesFree") + programs.free,
        counterSetBackRefused: metric("counterSetBackRefused"),
        softwareSetBack: metric("softwareSetBack"),
        softwareSetBackConvicted: metric("softwareSetBackConvicted"),
        programTrials: programs.trials,
      },
      goals: [
        { metric: "trials", op: ">=", value: trials },
        { metric: "programTrials", op: ">=", value: lives + 2 * others },
        { metric: "doubleSignatures", op: "=", value: 0 },
        { metric: "falseConvictions", op: "=", value: 0 },
        { metric: "clonesFree", op: "=", value: 0 },
      ],
    };
  },
};
