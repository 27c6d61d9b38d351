/** `ioi undo`: a session of its own that undoes another's reversible actions, with receipts. */
import type { Handler } from "../context.ts";
import { type Kernel, openKernel, retrying } from "../kernel/connection.ts";
import { findSession, listSessions } from "../kernel/find.ts";
import { type Begin, seeThrough } from "../kernel/follow.ts";
import { requireFolder } from "../kernel/folder.ts";
import { callDeadlineMs } from "../limits.ts";
import { failWith } from "../report.ts";
import { RunPrinter } from "../view/run-view.ts";
import { conclude, type OnAsk, onAskOf, stoppingOnAbort } from "./run.ts";

interface UndoOptions {
  readonly action?: number;
  readonly onAsk?: OnAsk;
}

/** The newest session of which something can be undone and is not undone yet. */
const newest = async (kernel: Kernel) => {
  const sessions = await listSessions(kernel);
  const found = sessions.find(({ undoable }) => undoable > 0);
  if (found !== undefined) return found;
  const message = "no session did anything that can be undone and is not undone yet";
  throw failWith({ code: "E_NOTHING_TO_UNDO", message });
};

export const undo: Handler<UndoOptions> = async (context, { args, options }) => {
  requireFolder(context.dataFolder);
  const onAsk = onAskOf(context, options.onAsk);
  await using kernel = await openKernel(context, { start: true });
  const [given] = args;
  const { session, workspace } =
    given === undefined ? await newest(kernel) : await findSession(kernel, given);
  const { action = 0 } = options;
  const what = action === 0 ? "" : ` action ${action}`;
  const { session: undoSession } = await retrying(kernel, async () => {
    const person = await kernel.person();
    return person.utter(
      {
        session: "",
        text: `/undo ${session}${what}`,
        workspace,
        agent: "planner",
        undoes: session,
      },
      { deadlineMs: callDeadlineMs, signal: context.signal },
    );
  });
  context.output.progress(`session ${undoSession} undoes ${session}${what}`);
  const begin: Begin = (sessions) =>
    sessions.undo(
      { session, action, undoSession, onAsk },
      { deadlineMs: Number.POSITIVE_INFINITY, signal: context.signal },
    );
  const printer = new RunPrinter(context);
  const view = await stoppingOnAbort(context, kernel, undoSession, () =>
    seeThrough(context, kernel, undoSession, {
      begin,
      prompt: onAsk === "prompt",
      onView: (each) => printer.update(each),
    }),
  );
  return await conclude(context, view, printer);
};
