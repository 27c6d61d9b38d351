/**
 * Everything that a session started is gone within a second of the stop, whatever it did to stay: it
 * detached, it took the place of its parent's parent, it ignored every signal it may, it forked on.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { client, dial } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";
import type { SuiteCase } from "../../suites/suite.ts";
import { dnsStub } from "../egress/dns-stub.ts";
import { ioi, Scratch, TestKernel } from "../kernel.ts";
import { cuts, heldZone } from "./connections.ts";
import { commandLineOf, descendantsOf, isAlive, type ProcessId } from "../processes.ts";

/** How each keeps alive; `SECONDS` marks its processes. */
const ways: readonly (readonly [string, string])[] = [
  ["children", "sleep SECONDS & sleep SECONDS & sleep SECONDS"],
  ["new-sessions", "setsid sleep SECONDS & setsid sleep SECONDS & sleep SECONDS"],
  [
    "double-fork",
    "(sleep SECONDS & setsid sh -c 'sleep SECONDS & sleep SECONDS' &) ; sleep SECONDS",
  ],
  [
    "ignores-signals",
    "trap '' TERM INT HUP QUIT USR1; (trap '' TERM INT HUP; nohup sleep SECONDS &) ; sleep SECONDS; sleep SECONDS",
  ],
  ["respawns", "while :; do sleep SECONDS & sleep 0.2; done"],
];

const waitMs = 15_000;

const until = async (holds: () => boolean): Promise<boolean> => {
  for (let waited = 0; waited < waitMs; waited += 50) {
    if (holds()) return true;
    await sleep(50);
  }
  return holds();
};

const marked = (all: readonly ProcessId[], seconds: number): readonly ProcessId[] =>
  all.filter((each) => commandLineOf(each) === `sleep ${seconds}`);

export interface Stopped {
  readonly cases: readonly SuiteCase[];
  readonly descendantsAfter1s: number;
  /** Until it was said, at most. */
  readonly stopMsMax: number;
  /** Until what programs held open through egress was cut, at most. */
  readonly connectionCutMsMax: number;
}

/** The control: without a kernel the same script outlives the end of its own shell. */
const outlives = async (way: string, seconds: number): Promise<boolean> => {
  const script = way.replaceAll("SECONDS", String(seconds));
  const shell: ChildProcess = spawn("sh", ["-c", script], { stdio: "ignore", detached: true });
  // From the top: in a container not everything descends from its first process.
  const seen = (): readonly ProcessId[] => marked(descendantsOf(0), seconds);
  await until(() => seen().length >= 2);
  const before = seen();
  const ended = once(shell, "exit");
  // What a parent would do: ask, then insist, of the one process that it knows.
  shell.kill("SIGTERM");
  await sleep(100);
  shell.kill("SIGKILL");
  await ended;
  const left = before.filter(isAlive);
  for (const each of [...left, ...seen()]) {
    try {
      process.kill(each.pid, "SIGKILL");
    } catch {
      // It ended by itself.
    }
  }
  return left.length > 0;
};

export const stops = async (quick: boolean, progress: (text: string) => void): Promise<Stopped> => {
  using scratch = new Scratch();
  const workspace = scratch.folder("work");
  const data = scratch.at("data");
  await using stub = await dnsStub(heldZone);
  await using kernel = await TestKernel.start({ data, egress: { resolver: stub.address } });
  const own = new Set(descendantsOf(kernel.pid).map(({ pid, started }) => `${pid} ${started}`));
  const extra = (): readonly ProcessId[] =>
    descendantsOf(kernel.pid).filter(({ pid, started }) => !own.has(`${pid} ${started}`));
  const cases: SuiteCase[] = [];
  let descendantsAfter1s = 0;
  let stopMsMax = 0;
  const chosen = quick ? ways.slice(1, 4) : ways;
  for (const [index, [name, way]] of chosen.entries()) {
    progress(`stop: ${name}`);
    const seconds = 86_400 + index * 7 + (process.pid % 7);
    const script = way.replaceAll("SECONDS", String(seconds));
    fs.writeFileSync(`${workspace}/${name}.sh`, `${script}\n`);
    const args = ["--data", data, "--workspace", workspace];
    const running = ioi(["run", ...args, "--json", `/run sh ${name}.sh`]);
    const came = await until(() => marked(extra(), seconds).length >= 2);
    const before = extra();
    await using channel = await dial(path.join(data, "run/workload.sock"));
    const askedMs = performance.now();
    const stopping = client(pb.Sessions, channel)
      .stop({ session: "" }, { deadlineMs: waitMs })
      .finally(() => {
        stopMsMax = Math.max(stopMsMax, Math.round(performance.now() - askedMs));
      });
    const alive = (): readonly ProcessId[] =>
      // Without a command line a process has lost its memory and is only on its way out.
      [...before, ...extra()].filter((each) => {
        const line = commandLineOf(each);
        // The launcher fills the compile cache beside the kernel: no session started that.
        return isAlive(each) && line !== "" && !line.endsWith("--load-only");
      });
    await sleep(1000 - (performance.now() - askedMs));
    descendantsAfter1s += alive().length;
    const { stopped } = await stopping;
    const left = alive();
    await running;
    const control = await outlives(way, seconds + 100_000);
    cases.push({
      id: `stop-${name}`,
      outcome: came && left.length === 0 && stopped.length === 1 ? "passed" : "failed",
      expected: "no process of the session once it is said to have stopped",
      actual: `${before.length} before, ${left.length} after (${left.map(commandLineOf).join("; ")})`,
      control: came && control ? "harmed" : "harmless",
    });
  }
  const held = await cuts(data, workspace, progress);
  cases.push(...held.cases);
  return { cases, descendantsAfter1s, stopMsMax, connectionCutMsMax: held.connectionCutMsMax };
};
