/**
 * The shapes of what commands print with `--json`, checked field by field: missing, unknown and
 * wrongly typed fields are complaints with their path. Used by tests only; the product does not
 * read its own output.
 */

/** Complaints about a value at a path; none means it fits. */
export type Shape = (value: unknown, path: string) => readonly string[];

const named =
  (what: string, fits: (value: unknown) => boolean): Shape =>
  (value, path) =>
    fits(value) ? [] : [`${path}: expected ${what}, got ${JSON.stringify(value) ?? "nothing"}`];

export const text: Shape = named("text", (value) => typeof value === "string");
export const flag: Shape = named("true or false", (value) => typeof value === "boolean");
export const number: Shape = named("a number", (value) => Number.isFinite(value));
export const count: Shape = named(
  "a count",
  (value) => Number.isSafeInteger(value) && (value as number) >= 0,
);
export const hex: Shape = named(
  "lower-case hex",
  (value) => typeof value === "string" && /^(?:[0-9a-f]{2})+$/.test(value),
);
export const literal = (...values: readonly (string | number)[]): Shape =>
  named(values.join(" or "), (value) => values.includes(value as string));
export const nullable =
  (shape: Shape): Shape =>
  (value, path) =>
    value === null ? [] : shape(value, path);

export const list =
  (item: Shape): Shape =>
  (value, path) =>
    Array.isArray(value)
      ? value.flatMap((each, index) => item(each, `${path}[${index}]`))
      : [`${path}: expected a list`];

const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : undefined;

/** Any names; field names hold no dots. */
export const map =
  (item: Shape): Shape =>
  (value, path) => {
    const fields = fieldsOf(value);
    if (fields === undefined) return [`${path}: expected a map`];
    return Object.entries(fields).flatMap(([key, each]) => [
      ...(key.includes(".") ? [`${path}: field ${key} holds a dot`] : []),
      ...item(each, `${path}.${key}`),
    ]);
  };

/** Exactly these fields; those of `optional` may be absent. */
export const record =
  (
    required: Readonly<Record<string, Shape>>,
    optional: Readonly<Record<string, Shape>> = {},
  ): Shape =>
  (value, path) => {
    const fields = fieldsOf(value);
    if (fields === undefined) return [`${path}: expected an object`];
    const known = { ...optional, ...required };
    return [
      ...Object.keys(required)
        .filter((key) => !Object.hasOwn(fields, key))
        .map((key) => `${path}.${key}: missing`),
      ...Object.entries(fields).flatMap(([key, each]) => {
        const shape = Object.hasOwn(known, key) ? known[key] : undefined;
        return shape === undefined
          ? [`${path}.${key}: unknown field`]
          : shape(each, `${path}.${key}`);
      }),
    ];
  };

const metric: Shape = (value, path) =>
  typeof value === "number" || typeof value === "string"
    ? []
    : Array.isArray(value) || fieldsOf(value) !== undefined
      ? []
      : [`${path}: not a metric`];

const goal = record({
  metric: text,
  op: literal("<=", ">=", "="),
  value: number,
  actual: nullable(number),
  met: flag,
});

const common = {
  name: text,
  version: text,
  commit: nullable(hex),
  dirty: flag,
  mode: literal("full", "quick"),
  seed: text,
  metrics: map(metric),
  goals: list(goal),
  durationMs: count,
  met: flag,
  unavailable: list(text),
};

export const suiteReport: Shape = record({
  ...common,
  schema: literal("ioi.suite/1"),
  covers: list(text),
  data: list(record({ path: text, sha256: hex })),
  cases: record({ total: count, passed: count, failed: count, skipped: count }),
  controls: record({ total: count, failed: count }),
  skips: list(record({ id: text, reason: text })),
  failures: list(record({ id: text, expected: text, actual: text, replay: text })),
});

export const benchReport: Shape = record({
  ...common,
  schema: literal("ioi.bench/1"),
  machine: record({
    cpu: text,
    cores: count,
    memoryMiB: count,
    kernel: text,
    node: text,
    filesystem: text,
  }),
  load: record({ load1Start: number, load1End: number }),
  params: map(metric),
  runs: count,
  spread: map(record({ min: number, max: number })),
  peers: list(
    record({ name: text, version: text, available: flag, metrics: map(metric) }, { ratio: number }),
  ),
});

export const errorReport: Shape = record({
  code: text,
  message: text,
  at: nullable(record({ file: text, line: count, column: count })),
  next: text,
  cause: list(text),
});

export const verifyReport: Shape = record({
  schema: literal("ioi.verify/1"),
  ok: flag,
  size: count,
  root: nullable(hex),
  checked: count,
  firstBad: nullable(record({ index: count, reason: text })),
  key: nullable(hex),
  anchor: text,
});

const states: ReadonlySet<unknown> = new Set([
  "planning",
  "waiting-model",
  "proposing",
  "waiting-approval",
  "performing",
  "paused",
  "done",
  "failed",
  "stopped",
]);

const receipt = record({ index: count, leafHash: hex });

export const runReport: Shape = record({
  schema: literal("ioi.run/1"),
  session: text,
  state: named("a state of a session", (value) => states.has(value)),
  model: nullable(text),
  actions: list(
    record({
      n: count,
      target: text,
      display: text,
      verdict: nullable(literal("allow", "ask", "deny", "unavailable")),
      rule: nullable(text),
      rules: list(text),
      reason: text,
      instead: text,
      approval: nullable(text),
      ticket: nullable(record({ counter: count, ttlMs: count })),
      outcome: nullable(
        record({
          status: literal("confirmed", "partial", "no-effect", "refused", "unknown"),
          bytes: count,
          handle: nullable(text),
          content: nullable(text),
          code: nullable(text),
          message: nullable(text),
          reversible: flag,
          reportedBy: text,
          evidence: map(text),
          receipt: nullable(receipt),
        }),
      ),
      receipt: nullable(receipt),
      timing: nullable(map(number)),
    }),
  ),
  says: list(text),
  saysAfter: list(count),
  saysDropped: count,
  cost: record({ tokens: count, usd: number, actions: count, wallMs: count }),
  error: nullable(
    record({
      code: text,
      message: text,
      next: nullable(text),
      budget: nullable(
        record({
          what: literal("actions", "wallMs", "tokens", "usd"),
          limit: number,
          used: number,
        }),
      ),
    }),
  ),
});

export const doctorReport: Shape = record({
  schema: literal("ioi.doctor/1"),
  ok: flag,
  processes: list(
    record({ name: text, pid: count, uid: count, sandbox: list(text), pssMiB: number }),
  ),
  mechanisms: list(record({ name: text, available: flag, version: nullable(text), used: flag })),
  tried: count,
  held: count,
  escaped: count,
  inapplicable: count,
  spawnP95Ms: nullable(number),
  anchor: record({ kind: text, rollbackProtection: flag }),
  scrubber: text,
  gaps: list(record({ id: text, severity: text, what: text, install: nullable(text) })),
});
