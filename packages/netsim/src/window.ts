/**
 * What a simulated host keeps of what was signed (R8): the newest envelopes, for the answer to a `recall` and
 * for the start of an engine. `./journal.ts` says what of it outlives a crash.
 *
 * Bound: it holds `keptEnvelopesMax` envelopes, and less than twice as many.
 */
import { isBeside } from "@ioi/consensus";
import type { Envelope } from "@ioi/wire";
import { keptEnvelopesMax } from "./limits.ts";

export class EvidenceWindow {
  #kept: Envelope[] = [];

  keep(envelope: Envelope): void {
    if (this.#kept.push(envelope) < 2 * keptEnvelopesMax) return;
    this.#kept = this.#kept.slice(-keptEnvelopesMax);
  }

  /** Of an epoch, oldest first. */
  of(epoch: bigint): readonly Envelope[] {
    return this.#kept.filter(({ epoch: { number } }) => number === epoch);
  }

  near(envelope: Envelope): readonly Envelope[] {
    return this.#kept.filter((each) => isBeside(envelope, each));
  }
}
