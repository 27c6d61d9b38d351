/**
 * Following a session to where it rests, across restarts of the kernel, and answering its cards.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { RunView } from "@ioi/agent";
import { OperationError } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import type { pb } from "@ioi/wire";
import type { CommandContext } from "../context.ts";
import { callDeadlineMs } from "../limits.ts";
import { failWith } from "../report.ts";
import { askCard } from "../view/card.ts";
import { isUnavailable, type Kernel, retrying, type SessionsClient } from "./connection.ts";
import { type Decision, readDeviceKey, signDecision } from "./device.ts";
import { folderPaths } from "./folder.ts";

export type Updates = AsyncIterable<pb.SessionUpdate>;

/** Starts what is followed; called again if the kernel restarted before it took the call. */
export type Begin = (sessions: SessionsClient) => Updates;

/** What an action wrote while it ran. */
export type OnOutput = (action: number, text: string, errors: boolean) => void;

/** Between two looks at what is about to change. */
const pauseMs = 50;

const isUnknown = (error: unknown): boolean =>
  error instanceof OperationError && error.code === "E_SESSION_UNKNOWN";

const parseView = (update: pb.SessionUpdate): RunView => {
  try {
    return JSON.parse(update.json) as RunView;
  } catch (cause) {
    throw failWith({ code: "E_RPC_MALFORMED", message: "a session's view is not JSON" }, cause);
  }
};

const streamOptions = (context: CommandContext) => ({
  deadlineMs: Number.POSITIVE_INFINITY,
  signal: context.signal,
});

/** Every view of a session until it rests. */
export async function* followSession(
  context: CommandContext,
  kernel: Kernel,
  session: string,
  begin?: Begin,
  onOutput?: OnOutput,
): AsyncGenerator<{ readonly view: RunView; readonly rests: boolean }> {
  const output = onOutput !== undefined;
  const follow: Begin = (sessions) => sessions.follow({ session, output }, streamOptions(context));
  let next = begin ?? follow;
  let seen = begin === undefined;
  for (;;) {
    try {
      for await (const update of next(await kernel.sessions())) {
        seen = true;
        if (update.output !== undefined) {
          const { action, text, errors } = update.output;
          onOutput?.(action, text, errors);
          continue;
        }
        yield { view: parseView(update), rests: update.rests };
        if (update.rests) return;
      }
      // A kernel that drains ends the stream before it goes.
      await sleep(pauseMs, undefined, { signal: context.signal });
      next = follow;
    } catch (error) {
      if (isUnavailable(error)) {
        await kernel.recover();
        next = follow;
      } else if (isUnknown(error) && !seen && begin !== undefined) {
        // The kernel restarted before the call reached it: nothing of it happened.
        next = begin;
      } else {
        throw error;
      }
    }
  }
}

/** Signs an answer to an approval whose card was shown, and hands it to the Guardian. */
export const decide = async (
  context: CommandContext,
  kernel: Kernel,
  approval: pb.Approval,
  decision: Decision,
  reason: string,
): Promise<void> => {
  const key = readDeviceKey(folderPaths(context.dataFolder).deviceKey, nodeCrypto);
  const signed = signDecision(nodeCrypto, key, approval, decision);
  for (;;) {
    try {
      const person = await kernel.person();
      await person.decide({ ...signed, reason }, { deadlineMs: callDeadlineMs });
      return;
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      await kernel.recover();
      // An approval that does not wait any more took the answer before the kernel went.
      if (!(await pendingApprovals(kernel)).some(({ id }) => id === approval.id)) return;
    }
  }
};

export const pendingApprovals = async (kernel: Kernel): Promise<readonly pb.Approval[]> =>
  retrying(kernel, async () => {
    const person = await kernel.person();
    const { approvals } = await person.listApprovals({}, { deadlineMs: callDeadlineMs });
    return approvals;
  });

const openApproval = (view: RunView): string | undefined =>
  view.state === "waiting-approval" || view.state === "paused"
    ? (view.actions.find(
        ({ approval, outcome, verdict }) =>
          approval !== null && outcome === null && verdict === "ask",
      )?.approval ?? undefined)
    : undefined;

/**
 * Follows to the end, answering cards at the terminal where `prompt` says so. `decided` are
 * approvals that were just answered: the session's view may still show them for a moment.
 */
export const seeThrough = async (
  context: CommandContext,
  kernel: Kernel,
  session: string,
  options: {
    readonly begin?: Begin;
    readonly prompt: boolean;
    readonly decided?: readonly string[];
    readonly onView: (view: RunView) => void;
    readonly onOutput?: OnOutput;
    /** Answers a card instead of the terminal's own. */
    readonly answer?: (approval: pb.Approval) => Promise<Decision & { readonly reason?: string }>;
  },
): Promise<RunView> => {
  const decided = new Set(options.decided ?? []);
  let { begin } = options;
  for (;;) {
    let last: RunView | undefined;
    const followed = followSession(context, kernel, session, begin, options.onOutput);
    for await (const { view, rests } of followed) {
      last = view;
      options.onView(view);
      const waits = openApproval(view);
      if (waits === undefined || decided.has(waits)) continue;
      if (!options.prompt) continue;
      const approval = (await pendingApprovals(kernel)).find(({ id }) => id === waits);
      if (approval === undefined) continue;
      const ask = (each: pb.Approval): Promise<Decision & { readonly reason?: string }> =>
        askCard(context, each);
      const { reason = "", ...answer } = await (options.answer ?? ask)(approval);
      await decide(context, kernel, approval, answer, reason);
      decided.add(waits);
      // A resting session is followed anew: its present view predates the answer.
      if (rests) break;
    }
    begin = undefined;
    const waits = last && openApproval(last);
    if (last !== undefined && (waits === undefined || !decided.has(waits))) return last;
    await sleep(pauseMs, undefined, { signal: context.signal });
  }
};
