/**
 * `ioi logs`: the JSON lines that the kernel's processes wrote, merged by time. They carry ids and
 * numbers and no content. With `--json` each line is passed on as it is, one value a line.
 */
import { closeSync, existsSync, fstatSync, openSync, readdirSync, readSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { exitCodes } from "@ioi/base";
import type { CommandContext, Handler } from "../context.ts";
import { visible } from "../io.ts";
import { requireFolder } from "../kernel/folder.ts";
import { logLinesDefault, logTailBytesMax, watchIntervalMs } from "../limits.ts";
import { usage } from "../report.ts";

interface LogsOptions {
  readonly follow?: boolean;
  readonly process?: string;
  readonly session?: string;
  readonly lines?: number;
}

export interface LogLine {
  readonly process: string;
  readonly time: string;
  readonly level: string;
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A line of a process's log; undefined for what is not one (a torn last line). */
export const parseLogLine = (processName: string, text: string): LogLine | undefined => {
  try {
    const value = JSON.parse(text) as Readonly<Record<string, unknown>>;
    const { time, level, event, ...fields } = value;
    return typeof event === "string" && typeof time === "string"
      ? { process: processName, time, level: String(level), event, fields }
      : undefined;
  } catch {
    return undefined;
  }
};

/** New whole lines of one file since the last look; a file that shrank was rotated. */
class Tail {
  readonly #path: string;
  #offset: number;
  #ino = 0;
  #rest = "";

  constructor(path: string) {
    this.#path = path;
    this.#offset = -1;
  }

  read(): readonly string[] {
    if (!existsSync(this.#path)) return [];
    const file = openSync(this.#path, "r");
    try {
      const { size, ino } = fstatSync(file);
      if (this.#offset < 0) this.#offset = Math.max(0, size - logTailBytesMax);
      else if (size < this.#offset || ino !== this.#ino) this.#offset = 0;
      this.#ino = ino;
      const bytes = Buffer.alloc(Math.min(size - this.#offset, logTailBytesMax));
      const length = readSync(file, bytes, 0, bytes.length, this.#offset);
      this.#offset += length;
      const lines = (this.#rest + bytes.toString("utf8", 0, length)).split("\n");
      this.#rest = lines.pop() ?? "";
      return lines;
    } finally {
      closeSync(file);
    }
  }
}

/** `guardian.jsonl`, and the rotated `guardian.1.jsonl`. */
const processOf = (file: string): string => file.replace(/(?:\.\d+)?\.jsonl$/, "");

const wanted =
  (options: LogsOptions) =>
  (line: LogLine): boolean =>
    (options.process === undefined || line.process === options.process) &&
    (options.session === undefined ||
      String(line.fields["session"] ?? "").startsWith(options.session));

const printLine = (context: CommandContext, line: LogLine): void => {
  const { output } = context;
  output.value({
    process: line.process,
    time: line.time,
    level: line.level,
    event: line.event,
    ...line.fields,
  });
  const fields = Object.entries(line.fields)
    .map(([name, value]) => `${name}=${visible(String(value))}`)
    .join(" ");
  const level = line.level.toUpperCase().padEnd(5);
  output.line(`${line.time} ${level} ${line.process.padEnd(12)} ${visible(line.event)} ${fields}`);
};

export const logs: Handler<LogsOptions> = async (context, { options }) => {
  const paths = requireFolder(context.dataFolder);
  const tails = new Map<string, Tail>();
  const look = (): LogLine[] => {
    const files = existsSync(paths.logs)
      ? readdirSync(paths.logs).filter((name) => name.endsWith(".jsonl"))
      : [];
    for (const file of files)
      if (!tails.has(file)) tails.set(file, new Tail(join(paths.logs, file)));
    return [...tails]
      .flatMap(([file, tail]) => tail.read().map((text) => parseLogLine(processOf(file), text)))
      .filter((line) => line !== undefined)
      .filter(wanted(options))
      .toSorted((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
  };
  const first = look();
  const known = new Set([...tails.keys()].map(processOf));
  if (options.process !== undefined && known.size > 0 && !known.has(options.process)) {
    throw usage(`no log of "${options.process}"; there are ${[...known].join(", ")}`);
  }
  const count = options.lines ?? logLinesDefault;
  for (const line of count === 0 ? [] : first.slice(-count)) printLine(context, line);
  while (options.follow === true) {
    await sleep(watchIntervalMs, undefined, { signal: context.signal });
    for (const line of look()) printLine(context, line);
  }
  return exitCodes.done;
};
