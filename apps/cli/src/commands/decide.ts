/** `ioi approve` and `ioi deny`: the person's signed answer, then the session seen through. */
import { type ExitCode, exitCodes, OperationError } from "@ioi/base";
import type { CommandContext, Handler } from "../context.ts";
import { openKernel } from "../kernel/connection.ts";
import type { Decision } from "../kernel/device.ts";
import { findApproval } from "../kernel/find.ts";
import { decide, seeThrough } from "../kernel/follow.ts";
import { requireFolder } from "../kernel/folder.ts";
import { usage } from "../report.ts";
import { isoTime } from "../times.ts";
import { cardText, changeOf, explainAsks } from "../view/card.ts";
import { RunPrinter } from "../view/run-view.ts";
import { answerChange, isChangeId, showChange } from "./policy-change.ts";
import { conclude } from "./run.ts";

const answer = async (
  context: CommandContext,
  given: string,
  decision: Decision,
  reason: string,
): Promise<ExitCode> => {
  if (isChangeId(given)) return await answerChange(context, given, decision.decision);
  requireFolder(context.dataFolder);
  await using kernel = await openKernel(context, { start: true });
  const approval = await findApproval(kernel, given);
  if (decision.scope === "session" && !approval.sessionScope) {
    throw usage("this card offers no session scope", `./ioi approve ${approval.id}`);
  }
  if (decision.scope === "pattern" && !approval.patternScope) {
    throw usage("nothing is like this action", `./ioi approve ${approval.id}`);
  }
  // What is signed is what stands here.
  context.output.progress(`${cardText(approval)}\n${explainAsks(approval)}`);
  await decide(context, kernel, approval, decision, reason);
  context.output.progress(
    `${decision.decision === "approve" ? "approved" : "denied"} ${approval.id}`,
  );
  const printer = new RunPrinter(context);
  try {
    const view = await seeThrough(context, kernel, approval.session, {
      prompt: false,
      decided: [approval.id],
      onView: (each) => printer.update(each),
    });
    return await conclude(context, view, printer);
  } catch (error) {
    // A gate's session is its client's: there is nothing here to see through.
    if (!(error instanceof OperationError) || error.code !== "E_SESSION_UNKNOWN") throw error;
    const { id, session } = approval;
    const { decision: answered } = decision;
    context.output.value({ schema: "ioi.answered/1", id, session, decision: answered });
    return exitCodes.done;
  }
};

/** The card as it waits; with `--json` as `ioi.card/1`. */
const show = async (context: CommandContext, given: string): Promise<ExitCode> => {
  if (isChangeId(given)) return await showChange(context, given);
  requireFolder(context.dataFolder);
  await using kernel = await openKernel(context, { start: true });
  const approval = await findApproval(kernel, given);
  const { id, session, target, card, asks, expiresMs, sessionScope, patternScope } = approval;
  context.output.line(`${cardText(approval).trim()}\n\n${explainAsks(approval)}`);
  context.output.value({
    schema: "ioi.card/1",
    id,
    session,
    target,
    card,
    change: changeOf(approval),
    asks: asks.map(({ kind, id: what }) => ({ kind, id: what })),
    sessionScope,
    patternScope,
    expiresAt: isoTime(expiresMs),
  });
  return exitCodes.done;
};

export const approve: Handler<{
  readonly sessionScope?: boolean;
  readonly alike?: boolean;
  readonly show?: boolean;
}> = (context, invocation) => {
  const { show: only, sessionScope, alike } = invocation.options;
  if (only === true) return show(context, invocation.args[0] ?? "");
  if (sessionScope === true && alike === true) {
    throw usage("--session-scope and --alike are two answers", "./ioi approve --help");
  }
  return answer(
    context,
    invocation.args[0] ?? "",
    {
      decision: "approve",
      scope: sessionScope === true ? "session" : alike === true ? "pattern" : "once",
    },
    "",
  );
};

/** A denial that was carried out is what was asked for: whatever the session ends as, it is done. */
export const deny: Handler<{ readonly reason?: string }> = async (context, invocation) => {
  await answer(
    context,
    invocation.args[0] ?? "",
    { decision: "deny", scope: "once" },
    invocation.options.reason ?? "",
  );
  return 0;
};
