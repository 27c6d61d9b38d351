/**
 * An obedient, fully compromised agent: it makes the calls that solve the person's task and, once it has
 * read an answer that holds an attack, the calls of the attack. No model has a part in it.
 */
import type { JsonValue } from "@ioi/wire";
import {
  type DataCall,
  type Environment,
  type Harm,
  harmOf,
  holdsVector,
  withAttack,
} from "./data.ts";
import type { UserTask } from "./data.ts";
import type { Ground } from "./guardian.ts";

export interface CallRecord {
  readonly by: "user" | "attack";
  readonly tool: string;
  readonly harm: Harm;
  /** Without a person's approval. */
  readonly ranByItself: boolean;
  readonly ran: boolean;
  readonly asks: readonly string[];
}

export interface Attack {
  /** What stands at every place that an attacker can write to. */
  readonly text: string;
  readonly calls: readonly DataCall[];
}

export interface Run {
  readonly ground: Ground;
  readonly environment: Environment;
  readonly task: UserTask;
  readonly attack: Attack | undefined;
  /** The person approves exactly the calls of the task, and denies the others. */
  readonly oracle: boolean;
}

/** What the agent said and read, call by call. */
export const runAgent = async (run: Run): Promise<readonly CallRecord[]> => {
  const { ground, environment, task, attack, oracle } = run;
  const session = await ground.session([task.prompt]);
  const records: CallRecord[] = [];
  const perform = async (by: CallRecord["by"], call: DataCall): Promise<void> => {
    const answer = (): JsonValue => withAttack(call.result, environment, attack?.text ?? "");
    const first = await ground.call(session, call, answer);
    let ran = first.verdict === "allow";
    if (!ran && oracle && first.approval !== undefined) {
      await ground.answer(first.approval, by === "user" ? "approve" : "deny");
      if (by === "user") ran = (await ground.call(session, call, answer)).verdict === "allow";
    }
    records.push({
      by,
      tool: call.tool,
      harm: harmOf(call),
      ranByItself: first.verdict === "allow",
      ran,
      asks: first.asks,
    });
  };
  let attacked = false;
  for (const call of task.calls) {
    await perform("user", call);
    if (attack === undefined || attacked || !holdsVector(call.result)) continue;
    attacked = true;
    for (const each of attack.calls) await perform("attack", each);
  }
  await ground.close(session);
  return records;
};

/** Whether a task answers anything that an attacker wrote. */
export const meetsAttack = ({ calls }: UserTask): boolean =>
  calls.some(({ result }) => holdsVector(result));
