/**
 * Views and their time-outs: R1, R5, R6. A view is entered through a certificate of the one before and
 * through nothing else; its time-out grows only after more leaders failed than may be down at once.
 *
 * Invariant: the view never falls. Time is in milliseconds of the caller's clock.
 */
import { viewTimeoutMsMax } from "../limits.ts";
import { lastViewOf, type Schedule, tenureOf } from "../schedule.ts";
import type { ValidatorSet } from "../validators.ts";
import type { EngineOptions } from "./types.ts";

export class Pacemaker {
  readonly #set: ValidatorSet;
  readonly #schedule: Schedule;
  readonly #baseMs: number;
  readonly #has: (rule: "R5-tenure" | "R6-distinct") => boolean;
  #view: bigint;
  #enteredMs: number;
  /** When the timer of this view began to run; undefined while nothing is awaited. */
  #runsFromMs: number | undefined;
  #isOver = false;
  readonly #failed = new Set<number>();
  #failures = 0;

  constructor(
    { judge, baseMs, without }: Pick<EngineOptions, "judge" | "baseMs" | "without">,
    schedule: Schedule,
    view: bigint,
    nowMs: number,
  ) {
    this.#set = judge.set;
    this.#schedule = schedule;
    this.#baseMs = baseMs;
    this.#has = (rule) => without?.has(rule) !== true;
    this.#view = view;
    this.#enteredMs = nowMs;
  }

  get view(): bigint {
    return this.#view;
  }

  get enteredMs(): number {
    return this.#enteredMs;
  }

  /** E: what a time-out of this view is signed for. */
  get timeoutView(): bigint {
    return this.#has("R5-tenure") ? lastViewOf(this.#view, this.#schedule.views) : this.#view;
  }

  /** R6, in whole milliseconds. */
  get timeoutMs(): number {
    let ms = this.#baseMs;
    for (let i = 0; i < this.#failures && ms < viewTimeoutMsMax; i++) ms = Math.floor((ms * 3) / 2);
    return Math.min(ms, viewTimeoutMsMax);
  }

  /** Of a view that is not over; undefined while nothing is awaited. */
  get deadlineMs(): number | undefined {
    return this.#runsFromMs === undefined || this.#isOver
      ? undefined
      : this.#runsFromMs + this.timeoutMs;
  }

  /** R1: true if the view is a new one. After a rejection the timer of the tenure runs on. */
  enter(view: bigint, by: "quorum" | "timeout", nowMs: number): boolean {
    if (view <= this.#view) return false;
    if (by === "timeout") this.#fail(view - 1n);
    const views = this.#schedule.views;
    const runsOn = by === "timeout" && tenureOf(view, views) === tenureOf(this.#view, views);
    this.#view = view;
    this.#enteredMs = nowMs;
    if (!runsOn) this.#runsFromMs = undefined;
    this.#isOver = false;
    return true;
  }

  /** R9: there is something to wait for, or there is not. */
  run(isAwaited: boolean, nowMs: number): void {
    if (!isAwaited) this.#runsFromMs = undefined;
    else this.#runsFromMs ??= nowMs;
  }

  /** The time is over: true once for a view. */
  expire(nowMs: number): boolean {
    const { deadlineMs } = this;
    if (deadlineMs === undefined || nowMs < deadlineMs) return false;
    this.#isOver = true;
    return true;
  }

  /** A commit: whoever failed, the network works. */
  reset(): void {
    this.#failed.clear();
    this.#failures = 0;
  }

  /** A tenure ended by time-outs; one that only a rejection interrupted did not. */
  #fail(view: bigint): void {
    if (view !== lastViewOf(view, this.#schedule.views)) return;
    this.#failed.add(this.#schedule.leader(view));
    const { total, quorum } = this.#set;
    const isMany = this.#set.power(this.#failed) > total - quorum;
    if (isMany || !this.#has("R6-distinct")) this.#failures += 1;
  }
}
