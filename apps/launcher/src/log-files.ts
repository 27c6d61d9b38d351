/**
 * The only writer of log files: every process of the kernel writes JSON lines to its standard
 * error, which ends here. `logs/kernel.jsonl` is rotated by size and bounded in number.
 *
 * A line that is not JSON (a crash of the runtime) is kept without its text unless it names code:
 * it might hold content.
 */
import fs from "node:fs";
import path from "node:path";
import type { Readable } from "node:stream";
import { logFileBytesMax, logFilesMax, logLineCharsMax } from "./limits.ts";

export const logFileName = "kernel.jsonl";

export class LogFiles {
  readonly #path: string;
  #size: number;
  #broken = false;

  constructor(folder: string) {
    this.#path = path.join(folder, logFileName);
    this.#size = fs.statSync(this.#path, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** Appends one line. A log that cannot be written must not stop what it reports. */
  write(line: string): void {
    this.#append([line]);
  }

  /** Lines that came together are written together, but for those of the next file. */
  #append(lines: readonly string[]): void {
    let together: Buffer[] = [];
    let length = 0;
    try {
      for (const line of lines) {
        const bytes = Buffer.from(`${line}\n`);
        if (this.#size + length > 0 && this.#size + length + bytes.length > logFileBytesMax) {
          this.#put(together);
          [together, length] = [[], 0];
          this.#rotate();
        }
        together.push(bytes);
        length += bytes.length;
      }
      this.#put(together);
      this.#broken = false;
    } catch {
      this.#broken = true;
    }
  }

  #put(pieces: readonly Buffer[]): void {
    if (pieces.length === 0) return;
    const bytes = Buffer.concat(pieces);
    fs.appendFileSync(this.#path, bytes, { mode: 0o600 });
    this.#size += bytes.length;
  }

  /** True while the last line could not be written. */
  get broken(): boolean {
    return this.#broken;
  }

  /** Takes the standard error of a process. */
  follow(stream: Readable, processName: string): void {
    let rest = "";
    stream.setEncoding("utf8");
    stream.on("data", (chunk: string) => {
      const lines = (rest + chunk).split("\n");
      rest = (lines.pop() ?? "").slice(0, logLineCharsMax);
      this.#append(
        lines.filter((line) => line !== "").map((line) => structured(line, processName)),
      );
    });
    // What a process said last, as it died, may have no end of line.
    stream.on("end", () => {
      if (rest !== "") this.write(structured(rest, processName));
      rest = "";
    });
    stream.on("error", () => undefined);
  }

  #rotate(): void {
    for (let i = logFilesMax - 1; i >= 1; i--) {
      const from = i === 1 ? this.#path : `${this.#path}.${i - 1}`;
      if (fs.existsSync(from)) fs.renameSync(from, `${this.#path}.${i}`);
    }
    this.#size = 0;
  }
}

const structured = (line: string, processName: string): string => {
  if (line.startsWith("{") && line.endsWith("}") && line.length <= logLineCharsMax) {
    try {
      JSON.parse(line);
      return line;
    } catch {
      // Falls through: not one of ours.
    }
  }
  const namesCode = /^\s+at |^(?:file|node):/.test(line);
  return JSON.stringify({
    time: new Date().toISOString(),
    level: "error",
    event: "process.stderr",
    process: processName,
    length: line.length,
    ...(namesCode ? { text: line.slice(0, 300) } : {}),
  });
};
