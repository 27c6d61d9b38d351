/** `ioi run`: one session from the person's words to where it rests. */
import { realpathSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { type ExitCode, exitCodes } from "@ioi/base";
import { exitOf, type RunView } from "@ioi/agent";
import type { CommandContext, Handler } from "../context.ts";
import { type Kernel, openKernel, retrying } from "../kernel/connection.ts";
import { type Begin, seeThrough } from "../kernel/follow.ts";
import { callDeadlineMs, requestCharsMax } from "../limits.ts";
import { explainCode, failureOf, failWith, formatError, usage, withData } from "../report.ts";
import { RunPrinter, runError } from "../view/run-view.ts";
import { type Access, beginScope } from "./scope.ts";

export type OnAsk = "prompt" | "deny" | "pend";

interface RunOptions {
  readonly workspace?: string;
  readonly access?: Access;
  readonly onAsk?: OnAsk;
}

/** At a terminal a person answers; elsewhere nobody does, and an ask is a denial. */
export const onAskOf = (context: CommandContext, given: OnAsk | undefined): OnAsk => {
  if (given === undefined) return context.io.interactive ? "prompt" : "deny";
  if (given === "prompt" && !context.io.interactive) {
    throw usage("--on-ask prompt needs a terminal", "./ioi run --on-ask pend ...");
  }
  return given;
};

/** The exit code of a command that ends with this view. */
export const exitOfView = async (view: RunView): Promise<ExitCode> => {
  const code = view.error?.code;
  const known = code === undefined ? undefined : (await explainCode(code)).exit;
  return exitOf(view, () => known);
};

/** Prints the session, and what kept it from being done; returns the exit code. */
export const conclude = async (
  context: CommandContext,
  view: RunView,
  printer: RunPrinter,
): Promise<ExitCode> => {
  const { output } = context;
  printer.finish(view);
  output.value(view);
  const exit = await exitOfView(view);
  const error = runError(view);
  if (exit === exitCodes.done || error === undefined) return exit;
  output.progress(formatError(withData((await failureOf(error)).report, context.dataGiven)));
  if (exit === exitCodes.waiting) {
    for (const { approval, outcome } of view.actions) {
      if (approval !== null && outcome === null) output.line(approval);
    }
  }
  return exit;
};

/** Ctrl+C stops the session itself, not only the looking at it. */
export const stoppingOnAbort = async (
  context: CommandContext,
  kernel: Kernel,
  session: string,
  work: () => Promise<RunView>,
): Promise<RunView> => {
  try {
    return await work();
  } catch (error) {
    if (context.signal.aborted) {
      const stop = async (): Promise<void> => {
        await (await kernel.sessions()).stop({ session }, { deadlineMs: callDeadlineMs });
        context.output.progress(`session ${session} is stopped`);
      };
      await stop().catch(() => context.output.progress(`session ${session} was not stopped`));
    }
    throw error;
  }
};

/** The real folder behind `--workspace`: what a link points to is what the session may touch. */
const workspaceOf = (context: CommandContext, given: string | undefined): string => {
  if (given === undefined) return "";
  const path = resolve(context.io.cwd, given);
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory() === true) return realpathSync(path);
  const message = found === undefined ? `there is no folder ${path}` : `${path} is not a folder`;
  throw failWith({ code: "E_WORKSPACE_REFUSED", message });
};

export const run: Handler<RunOptions> = async (context, { args, options }) => {
  const text = args.join(" ");
  if (text.length > requestCharsMax)
    throw usage(`a request has at most ${requestCharsMax} characters`);
  const agent: string = "planner";
  const onAsk = onAskOf(context, options.onAsk);
  const workspace = workspaceOf(context, options.workspace);
  await using kernel = await openKernel(context, { start: true });
  const { session } = await retrying(kernel, async () => {
    const person = await kernel.person();
    return person.utter(
      { session: "", text, workspace, agent, access: options.access ?? "" },
      { deadlineMs: callDeadlineMs, signal: context.signal },
    );
  });
  context.output.progress(`session ${session}`);
  // Direct requests say each effect themselves.
  if (onAsk === "prompt" && agent !== "planner") {
    const { access } = options;
    await beginScope(context, kernel, { session, workspace, access, model: "" });
  }
  const begin: Begin = (sessions) =>
    sessions.start(
      { session, text, workspace, onAsk },
      { deadlineMs: Number.POSITIVE_INFINITY, signal: context.signal },
    );
  const printer = new RunPrinter(context);
  const view = await stoppingOnAbort(context, kernel, session, () =>
    seeThrough(context, kernel, session, {
      begin,
      prompt: onAsk === "prompt",
      onView: (each) => printer.update(each),
    }),
  );
  return await conclude(context, view, printer);
};
