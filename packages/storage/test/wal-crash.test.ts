/**
 * A loss of power at every change that the log makes, over many seeds: what was acknowledged is
 * there, and what is there is a prefix of what was appended. The control is the same log on files
 * whose syncs do nothing.
 */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Files } from "@ioi/base";
import { SeededRandom } from "@ioi/base";
import { carelessFiles, SimFiles } from "@ioi/sim";
import { numberOf, openLog, payloadOf } from "./support.ts";

/** `npm run check` looks at fewer; `npm test` at all. */
const inner = process.env["IOI_TEST"] === "inner";

/** What a run of the workload knows at its end, however it ended. */
interface Run {
  readonly files: SimFiles;
  readonly finished: boolean;
  /** Records 0 to acknowledged - 1 were promised to last. */
  readonly acknowledged: number;
  readonly appended: number;
}

const generations = 3;

/**
 * Opens the log a few times and appends in every way, stopping at one point. Numbers go on from
 * the recovered records, so that the n-th record always holds the number n.
 */
const run = async (seed: string, files: SimFiles, stopAt: number | undefined, shown: Files) => {
  const random = new SeededRandom(seed);
  if (stopAt !== undefined) files.stopAt(stopAt);
  let [acknowledged, appended] = [0, 0];
  try {
    for (let generation = 0; generation < generations; generation++) {
      await using log = await openLog(shown);
      for (let n = log.records; n < (generation + 1) * 10;) {
        const group = Array.from({ length: 1 + random.below(3) }, (_, i) => n + i);
        const durable = random.below(3);
        n += group.length;
        appended = n;
        await Promise.all(
          group.map(async (number) => {
            await (durable === 0
              ? log.append(number, payloadOf(number))
              : log.appendDurable(number, payloadOf(number)));
            if (durable > 0) acknowledged = Math.max(acknowledged, number + 1);
          }),
        );
        if (durable === 0 && random.chance(1, 3)) {
          await log.flush();
          acknowledged = n;
        }
      }
    }
  } catch (error) {
    if (!files.stopped) throw error;
  }
  return { files, finished: !files.stopped, acknowledged, appended } satisfies Run;
};

type Finding = "fine" | "lost" | "refused";

/** Crashes, recovers, and appends once more; crashes again, and recovers. */
const examine = async (
  { files, acknowledged, appended }: Run,
  seed: string,
  show: (files: SimFiles) => Files,
): Promise<Finding> => {
  const first = files.crash(seed);
  let promised = acknowledged;
  for (const survivor of [() => first, () => first.crash("again")]) {
    const log = await openLog(show(survivor())).catch(() => undefined);
    if (log === undefined) return "refused";
    let n = 0;
    for await (const record of log.read(0)) {
      assert.equal(record.sequence, n);
      assert.equal(numberOf(record.payload), n, "a prefix of what was appended");
      assert.deepEqual(record.payload, payloadOf(n));
      n += 1;
    }
    if (n < promised) return "lost";
    assert.ok(n <= Math.max(appended, promised));
    await log.appendDurable(n, payloadOf(n));
    promised = n + 1;
    await log.close();
  }
  return "fine";
};

const honest = (files: SimFiles): Files => files;

const crashSeeds = inner ? 3 : 12;

const everyStop = async (
  seed: string,
  sectorBytes: 512 | 4096,
  show: (files: SimFiles) => Files,
): Promise<Record<Finding, number> & { points: number }> => {
  const found = { fine: 0, lost: 0, refused: 0, points: 0 };
  for (let stopAt = 0; ; stopAt++) {
    const files = new SimFiles({ seed, sectorBytes });
    const end = await run(seed, files, stopAt, show(files));
    for (let i = 0; i < crashSeeds; i++) {
      found[await examine(end, `${stopAt}/${i}`, show)] += 1;
    }
    if (end.finished) return { ...found, points: stopAt };
  }
};

for (const sectorBytes of [512, 4096] as const) {
  for (const seed of ["one", "two", "three"]) {
    test(`sectors of ${sectorBytes}, seed ${seed}: nothing acknowledged is lost`, async () => {
      const { fine, lost, refused, points } = await everyStop(seed, sectorBytes, honest);
      assert.deepEqual({ lost, refused }, { lost: 0, refused: 0 });
      assert.ok(points > 30, `${points} points`);
      assert.equal(fine, (points + 1) * crashSeeds);
    });
  }
}

test("the control: without syncs acknowledged records are lost", async () => {
  const { lost } = await everyStop("one", 512, carelessFiles);
  assert.ok(lost > 0, "nothing was lost");
});

test("the end of the process at every point loses nothing that was acknowledged", async () => {
  for (let stopAt = 0; ; stopAt++) {
    const files = new SimFiles({ seed: "kill" });
    const end = await run("kill", files, stopAt, files);
    const next = files.kill();
    {
      await using log = await openLog(next);
      assert.ok(log.records >= end.acknowledged && log.records <= Math.max(end.appended, 0));
      await log.appendDurable(log.records, payloadOf(log.records));
    }
    for (let i = 0; i < 6; i++) {
      await using log = await openLog(next.crash(`${i}`));
      assert.ok(log.records > end.acknowledged, "and nothing that was recovered");
    }
    if (end.finished) break;
  }
});
