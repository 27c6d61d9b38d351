/**
 * `ioi logs`: the JSON lines that the kernel's processes wrote, in their order. They carry ids and
 * numbers and no content. With `--json` each line is passed on as it is, one value a line.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { exitCodes } from "@ioi/base";
import type { CommandContext, Handler } from "../context.ts";
import { visible } from "../io.ts";
import { requireFolder } from "../kernel/folder.ts";
import { logLinesDefault, logTailBytesMax, watchIntervalMs } from "../limits.ts";

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

/** A line of the kernel's log; undefined for what is not one (a torn last line). */
export const parseLogLine = (text: string): LogLine | undefined => {
  try {
    const value = JSON.parse(text) as Readonly<Record<string, unknown>>;
    const { process: name, time, level, event, ...fields } = value;
    if (typeof event !== "string" || typeof time !== "string") return undefined;
    const processName = typeof name === "string" ? name : "kernel";
    return { process: processName, time, level: String(level), event, fields };
  } catch {
    return undefined;
  }
};

/** Whole lines of one file, as they come; a rotated file is read to its end before the new one. */
class Tail implements Disposable {
  readonly #path: string;
  #file: number | undefined;
  #ino = 0;
  #offset = 0;
  #rest = "";

  constructor(path: string) {
    this.#path = path;
  }

  read(): readonly string[] {
    const lines = this.#readOn();
    const info = statSync(this.#path, { throwIfNoEntry: false });
    if (info === undefined || (this.#file !== undefined && info.ino === this.#ino)) return lines;
    this[Symbol.dispose]();
    this.#file = openSync(this.#path, "r");
    const { ino, size } = fstatSync(this.#file);
    this.#ino = ino;
    this.#offset = Math.max(0, size - logTailBytesMax);
    return [...lines, ...this.#readOn()];
  }

  [Symbol.dispose](): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
    this.#rest = "";
  }

  #readOn(): readonly string[] {
    if (this.#file === undefined) return [];
    const bytes = Buffer.alloc(logTailBytesMax);
    const length = readSync(this.#file, bytes, 0, bytes.length, this.#offset);
    this.#offset += length;
    const lines = (this.#rest + bytes.toString("utf8", 0, length)).split("\n");
    this.#rest = lines.pop() ?? "";
    return lines;
  }
}

/** `kernel.jsonl` and what was rotated away from it, oldest first. */
const logFiles = (folder: string): readonly string[] =>
  (existsSync(folder) ? readdirSync(folder) : [])
    .map((name) => ({ name, age: /^(.+\.jsonl)(?:\.(\d+))?$/.exec(name) }))
    .filter(({ age }) => age !== null)
    .toSorted((a, b) => Number(b.age?.[2] ?? 0) - Number(a.age?.[2] ?? 0))
    .map(({ name }) => join(folder, name));

const textOf = (value: unknown): string => (typeof value === "string" ? value : "");

const wanted =
  (options: LogsOptions) =>
  (line: LogLine): boolean =>
    (options.process === undefined || line.process === options.process) &&
    (options.session === undefined || textOf(line.fields["session"]).startsWith(options.session));

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
  const count = options.lines ?? logLinesDefault;
  const known = new Set<string>();
  const select = (lines: readonly string[]): readonly LogLine[] => {
    const read = lines.map(parseLogLine).filter((line) => line !== undefined);
    for (const { process } of read) known.add(process);
    return read.filter(wanted(options));
  };
  using tails = new DisposableStack();
  const all: LogLine[] = [];
  const live: Tail[] = [];
  for (const file of logFiles(paths.logs)) {
    const tail = tails.use(new Tail(file));
    all.push(...select(tail.read()));
    if (file.endsWith(".jsonl")) live.push(tail);
  }
  for (const line of count === 0 ? [] : all.slice(-count)) printLine(context, line);
  if (options.follow !== true) {
    if (options.process !== undefined && !known.has(options.process)) {
      const names = [...known].toSorted((a, b) => (a < b ? -1 : 1)).join(", ") || "no process";
      context.output.progress(`no line of "${options.process}"; there are lines of ${names}`);
    }
    return exitCodes.done;
  }
  if (live.length === 0) live.push(tails.use(new Tail(join(paths.logs, "kernel.jsonl"))));
  for (;;) {
    await sleep(watchIntervalMs, undefined, { signal: context.signal });
    for (const tail of live) {
      for (const line of select(tail.read())) printLine(context, line);
    }
  }
};
