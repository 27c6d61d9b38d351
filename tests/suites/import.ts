/**
 * `suite import`: files of other programs become memories, by the command itself.
 *
 * - one file of each kind: all of it is there, in its order, and found by a word that stands in it once;
 * - interrupted: imports that are killed at random places and begun again give the same memories as
 *   one that was not, none twice. Control: of a file that differs in one byte, which is another import,
 *   everything is stored a second time;
 * - flat: a large file (1 GB, quick 2 MB) with the resident memory of the process by what it has stored.
 *   `importRssSlopeMiB`: MiB of memory for each GiB of the file beyond its first third. Where memories lie and
 *   the hashes of their texts are in memory; the file, its texts and their words are not. It is that of the
 *   lowest in each of 24 parts: what is not collected yet comes and goes. `importRssAllSlopeMiB`: of all samples.
 */
import { appendFileSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SeededRandom } from "@ioi/base";
import { importKinds, type Memory } from "@ioi/scs";
import { makeFile } from "./import/files.ts";
import {
  create,
  importFile,
  importFiles,
  killImport,
  measuredImport,
  memoriesOf,
  scs,
} from "./import/runs.ts";
import type { Suite, SuiteCase, SuiteContext } from "./suite.ts";

const mib = 2 ** 20;
const kindBytes = 100_000;
/** MiB of memory for each GiB that is imported: a twentieth of a MiB for each MiB. */
const slopeMiBMax = 51.2;

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

/** What must be the same, whenever and in however many parts it was stored. */
const bare = (memories: readonly Memory[]): string =>
  JSON.stringify(memories.map(({ text, source, saidMs, tags }) => [text, source, saidMs, tags]));

const inOrder = (memories: readonly Memory[], marks: readonly string[]): string | undefined => {
  let at = -1;
  for (const mark of marks) {
    const next = memories.findIndex(
      ({ text }, place) => place >= Math.max(0, at) && text.split(/\W+/).includes(mark),
    );
    if (next < 0) return `${mark} is not there, or out of order`;
    at = next;
  }
  return undefined;
};

/** Imports a file of each kind, twice, and looks for a word of each. */
const kindCases = async (
  context: SuiteContext,
  parent: string,
): Promise<{ readonly cases: readonly SuiteCase[]; readonly memories: number }> => {
  const folder = join(parent, "kinds");
  mkdirSync(folder);
  const random = new SeededRandom(`import ${context.seed} kinds`);
  const made = importKinds.map((kind) => makeFile(kind, folder, kindBytes, random));
  await create(folder, "a.scs");
  const names = made.map(({ name }) => name);
  const first = await importFiles(folder, "a.scs", names);
  const again = await importFiles(folder, "a.scs", names);
  const all = await memoriesOf(folder, "a.scs");
  const asked = made.map(({ marks }) => marks[random.below(marks.length)] ?? "");
  const { stdout } = await scs(folder, ["search", "a.scs", ...asked, "-k", "50", "--json"]);
  const { answers } = JSON.parse(stdout) as { readonly answers: readonly Memory[] };
  const cases = made.map(({ kind, name, marks }, at): SuiteCase => {
    const [one, two] = [first[at], again[at]];
    const memories = all.filter(({ source }) => source.startsWith(name));
    const found = answers.some(({ text }) => text.split(/\W+/).includes(asked[at] ?? ""));
    const isOnce = two?.before === one?.memories && memories.length === one?.memories;
    const wrong =
      inOrder(memories, marks) ??
      (found ? undefined : `${asked[at]} is not found`) ??
      (isOnce ? undefined : `${one?.memories} memories became ${memories.length}`) ??
      (one?.passedOver === 0 ? undefined : `${one?.passedOver} passed over`);
    return {
      id: `kind-${kind}`,
      outcome: wrong === undefined ? "passed" : "failed",
      expected: "all of it, in order, found, and once",
      actual: wrong ?? `${memories.length} memories`,
    };
  });
  return { cases, memories: all.length };
};

/** Kills an import at places from the seed until one ends by itself. */
const interrupted = async (
  context: SuiteContext,
  parent: string,
): Promise<{ readonly case: SuiteCase; readonly kills: number }> => {
  const folder = join(parent, "interrupted");
  mkdirSync(folder);
  const random = new SeededRandom(`import ${context.seed} kills`);
  const bytes = (context.quick ? 1 : 24) * mib;
  const { name } = makeFile("markdown", folder, bytes, random);
  await create(folder, "whole.scs");
  await importFile(folder, "whole.scs", name);
  const whole = await memoriesOf(folder, "whole.scs");
  const grownMax = sizeOf(join(folder, "whole.scs"));
  await create(folder, "parts.scs");
  let kills = 0;
  const killsMax = context.quick ? 3 : 25;
  for (let goOn = true; goOn && kills < killsMax;) {
    const path = join(folder, "parts.scs");
    const until = sizeOf(path) + random.below(Math.ceil(grownMax / (killsMax + 1)));
    goOn = await killImport(folder, "parts.scs", name, () => sizeOf(path) > until);
    if (goOn) kills++;
  }
  const last = await importFile(folder, "parts.scs", name);
  const parts = await memoriesOf(folder, "parts.scs");
  copyFileSync(join(folder, name), join(folder, `other-${name}`));
  appendFileSync(join(folder, `other-${name}`), "\n");
  await importFile(folder, "parts.scs", `other-${name}`);
  const twice = await memoriesOf(folder, "parts.scs");
  const isSame = bare(parts) === bare(whole);
  return {
    kills,
    case: {
      id: "interrupted",
      outcome: isSame && kills > 0 ? "passed" : "failed",
      expected: `the same ${whole.length} memories after kills`,
      actual: `${parts.length} memories, ${isSame ? "the same" : "others"}, after ${kills} kills, ${last.before} of them before the last`,
      control: twice.length === 2 * whole.length ? "harmed" : "harmless",
    },
  };
};

