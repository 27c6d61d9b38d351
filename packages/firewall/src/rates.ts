/**
 * How often: `[rate."net::get"] per_minute = 30`, in one session, and `all_per_minute` over all of
 * them. What was let go counts, whatever came of it, in a window that ends now.
 *
 * Invariants: an action that a rate names is let go at most so often in any window of that length,
 * unless a person lets it go beyond; noting one action twice counts it once. Bounds: of every list
 * the newest `rateMax` are kept, which is as many as a rate may allow. Pure: time is an argument.
 */
import { rateMax } from "./limits.ts";
import { fieldsOf, integerOf, type Reading, tableOf } from "./policy-reader.ts";
import { targetsOfName } from "./read-targets.ts";
import type { TomlTable } from "./toml.ts";

export interface Rate {
  /** As in `net::get per_minute`; asks and cards name it so. */
  readonly id: string;
  readonly targets: ReadonlySet<string>;
  readonly windowMs: number;
  readonly max: number;
  readonly over: "session" | "all";
}

const windows = { per_minute: 60_000, per_hour: 3_600_000, per_day: 86_400_000 } as const;
const longestMs: number = windows.per_day;

type Period = keyof typeof windows;
const periods = ["per_minute", "per_hour", "per_day"] as const satisfies readonly Period[];

/** In one session, and over all of them. */
export const rateKeys: readonly string[] = periods.flatMap((period) => [period, `all_${period}`]);

const ratesOf = (reading: Reading, name: string, table: TomlTable): readonly Rate[] => {
  const fields = fieldsOf(reading, table, rateKeys);
  const targets = targetsOfName(reading, name, table.at);
  if (targets === undefined) return [];
  if (table.entries.size === 0) {
    reading.complaints.add("E_POLICY_VALUE", `the rate of "${name}" says nothing`, table.at);
  }
  return periods.flatMap((period) =>
    (["session", "all"] as const).flatMap((over): readonly Rate[] => {
      const key = over === "all" ? `all_${period}` : period;
      const entry = fields.get(key);
      const max = entry === undefined ? undefined : integerOf(reading, entry.value, 0, rateMax);
      if (max === undefined) return [];
      const names = new Set(targets.map((target) => target.name));
      return [{ id: `${name} ${key}`, targets: names, windowMs: windows[period], max, over }];
    }),
  );
};

export const readRates = (reading: Reading, tree: TomlTable): readonly Rate[] => {
  const entry = tree.entries.get("rate");
  const table = entry === undefined ? undefined : tableOf(reading, entry.value);
  return [...(table?.entries ?? [])].flatMap(([name, { value }]) => {
    const each = tableOf(reading, value);
    return each === undefined ? [] : ratesOf(reading, name, each);
  });
};

/** Of several policies the lowest of each counts. */
export const lowestRates = (all: readonly Rate[]): readonly Rate[] => {
  const byId = new Map<string, Rate>();
  for (const rate of all) {
    const known = byId.get(rate.id);
    if (known === undefined || rate.max < known.max) byId.set(rate.id, rate);
  }
  return [...byId.values()];
};

interface Noted {
  readonly atMs: number;
  readonly counter: bigint;
}

/** The newest so many, oldest first. */
class Recent {
  #items: Noted[] = [];
  #from = 0;

  add(item: Noted): void {
    this.#items.push(item);
    if (this.#items.length - this.#from > rateMax) this.#from++;
    // Now and then what is past is let go of.
    if (this.#from > rateMax) {
      this.#items = this.#items.slice(this.#from);
      this.#from = 0;
    }
  }

  prune(beforeMs: number): void {
    while ((this.#items[this.#from]?.atMs ?? beforeMs) < beforeMs) this.#from++;
  }

  /** How many of the last so many milliseconds; what is later than now is now. */
  count(sinceMs: number): number {
    let [low, high] = [this.#from, this.#items.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#items[middle]?.atMs ?? 0) > sinceMs) high = middle;
      else low = middle + 1;
    }
    return this.#items.length - low;
  }

  has(counter: bigint): boolean {
    for (let at = this.#items.length - 1; at >= this.#from; at--) {
      if (this.#items[at]?.counter === counter) return true;
      if ((this.#items[at]?.counter ?? 0n) < counter) return false;
    }
    return false;
  }
}

export class RateLedger {
  readonly #bySession = new Map<string, Map<string, Recent>>();
  readonly #all = new Map<string, Recent>();

  /** An action was let go; the second note of one counter says nothing new. */
  note(session: string, target: string, counter: bigint, atMs: number): void {
    const all = this.#all.get(target) ?? new Recent();
    this.#all.set(target, all);
    if (all.has(counter)) return;
    all.prune(atMs - longestMs);
    all.add({ atMs, counter });
    const own = this.#bySession.get(session) ?? new Map<string, Recent>();
    this.#bySession.set(session, own);
    const recent = own.get(target) ?? new Recent();
    own.set(target, recent);
    recent.prune(atMs - longestMs);
    recent.add({ atMs, counter });
  }

  /** The session has ended; what it did still counts over all. */
  close(session: string): void {
    this.#bySession.delete(session);
  }

  /** Rates that one more such action now would exceed. */
  exceeded(
    rates: readonly Rate[],
    session: string,
    target: string,
    nowMs: number,
  ): readonly string[] {
    return rates
      .filter((rate) => {
        if (!rate.targets.has(target)) return false;
        const lists = rate.over === "all" ? this.#all : this.#bySession.get(session);
        let count = 0;
        for (const each of rate.targets)
          count += lists?.get(each)?.count(nowMs - rate.windowMs) ?? 0;
        return count >= rate.max;
      })
      .map(({ id }) => id);
  }
}
