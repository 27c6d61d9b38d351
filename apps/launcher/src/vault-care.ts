/**
 * Keeps what undo needs within its bounds of age and size: at the start and every hour. No driver can
 * start while it looks, for the launcher starts them; those that run keep their session's.
 */
import { type Log, OperationError } from "@ioi/base";
import { pruneStages, pruneVault, type PruneOptions } from "@ioi/drivers/vault";
import { vaultCareMs } from "./limits.ts";

export interface VaultCareOptions {
  /** Holds one folder for each session. */
  readonly vaults: string;
  readonly busy: () => ReadonlySet<string>;
  readonly nowMs: () => number;
  readonly log: Log;
  readonly bounds?: PruneOptions;
}

export class VaultCare implements Disposable {
  readonly #options: VaultCareOptions;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: VaultCareOptions) {
    this.#options = options;
  }

  /** Once now, then every hour; the timer keeps no process alive. */
  start(): NodeJS.Timeout {
    this.prune();
    this.#timer = setInterval(() => this.prune(), vaultCareMs).unref();
    return this.#timer;
  }

  /** What cannot be pruned stays: undo is worth more than room. */
  prune(): void {
    const { vaults, busy, nowMs, log, bounds } = this.#options;
    try {
      const { forgotten, bytes } = pruneVault(vaults, nowMs(), { ...bounds, busy: busy() });
      const left = pruneStages(vaults);
      if (left > 0) log.log("info", "launcher.stages-removed", { left });
      if (forgotten > 0) log.log("info", "launcher.vault-pruned", { forgotten, bytes });
    } catch (error) {
      const code =
        error instanceof OperationError
          ? error.code
          : error instanceof Error && "code" in error
            ? String(error.code)
            : undefined;
      if (code === undefined) throw error;
      log.log("warn", "launcher.vault-unpruned", { code });
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
