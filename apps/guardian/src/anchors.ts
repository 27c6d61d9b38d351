/**
 * Checkpoints: signed every so many leaves and at every quiet moment, and handed to the
 * Orchestrator, who keeps the newest root.
 */
import type { Log } from "@ioi/base";
import { type GuardianCore, type SignedCheckpoint } from "@ioi/guardian";
import { checkpointLeavesMax } from "@ioi/guardian";

/** How often the log is looked at, in milliseconds. */
const periodMs = 1000;
/** Nothing appended for this many looks is a quiet moment. */
const quietLooks = 2;

export class Anchors {
  readonly #core: GuardianCore;
  readonly #log: Log;
  readonly #listeners: Set<(checkpoint: SignedCheckpoint) => void> = new Set();
  #lastSize = 0;
  #quiet = 0;
  #busy: Promise<SignedCheckpoint> | undefined;
  newest: SignedCheckpoint | undefined;

  constructor(core: GuardianCore, log: Log) {
    this.#core = core;
    this.#log = log;
    setInterval(() => this.#look(), periodMs).unref();
  }

  onCheckpoint(listener: (checkpoint: SignedCheckpoint) => void): () => void {
    this.#listeners.add(listener);
    if (this.newest !== undefined) listener(this.newest);
    return () => this.#listeners.delete(listener);
  }

  /** One at a time; a second caller gets the one under way only if nothing was appended since. */
  async take(): Promise<SignedCheckpoint> {
    while (this.#busy !== undefined) await this.#busy.catch(() => undefined);
    this.#busy = this.#core.receipts.checkpoint();
    try {
      const checkpoint = await this.#busy;
      this.newest = checkpoint;
      for (const listener of this.#listeners) listener(checkpoint);
      return checkpoint;
    } finally {
      this.#busy = undefined;
    }
  }

  #look(): void {
    const { size, uncheckpointed } = this.#core.receipts;
    this.#quiet = size === this.#lastSize ? this.#quiet + 1 : 0;
    this.#lastSize = size;
    // At the first quiet moment; where that failed, again after twice as long.
    const quiet = this.#quiet >= quietLooks && (this.#quiet & (this.#quiet - 1)) === 0;
    const due = uncheckpointed >= checkpointLeavesMax || (uncheckpointed > 0 && quiet);
    if (!due || this.#busy !== undefined) return;
    this.take().catch((error: unknown) => {
      this.#log.log("error", "guardian.checkpoint-failed", {
        code: (error as { code?: string }).code ?? "bug",
      });
    });
  }
}
