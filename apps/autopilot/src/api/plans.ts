/**
 * Tasks that were planned here and not begun: what was typed, and what the Guardian read in it. A
 * plan is begun once its card was answered on the cards' page, or at once where it needs no card.
 */
import type { PlanReply } from "@ioi/wire/console";
import { makeStore, type Store } from "../view/store.ts";
import { api } from "./client.ts";
import { overviewQuery, queryClient } from "./queries.ts";

export interface Task {
  readonly text: string;
  /** Somebody was seen typing it; else a long text counts as a paste. */
  readonly typed: boolean;
  /** Absolute; empty where the words say it. */
  readonly folder: string;
  /** Files in the folder that the task is about, absolute. */
  readonly files: readonly string[];
  /** Addresses of people that the task is about. */
  readonly persons: readonly string[];
  readonly access: "read" | "organise" | "write";
  /** Empty: the default one, or none for a direct command. */
  readonly model: string;
  readonly dollarsMax: number;
  readonly minutesMax: number;
}

export interface Plan {
  readonly task: Task;
  readonly reply: PlanReply;
  readonly atMs: number;
}

export const plansStore: Store<ReadonlyMap<string, Plan>> = makeStore<ReadonlyMap<string, Plan>>(
  new Map(),
);

const microusd = (dollars: number): bigint => BigInt(Math.round(Math.max(0, dollars) * 1_000_000));

/** Opens a session and reads the task's scope; nothing has an effect yet. */
export const plan = async (task: Task, session = ""): Promise<Plan> => {
  const reply = await api.plan({
    text: task.text,
    typed: task.typed,
    picks: [
      ...(task.folder === "" ? [] : [{ kind: "folder", value: task.folder, access: task.access }]),
      ...task.files.map((value) => ({ kind: "file", value, access: "" })),
      ...task.persons.map((value) => ({ kind: "person", value, access: "" })),
    ],
    model: task.model,
    microusdMax: microusd(task.dollarsMax),
    wallMinutesMax: task.minutesMax,
    session,
  });
  const made = { task, reply, atMs: Date.now() };
  plansStore.set(new Map([...plansStore.get(), [reply.session, made]]));
  void queryClient.invalidateQueries({ queryKey: overviewQuery.queryKey });
  return made;
};

export const forgetPlan = (session: string): void => {
  if (!plansStore.get().has(session)) return;
  plansStore.set(new Map([...plansStore.get()].filter(([each]) => each !== session)));
};

/** Starts it; where a card was shown, that was answered before. */
export const begin = async ({ task, reply }: Plan): Promise<void> => {
  await api.begin({
    session: reply.session,
    text: task.text,
    workspace: task.folder,
    model: task.model,
  });
  forgetPlan(reply.session);
  await queryClient.invalidateQueries({ queryKey: ["sessions"] });
};
