/**
 * How long to wait before a stream of a server elsewhere is asked for again. Every asking is an action
 * with receipts, so one that ends at once is asked for less and less often. Pure.
 *
 * Invariants: each wait after a stream that did not live is twice the one before, never below what the
 * server asked for (`retry:` of its events); what came on a stream does not shorten it, only time does.
 * Bounds: `mcpStreamWaitMsMin` to `mcpStreamWaitMsMax`.
 */
import { mcpStreamLivedMs, mcpStreamWaitMsMax, mcpStreamWaitMsMin } from "../limits.ts";

const bounded = (ms: number): number =>
  Math.min(mcpStreamWaitMsMax, Math.max(mcpStreamWaitMsMin, ms));

export class StreamWaits {
  #askedMs = mcpStreamWaitMsMin;
  #nextMs = mcpStreamWaitMsMin;

  /** What the server says a client should wait. */
  asked(ms: number): void {
    this.#askedMs = bounded(ms);
  }

  /** The wait after a stream that lived so long. */
  after(livedMs: number): number {
    if (livedMs >= mcpStreamLivedMs) this.#nextMs = mcpStreamWaitMsMin;
    const waitMs = Math.max(this.#askedMs, this.#nextMs);
    this.#nextMs = bounded(2 * this.#nextMs);
    return waitMs;
  }
}
