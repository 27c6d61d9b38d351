/**
 * `ioi stop`: when "stopped" is said nothing of the session is left, what it was doing had no
 * effect, and nobody had to agree.
 */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { CliResult } from "../lib/kernel.ts";
import { commandLineOf, isAlive, type ProcessId } from "../lib/processes.ts";
import { Place, ranOf, until } from "./support.ts";

let place: Place;
before(async () => {
  place = await Place.open();
});
afterEach(async () => await place.quiet());
after(async () => await place[Symbol.asyncDispose]());

const sleeping = (seconds: number): readonly ProcessId[] =>
  place.extra().filter((each) => commandLineOf(each) === `sleep ${seconds}`);

interface Begun {
  readonly seconds: number;
  readonly run: Promise<CliResult>;
  readonly session: string;
}

/** Starts a command that writes and sleeps, four processes of it, two detached; waits until they do. */
const begin = async (seconds: number): Promise<Begun> => {
  const one = `sleep ${seconds}`;
  const script = `echo x > f${seconds}; setsid ${one} & (${one} & setsid ${one} &) ; ${one}`;
  const text = `/run sh -c "${script}"`;
  const run = place.ioi("run", "--workspace", place.workspace, "--json", text);
  await until(() => (sleeping(seconds).length === 4 ? true : undefined));
  const { json } = await place.ioi("sessions", "list", "--json");
  const session = (json as { sessions: { session: string; text: string }[] }).sessions.find(
    (each) => each.text === text,
  )?.session;
  return { seconds, run, session: session ?? "" };
};

const hadNoEffect = async ({ seconds, run, session }: Begun): Promise<void> => {
  const { code, view, action } = ranOf(await run);
  assert.deepEqual([code, view.state, view.error?.code], [5, "stopped", "E_SESSION_STOPPED"]);
  assert.deepEqual([action.outcome?.status, action.outcome?.code], ["no-effect", "E_ABORTED"]);
  assert.ok(!fs.existsSync(path.join(place.workspace, `f${seconds}`)), "staged writes are dropped");
  assert.equal((await place.show(session)).state, "stopped");
  const types = (await place.receipts(session)).map(({ leaf }) => leaf.type);
  assert.deepEqual(types.toSorted(), ["intent", "outcome", "revoke", "session-open"]);
};

test("a named session: nothing of it is left when stopped is said, and it had no effect", async () => {
  const [named, other] = await Promise.all([begin(621), begin(622)]);
  const stopped = await place.ioi("stop", named.session);
  // No wait: what is said is so.
  assert.deepEqual(sleeping(621), []);
  assert.equal(stopped.code, 0, stopped.stderr);
  assert.match(stopped.stdout, new RegExp(`^stopped ${named.session}: .*\n$`));
  await hadNoEffect(named);
  // The control: the other session was not named, and runs.
  assert.equal(sleeping(622).length, 4);
  await place.ioi("stop", other.session);
  await hadNoEffect(other);
});

test("without a name all sessions; one second later no process of any is left", async () => {
  const begun = await Promise.all([begin(623), begin(624)]);
  const all = place.extra();
  assert.ok(all.length > 8 && all.every(isAlive), "the control: they ran");
  const stopped = await place.ioi("stop", "--json");
  await sleep(1000);
  assert.deepEqual(all.filter(isAlive).map(commandLineOf), []);
  const names = (stopped.json as { stopped: { session: string }[] }).stopped;
  assert.deepEqual(
    names.map(({ session }) => session).toSorted(),
    begun.map(({ session }) => session).toSorted(),
  );
  await Promise.all(begun.map(hadNoEffect));
  const again = await place.ioi("stop", "--json");
  assert.deepEqual([again.code, (again.json as { stopped: unknown[] }).stopped], [0, []]);
});

test("a workload that does not answer keeps nothing alive", async () => {
  const { processes } = await place.kernel.status();
  const pid = processes.find(({ name }) => name === "workload")?.pid ?? 0;
  for (const named of [true, false]) {
    const { run, session } = await begin(625);
    process.kill(pid, "SIGSTOP");
    const stop = place.ioi("stop", ...(named ? [session] : []));
    try {
      await until(() => (sleeping(625).length === 0 ? true : undefined));
    } finally {
      process.kill(pid, "SIGCONT");
    }
    assert.equal((await stop).code, 0);
    assert.equal(ranOf(await run).view.state, "stopped");
  }
});

test("stop while the person is asked: the approval is gone", async () => {
  const asked = await place.run("/write .hidden x", "--on-ask", "pend");
  assert.equal(asked.code, 4);
  assert.equal((await place.ioi("stop", asked.view.session)).code, 0);
  assert.equal((await place.show(asked.view.session)).state, "stopped");
  assert.notEqual((await place.ioi("approve", asked.action.approval ?? "")).code, 0);
  assert.ok(!fs.existsSync(path.join(place.workspace, ".hidden")));
});
