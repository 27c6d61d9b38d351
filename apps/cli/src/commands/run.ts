/** `ioi run`: one session from the person's words to where it rests. */
import { realpathSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { type ExitCode, exitCodes } from "@ioi/base";
import {
  agentStepMsDefault,
  exitOf,
  inferTarget,
  nearest,
  type RunView,
  toolOf,
  tools as allTools,
} from "@ioi/agent";
import type { pb } from "@ioi/wire";
import type { CommandContext, Handler } from "../context.ts";
import { type Kernel, openKernel, retrying } from "../kernel/connection.ts";
import { type Begin, seeThrough } from "../kernel/follow.ts";
import { callDeadlineMs, requestCharsMax } from "../limits.ts";
import { explainCode, failureOf, failWith, formatError, usage, withData } from "../report.ts";
import { RunPrinter, runError } from "../view/run-view.ts";
import { type Access, beginScope, type Picked } from "./scope.ts";

export type OnAsk = "prompt" | "deny" | "pend";

export interface BudgetOptions {
  readonly actions?: number | undefined;
  readonly minutes?: number | undefined;
  /** Millionths of a dollar. */
  readonly usd?: number;
  readonly tokens?: number;
}

interface RunOptions extends BudgetOptions {
  readonly model?: string;
  readonly workspace?: string;
  /** Files of these folders that the task is about. */
  readonly attach?: readonly string[];
  /** Addresses of people that the task is about. */
  readonly person?: readonly string[];
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
  const { report } = await failureOf(error);
  // A hint is typed as it stands.
  const named = { ...report, next: report.next.replaceAll(/\bSESSION\b/g, view.session) };
  output.progress(formatError(withData(named, context.dataGiven)));
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
export const workspaceOf = (context: CommandContext, given: string | undefined): string => {
  if (given === undefined) return "";
  const path = resolve(context.io.cwd, given);
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory() === true) return realpathSync(path);
  const message = found === undefined ? `there is no folder ${path}` : `${path} is not a folder`;
  throw failWith({ code: "E_WORKSPACE_REFUSED", message });
};

/** The real files behind `--attach`. */
const attachmentsOf = (context: CommandContext, given: readonly string[]): readonly string[] =>
  given.map((each) => {
    const path = resolve(context.io.cwd, each);
    const found = statSync(path, { throwIfNoEntry: false });
    if (found?.isFile() === true) return realpathSync(path);
    const message = found === undefined ? `there is no file ${path}` : `${path} is not a file`;
    throw failWith({ code: "E_CLI_ATTACHMENT", message });
  });

/** Who decides the steps: what begins with / is the planner's, anything else a model's. */
const agentOf = (text: string): "planner" | "model" =>
  /^\s*(?:\/|$)/.test(text) ? "planner" : "model";

export const budgetOf = ({ actions, minutes, usd, tokens }: BudgetOptions) => ({
  actions: actions ?? 0,
  wallMs: BigInt((minutes ?? 0) * 60_000),
  tokens: BigInt(tokens ?? 0),
  microusd: BigInt(usd ?? 0),
});

interface Start {
  readonly agent: "planner" | "model" | "folder";
  /** As receipts name it. */
  readonly name: string;
  readonly text: string;
  readonly model: string;
  readonly folder?: Omit<pb.AgentFolder, "$typeName" | "$unknown">;
  readonly budget: ReturnType<typeof budgetOf>;
}

const follow = async (
  context: CommandContext,
  options: RunOptions,
  { agent, name, text, model, folder, budget }: Start,
): Promise<ExitCode> => {
  if (text.length > requestCharsMax) {
    throw usage(`a request has at most ${requestCharsMax} characters`);
  }
  const onAsk = onAskOf(context, options.onAsk);
  const workspace = workspaceOf(context, options.workspace);
  const attach = attachmentsOf(context, options.attach ?? []);
  const { person: people = [] } = options;
  const picked = people.length > 0 ? "--person" : "--attach";
  if (attach.length + people.length > 0 && (onAsk !== "prompt" || agent === "planner")) {
    // Who picks is who answers the card: without one nothing says that a person did.
    throw usage(`${picked} belongs to a task in words whose card is answered here`);
  }
  await using kernel = await openKernel(context, { start: true });
  const { session } = await retrying(kernel, async () => {
    const person = await kernel.person();
    const access = options.access ?? "";
    return person.utter(
      { session: "", text, workspace, agent: name, access, agentFolder: folder?.path ?? "" },
      { deadlineMs: callDeadlineMs, signal: context.signal },
    );
  });
  context.output.progress(`session ${session}`);
  let given: Picked = { attachments: [], persons: [] };
  // Direct requests say each effect themselves.
  if (onAsk === "prompt" && agent !== "planner") {
    const { access } = options;
    const picks = { attach, people };
    given = await beginScope(context, kernel, { session, workspace, access, model, ...picks });
  }
  const printer = new RunPrinter(context);
  const begin: Begin = (sessions) =>
    sessions.start(
      {
        session,
        text,
        workspace,
        onAsk,
        agent,
        model,
        budget,
        output: printer.streams,
        attachments: [...given.attachments],
        persons: [...given.persons],
        ...(folder === undefined ? {} : { folder: { ...folder, tools: [...folder.tools] } }),
      },
      { deadlineMs: Number.POSITIVE_INFINITY, signal: context.signal },
    );
  const view = await stoppingOnAbort(context, kernel, session, () =>
    seeThrough(context, kernel, session, {
      begin,
      prompt: onAsk === "prompt",
      onView: (each) => printer.update(each),
      onOutput: (action, written) => printer.output(action, written),
    }),
  );
  return await conclude(context, view, printer);
};

export const run: Handler<RunOptions> = async (context, { args, options }) => {
  const text = args.join(" ");
  const { model = "" } = options;
  const agent = model === "" ? agentOf(text) : "model";
  return await follow(context, options, {
    agent,
    name: agent,
    text,
    model,
    budget: budgetOf(options),
  });
};

/** The folder of an agent, as its manifest describes it. */
export const runAgent: Handler<RunOptions> = async (context, { args, options }) => {
  const [given = "", ...words] = args;
  const folder = workspaceOf(context, given);
  const { openManifest } = await import("@ioi/drivers/agent");
  const manifest = openManifest(folder);
  const { name, version, tools, actions, minutes, stepSeconds } = manifest;
  for (const target of tools) {
    if (toolOf(target) !== undefined && target !== inferTarget) continue;
    const near = nearest(
      target,
      allTools.map((tool) => tool.target),
    );
    const hint = near === undefined ? "" : `; did you mean "${near}"?`;
    const message = `${folder}/agent.toml: there is no tool "${target}"${hint}`;
    throw failWith({ code: "E_AGENT_MANIFEST", message });
  }
  const stepMs = stepSeconds === undefined ? agentStepMsDefault : stepSeconds * 1000;
  const own = {
    ...options,
    actions: options.actions ?? actions,
    minutes: options.minutes ?? minutes,
  };
  return await follow(context, options, {
    agent: "folder",
    name,
    text: words.join(" "),
    model: "",
    folder: { path: folder, name, version, tools: [...tools], stepMs },
    budget: budgetOf(own),
  });
};
