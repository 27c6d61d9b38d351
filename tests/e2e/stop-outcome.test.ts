/** `ioi stop` during a command: it had no effect, and when "stopped" is said nothing of it is left. */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ioi, Scratch, TestKernel } from "../lib/kernel.ts";

interface Ran {
  readonly state: string;
  readonly error: { readonly code: string } | null;
  readonly actions: readonly {
    readonly outcome: { readonly status: string; readonly code: string | null };
  }[];
}

const scratch = new Scratch();
const data = scratch.at("D");
const workspace = scratch.folder("W");
let kernel: TestKernel;
before(async () => {
  kernel = await TestKernel.start({ data });
});
after(async () => {
  await kernel[Symbol.asyncDispose]();
  scratch[Symbol.dispose]();
});

const sleeping = (seconds: number): number =>
  fs.readdirSync("/proc").filter((pid) => {
    try {
      const text = fs.readFileSync(`/proc/${pid}/cmdline`, "utf8");
      return /^\d+$/.test(pid) && text === `sleep\0${seconds}\0`;
    } catch {
      return false;
    }
  }).length;

/** Starts a command that writes and sleeps, three processes of it, and waits until they do. */
const begin = async (seconds: number) => {
  const script = `echo x > f${seconds}; setsid sleep ${seconds} & sleep ${seconds} & sleep ${seconds}`;
  const text = `/run sh -c "${script}"`;
  const run = ioi(["run", "--data", data, "--workspace", workspace, "--json", text]);
  while (sleeping(seconds) < 3) await sleep(10);
  const { json } = await ioi(["sessions", "list", "--data", data, "--json"]);
  const session = (json as { sessions: { session: string; text: string }[] }).sessions.find(
    (each) => each.text === text,
  )?.session;
  return { run, session: session ?? "" };
};

const isWithoutEffect = async (
  run: ReturnType<typeof ioi>,
  seconds: number,
  session: string,
): Promise<void> => {
  const { code, json } = await run;
  const { state, error, actions } = json as Ran;
  assert.deepEqual([code, state, error?.code], [5, "stopped", "E_SESSION_STOPPED"]);
  const [action] = actions;
  assert.deepEqual([action?.outcome.status, action?.outcome.code], ["no-effect", "E_ABORTED"]);
  assert.equal(fs.existsSync(path.join(workspace, `f${seconds}`)), false);
  const shown = await ioi(["sessions", "show", session, "--data", data, "--json"]);
  assert.equal((shown.json as Ran).state, "stopped");
};

test(
  "a named session: stopped is said when nothing of it is left, and it had no effect",
  { timeout: 60_000 },
  async () => {
    const { run, session } = await begin(621);
    const other = await begin(622);
    const stopped = await ioi(["stop", session, "--data", data]);
    // No wait: what is said is so.
    assert.equal(sleeping(621), 0);
    assert.equal(stopped.code, 0, stopped.stderr);
    assert.match(stopped.stdout, new RegExp(`^stopped ${session}: .*\n$`));
    await isWithoutEffect(run, 621, session);
    // Control: the other session was not named, and runs.
    assert.equal(sleeping(622), 3);
    await ioi(["stop", other.session, "--data", data]);
    await isWithoutEffect(other.run, 622, other.session);
  },
);

test("without a name all sessions are stopped", { timeout: 60_000 }, async () => {
  const [first, second] = [await begin(623), await begin(624)];
  const stopped = await ioi(["stop", "--data", data, "--json"]);
  assert.deepEqual([sleeping(623), sleeping(624)], [0, 0]);
  const names = (stopped.json as { stopped: { session: string }[] }).stopped;
  assert.deepEqual(
    new Set(names.map(({ session }) => session)),
    new Set([first.session, second.session]),
  );
  await isWithoutEffect(first.run, 623, first.session);
  await isWithoutEffect(second.run, 624, second.session);
});

test("a workload that does not answer keeps nothing alive", { timeout: 60_000 }, async () => {
  const { json } = await ioi(["status", "--data", data, "--json"]);
  const pid = (json as { processes: { name: string; pid: number }[] }).processes.find(
    ({ name }) => name === "workload",
  )?.pid;
  assert.ok(pid !== undefined);
  for (const named of [true, false]) {
    const { run, session } = await begin(625);
    process.kill(pid, "SIGSTOP");
    const stop = ioi(["stop", ...(named ? [session] : []), "--data", data]);
    try {
      while (sleeping(625) > 0) await sleep(10);
    } finally {
      process.kill(pid, "SIGCONT");
    }
    assert.equal((await stop).code, 0);
    assert.equal(((await run).json as Ran).state, "stopped");
  }
});
