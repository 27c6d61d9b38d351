/**
 * What changes by itself, noticed while a page is open: the list of sessions and the number of
 * cards, looked at every second and at once after something was done; sessions that run are
 * followed, so that each of their steps is such a moment. Nobody reads: nothing is done.
 */
import { OperationError } from "@ioi/base";
import type { pb } from "@ioi/wire";
import type { Events } from "./http/events.ts";
import type { Kernel } from "./kernel.ts";
import {
  callMs,
  outputCharsMax,
  sessionsFollowedMax,
  sessionsWatchedMax,
  watchMs,
  watchSoonMs,
} from "./limits.ts";
import type { Plans } from "./service/plans.ts";
import { waitingChanges } from "./service/policy.ts";

export interface WatchOptions {
  readonly kernel: Kernel;
  readonly events: Pick<Events, "publish">;
  readonly plans: Plans;
  readonly onBug: (error: unknown) => void;
}

const ended = new Set(["done", "failed", "stopped"]);

const same = (a: pb.SessionSummary | undefined, b: pb.SessionSummary): boolean =>
  a !== undefined &&
  a.state === b.state &&
  a.actions === b.actions &&
  a.undoable === b.undoable &&
  a.text === b.text;

export class Watch {
  readonly #options: WatchOptions;
  readonly #known: Map<string, pb.SessionSummary> = new Map();
  readonly #followed: Set<string> = new Set();
  #abort: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #looking = false;
  #again = false;
  #cards = "";
  #lastMs = 0;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** The first reader came, or the last one went. */
  reading(reading: boolean): void {
    this.#abort?.abort();
    clearTimeout(this.#timer);
    this.#abort = undefined;
    this.#followed.clear();
    if (!reading) return;
    this.#abort = new AbortController();
    this.#plan(0);
  }

  /** Something was done: look soon. */
  soon(): void {
    if (this.#abort === undefined) return;
    if (this.#looking) this.#again = true;
    else this.#plan(Math.max(0, this.#lastMs + watchSoonMs - performance.now()));
  }

  #plan(inMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#look(), inMs);
  }

  async #look(): Promise<void> {
    const abort = this.#abort;
    if (abort === undefined || this.#looking) return;
    this.#looking = true;
    this.#again = false;
    try {
      await this.#sessions(abort.signal);
      await this.#waiting(abort.signal);
    } catch (error) {
      // The kernel restarts, or the readers went: the next look tells.
      if (!(error instanceof OperationError) && !abort.signal.aborted) this.#options.onBug(error);
    } finally {
      this.#looking = false;
      this.#lastMs = performance.now();
    }
    if (this.#abort !== undefined) this.#plan(this.#again ? watchSoonMs : watchMs);
  }

  async #sessions(signal: AbortSignal): Promise<void> {
    const client = await this.#options.kernel.sessions();
    const listed = await client.list({ limit: sessionsWatchedMax }, { signal, deadlineMs: callMs });
    const { sessions } = listed;
    for (const summary of sessions.toReversed()) {
      const { session } = summary;
      if (!ended.has(summary.state)) this.#follow(session);
      if (same(this.#known.get(session), summary)) continue;
      this.#known.set(session, summary);
      const { state, text, workspace, createdMs, actions, undoable } = summary;
      const line = { session, state, text, workspace, createdMs, actions, undoable };
      this.#options.events.publish({ kind: "session", session: line });
    }
    const listedIds = new Set(sessions.map(({ session }) => session));
    for (const session of this.#known.keys()) {
      if (!listedIds.has(session)) this.#known.delete(session);
    }
  }

  async #waiting(signal: AbortSignal): Promise<void> {
    const person = await this.#options.kernel.person();
    const { approvals } = await person.listApprovals({}, { signal, deadlineMs: callMs });
    // Other cards of the same number are news too.
    const changes = await waitingChanges(this.#options.kernel, { signal });
    const ids = [...approvals, ...changes].map(({ id }) => id);
    const cards = [...ids, this.#options.plans.changes].join(" ");
    if (cards === this.#cards) return;
    this.#cards = cards;
    this.#options.events.publish({ kind: "cards", pendingCards: ids.length });
  }

  #follow(session: string): void {
    const signal = this.#abort?.signal;
    if (signal === undefined || this.#followed.has(session)) return;
    if (this.#followed.size >= sessionsFollowedMax) return;
    this.#followed.add(session);
    void this.#steps(session, signal).finally(() => {
      if (!signal.aborted) this.#followed.delete(session);
    });
  }

  #output(session: string, { action, text }: pb.SessionOutput): void {
    for (let at = 0; at < text.length; at += outputCharsMax) {
      const piece = text.slice(at, at + outputCharsMax).toWellFormed();
      this.#options.events.publish({ kind: "output", sessionId: session, action, text: piece });
    }
  }

  async #steps(session: string, signal: AbortSignal): Promise<void> {
    try {
      const client = await this.#options.kernel.sessions();
      const updates = client.follow(
        { session, output: true },
        { signal, deadlineMs: Number.POSITIVE_INFINITY },
      );
      for await (const { output } of updates) {
        if (output === undefined) this.soon();
        else this.#output(session, output);
      }
    } catch (error) {
      if (!(error instanceof OperationError) && !signal.aborted) this.#options.onBug(error);
    }
  }
}
