/** What outlives the kernel: sessions, receipts, counters, undo, and what was under way. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { launcherMain } from "../lib/kernel.ts";
import { commandLineOf, descendantsOf, isAlive } from "../lib/processes.ts";
import { Place, ranOf, treeOf, until } from "./support.ts";

let place: Place;
before(async () => {
  place = await Place.open();
});
after(async () => await place[Symbol.asyncDispose]());

const verify = async () => {
  const { code, json } = await place.ioi("receipts", "verify", "--json");
  return { code, ...(json as { size: number; checked: number; root: string }) };
};

test("stopped and started: sessions and receipts are there, counters rise, undo still works", async () => {
  const folder = place.scratch.folder("kept");
  fs.writeFileSync(path.join(folder, "a.txt"), "before\n");
  const was = treeOf(folder);
  const ran = await place.runIn(folder, '/write a.txt after && /run sh -c "echo x > b.txt"');
  assert.equal(ran.code, 0, ran.stderr);
  const before = await place.show(ran.view.session);
  await place.end("stop");
  await place.start();
  const ended = await verify();
  assert.deepEqual(
    [ended.code, ended.checked],
    [0, ended.size],
    "an orderly end leaves a checkpoint",
  );
  assert.deepEqual(await place.show(ran.view.session), before);
  const next = await place.runIn(folder, "/list");
  const counter = (n: number): number => before.actions[n]?.ticket?.counter ?? 0;
  assert.ok((next.action.ticket?.counter ?? 0) > Math.max(counter(0), counter(1)));
  const undone = await place.undo(ran.view.session);
  assert.equal(undone.code, 0, undone.stderr);
  assert.deepEqual(treeOf(folder), was);
  const grown = await verify();
  assert.ok(grown.code === 0 && grown.size > ended.size);
});

test("killed while a program ran: it had no effect, so it is done again, once, on a new ticket", async () => {
  const folder = place.scratch.folder("under-way");
  const text = '/run sh -c "echo started >> log.txt; sleep 2"';
  const run = place.ioi("run", "--workspace", folder, "--json", text);
  const first = await until(() => place.extra().find((each) => commandLineOf(each) === "sleep 2"));
  await place.end("kill");
  assert.ok(!isAlive(first));
  assert.ok(!fs.existsSync(path.join(folder, "log.txt")), "staged writes are dropped");
  // The client starts a kernel of its own and sees its session through.
  const { code, view, action, stderr } = ranOf(await run);
  await place.start();
  assert.equal(code, 0, stderr);
  assert.equal(action.outcome?.status, "confirmed");
  assert.equal(fs.readFileSync(path.join(folder, "log.txt"), "utf8"), "started\n");
  const outcomes = (await place.receipts(view.session)).filter(
    ({ leaf }) => leaf.type === "outcome",
  ) as unknown as { leaf: { counter: number; status: string } }[];
  assert.deepEqual(
    outcomes.map(({ leaf }) => leaf.status),
    ["no-effect", "confirmed"],
  );
  assert.equal(outcomes[1]?.leaf.counter, action.ticket?.counter);
  assert.notEqual(outcomes[0]?.leaf.counter, action.ticket?.counter);
  assert.equal((await verify()).code, 0);
});

test("the journal replays to the same effects", async () => {
  const folder = place.scratch.folder("replayed");
  const ran = await place.runIn(folder, "/write a.txt x && /read a.txt && /delete a.txt");
  const replayed = await place.ioi("replay", ran.view.session, "--json");
  assert.equal(replayed.code, 0, replayed.stdout + replayed.stderr);
});

test("a process that ends while the kernel starts is what the start fails with", async () => {
  const config = { data: place.scratch.at("early"), host: "127.0.0.1", port: 0 };
  const child = spawn(process.execPath, ["--no-warnings", launcherMain, JSON.stringify(config)], {
    stdio: ["pipe", "ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stdio[3]?.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  const closed = once(child, "close");
  // The last of them to be started: the others have answered or are about to.
  const victim = await until(() =>
    descendantsOf(child.pid ?? 0).find((each) =>
      commandLineOf(each).includes("apps/orchestrator/src/main.ts"),
    ),
  );
  process.kill(victim.pid, "SIGKILL");
  await closed;
  const { error } = JSON.parse(said) as { readonly error: object };
  const { code, message } = error as Readonly<Record<string, unknown>>;
  const expected = ["E_LAUNCHER_BOOT", "the orchestrator ended before it was ready"];
  assert.deepEqual([code, message], expected);
});
