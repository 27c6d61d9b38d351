/** What the Workload hands on of the end of an action. */
export interface OutcomeReport {
  readonly session: string;
  readonly counter: bigint;
  /** Canonical `outcome`, signed by its instance; absent where the driver died. */
  readonly outcome: Uint8Array | undefined;
  readonly signature: Uint8Array;
  readonly status: string;
  readonly reportedBy: string;
  /** Where values of the answer come from, as the driver committed to it. */
  readonly origins?: Uint8Array;
  /** Canonical list of a program's requests. */
  readonly requests?: Uint8Array;
}
