/**
 * `suite scs-crash`: memory files under everything that a machine can do to them. Cuts at every byte,
 * torn appends, changed bytes, losses of power at every change and inside recovery, full disks, failed
 * syncs, memories that quote the file itself, and SIGKILL to a real process.
 *
 * - `ackLost`: a memory that was promised is not there;
 * - `wrongOpens`: a file opened as something that it never was, or was written to although refused;
 * - `remembered`: the key of a memory whose forgetting was promised is still in the file.
 *
 * Controls: the same losses of power on a disk whose syncs do nothing lose what was promised; a reader
 * that does not look for the commit takes half of a torn append for stored.
 */
import { SeededRandom } from "@ioi/base";
import { createMemoryFile, openMemoryFile } from "@ioi/scs";
import { carelessFiles, SimFiles } from "@ioi/sim";
import { changes, cuts, damageWithoutHints, type Tried, torn } from "./scs-crash/bytes.ts";
import { killLoop } from "./scs-crash/kills.ts";
import { everyFailedSync, everyStop, type Found } from "./scs-crash/power.ts";
import { cutsOfEvery, everyRecord, recordTypesIn } from "./scs-crash/substrate.ts";
import { given, manyCommits, memoryOf, path, placeOn } from "./scs-crash/world.ts";
import type { Suite, SuiteCase, SuiteContext } from "./suite.ts";

/** Types of records that a file gets without being compacted: all but COMPACTED. */
const everyType: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12];

const caseOf = (id: string, wrong: number, first: string | undefined): SuiteCase => ({
  id,
  outcome: wrong === 0 ? "passed" : "failed",
  expected: "0 wrong",
  actual: `${wrong} wrong; ${first ?? "none"}`,
});

/** A full disk takes nothing of what does not fit and goes on; a failed sync ends the writing. */
const diskCase = async (): Promise<SuiteCase> => {
  const files = new SimFiles({ seed: "disk" });
  const place = placeOn(files, "disk");
  await createMemoryFile(place, given, { type: "open" });
  const found: string[] = [];
  const codeOf = (error: unknown): string =>
    error instanceof Error && "code" in error ? String(error.code) : String(error);
  {
    await using file = await openMemoryFile(place, "write");
    await file.add([memoryOf(0)]);
    files.setBytesMax((await files.stat(path))?.size ?? 0);
    found.push(await file.add([memoryOf(1)]).then(() => "stored", codeOf));
    files.setBytesMax(1 << 30);
    found.push(await file.add([memoryOf(1)]).then((ids) => `stored as ${ids.join(" ")}`, codeOf));
    files.failSync();
    found.push(await file.add([memoryOf(2)]).then(() => "stored", codeOf));
    found.push(await file.add([memoryOf(2)]).then(() => "stored", codeOf));
  }
  await using file = await openMemoryFile(place, "write");
  found.push(`${file.info.memories >= 2}`);
  const expected = "E_SCS_FULL stored as 1 E_SCS_POISONED E_SCS_POISONED true";
  const actual = found.join(" ");
  const outcome = actual === expected ? "passed" : "failed";
  return { id: "disk-full-and-failed-sync", outcome, expected, actual };
};

const powerCase = (seed: string, found: Found, control: Found): SuiteCase => ({
  ...caseOf(
    `power-loss-${seed}`,
    found.lost + found.remembered + found.refused + found.wrong,
    found.first,
  ),
  control: control.lost > 0 ? "harmed" : "harmless",
});

interface Bytes {
  readonly cuts: readonly Tried[];
  readonly torn: readonly Tried[];
  readonly changed: readonly Tried[];
  readonly cases: readonly SuiteCase[];
}

