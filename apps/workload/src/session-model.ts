/** Which confirmed model a session asks, and what its machine is told of it. */
import { plan, type SessionSnapshot } from "@ioi/agent";
import { OperationError } from "@ioi/base";
import type { RegisteredModel } from "./ends.ts";

export const modelOf = ({ id, contextTokens, inputMicrousd, outputMicrousd }: RegisteredModel) => ({
  id,
  contextTokens,
  inputMicrousd,
  outputMicrousd,
});

/** The confirmed model that a model agent asks; undefined for an agent that asks none. */
export const modelFor = (
  { goal, modelWish }: SessionSnapshot,
  models: readonly RegisteredModel[],
): RegisteredModel | undefined => {
  if (goal.kind !== "model") return undefined;
  const found = modelWish === undefined ? models[0] : models.find(({ id }) => id === modelWish);
  if (found !== undefined) return found;
  if (modelWish !== undefined) {
    throw new OperationError("E_MODEL_UNAVAILABLE", `no confirmed model is called ${modelWish}`);
  }
  const planned = plan(goal.text);
  const message = planned.ok ? "there is no model" : planned.error.message;
  throw new OperationError("E_MODEL_UNAVAILABLE", message);
};
