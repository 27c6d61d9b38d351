/** The `Log` that remembers. */
import type { Log, LogFields, LogLevel } from "@ioi/base";
import { assert } from "@ioi/base";
import { simLogValueUnitsMax } from "./limits.ts";

export interface SimLogLine {
  readonly level: LogLevel;
  readonly event: string;
  readonly fields: Readonly<Record<string, string | number | boolean>>;
}

const reserved = new Set(["time", "level", "event"]);

const cleanFields = (fields: LogFields): Record<string, string | number | boolean> => {
  const clean: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(fields)) {
    assert(!reserved.has(name), `the log field "${name}" is taken`);
    if (value === undefined) continue;
    clean[name] =
      typeof value === "string" && value.length > simLogValueUnitsMax
        ? `${value.slice(0, simLogValueUnitsMax)}…`
        : value;
  }
  return clean;
};

export class SimLog implements Log {
  /** Of this log and all its children, in order. */
  readonly lines: SimLogLine[];
  readonly #fields: Readonly<Record<string, string | number | boolean>>;

  constructor(fields: LogFields = {}, lines: SimLogLine[] = []) {
    this.#fields = cleanFields(fields);
    this.lines = lines;
  }

  log(level: LogLevel, event: string, fields: LogFields = {}): void {
    this.lines.push({ level, event, fields: { ...this.#fields, ...cleanFields(fields) } });
  }

  child(fields: LogFields): SimLog {
    return new SimLog({ ...this.#fields, ...fields }, this.lines);
  }
}
