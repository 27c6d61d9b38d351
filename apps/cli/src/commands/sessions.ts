/** `ioi sessions list|show|resolve`. */
import { exitCodes } from "@ioi/base";
import type { Handler } from "../context.ts";
import { visible } from "../io.ts";
import { openKernel } from "../kernel/connection.ts";
import { findSession, listSessions } from "../kernel/find.ts";
import { followSession, pendingApprovals, seeThrough } from "../kernel/follow.ts";
import { requireFolder } from "../kernel/folder.ts";
import { callDeadlineMs } from "../limits.ts";
import { failWith, usage } from "../report.ts";
import { RunPrinter } from "../view/run-view.ts";
import { conclude, exitOfView } from "./run.ts";

const timeOf = (ms: bigint): string => new Date(Number(ms)).toISOString();

export const list: Handler<{ readonly limit: number }> = async (context, { options }) => {
  requireFolder(context.dataFolder);
  await using kernel = await openKernel(context, { start: true });
  const sessions = await listSessions(kernel, options.limit);
  const approvals = await pendingApprovals(kernel);
  const rows = sessions.map((each) => ({
    session: each.session,
    state: each.state,
    text: each.text,
    workspace: each.workspace,
    createdAt: timeOf(each.createdMs),
    actions: each.actions,
    approvals: approvals
      .filter(({ session }) => session === each.session)
      .map(({ id, target, expiresMs }) => ({ id, target, expiresAt: timeOf(expiresMs) })),
  }));
  const { output } = context;
  output.value({ schema: "ioi.sessions/1", sessions: rows });
  if (rows.length === 0) output.line("no sessions");
  for (const row of rows) {
    const text = visible(row.text).replaceAll("\n", " ");
    output.line(`${row.session}  ${row.createdAt}  ${row.state}  ${row.actions} actions  ${text}`);
    for (const { id, target, expiresAt } of row.approvals) {
      output.line(`  waits for you: approval ${id}, ${target}, until ${expiresAt}`);
    }
  }
  return exitCodes.done;
};

export const show: Handler<object> = async (context, { args }) => {
  requireFolder(context.dataFolder);
  await using kernel = await openKernel(context, { start: true });
  const { session } = await findSession(kernel, args[0] ?? "");
  for await (const { view } of followSession(context, kernel, session)) {
    new RunPrinter(context.output).finish(view);
    context.output.value(view);
    return exitCodes.done;
  }
  throw failWith({ code: "E_SESSION_UNKNOWN", message: `session ${session} has no state` });
};

export const resolveSession: Handler<object> = async (context, { args }) => {
  const [given = "", resolution = ""] = args;
  if (resolution !== "happened" && resolution !== "did-not-happen") {
    throw usage(`a resolution is happened or did-not-happen, not "${resolution}"`);
  }
  requireFolder(context.dataFolder);
  await using kernel = await openKernel(context, { start: true });
  const { session } = await findSession(kernel, given);
  const sessions = await kernel.sessions();
  await sessions.resolve({ session, resolution }, { deadlineMs: callDeadlineMs });
  const printer = new RunPrinter(context.output);
  const view = await seeThrough(context, kernel, session, {
    prompt: false,
    onView: (each) => printer.update(each),
  });
  await conclude(context, view, printer);
  return await exitOfView(view);
};
