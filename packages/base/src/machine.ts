/**
 * A sans-IO state machine: every protocol of the product is one. Timers are state (`deadline`),
 * randomness is a generator given at construction, and the world is changed only by the effects it
 * returns. The journalled inputs are its log: replaying them gives the same effects byte for byte.
 */
export interface Machine<Input, Effect, Time = bigint> {
  /** Take one input at one time. Total: a hostile input yields effects, never an exception. */
  handle(input: Input, now: Time): readonly Effect[];
  /** When `handle` wants to be called with a tick, if ever. */
  deadline(): Time | undefined;
}
