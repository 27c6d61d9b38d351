/**
 * A reporter for node:test that writes one JSON line for every finished test (not for groups), so
 * that a runner can count over several processes.
 */
import type { TestEvent } from "node:test/reporters";

export interface TestRecord {
  readonly outcome: "passed" | "failed" | "skipped";
  readonly name: string;
  readonly file: string;
  readonly line: number;
  readonly ms: number;
  /** Of a skip. */
  readonly reason: string;
  /** Of a failure. */
  readonly error: string;
}

const describeError = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (cause instanceof Error) return cause.stack ?? cause.message;
  return cause === undefined ? (error.stack ?? error.message) : JSON.stringify(cause);
};

/** A skip without a reason counts as one that says nothing. */
const reasonOf = (skip: string | boolean | undefined): string | undefined => {
  if (skip === undefined || skip === false) return undefined;
  return typeof skip === "string" ? skip : "";
};

const recordOf = (event: TestEvent): TestRecord | undefined => {
  if (event.type !== "test:pass" && event.type !== "test:fail") return undefined;
  const { data } = event;
  const ms = Math.round(data.details.duration_ms);
  const at = { name: data.name, file: data.file ?? "", line: data.line ?? 0, ms };
  const failed = event.type === "test:fail";
  // A group fails with its members; a group that fails for another reason has to be seen.
  if (data.details.type === "suite" && !failed) return undefined;
  if (failed) {
    const { error } = event.data.details;
    if (/subtestsFailed/.test(`${(error as { failureType?: string }).failureType}`)) {
      return undefined;
    }
    return { ...at, outcome: "failed", reason: "", error: describeError(error) };
  }
  const reason = reasonOf(data.skip) ?? reasonOf(data.todo);
  if (reason !== undefined) return { ...at, outcome: "skipped", reason, error: "" };
  return { ...at, outcome: "passed", reason: "", error: "" };
};

/** Silence after the last test that means that something keeps the process alive. */
const idleMs = 5_000;

/**
 * Ends a run whose tests are all done but that does not end by itself, and says what is open: a
 * server, a timer, a child that a test forgot.
 */
const endWhenIdle = (): ((event: TestEvent) => void) => {
  let pending = 0;
  let timer: NodeJS.Timeout | undefined;
  return ({ type }) => {
    if (type === "test:enqueue") pending += 1;
    if (type === "test:complete") pending -= 1;
    clearTimeout(timer);
    if (pending > 0) return;
    timer = setTimeout(() => {
      const open = process.getActiveResourcesInfo().filter((name) => !/^(FS|Pipe|TTY)/.test(name));
      process.stderr.write(`all tests are done, but the process is kept by: ${open.join(", ")}\n`);
      process.exit(1);
    }, idleMs).unref();
  };
};

const reporter = async function* (
  source: AsyncIterable<TestEvent>,
): AsyncGenerator<string, void, unknown> {
  const watch = endWhenIdle();
  for await (const event of source) {
    watch(event);
    const record = recordOf(event);
    if (record !== undefined) yield `${JSON.stringify(record)}\n`;
  }
};

// node:test takes a reporter's default export.
export default reporter;
