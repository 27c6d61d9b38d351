/**
 * `ioi stop`: the Guardian revokes, the workload ends the session, the launcher kills. "Stopped" is
 * said only when the first and the last answered; neither asks the other, nor the workload, for
 * permission. The workload comes a moment before the launcher, so that an effect which is asked to
 * end says what it did (nothing, mostly) before its driver is killed under it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { exitCodes, OperationError } from "@ioi/base";
import type { Handler } from "../context.ts";
import { type Kernel, openKernel } from "../kernel/connection.ts";
import { namedSession, listSessions } from "../kernel/find.ts";
import { requireFolder } from "../kernel/folder.ts";
import { callDeadlineMs, stopGraceMs } from "../limits.ts";
import { failWith } from "../report.ts";

const ended = new Set(["done", "failed", "stopped"]);
const reason = "stopped by the person";

const isOver = (error: unknown): boolean =>
  error instanceof OperationError &&
  (error.code === "E_SESSION_CLOSED" || error.code === "E_SESSION_UNKNOWN");

interface Meant {
  readonly session: string;
  /** Of a client of an MCP server: no agent's. */
  readonly gate?: true;
}

interface Stopped {
  /** Drivers that the launcher still had to kill. */
  readonly killed: number;
  /** What servers had received of requests that were cut. */
  readonly sent: readonly {
    readonly method: string;
    readonly url: string;
    readonly bytes: number;
    readonly ticket: string;
  }[];
}

const stopOne = async (kernel: Kernel, { session, gate }: Meant): Promise<Stopped> => {
  const options = { deadlineMs: callDeadlineMs };
  const revoke = async (): Promise<void> => {
    await (await kernel.person()).revoke({ session, reason }, options);
  };
  const tell = async (): Promise<void> => {
    if (gate === true) await (await kernel.mcpGates()).stopGate({ session }, options);
    else await (await kernel.sessions()).stop({ session }, options);
  };
  const telling = tell();
  const kill = async (): Promise<Stopped> => {
    await Promise.race([telling.catch(() => undefined), sleep(stopGraceMs)]);
    const { killed, sent } = await (await kernel.launcher()).stopSession({ session }, options);
    return {
      killed,
      sent: sent.map(({ method, url, bytesUp, counter }) => ({
        method,
        url,
        bytes: Number(bytesUp),
        ticket: counter.toString(),
      })),
    };
  };
  const [killed, revoked, told] = await Promise.allSettled([kill(), revoke(), telling]);
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

const named = async (kernel: Kernel, given: string | undefined): Promise<readonly Meant[]> => {
  const gates = await (await kernel.mcpGates()).listGates({}, { deadlineMs: callDeadlineMs });
  const open = gates.sessions.map((session): Meant => ({ session, gate: true }));
  const all = await listSessions(kernel);
  if (given !== undefined) return [namedSession<Meant>([...open, ...all], given)];
  return [...all.filter(({ state }) => !ended.has(state)), ...open];
};

/** The sessions that are meant; drivers do not live on while the workload is slow to name them. */
const meant = async (kernel: Kernel, given: string | undefined): Promise<readonly Meant[]> => {
  const naming = named(kernel, given);
  const slow = await Promise.race([
    naming.then(
      () => false,
      () => false,
    ),
    sleep(stopGraceMs, true),
  ]);
  if (slow) {
    const launcher = await kernel.launcher();
    await launcher.stopSession({ session: given ?? "" }, { deadlineMs: callDeadlineMs });
  }
  return await naming;
};

export const stop: Handler<object> = async (context, { args }) => {
  requireFolder(context.dataFolder);
  await using kernel = await openKernel(context, { start: true });
  const sessions = await meant(kernel, args[0]);
  const stops = await Promise.allSettled(
    sessions.map(async (each) => ({
      session: each.session,
      ...(await stopOne(kernel, each)),
    })),
  );
  const stopped = stops.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  const { output } = context;
  const failed = stops.find((each) => each.status === "rejected");
  if (failed !== undefined) {
    for (const { session } of stopped) output.progress(`stopped ${session}`);
    throw failed.reason;
  }
  output.value({ schema: "ioi.stop/1", stopped });
  if (stopped.length === 0) output.line("nothing ran");
  for (const { session, sent } of stopped) {
    output.line(`stopped ${session}: nothing of it runs any more, its tickets are revoked`);
    for (const { method, url, bytes, ticket } of sent) {
      output.line(
        `  cut ${method} ${url} (ticket ${ticket}): the server had received ${bytes} bytes`,
      );
    }
  }
  return exitCodes.done;
};
