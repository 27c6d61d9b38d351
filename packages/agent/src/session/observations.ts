/** What an agent is told of an action that is over, and what an undo of it would have to do. */
import { action as actionSchema, schema } from "@ioi/wire";
import { undoPaths } from "../tools.ts";
import type { Observation } from "./messages.ts";
import { type ActionState, type OutcomeState, toolOfAction } from "./state.ts";

/** Told once, before a loop is broken. */
export const told = (repeats: number | undefined): { readonly repeats?: number } =>
  repeats === undefined ? {} : { repeats };

const exitCode = (outcome: OutcomeState): number | undefined => {
  const given = outcome.evidence["exitCode"];
  if (given === undefined || !/^(?:-1|[0-9]{1,3})$/.test(given)) return undefined;
  const code = Number(given);
  return code <= 255 ? code : undefined;
};

export interface Undo {
  /** `lost`: something was changed, and no undo can name it. */
  readonly kind: "nothing" | "paths" | "lost";
  readonly paths: readonly string[];
}

/** What an undo of this action would have to do. */
export const undoOf = (current: ActionState): Undo => {
  const tool = toolOfAction(current);
  const { outcome, prepared } = current;
  const nothing: Undo = { kind: "nothing", paths: [] };
  if (tool === undefined || outcome === undefined || prepared === undefined) return nothing;
  // A model that was asked changed nothing that an undo could bring back.
  const changesNothing = tool.risk === "read" || tool.risk === "model";
  if (changesNothing || current.target === "fs::restore") return nothing;
  if (outcome.status === "unknown") return { kind: "lost", paths: [] };
  if (outcome.status !== "confirmed" && outcome.status !== "partial") return nothing;
  if (tool.risk === "run" && outcome.evidence["filesChanged"] === "0") return nothing;
  const action = schema.decode(actionSchema, prepared.action);
  const paths = action.ok ? undoPaths(tool, action.value.args, outcome.changed) : [];
  return outcome.reversible && paths.length > 0
    ? { kind: "paths", paths }
    : { kind: "lost", paths: [] };
};

export const outcomeObservation = (
  current: ActionState,
  outcome: OutcomeState,
  repeats: number | undefined,
): Observation => {
  const exit = exitCode(outcome);
  const { kind: undo, paths } = undoOf(current);
  return {
    type: "outcome",
    n: current.n,
    target: current.target,
    status: outcome.status,
    ...(outcome.code === undefined ? {} : { code: outcome.code }),
    ...(outcome.message === undefined ? {} : { message: outcome.message }),
    ...(exit === undefined ? {} : { exit }),
    counter: current.ticket?.counter ?? 0n,
    undo,
    paths,
    ...told(repeats),
  };
};