const bytesCases = async ({ quick, seed, progress }: SuiteContext): Promise<Bytes> => {
  const random = new SeededRandom(`scs-crash ${seed}`);
  const all = { cuts: [] as Tried[], torn: [] as Tried[], changed: [] as Tried[] };
  const cases: SuiteCase[] = [];
  for (const [kind, hostile] of [
    ["plain", false],
    ["quoting", true],
  ] as const) {
    progress(`cuts, torn appends and changed bytes: ${kind} memories`);
    const file = await manyCommits(`${seed}/${kind}`, 6, hostile);
    const cut = await cuts(file, quick ? 41 : 1);
    const tear = await torn(file, quick ? 250 : 10_000, random);
    const change = await changes(file, quick ? 60 : 1, random);
    const blind = await damageWithoutHints(file);
    all.cuts.push(cut);
    all.torn.push(tear);
    all.changed.push(change, blind);
    for (const [name, tried] of Object.entries({ cut, torn: tear, changed: change, blind })) {
      const judged = caseOf(`${name}-${kind}`, tried.wrong, tried.first);
      const control = tear.harmed > 0 ? "harmed" : "harmless";
      cases.push(name === "torn" ? { ...judged, control } : judged);
    }
  }
  const every = await everyRecord(`${seed}/every`);
  const types = recordTypesIn(every.bytes);
  const missing = everyType.filter((type) => !types.has(type));
  progress(`cuts of a file with ${types.size} kinds of records`);
  const cut = await cutsOfEvery(every, quick ? 301 : 1);
  all.cuts.push(cut);
  cases.push(
    caseOf("cut-every-record", cut.wrong + missing.length, cut.first ?? missing.join(" ")),
  );
  return { ...all, cases };
};

const total = (tried: readonly Tried[], of: "tried" | "wrong"): number =>
  tried.reduce((sum, each) => sum + each[of], 0);

interface Simulated {
  readonly bytes: Bytes;
  readonly found: readonly Found[];
  readonly failed: Awaited<ReturnType<typeof everyFailedSync>>;
  readonly cases: readonly SuiteCase[];
}

/** What needs no process: bytes, disks and losses of power. */
const simulate = async (context: SuiteContext): Promise<Simulated> => {
  const { quick, seed, progress } = context;
  const bytes = await bytesCases(context);
  const cases = [...bytes.cases, await diskCase()];
  const found: Found[] = [];
  for (const name of quick ? ["one"] : ["one", "two", "three", "four"]) {
    progress(`losses of power: ${name}`);
    const honest = await everyStop(`${seed}/${name}`, quick ? 2 : 12, (files) => files);
    const control = await everyStop(`${seed}/${name}`, quick ? 1 : 4, carelessFiles);
    found.push(honest);
    cases.push(powerCase(name, honest, control));
  }
  const failed = await everyFailedSync(`${seed}/failed`);
  cases.push(caseOf("failed-sync-then-loss", failed.wrong, failed.first));
  return { bytes, found, failed, cases };
};

export const suite: Suite = {
  name: "scs-crash",
  covers: ["scs 2", "scs 5 crash"],
  summary: "memory files under cuts, torn writes, losses of power, kills: nothing promised is lost",
  run: async (context) => {
    const { quick, seed, progress, signal } = context;
    const random = new SeededRandom(`kills ${seed}`);
    // Beside the rest: its writers are processes, and mostly start.
    const [killed, simulated] = await Promise.allSettled([
      killLoop(quick ? 5 : 1000, random, signal),
      simulate(context),
    ]);
    if (simulated.status === "rejected") throw simulated.reason;
    if (killed.status === "rejected") throw killed.reason;
    const kills = killed.value;
    const { bytes, found, failed, cases } = simulated.value;
    progress(`${kills.kills} kills`);
    const kill = caseOf("kill", kills.ackLost + kills.wrong, kills.first);
    const sum = (of: "lost" | "remembered" | "refused" | "wrong" | "inRecovery"): number =>
      found.reduce((added, each) => added + each[of], 0);
    const wrongBytes = [bytes.cuts, bytes.torn, bytes.changed].map((each) => total(each, "wrong"));
    return {
      cases: [...cases, kill],
      metrics: {
        truncations: total(bytes.cuts, "tried"),
        tornCommits: total(bytes.torn, "tried"),
        changedBytes: total(bytes.changed, "tried"),
        powerLosses: found.reduce((added, each) => added + each.points, 0),
        recoveryCrashes: sum("inRecovery"),
        failedSyncs: failed.tried,
        kills: kills.kills,
        acknowledged: kills.acknowledged,
        ackLost: kills.ackLost + sum("lost"),
        remembered: sum("remembered"),
        wrongOpens:
          kills.wrong +
          failed.wrong +
          sum("wrong") +
          sum("refused") +
          wrongBytes.reduce((added, wrong) => added + wrong, 0),
      },
      goals: ["ackLost", "remembered", "wrongOpens"].map((metric) => ({
        metric,
        op: "=" as const,
        value: 0,
      })),
    };
  },
};
