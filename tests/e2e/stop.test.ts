/** `ioi stop`: nothing of a session runs one second later, and the session says so. */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { commandLineOf, isAlive } from "../lib/processes.ts";
import { Place, ranOf, until } from "./support.ts";

let place: Place;
before(async () => {
  place = await Place.open();
});
afterEach(async () => await place.quiet());
after(async () => await place[Symbol.asyncDispose]());

/** Starts a long run and returns once its command is really there. */
const running = async (text: string, commands: number) => {
  const run = place.ioi("run", "--workspace", place.workspace, "--json", text);
  const started = await until(() => {
    const found = place
      .extra()
      .filter((each) => /^(?:\S+\/)?sleep 6\d\d$/.test(commandLineOf(each)));
    return found.length === commands ? found : undefined;
  });
  const { json } = await place.ioi("sessions", "list", "--json");
  const session = (json as { sessions: { session: string; text: string }[] }).sessions.find(
    (each) => each.text === text,
  )?.session;
  assert.ok(session !== undefined);
  return { run, started, all: place.extra(), session };
};

test("stop of a command and all its descendants, detached ones too", async () => {
  const script =
    "setsid sleep 601 & (sleep 602 & setsid sleep 603 &) ; echo gone > left.txt; sleep 604";
  const { run, started, all, session } = await running(`/run sh -c "${script}"`, 4);
  assert.ok(started.every(isAlive), "the control: they ran");
  assert.ok(all.length > started.length);
  const stopped = await place.ioi("stop", session, "--json");
  // What is promised is this second.
  await sleep(1000);
  assert.deepEqual(all.filter(isAlive).map(commandLineOf), []);
  assert.equal(stopped.code, 0, stopped.stderr);
  const { code, view, action } = ranOf(await run);
  assert.deepEqual([code, view.state, view.error?.code], [5, "stopped", "E_SESSION_STOPPED"]);
  assert.notEqual(action.outcome?.status, "confirmed");
  assert.ok(!fs.existsSync(path.join(place.workspace, "left.txt")), "staged writes are dropped");
  assert.equal((await place.show(session)).state, "stopped");
  const types = (await place.receipts(session)).map(({ leaf }) => leaf.type);
  assert.ok(types.includes("revoke") && types.includes("outcome"), types.join(" "));
});

test("stop of everything; a second stop finds nothing; others were not asked", async () => {
  const { run, all } = await running("/run sleep 605", 1);
  const stopped = await place.ioi("stop", "--json");
  assert.equal(stopped.code, 0, stopped.stderr);
  await sleep(1000);
  assert.deepEqual(all.filter(isAlive).map(commandLineOf), []);
  assert.equal((await run).code, 5);
  const again = await place.ioi("stop", "--json");
  assert.deepEqual([again.code, (again.json as { stopped: unknown[] }).stopped], [0, []]);
  assert.equal((await place.run("/run true")).code, 0);
});

test("stop while the person is asked: the approval is gone", async () => {
  const asked = await place.run("/write .hidden x", "--on-ask", "pend");
  assert.equal(asked.code, 4);
  assert.equal((await place.ioi("stop", asked.view.session)).code, 0);
  assert.equal((await place.show(asked.view.session)).state, "stopped");
  assert.notEqual((await place.ioi("approve", asked.action.approval ?? "")).code, 0);
  assert.ok(!fs.existsSync(path.join(place.workspace, ".hidden")));
});
