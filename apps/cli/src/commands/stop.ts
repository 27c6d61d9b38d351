/**
 * `ioi stop`: the launcher kills, the Guardian revokes, the workload ends the session. "Stopped" is
 * said only when the first two answered; neither asks the other, nor the workload, for permission.
 */
import { exitCodes, OperationError } from "@ioi/base";
import type { Handler } from "../context.ts";
import { type Kernel, openKernel } from "../kernel/connection.ts";
import { findSession, listSessions } from "../kernel/find.ts";
import { requireFolder } from "../kernel/folder.ts";
import { callDeadlineMs } from "../limits.ts";
import { failWith } from "../report.ts";

const ended = new Set(["done", "failed", "stopped"]);
const reason = "stopped by the person";

const isOver = (error: unknown): boolean =>
  error instanceof OperationError &&
  (error.code === "E_SESSION_CLOSED" || error.code === "E_SESSION_UNKNOWN");

/** How many processes the launcher killed. */
const stopOne = async (kernel: Kernel, session: string): Promise<number> => {
  const options = { deadlineMs: callDeadlineMs };
  const kill = async (): Promise<number> =>
    (await (await kernel.launcher()).stopSession({ session }, options)).killed;
  const revoke = async (): Promise<void> => {
    await (await kernel.person()).revoke({ session, reason }, options);
  };
  const tell = async (): Promise<void> => {
    await (await kernel.sessions()).stop({ session }, options);
  };
  const [killed, revoked, told] = await Promise.allSettled([kill(), revoke(), tell()]);
  if (killed.status === "rejected") throw killed.reason;
  if (revoked.status === "rejected" && !isOver(revoked.reason)) throw revoked.reason;
  if (told.status === "rejected" && !isOver(told.reason)) {
    throw failWith(
      {
        code: "E_STOP_UNANSWERED",
        message: `nothing of session ${session} runs any more, but the workload did not confirm`,
      },
      told.reason,
    );
  }
  return killed.value;
};

export const stop: Handler<object> = async (context, { args }) => {
  requireFolder(context.dataFolder);
  await using kernel = await openKernel(context, { start: true });
  const [given] = args;
  const sessions =
    given === undefined
      ? (await listSessions(kernel)).filter(({ state }) => !ended.has(state))
      : [await findSession(kernel, given)];
  const stopped: { session: string; killed: number }[] = [];
  for (const { session } of sessions) {
    stopped.push({ session, killed: await stopOne(kernel, session) });
  }
  const { output } = context;
  output.value({ schema: "ioi.stop/1", stopped });
  if (stopped.length === 0) output.line("nothing ran");
  for (const { session, killed } of stopped) {
    output.line(`stopped ${session}: ${killed} processes ended, tickets revoked`);
  }
  return exitCodes.done;
};
