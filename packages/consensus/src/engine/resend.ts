/**
 * R7: while a view lasts, what was signed in the newest one and the best certificates are sent again
 * every `baseMs`. Bounds: the three envelopes of one view.
 */
import type { ConsensusMessage, QuorumCert, TimeoutCert } from "@ioi/wire";

export class Resend {
  readonly #baseMs: number;
  #sent: ConsensusMessage[] = [];
  #view = -1n;
  #dueMs: number;

  constructor(baseMs: number, nowMs: number) {
    this.#baseMs = baseMs;
    this.#dueMs = nowMs;
  }

  get dueMs(): number {
    return this.#dueMs;
  }

  /** From now on again: another view, or what is due was sent. */
  begin(nowMs: number): void {
    this.#dueMs = nowMs + this.#baseMs;
  }

  remember(message: ConsensusMessage, view: bigint): void {
    if (view !== this.#view) this.#sent = [];
    this.#view = view;
    this.#sent.push(message);
  }

  messages(
    qc: QuorumCert,
    opened: TimeoutCert | undefined,
    wanted: Iterable<Uint8Array>,
  ): readonly ConsensusMessage[] {
    const certificate: ConsensusMessage =
      opened === undefined ? { type: "qc", qc } : { type: "tc", tc: opened, qc };
    const fetches = [...wanted].map((digest) => ({ type: "fetch", digest }) as const);
    return [...this.#sent, certificate, ...fetches];
  }
}
