/**
 * The attempts that end or exhaust a program: each runs alone, inside a command's sandbox with
 * small limits and, as the control, outside. Life is told by an echo on an inherited socket, never
 * by waiting.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";
import { codeBinds } from "../code-binds.ts";
import { spawnSandboxed } from "../spawn.ts";
import type { SandboxLimits, SandboxSpec } from "../spec.ts";
import type { Attempt } from "./scene-facts.ts";
import type { Scene } from "./scene.ts";
import { kindSpec } from "./specs.ts";

type Where = "inside" | "outside";
export type BoundAttempt = (scene: Scene, where: Where) => Promise<Attempt>;

const smallSpec = (scene: Scene, limits: SandboxLimits): SandboxSpec => {
  const plain = kindSpec("command", scene.facts());
  return {
    ...plain,
    name: "test-bounds",
    limits: { ...plain.limits, ...limits },
    binds: [...plain.binds, ...codeBinds()],
  };
};

interface Started {
  readonly child: ChildProcess;
  /** Ends what the control left behind. */
  readonly end: () => void;
}

const start = (
  scene: Scene,
  where: Where,
  limits: SandboxLimits,
  argv: readonly [string, ...string[]],
): Started => {
  const [program, ...args] = argv;
  const stdio = ["ignore", "pipe", "ignore", "pipe"] as const;
  if (where === "inside") {
    const { child } = spawnSandboxed(smallSpec(scene, limits), { program, args, stdio });
    return { child, end: () => child.kill("SIGKILL") };
  }
  const child = spawn(program, args, {
    cwd: `${scene.root}/ws`,
    stdio: [...stdio],
    detached: true,
  });
  return { child, end: () => endGroup(child.pid) };
};

const endGroup = (pid: number | undefined): void => {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Nobody of the group is left.
  }
};

/** Done when the program reaches its last word. */
const reaches = async (
  scene: Scene,
  where: Where,
  limits: SandboxLimits,
  argv: readonly [string, ...string[]],
): Promise<Attempt> => {
  const { child, end } = start(scene, where, limits, argv);
  let text = "";
  child.stdout?.setEncoding("utf8").on("data", (piece: string) => (text += piece));
  const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
  end();
  const done = text.includes("finished");
  return { done, detail: done ? "finished" : `ended with ${signal ?? code}` };
};

const shell = (script: string): readonly [string, ...string[]] => ["/bin/sh", "-c", script];
const node = (script: string): readonly [string, ...string[]] => [
  process.execPath,
  "--no-warnings",
  "-e",
  script,
];

/** A daemon in a session of its own that echoes what comes in on descriptor 3. */
const daemon = "(setsid cat <&3 >&3 &) ; echo ready";

/** Whether something at the other end still answers. */
const answers = (line: Duplex): Promise<boolean> =>
  new Promise((resolve) => {
    if (line.destroyed || line.readableEnded) return resolve(false);
    line.on("data", () => resolve(true));
    line.on("end", () => resolve(false));
    line.on("error", () => resolve(false));
    line.on("close", () => resolve(false));
    line.write("ping\n");
  });

/** Longer than any end of a sandbox takes; what still holds its line then counts as alive. */
const lifeMillisecondsMax = 10_000;

/** Death follows the parent's by a moment, so inside the line's end is waited for. */
const ends = (line: Duplex): Promise<boolean> =>
  new Promise((resolve) => {
    if (line.destroyed || line.readableEnded) return resolve(true);
    const timer = setTimeout(() => resolve(false), lifeMillisecondsMax);
    const end = (): void => {
      clearTimeout(timer);
      resolve(true);
    };
    line.on("end", end);
    line.on("error", end);
    line.on("close", end);
    line.resume();
  });

const lifeOf = async (line: Duplex, where: Where): Promise<Attempt> => {
  const done = where === "inside" ? !(await ends(line)) : await answers(line);
  // The end of its input ends the daemon of a control.
  line.destroy();
  return { done, detail: done ? "the daemon answers" : "the daemon is gone" };
};

const daemonAfter = async (
  scene: Scene,
  where: Where,
  rest: string,
  finish: (child: ChildProcess) => void,
): Promise<Attempt> => {
  const { child, end } = start(scene, where, {}, shell(`${daemon}; ${rest}`));
  const exited = once(child, "exit");
  if (child.stdout !== null) await once(child.stdout, "data");
  finish(child);
  await exited;
  const attempt = await lifeOf(child.stdio[3] as Duplex, where);
  end();
  return attempt;
};

const afterParent: BoundAttempt = async (scene, where) => {
  const spec = where === "inside" ? smallSpec(scene, {}) : null;
  const orphan = fileURLToPath(new URL("./orphan.ts", import.meta.url));
  const args = ["--no-warnings", orphan, JSON.stringify(spec), `${daemon}; exec cat <&3 >&3`];
  const parent = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "ignore", "pipe"] });
  await once(parent, "exit");
  return lifeOf(parent.stdio[3] as Duplex, where);
};

const mebibyte = 1_048_576;

export const boundAttempts: Readonly<Record<string, BoundAttempt>> = {
  "processes-bound": (scene, where) =>
    reaches(
      scene,
      where,
      { processes: 64 },
      shell("i=0; while [ $i -lt 400 ]; do sleep 60 & i=$((i+1)); done; echo finished"),
    ),
  "memory-bound": (scene, where) =>
    reaches(
      scene,
      where,
      { memoryBytes: 1024 * mebibyte },
      node("new ArrayBuffer(1.5e9); console.log('finished')"),
    ),
  "file-size-bound": (scene, where) =>
    reaches(
      scene,
      where,
      { fileBytes: mebibyte },
      shell(`head -c 2000000 /dev/zero > ${scene.root}/ws/large && echo finished`),
    ),
  "open-files-bound": (scene, where) =>
    reaches(
      scene,
      where,
      { openFiles: 64 },
      node(
        "for (let i = 0; i < 100; i++) require('fs').openSync('/dev/null'); console.log('finished')",
      ),
    ),
  "tmp-size-bound": (scene, where) => {
    const folder = where === "inside" ? "/tmp" : `${scene.root}/outside`;
    const script = `head -c 3000000 /dev/zero > ${folder}/large && echo finished`;
    return reaches(scene, where, { tmpBytes: mebibyte }, shell(script));
  },
  "cpu-bound": (scene, where) =>
    reaches(
      scene,
      where,
      { cpuSeconds: 1 },
      node(
        "while (process.cpuUsage().user + process.cpuUsage().system < 1.7e6); console.log('finished')",
      ),
    ),
  "daemon-left-behind": (scene, where) => daemonAfter(scene, where, "exit 0", () => undefined),
  "daemon-survives-kill": (scene, where) =>
    daemonAfter(scene, where, "exec cat <&3 >&3", (child) => child.kill("SIGKILL")),
  "daemon-survives-parent": afterParent,
};
