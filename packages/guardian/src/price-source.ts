/**
 * The price table in force, looked at like the policy: a change counts from the next look on. While
 * it does not load, the last that did counts; a price that is wrong must not stop all work.
 */
import type { Log } from "@ioi/base";
import { type Price, readPrices } from "@ioi/firewall";
import type { PolicyFile } from "./policy-source.ts";

export class PriceSource {
  readonly #file: PolicyFile;
  readonly #log: Log;
  #stamp: string | undefined;
  #prices: readonly Price[] = [];
  /** Why the table does not load; empty where it does. */
  error = "";

  constructor(file: PolicyFile, log: Log) {
    this.#file = file;
    this.#log = log;
  }

  current(): readonly Price[] {
    const stamp = this.#file.stamp();
    if (stamp === this.#stamp) return this.#prices;
    this.#stamp = stamp;
    if (stamp === undefined) {
      this.#prices = [];
      return this.#prices;
    }
    const read = readPrices(this.#file.name, this.#file.text());
    if (read.ok) {
      this.#prices = read.value;
      this.error = "";
      return this.#prices;
    }
    const [first] = read.error;
    this.error =
      first === undefined
        ? "it does not load"
        : `${first.at.file}:${first.at.line}:${first.at.column}: ${first.message}`;
    this.#log.log("error", "prices.invalid", { code: first?.code, line: first?.at.line });
    return this.#prices;
  }
}
