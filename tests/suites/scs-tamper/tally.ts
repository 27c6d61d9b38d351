/** What became of mutations, and which fields they reached. */

/**
 * - `refused`: it was not taken for what it is not;
 * - `equivalent`: it says the same as before (a hint, which nobody trusts; an erased key);
 * - `accepted`, `threw`: what must not be.
 */
export type Fate = "refused" | "equivalent" | "accepted" | "threw";

export interface Tried {
  readonly fate: Fate;
  readonly why: string;
}

export class Tally {
  readonly counts: Record<Fate | "same", number> = {
    refused: 0,
    equivalent: 0,
    accepted: 0,
    threw: 0,
    same: 0,
  };
  readonly fields = new Map<string, number>();
  slowestMs = 0;
  first: string | undefined;

  get mutations(): number {
    const { refused, accepted, threw } = this.counts;
    return refused + accepted + threw;
  }

  field(name: string): void {
    this.fields.set(name, (this.fields.get(name) ?? 0) + 1);
  }

  add(what: string, { fate, why }: Tried, tookMs: number): void {
    this.counts[fate] += 1;
    this.slowestMs = Math.max(this.slowestMs, tookMs);
    if (fate === "accepted" || fate === "threw") this.first ??= `${what}: ${fate}, ${why}`;
  }
}
