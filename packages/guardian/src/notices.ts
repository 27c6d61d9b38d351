/**
 * Numbered commitments that wait for their proposal. The Orchestrator is trusted with nothing but
 * their order, and that much is checked: numbers rise strictly, also over the lives of both; a number
 * that was given before, or that comes late, counts for nothing, and neither does its proposal.
 *
 * Bounds: `noticesMax`; the oldest is forgotten.
 */
import { equalBytes } from "@ioi/base";
import { type CryptoProvider, domainHash, domains } from "@ioi/crypto";
import { noticesMax, orderLeadMax } from "./limits.ts";
import { rejected } from "./rejections.ts";

/** A proposal's number and commitment, as the Orchestrator forwarded them. */
export interface Notice {
  readonly session: string;
  readonly sequence: bigint;
  readonly commitment: Uint8Array;
  readonly order: bigint;
}

export interface Opened {
  readonly session: string;
  readonly sequence: bigint;
  readonly salt: Uint8Array;
  readonly action: Uint8Array;
}

export class Notices {
  readonly #waiting: Map<string, Notice> = new Map();
  #last = 0n;

  /**
   * `logged` is the highest number in the log, `nowMs` the wall clock's time: none lies beyond what
   * a thousand a millisecond since 1970 would be, so that one great number cannot end all later ones.
   * False: it does not rise, or too far, and is dropped.
   */
  add(notice: Notice, logged: bigint, nowMs: number): boolean {
    if (logged > this.#last) this.#last = logged;
    const most = BigInt(Math.floor(nowMs)) * 1000n + BigInt(orderLeadMax);
    if (notice.order <= this.#last || notice.order > most) return false;
    this.#last = notice.order;
    this.#waiting.set(`${notice.session}/${notice.sequence}`, notice);
    if (this.#waiting.size > noticesMax) {
      const oldest = this.#waiting.keys().next().value;
      if (oldest !== undefined) this.#waiting.delete(oldest);
    }
    return true;
  }

  /** The number of what was committed to; used up by this. */
  take({ session, sequence, salt, action }: Opened, provider: CryptoProvider): bigint {
    const key = `${session}/${sequence}`;
    const notice = this.#waiting.get(key);
    this.#waiting.delete(key);
    const opened = new Uint8Array(salt.length + action.length);
    opened.set(salt);
    opened.set(action, salt.length);
    if (
      notice === undefined ||
      salt.length !== 32 ||
      !equalBytes(domainHash(provider, domains.proposal, opened), notice.commitment)
    ) {
      throw rejected(
        "E_PROPOSAL_UNORDERED",
        "the proposal was not numbered, or differs from what was",
      );
    }
    return notice.order;
  }
}
