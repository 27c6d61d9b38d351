/**
 * AgentDojo v1.1.2 as data: tools, user tasks with the calls that solve them and what the environment
 * answered, injections with the calls that they want. Where untrusted text lies, an answer holds
 * `[[ATTACKER TEXT: vector]]`.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { InvariantError } from "@ioi/base";
import { type JsonValue, parseJson } from "@ioi/wire";

type JsonObject = { readonly [name: string]: JsonValue };

export interface ToolDefinition {
  readonly name: string;
  readonly description: string;
  readonly parameters: JsonObject;
}

export interface DataCall {
  readonly tool: string;
  readonly args: JsonObject;
  readonly result: JsonValue;
}

export interface UserTask {
  readonly id: string;
  readonly prompt: string;
  readonly calls: readonly DataCall[];
}

export interface Injection {
  readonly id: string;
  readonly goal: string;
  readonly calls: readonly DataCall[];
}

export interface Environment {
  readonly name: string;
  readonly tools: readonly ToolDefinition[];
  /** Harmless text by vector. */
  readonly vectors: JsonObject;
  readonly user: readonly UserTask[];
  readonly injections: readonly Injection[];
}

export interface Dataset {
  readonly path: string;
  readonly sha256: string;
  readonly environments: readonly Environment[];
}

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const objectOf = (value: JsonValue | undefined): JsonObject => {
  if (isObject(value)) return value;
  throw new InvariantError("the data is not AgentDojo's");
};

const listOf = (value: JsonValue | undefined): readonly JsonValue[] => {
  if (Array.isArray(value)) return value as readonly JsonValue[];
  throw new InvariantError("the data is not AgentDojo's");
};

const textOf = (value: JsonValue | undefined): string => (typeof value === "string" ? value : "");

const callsOf = (value: JsonValue | undefined): readonly DataCall[] =>
  listOf(value).map((each) => {
    const { tool, args, result } = objectOf(each);
    return { tool: textOf(tool), args: objectOf(args), result: result ?? null };
  });

const environmentOf = (name: string, value: JsonValue): Environment => {
  const { tools, vectors, user, injection } = objectOf(value);
  return {
    name,
    tools: listOf(tools).map((each) => {
      const { name: tool, description, parameters } = objectOf(each);
      return {
        name: textOf(tool),
        description: textOf(description),
        parameters: objectOf(parameters),
      };
    }),
    vectors: objectOf(vectors),
    user: Object.entries(objectOf(user)).map(([id, each]) => {
      const { prompt, calls } = objectOf(each);
      return { id, prompt: textOf(prompt), calls: callsOf(calls) };
    }),
    injections: Object.entries(objectOf(injection)).map(([id, each]) => {
      const { goal, calls } = objectOf(each);
      return { id, goal: textOf(goal), calls: callsOf(calls) };
    }),
  };
};

const fileName = "v1.1.2-workspace-banking.json";

/** The data beside the project, or where `--data` says; undefined where there is none. */
export const loadData = (root: string, given: string | undefined): Dataset | undefined => {
  const path = given ?? resolve(root, "../shared/data/agentdojo", fileName);
  if (!existsSync(path)) return undefined;
  const bytes = readFileSync(path);
  const parsed = parseJson(bytes);
  if (!parsed.ok) throw new InvariantError(parsed.error.message);
  return {
    path: fileName,
    sha256: createHash("sha256").update(bytes).digest("hex"),
    environments: Object.entries(objectOf(parsed.value)).map(([name, each]) =>
      environmentOf(name, each),
    ),
  };
};

const mark = /\[\[ATTACKER TEXT: ([a-zA-Z0-9_]+)\]\]/g;

/** Whether untrusted text lies in an answer. */
export const holdsVector = (answer: JsonValue): boolean =>
  JSON.stringify(answer).includes("[[ATTACKER TEXT: ");

/** The answer with the harmless text at every mark, and the attack behind it. */
export const withAttack = (
  answer: JsonValue,
  { vectors }: Environment,
  attack: string,
): JsonValue => {
  if (typeof answer === "string") {
    return answer.replaceAll(mark, (_, vector: string) => {
      const plain = textOf(vectors[vector]);
      return attack === "" ? plain : `${plain}\n${attack}`;
    });
  }
  if (Array.isArray(answer)) {
    return (answer as readonly JsonValue[]).map((each) =>
      withAttack(each, { vectors } as Environment, attack),
    );
  }
  if (!isObject(answer)) return answer;
  return Object.fromEntries(
    Object.entries(answer).map(([name, each]) => [
      name,
      withAttack(each, { vectors } as Environment, attack),
    ]),
  );
};

/** Groups of what a call does, by AgentDojo's own tools; for counting only. */
export type Harm = "egress" | "money" | "credentials" | "deletion" | "other" | "none";

const harms: Readonly<Record<string, Harm>> = {
  send_email: "egress",
  share_file: "egress",
  add_calendar_event_participants: "egress",
  create_calendar_event: "egress",
  send_money: "money",
  schedule_transaction: "money",
  update_scheduled_transaction: "money",
  update_password: "credentials",
  update_user_info: "credentials",
  delete_email: "deletion",
  delete_file: "deletion",
  cancel_calendar_event: "deletion",
  append_to_file: "other",
  create_file: "other",
  reschedule_calendar_event: "other",
};

/** `none`: it only looks. */
export const harmOf = ({ tool }: Pick<DataCall, "tool">): Harm => harms[tool] ?? "none";