const partsCount = 24;

/** The lowest of each part of the way: what a collection leaves. */
const floorsOf = (
  points: readonly { readonly x: number; readonly y: number }[],
): readonly { readonly x: number; readonly y: number }[] => {
  const from = points[0]?.x ?? 0;
  const width = ((points.at(-1)?.x ?? 0) - from) / partsCount;
  const floors = new Map<number, { readonly x: number; readonly y: number }>();
  for (const point of points) {
    const part = Math.min(partsCount - 1, Math.floor((point.x - from) / width));
    const lowest = floors.get(part);
    if (lowest === undefined || point.y < lowest.y) floors.set(part, point);
  }
  return [...floors.values()];
};

/** Least squares over all but the first third, in which the program itself grows. */
const slopeOf = (points: readonly { readonly x: number; readonly y: number }[]): number => {
  const count = points.length;
  const mean = (name: "x" | "y"): number =>
    points.reduce((sum, point) => sum + point[name], 0) / count;
  const [mx, my] = [mean("x"), mean("y")];
  const over = points.reduce((sum, { x, y }) => sum + (x - mx) * (y - my), 0);
  const under = points.reduce((sum, { x }) => sum + (x - mx) ** 2, 0);
  return under === 0 ? Number.NaN : over / under;
};

const large = async (context: SuiteContext, parent: string) => {
  const folder = join(parent, "large");
  mkdirSync(folder);
  const bytes = (context.quick ? 2 : 1024) * mib;
  const random = new SeededRandom(`import ${context.seed} large`);
  const { name } = makeFile("text", folder, bytes, random);
  await create(folder, "a.scs");
  const path = join(folder, "a.scs");
  const grown = await measuredImport(folder, "a.scs", name, () => sizeOf(path));
  const total = sizeOf(path) / mib;
  const fileMiB = bytes / mib;
  const later = grown.points
    .filter(({ stored }) => stored > total / 3)
    .map(({ stored, rss }) => ({ x: (stored / total) * (fileMiB / 1024), y: rss }));
  return {
    memories: grown.memories,
    metrics: {
      importMiB: fileMiB,
      importRssPeakMiB: Math.max(...grown.points.map(({ rss }) => rss)),
      // A small file shows how the program itself grows, and nothing else.
      ...(context.quick
        ? {}
        : { importRssSlopeMiB: slopeOf(floorsOf(later)), importRssAllSlopeMiB: slopeOf(later) }),
    },
  };
};

const wanted = ({ caseId }: SuiteContext, id: string): boolean =>
  caseId === undefined || caseId === id;

export const suite: Suite = {
  name: "import",
  covers: ["scs 4: importers", "scs 6"],
  summary: "files of each kind become memories, once, also when the import is killed; memory stays",
  run: async (context) => {
    const parent = mkdtempSync(join(tmpdir(), "ioi-import-"));
    try {
      const cases: SuiteCase[] = [];
      let memories = 0;
      if (context.caseId === undefined || context.caseId.startsWith("kind-")) {
        context.progress("a file of each kind");
        const done = await kindCases(context, parent);
        cases.push(...done.cases);
        ({ memories } = done);
      }
      context.signal.throwIfAborted();
      let kills = 0;
      if (wanted(context, "interrupted")) {
        context.progress("imports that are killed");
        const done = await interrupted(context, parent);
        cases.push(done.case);
        ({ kills } = done);
      }
      if (!wanted(context, "large")) return { cases };
      context.progress("a large file");
      const done = await large(context, parent);
      cases.push({
        id: "large",
        outcome: done.memories > 0 ? "passed" : "failed",
        expected: "all of it",
        actual: `${done.memories} memories`,
      });
      return {
        cases,
        metrics: { memories: memories + done.memories, kills, ...done.metrics },
        goals: context.quick ? [] : [{ metric: "importRssSlopeMiB", op: "<=", value: slopeMiBMax }],
      };
    } finally {
      rmSync(parent, { recursive: true, force: true });
    }
  },
};
