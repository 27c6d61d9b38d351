/** Persons' answers to what gates asked, as they come. One stream for all gates, while one asks. */
import { OperationError } from "@ioi/base";
import type { Gate, PersonDecision } from "./ends.ts";

export class Decisions {
  readonly #gate: Pick<Gate, "decisions">;
  readonly #waiting: Map<string, (decision: PersonDecision | undefined) => void> = new Map();
  #stream: AbortController | undefined;

  constructor(gate: Pick<Gate, "decisions">) {
    this.#gate = gate;
  }

  /** Undefined where the signal came first. */
  async of(approval: string, signal: AbortSignal): Promise<PersonDecision | undefined> {
    if (signal.aborted) return undefined;
    const decided = new Promise<PersonDecision | undefined>((resolve) => {
      this.#waiting.set(approval, resolve);
    });
    const gone = (): void => this.#settle(approval, undefined);
    signal.addEventListener("abort", gone, { once: true });
    this.#listen();
    try {
      return await decided;
    } finally {
      signal.removeEventListener("abort", gone);
      if (this.#waiting.size === 0) {
        this.#stream?.abort(new OperationError("E_RPC_CANCELLED", "nobody waits any more"));
        this.#stream = undefined;
      }
    }
  }

  #listen(): void {
    if (this.#stream !== undefined) return;
    const stream = new AbortController();
    this.#stream = stream;
    void this.#hear(stream.signal);
  }

  async #hear(signal: AbortSignal): Promise<void> {
    try {
      // A stream begins with the answers that are known: none is missed.
      for await (const decision of this.#gate.decisions(signal)) {
        if (decision.scopeChanged !== true) this.#settle(decision.approval, decision);
      }
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
    }
  }

  #settle(approval: string, decision: PersonDecision | undefined): void {
    const resolve = this.#waiting.get(approval);
    this.#waiting.delete(approval);
    resolve?.(decision);
  }
}
