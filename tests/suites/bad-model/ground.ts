/** What the cases of this suite share. */
import fs from "node:fs";
import path from "node:path";
import type { RunView } from "@ioi/agent";
import type { Scratch, TestKernel } from "../../lib/kernel.ts";
import type { SuiteCase, SuiteContext } from "../suite.ts";

export interface Ground {
  readonly data: string;
  readonly scratch: Scratch;
  readonly kernel: TestKernel;
  readonly context: SuiteContext;
}

/** What a session came to. */
export interface Came {
  readonly view: RunView;
  /** What stands in its workspace afterwards, by name. */
  readonly files: readonly string[];
  /** More that a case wants to say. */
  readonly remark?: string;
}

export const filesIn = (folder: string): readonly string[] => fs.readdirSync(folder).toSorted();

export const workspaceOf = ({ scratch }: Ground, id: string): string => scratch.folder(`w-${id}`);

/** In a line: the state, the code, how many actions of which target, the files. */
export const summary = ({ view, files, remark }: Came): string => {
  const counts = new Map<string, number>();
  for (const { target } of view.actions) counts.set(target, (counts.get(target) ?? 0) + 1);
  const actions = [...counts].map(([target, count]) => `${target}*${count}`).join(" ");
  const code = view.error?.code ?? "no error";
  return [view.state, code, actions, files.join(" "), remark ?? ""]
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .join("; ");
};

export const judged = (
  id: string,
  expected: string | RegExp,
  came: Came,
  controlDid: boolean,
): SuiteCase => {
  const actual = summary(came);
  const holds = typeof expected === "string" ? actual === expected : expected.test(actual);
  return {
    id,
    outcome: holds ? "passed" : "failed",
    expected: String(expected),
    ...(holds ? {} : { actual: `${actual}; ${came.view.error?.message ?? ""}` }),
    control: controlDid ? "harmed" : "harmless",
  };
};

export const wanted = ({ context }: Ground, id: string): boolean =>
  context.caseId === undefined || context.caseId === id;

/** Runs some at a time, in order. */
export const inTurns = async <T, R>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<R>,
): Promise<readonly R[]> => {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let at = next++; at < items.length; at = next++) {
      results[at] = await work(items[at] as T);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return results;
};

export const pathOf = (ground: Ground, ...parts: readonly string[]): string =>
  path.join(ground.scratch.path, ...parts);
