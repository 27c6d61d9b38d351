/** Runs node:test files and collects every test's outcome. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { projectRoot, run } from "./project.ts";
import type { TestRecord } from "./test-events.ts";

export type { TestRecord } from "./test-events.ts";

export interface TestRun {
  readonly records: readonly TestRecord[];
  /** What the run printed beside the records: a test's own notes, a crash. */
  readonly output: string;
  readonly ms: number;
}

export interface TestOptions {
  /** All files in one process (fast), or each in its own. */
  readonly isolation: "none" | "process";
  readonly timeoutMs: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** One test, so that a test that hangs is named. */
const testTimeoutMs = 60_000;

/** What the runtime compiled: of the tests, and of the programs that they start. */
const codeCache = join(projectRoot, ".cache/node");

/** Runs the files; a run that crashed or tested nothing yields a failed record that says so. */
export const runTestFiles = async (
  files: readonly string[],
  options: TestOptions,
): Promise<TestRun> => {
  const folder = mkdtempSync(join(tmpdir(), "ioi-tests-"));
  const events = join(folder, "events");
  try {
    const ended = await run(
      process.execPath,
      [
        "--disable-warning=ExperimentalWarning",
        "--test",
        `--test-isolation=${options.isolation}`,
        "--test-concurrency=1",
        `--test-timeout=${testTimeoutMs}`,
        `--test-reporter=${join(import.meta.dirname, "test-events.ts")}`,
        `--test-reporter-destination=${events}`,
        ...files,
      ],
      {
        cwd: projectRoot,
        timeoutMs: options.timeoutMs,
        // A runner inside a runner would report to the outer one.
        env: {
          NODE_COMPILE_CACHE: codeCache,
          ...options.env,
          NODE_TEST_CONTEXT: undefined,
          FORCE_COLOR: undefined,
        },
      },
    );
    const records = readRecords(events);
    const output = (ended.stdout + ended.stderr).trim();
    const broken = brokenRecord(files, records, ended, options.timeoutMs);
    return { records: broken === undefined ? records : [...records, broken], output, ms: ended.ms };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const readRecords = (file: string): readonly TestRecord[] => {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return [];
  }
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as TestRecord)
    .map((record) => ({ ...record, file: relative(projectRoot, record.file) }));
};

const brokenRecord = (
  files: readonly string[],
  records: readonly TestRecord[],
  ended: { readonly code: number | null; readonly timedOut: boolean; readonly stderr: string },
  timeoutMs: number,
): TestRecord | undefined => {
  const file = files.length === 1 ? (files[0] ?? "") : `${files.length} files`;
  const failed = (error: string): TestRecord => ({
    outcome: "failed",
    name: "the run itself",
    file,
    line: 0,
    ms: 0,
    reason: "",
    error,
  });
  if (ended.timedOut) {
    const last = records.at(-1);
    const where = last === undefined ? "no test finished" : `last: ${last.file}: ${last.name}`;
    return failed(`did not end within ${timeoutMs / 1000} s; something is still open (${where})`);
  }
  if (records.length === 0) return failed(`no test ran (exit ${ended.code})\n${ended.stderr}`);
  const explained = records.some(({ outcome }) => outcome === "failed");
  if (ended.code === 0 || explained) return undefined;
  return failed(`exit ${ended.code} although no test failed\n${ended.stderr.slice(-4000)}`);
};

type Times = Readonly<Record<string, number>>;

const timesFile = (root: string): string => join(root, ".cache/test-times.json");

const readTimes = (root: string): Times => {
  try {
    return JSON.parse(readFileSync(timesFile(root), "utf8")) as Times;
  } catch {
    return {};
  }
};

/** For the next run only: whether it can be kept does not matter. */
const keepTimes = (root: string, times: Times): void => {
  try {
    mkdirSync(join(root, ".cache"), { recursive: true });
    writeFileSync(timesFile(root), JSON.stringify(times));
  } catch {
    // The next run deals by size.
  }
};

const timesOf = (records: readonly TestRecord[]): Times => {
  const times: Record<string, number> = {};
  for (const { file, ms } of records) times[file] = (times[file] ?? 0) + ms;
  return times;
};

/**
 * Unit tests over two processes, each file to the one that has less to do. All of them in one
 * process would be as good; it only takes longer.
 */
export const runUnitTests = async (
  root: string,
  files: readonly string[],
  timeoutMs: number,
  env: Readonly<Record<string, string>> = {},
): Promise<TestRun> => {
  const started = performance.now();
  const times = readTimes(root);
  const hands: { ms: number; readonly files: string[] }[] = [0, 1].map(() => ({
    ms: 0,
    files: [],
  }));
  const byTime = files
    // A file that never ran is taken for one of its size.
    .map((file) => ({ file, ms: times[file] ?? statSync(join(root, file)).size / 20 }))
    .toSorted((a, b) => b.ms - a.ms);
  for (const { file, ms } of byTime) {
    const hand = hands.reduce((least, each) => (each.ms < least.ms ? each : least));
    hand.ms += ms;
    hand.files.push(file);
  }
  const runs = await Promise.all(
    hands
      .filter((hand) => hand.files.length > 0)
      .map((hand) => runTestFiles(hand.files, { isolation: "none", timeoutMs, env })),
  );
  const records = runs.flatMap((each) => each.records);
  keepTimes(root, { ...times, ...timesOf(records) });
  return {
    records,
    output: runs
      .map(({ output }) => output)
      .join("\n")
      .trim(),
    ms: performance.now() - started,
  };
};

/** The tests that took longest, for whoever wants to make the run faster. */
export const slowest = (records: readonly TestRecord[], count: number): readonly TestRecord[] =>
  records.toSorted((a, b) => b.ms - a.ms).slice(0, count);

/** Unit tests: everything that needs no process of the product. */
export const isUnitTest = (file: string): boolean =>
  /^(packages|apps)\/[^/]+\/test\/.*\.test\.ts$/.test(file) ||
  /^(tests\/(?!e2e\/).*|tools\/test\/.*)\.test\.ts$/.test(file);

export const isEndToEndTest = (file: string): boolean => /^tests\/e2e\/.*\.test\.ts$/.test(file);
