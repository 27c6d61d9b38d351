/**
 * Launchers that wait prepared: the runtime is up inside fresh namespaces and has read the confiner;
 * all that is missing is the plan. A start that fits one hands it the plan over a pipe and is spared
 * the greater part of its time; any other starts anew.
 *
 * Invariants: one launcher makes one sandbox; it gets nothing before its plan but the namespaces
 * that every sandbox of its shape gets, and the ends of pipes; it dies with who prepared it. At most
 * one waits, and no longer than `poolIdleMs`, so that a session at rest costs nothing.
 */
import type { ChildProcess } from "node:child_process";
import { readFileSync, readlinkSync, realpathSync } from "node:fs";
import type { Writable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { sourceVariable } from "./plan.ts";
import { poolIdleMs, poolReadyMs } from "./limits.ts";
import { type Launch, launchOf, startLaunch } from "./spawn.ts";
import type { SandboxedChild, SpawnOptions } from "./spawn.ts";
import type { SandboxSpec } from "./spec.ts";

/**
 * Runs in place of the confiner's own first line: takes the plan's variables from a descriptor,
 * then goes on as usual. It blocks, so no turn of the event loop takes what is the program's.
 */
const waiting = (descriptor: number): string =>
  `process.getBuiltinModule("node:ffi");` +
  `const f=process.getBuiltinModule("node:fs");` +
  `const t=f.readFileSync(${descriptor},"utf8");f.closeSync(${descriptor});` +
  `if(t==="")process.exit(0);` +
  `Object.assign(process.env,JSON.parse(t));(0,eval)(process.env.${sourceVariable})`;

/** What must be alike for one launch to take another's launcher. */
const shapeOf = ({ first, rest, stdio, options }: Launch): string =>
  JSON.stringify([first, rest, stdio, options]);

/** Descriptors of the caller cannot be handed to a process that runs already. */
const isPoolable = ({ stdio }: Launch): boolean =>
  stdio.every((entry) => entry === "ignore" || entry === "pipe");

const read = (path: string): string => {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
};

/** It ended, perhaps a moment ago: our own loop hears of that later. */
const isDead = ({ pid, exitCode, signalCode }: ChildProcess): boolean =>
  pid === undefined ||
  exitCode !== null ||
  signalCode !== null ||
  !/^\d+ \(.*\) [^ZX] /.test(read(`/proc/${pid}/stat`));

/** The runtime inside is up: its process has begun to wait, below the tool that made it. */
const isWaiting = (pid: number): boolean => {
  const inner = read(`/proc/${pid}/task/${pid}/children`).trim();
  return inner !== "" && /^\d+ \(.*\) S /.test(read(`/proc/${inner}/stat`)) && isOurs(inner);
};

/** Not the tool's own copy of itself. */
const isOurs = (pid: string): boolean => {
  try {
    return readlinkSync(`/proc/${pid}/exe`) === realpathSync(process.execPath);
  } catch {
    return false;
  }
};

interface Prepared {
  readonly shape: string;
  readonly child: ChildProcess;
  readonly started: SandboxedChild["started"];
  readonly plan: Writable;
  readonly timer: NodeJS.Timeout;
}

export class LaunchPool implements Disposable {
  #prepared: Prepared | undefined;
  #closed = false;
  /** Starts that met a prepared launcher. */
  taken = 0;

  /** As `spawnSandboxed`. */
  readonly spawn = (spec: SandboxSpec, options: SpawnOptions): SandboxedChild => {
    const launch = launchOf(spec, options);
    if (!isPoolable(launch)) return startLaunch(launch);
    const ready = this.#take(shapeOf(launch));
    if (ready === undefined) {
      const started = startLaunch(launch);
      void started.started.then(() => this.#prepare(launch));
      return started;
    }
    const { [sourceVariable]: _source, ...plan } = launch.env;
    ready.plan.end(JSON.stringify(plan));
    this.taken++;
    void ready.started.then(() => this.#prepare(launch));
    return { child: ready.child, started: ready.started };
  };

  /** The launcher that waits. */
  get waiting(): ChildProcess | undefined {
    return this.#prepared?.child;
  }

  /** When a launcher waits and has opened its plan's end; at once where none is on its way. */
  async prepared(): Promise<void> {
    const { child } = this.#prepared ?? {};
    for (const until = performance.now() + poolReadyMs; performance.now() < until;) {
      if (child?.pid === undefined || isWaiting(child.pid)) return;
      await setImmediate();
    }
  }

  #take(shape: string): Prepared | undefined {
    const ready = this.#prepared;
    if (ready === undefined || ready.shape !== shape) return undefined;
    this.#prepared = undefined;
    clearTimeout(ready.timer);
    ready.child.ref();
    return isDead(ready.child) ? undefined : ready;
  }

  #prepare(launch: Launch): void {
    if (this.#closed || this.#prepared !== undefined) return;
    const { first, rest, env, stdio, status, options } = launch;
    const descriptor = stdio.length;
    const { child, started } = startLaunch({
      first,
      rest: [...rest.slice(0, -1), waiting(descriptor)],
      env: { [sourceVariable]: env[sourceVariable] ?? "" },
      stdio: [...stdio, "pipe"],
      status,
      options,
    });
    // It waits for us, and nobody waits for it.
    child.unref();
    const plan = child.stdio[descriptor] as Writable;
    plan.on("error", () => undefined);
    const timer = setTimeout(() => this.#drop(), poolIdleMs);
    timer.unref();
    this.#prepared = { shape: shapeOf(launch), child, started, plan, timer };
  }

  #drop(): void {
    const ready = this.#prepared;
    this.#prepared = undefined;
    if (ready === undefined) return;
    clearTimeout(ready.timer);
    // Without a plan it ends by itself.
    ready.plan.end();
    ready.child.kill("SIGKILL");
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#drop();
  }
}
