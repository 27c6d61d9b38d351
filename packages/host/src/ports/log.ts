/**
 * The `Log` port: JSON lines `{time, level, event, ...fields}` on standard error, written at once.
 * A line says names, numbers and ids, never content; strings are cut, so that a mistake stays
 * small. A log that cannot be written is dropped: it must not stop what it reports.
 */
import type { Log, LogFields, LogLevel } from "@ioi/base";
import { assert } from "@ioi/base";
import { type DestinationStream, type Logger, pino } from "pino";
import { logFieldsMax, logValueUnitsMax } from "./limits.ts";

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

class PinoLog implements Log {
  readonly #logger: Logger;
  readonly #fields: Readonly<Record<string, string | number | boolean>>;

  constructor(logger: Logger, fields: Readonly<Record<string, string | number | boolean>>) {
    assert(Object.keys(fields).length <= logFieldsMax, "too many log fields");
    this.#logger = logger;
    this.#fields = fields;
  }

  log(level: LogLevel, event: string, fields: LogFields = {}): void {
    const all = { ...this.#fields, ...cleanFields(fields) };
    assert(Object.keys(all).length <= logFieldsMax, "too many log fields");
    this.#logger[level]({ event, ...all });
  }

  child(fields: LogFields): Log {
    return new PinoLog(this.#logger, { ...this.#fields, ...cleanFields(fields) });
  }
}

const standardError = (): DestinationStream => {
  const destination = pino.destination({ dest: 2, sync: true });
  destination.on("error", () => undefined);
  return destination;
};

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
  const logger = pino(
    {
      level: options.level ?? "info",
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    write === undefined ? standardError() : { write },
  );
  return new PinoLog(logger, cleanFields(options.fields ?? {}));
};
