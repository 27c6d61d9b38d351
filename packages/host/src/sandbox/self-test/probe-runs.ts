/** Runs the probe outside, inside each kind and below a driver, and collects its lines. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { spawnSandboxed } from "../spawn.ts";
import type { TestedKind } from "./catalogue.ts";
import {
  leakVariable,
  probeFactsVariable,
  probeListVariable,
  type Attempt,
  type SceneFacts,
} from "./scene-facts.ts";
import type { Scene } from "./scene.ts";
import { driverSpec, kindSpec, ownFolder } from "./specs.ts";

const probe = fileURLToPath(new URL("./probe.ts", import.meta.url));
const nestedDriver = fileURLToPath(new URL("./nested-driver.ts", import.meta.url));

/** A probe that hangs is ended; what it had not answered counts as unanswered. */
const probeMillisecondsMax = 60_000;

export interface ProbeRun {
  readonly answers: ReadonlyMap<string, Attempt>;
  /** What went wrong with the run itself. */
  readonly failure: string | null;
}

const collect = async (child: ChildProcess): Promise<{ out: string; err: string }> => {
  const text = { out: "", err: "" };
  child.stdout?.setEncoding("utf8").on("data", (piece: string) => (text.out += piece));
  child.stderr?.setEncoding("utf8").on("data", (piece: string) => (text.err += piece));
  const timer = setTimeout(() => child.kill("SIGKILL"), probeMillisecondsMax);
  await once(child, "close");
  clearTimeout(timer);
  return text;
};

const parse = (text: string): ReadonlyMap<string, Attempt> => {
  const answers = new Map<string, Attempt>();
  for (const line of text.split("\n")) {
    if (!line.startsWith("{")) continue;
    const answer = JSON.parse(line) as Attempt & { readonly id: string };
    answers.set(answer.id, { done: answer.done, detail: answer.detail });
  }
  return answers;
};

const variables = (facts: SceneFacts, ids: readonly string[]): Record<string, string> => ({
  [probeFactsVariable]: JSON.stringify(facts),
  [probeListVariable]: JSON.stringify(ids),
});

/** The control: the same program with the parent's environment and descriptors. */
export const runOutside = async (scene: Scene, ids: readonly string[]): Promise<ProbeRun> => {
  const child = spawn(process.execPath, ["--no-warnings", probe], {
    cwd: `${scene.root}/ws`,
    env: { ...process.env, ...variables(scene.facts(), ids) },
    stdio: ["ignore", "pipe", "pipe", scene.terminal],
  });
  const text = await collect(child);
  return { answers: parse(text.out), failure: null };
};

export const runInside = async (
  scene: Scene,
  kind: TestedKind,
  ids: readonly string[],
): Promise<ProbeRun> => {
  const nested = kind === "command-in-driver";
  const folder = nested ? scene.facts().workspace : ownFolder(kind, scene.facts());
  // A socket that a kind cannot see is no attempt.
  const facts = folder === "/" ? scene.facts() : scene.factsIn(folder);
  const { child, started } = spawnSandboxed(nested ? driverSpec(facts) : kindSpec(kind, facts), {
    entry: nested ? nestedDriver : probe,
    env: variables(facts, ids),
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe", scene.terminal],
  });
  const collected = collect(child);
  const start = await started;
  const text = await collected;
  if (!start.ok) return { answers: new Map(), failure: start.error.message };
  const answers = parse(text.out);
  return { answers, failure: answers.size === 0 ? text.err.slice(0, 2000) : null };
};

/** Puts a canary into this process's environment for the time of `action`. */
export const withLeak = async <T>(value: string, action: () => Promise<T>): Promise<T> => {
  process.env[leakVariable] = value;
  try {
    return await action();
  } finally {
    delete process.env[leakVariable];
  }
};
