/** `ioi sessions say|pause|resume`: a person speaks to a session that runs. */
import { exitCodes, OperationError } from "@ioi/base";
import type { Handler } from "../context.ts";
import { openKernel } from "../kernel/connection.ts";
import { findSession } from "../kernel/find.ts";
import { seeThrough } from "../kernel/follow.ts";
import { requireFolder } from "../kernel/folder.ts";
import { callDeadlineMs } from "../limits.ts";
import { failWith } from "../report.ts";
import { RunPrinter } from "../view/run-view.ts";
import { type BudgetOptions, budgetOf, conclude, type OnAsk, onAskOf } from "./run.ts";

export const say: Handler<object> = async (context, { args }) => {
  const [given = "", ...spoken] = args;
  const text = spoken.join(" ");
  requireFolder(context.dataFolder);
  await using kernel = await openKernel(context, { start: true });
  const { session } = await findSession(kernel, given);
  const options = { deadlineMs: callDeadlineMs, signal: context.signal };
  const person = await kernel.person();
  const words = { session, text, workspace: "", agent: "person" };
  // First the Guardian: what the agent does with the words may rest on them.
  await person.utter(words, options).catch((error: unknown) => {
    if (!(error instanceof OperationError) || error.code !== "E_SESSION_CLOSED") throw error;
    throw failWith({ code: "E_SESSION_OVER", message: `session ${session} is over` }, error);
  });
  const sessions = await kernel.sessions();
  await sessions.say({ session, text }, options);
  context.output.value({ schema: "ioi.said/1", session });
  context.output.line(`session ${session} hears it with its next step`);
  return exitCodes.done;
};

export const pause: Handler<object> = async (context, { args: [given = ""] }) => {
  requireFolder(context.dataFolder);
  await using kernel = await openKernel(context, { start: true });
  const { session } = await findSession(kernel, given);
  const sessions = await kernel.sessions();
  await sessions.pause({ session }, { deadlineMs: callDeadlineMs });
  context.output.value({ schema: "ioi.paused/1", session });
  context.output.line(`session ${session} rests after the action under way`);
  return exitCodes.done;
};

interface ResumeOptions extends BudgetOptions {
  readonly onAsk?: OnAsk;
}

export const resume: Handler<ResumeOptions> = async (context, { args: [given = ""], options }) => {
  const onAsk = onAskOf(context, options.onAsk);
  requireFolder(context.dataFolder);
  await using kernel = await openKernel(context, { start: true });
  const { session } = await findSession(kernel, given);
  const sessions = await kernel.sessions();
  const budget = budgetOf(options);
  await sessions.resume({ session, budget }, { deadlineMs: callDeadlineMs });
  const printer = new RunPrinter(context);
  const view = await seeThrough(context, kernel, session, {
    prompt: onAsk === "prompt",
    onView: (each) => printer.update(each),
    onOutput: (action, written) => printer.output(action, written),
  });
  return await conclude(context, view, printer);
};
