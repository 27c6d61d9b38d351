/** `ioi sessions list|show|resolve`. */
import { concatBytes, type ExitCode, exitCodes } from "@ioi/base";
import type { CommandContext, Handler } from "../context.ts";
import { visible } from "../io.ts";
import { type Kernel, openKernel, retrying } from "../kernel/connection.ts";
import { findSession, listSessions } from "../kernel/find.ts";
import { followSession, pendingApprovals, seeThrough } from "../kernel/follow.ts";
import { requireFolder } from "../kernel/folder.ts";
import { callDeadlineMs } from "../limits.ts";
import { failWith, usage } from "../report.ts";
import { isoTime } from "../times.ts";
import { RunPrinter } from "../view/run-view.ts";
import { conclude, exitOfView } from "./run.ts";

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
    createdAt: isoTime(each.createdMs),
    actions: each.actions,
    undoable: each.undoable,
    approvals: approvals
      .filter(({ session }) => session === each.session)
      .map(({ id, target, expiresMs }) => ({ id, target, expiresAt: isoTime(expiresMs) })),
  }));
  const { output } = context;
  output.value({ schema: "ioi.sessions/1", sessions: rows });
  if (rows.length === 0) output.line("no sessions");
  for (const row of rows) {
    const text = visible(row.text).replaceAll("\n", " ");
    const actions = `${row.actions} ${row.actions === 1 ? "action" : "actions"}`;
    output.line(`${row.session}  ${row.createdAt}  ${row.state}  ${actions}  ${text}`);
    for (const { id, target, expiresAt } of row.approvals) {
      output.line(`  waits for you: approval ${id}, ${target}, until ${expiresAt}`);
    }
  }
  return exitCodes.done;
};

/** All pieces; the content can go away between two of them. */
const readContent = async (
  kernel: Kernel,
  session: string,
  action: number,
  part: "" | "proof",
  signal: AbortSignal,
): Promise<Uint8Array> => {
  const pieces: Uint8Array[] = [];
  let offset = 0n;
  for (;;) {
    const from = offset;
    const { bytes, total } = await retrying(kernel, async () =>
      (await kernel.sessions()).content(
        { session, action, offset: from, length: 0, part },
        { deadlineMs: callDeadlineMs, signal },
      ),
    );
    pieces.push(bytes);
    offset += BigInt(bytes.length);
    if (bytes.length === 0 || offset >= total) return concatBytes(...pieces);
  }
};

const showContent = async (
  context: CommandContext,
  kernel: Kernel,
  session: string,
  action: number,
  part: "" | "proof",
): Promise<ExitCode> => {
  const { io, output, signal } = context;
  const bytes = await readContent(kernel, session, action, part, signal);
  output.value({
    schema: "ioi.content/1",
    session,
    action,
    offset: 0,
    total: bytes.length,
    base64: Buffer.from(bytes).toString("base64"),
  });
  if (!output.json) {
    if (io.stdoutIsTerminal) io.out(visible(new TextDecoder().decode(bytes)));
    else io.outBytes(bytes);
  }
  return exitCodes.done;
};

export const show: Handler<{ readonly content?: number; readonly proof?: number }> = async (
  context,
  { args, options },
) => {
  requireFolder(context.dataFolder);
  await using kernel = await openKernel(context, { start: true });
  const { session } = await findSession(kernel, args[0] ?? "");
  if (options.content !== undefined) {
    return await showContent(context, kernel, session, options.content, "");
  }
  if (options.proof !== undefined) {
    return await showContent(context, kernel, session, options.proof, "proof");
  }
  for await (const { view } of followSession(context, kernel, session)) {
    new RunPrinter(context).finish(view);
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
  const printer = new RunPrinter(context);
  const view = await seeThrough(context, kernel, session, {
    prompt: false,
    onView: (each) => printer.update(each),
  });
  await conclude(context, view, printer);
  return await exitOfView(view);
};
