/**
 * Which requests that change something were begun: one file for each ticket's counter, durable
 * before the request leaves, with what became of it. After a crash a request without a file never
 * began; one without an end may have arrived, and nobody can tell from here.
 *
 * Invariants: a counter is claimed once; an end is written once.
 */
import fs from "node:fs";
import path from "node:path";
import type { Settlement } from "../effects/settle.ts";
import { errnoOf, operationError } from "../fs/syscalls.ts";

const ends = ["confirmed", "partial", "no-effect", "unknown"] as const;
type End = (typeof ends)[number];

const format = "ioi.request/1";

const sync = (target: string): void => {
  const fd = fs.openSync(target, "r");
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
};

export class RequestClaims {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  #file(counter: bigint): string {
    return path.join(this.#folder, counter.toString().padStart(20, "0"));
  }

  /** Undefined where it was taken before. */
  claim(counter: bigint): Disposable | undefined {
    const file = this.#file(counter);
    try {
      fs.writeFileSync(file, `${format}\nbegun\n`, { flag: "wx", mode: 0o600, flush: true });
      sync(this.#folder);
    } catch (error) {
      if (errnoOf(error) === "EEXIST") return undefined;
      throw operationError(error, "a request cannot be noted");
    }
    return { [Symbol.dispose]: () => undefined };
  }

  finish(counter: bigint, end: End): void {
    const file = this.#file(counter);
    try {
      fs.writeFileSync(`${file}.new`, `${format}\n${end}\n`, { mode: 0o600, flush: true });
      fs.renameSync(`${file}.new`, file);
    } catch (error) {
      throw operationError(error, "the end of a request cannot be noted");
    }
  }

  settle(counter: bigint): Settlement {
    let text: string;
    try {
      text = fs.readFileSync(this.#file(counter), "utf8");
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return { status: "no-effect", reversible: false };
      throw operationError(error, "what became of a request cannot be read");
    }
    const status = ends.find((each) => text === `${format}\n${each}\n`) ?? "unknown";
    return { status, reversible: false };
  }
}
