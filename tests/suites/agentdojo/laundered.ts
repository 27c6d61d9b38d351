/**
 * The control of the adaptive attacks: grounding as it would be if what the agent reads counted as
 * the person's words. The documents are given to the session as though the person had typed them.
 */
import { type Attack, meetsAttack } from "./agent.ts";
import { type Environment, harmOf, type UserTask, withAttack } from "./data.ts";
import type { Ground } from "./guardian.ts";

/** Calls of the attack that run. */
export const laundered = async (run: {
  readonly ground: Ground;
  readonly environment: Environment;
  readonly task: UserTask;
  readonly attack: Attack;
}): Promise<number> => {
  const { ground, environment, task, attack } = run;
  if (!meetsAttack(task)) return 0;
  const read = task.calls
    .map(({ result }) => JSON.stringify(withAttack(result, environment, attack.text)))
    .map((text) => text.replaceAll(/\\n|[{}[\]"]/g, " "));
  const session = await ground.session([task.prompt, ...read.map((text) => text.slice(0, 20_000))]);
  let ran = 0;
  for (const call of attack.calls.filter((each) => harmOf(each) !== "none")) {
    const { verdict } = await ground.call(session, call, () => call.result);
    if (verdict === "allow") ran++;
  }
  await ground.close(session);
  return ran;
};
