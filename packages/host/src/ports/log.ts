/**
 * The `Log` port: JSON lines `{time, level, event, ...fields}` on standard error. Warnings and errors
 * are written at once; what only informs goes out with what comes within `logDelayMs`, since each write
 * wakes the process that keeps the files. The end of the process, but for a kill, writes the rest.
 * A line says names, numbers and ids, never content; strings are cut, so that a mistake stays
 * small. A log that cannot be written is dropped: it must not stop what it reports.
 */
import type { Log, LogFields, LogLevel } from "@ioi/base";
import { assert } from "@ioi/base";
import fs from "node:fs";
import { type Logger, pino } from "pino";
import { logDelayCharsMax, logDelayMs, logFieldsMax, logValueUnitsMax } from "./limits.ts";

const reserved = new Set(["time", "level", "event"]);

const cleanFields = (fields: LogFields): Record<string, string | number | boolean> => {
  const clean: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(fields)) {
    assert(!reserved.has(name), `the log field "${name}" is taken`);
    if (value === undefined) continue;
    clean[name] =
      typeof value === "string" && value.length > logValueUnitsMax
        ? `${value.slice(0, logValueUnitsMax).toWellFormed()}…`
        : value;
  }
  return clean;
};

interface Lines {
  write(line: string): void;
  /** Nothing is kept back. */
  flush(): void;
}

class PinoLog implements Log {
  readonly #logger: Logger;
  readonly #lines: Lines;
  readonly #fields: Readonly<Record<string, string | number | boolean>>;

  constructor(
    logger: Logger,
    lines: Lines,
    fields: Readonly<Record<string, string | number | boolean>>,
  ) {
    assert(Object.keys(fields).length <= logFieldsMax, "too many log fields");
    this.#logger = logger;
    this.#lines = lines;
    this.#fields = fields;
  }

  log(level: LogLevel, event: string, fields: LogFields = {}): void {
    const all = { ...this.#fields, ...cleanFields(fields) };
    assert(Object.keys(all).length <= logFieldsMax, "too many log fields");
    this.#logger[level]({ event, ...all });
    if (level === "warn" || level === "error") this.#lines.flush();
  }

  child(fields: LogFields): Log {
    return new PinoLog(this.#logger, this.#lines, { ...this.#fields, ...cleanFields(fields) });
  }
}

const writeAll = (text: string): void => {
  const bytes = Buffer.from(text);
  try {
    for (let at = 0; at < bytes.length;) at += fs.writeSync(2, bytes, at);
  } catch {
    // Nobody reads it, or nobody reads it fast enough: what is reported goes on.
  }
};

class StandardError implements Lines {
  #kept = "";
  #timer: NodeJS.Timeout | undefined;

  constructor() {
    process.on("exit", () => this.flush());
  }

  write(line: string): void {
    this.#kept += line;
    if (this.#kept.length >= logDelayCharsMax) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), logDelayMs).unref();
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const text = this.#kept;
    this.#kept = "";
    if (text !== "") writeAll(text);
  }
}

let standardError: StandardError | undefined;

export const createLog = (
  options: {
    /** Lines below this level are not written; "info" if absent. */
    readonly level?: LogLevel;
    readonly fields?: LogFields;
    /** Takes each line, its newline included, instead of standard error. */
    readonly write?: (line: string) => void;
  } = {},
): Log => {
  const { write } = options;
  const lines: Lines =
    write === undefined
      ? (standardError ??= new StandardError())
      : { write, flush: () => undefined };
  const logger = pino(
    {
      level: options.level ?? "info",
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    lines,
  );
  return new PinoLog(logger, lines, cleanFields(options.fields ?? {}));
};
