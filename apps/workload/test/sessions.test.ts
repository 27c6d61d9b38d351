/** Sessions from their start to their end, over processes that end in between. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import test from "node:test";
import { OperationError } from "@ioi/base";
import { boot, type Booted, temporaryFolder, World } from "./doubles.ts";

const codeOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
  } catch (error) {
    if (error instanceof OperationError) return error.code;
    throw error;
  }
  return "none";
};

test("a read: verdict, ticket, receipt, content", async () => {
  using folder = temporaryFolder();
  const world = new World();
  await using workload = await boot(folder.path, world);
  const { state, view } = await workload.run({ text: "/read a.txt" });
  assert.equal(state, "done");
  const [action] = view.actions;
  assert.equal(action?.verdict, "allow");
  assert.equal(action?.rule, "rule-1");
  assert.deepEqual(action?.ticket, { counter: 1, ttlMs: 30_000 });
  assert.equal(action?.outcome?.content, "hi\n");
  assert.deepEqual(action?.receipt, { index: 2, leafHash: "07".repeat(32) });
  assert.equal(view.error, null);
  assert.deepEqual(world.closed, ["s-1 done"]);
  assert.deepEqual(world.reports[0]?.reportedBy, "driver");
});

test("a denial, an unavailable target, a usage error", async () => {
  using folder = temporaryFolder();
  const world = new World();
  world.verdict = () => "deny";
  await using workload = await boot(folder.path, world);
  const denied = await workload.run({ session: "s-1", text: "/read a.txt && /read a.txt" });
  assert.equal(denied.view.error?.code, "E_ACTION_DENIED");
  assert.equal(denied.view.actions.length, 1);
  assert.equal(denied.view.actions[0]?.instead, "paths below /w");
  const away = await workload.run({ session: "s-2", text: "/open http://localhost" });
  assert.equal(away.view.error?.code, "E_TARGET_UNAVAILABLE");
  const wrong = await workload.run({ session: "s-3", text: "/raed a" });
  assert.equal(wrong.view.error?.code, "E_COMMAND_UNKNOWN");
  const missing = await workload.run({ session: "s-4", text: "/read b.txt" });
  assert.equal(missing.view.error?.code, "E_FS_NOT_FOUND");
});

test("what is not text or too long is behind a handle", async () => {
  using folder = temporaryFolder();
  const world = new World();
  world.files.set("/w/long", "x".repeat(70_000));
  await using workload = await boot(folder.path, world);
  const { view } = await workload.run({ text: "/read long" });
  const outcome = view.actions[0]?.outcome;
  assert.equal(outcome?.content, null);
  assert.equal(outcome?.handle, "contents/s-1/1");
  const kept = readFileSync(path.join(folder.path, "contents/s-1/1"), "utf8");
  assert.equal(kept.length, 70_000);
});

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

test("content is served in pieces, in place or behind a handle, also after a restart", async () => {
  using folder = temporaryFolder();
  const world = new World();
  const long = `${"x".repeat(70_000)}end`;
  world.files.set("/w/long", long);
  const look = async (workload: Booted): Promise<void> => {
    const piece = async (n: number, offset: number, length: number) => {
      const { bytes, total } = await workload.sessions.content("s-1", n, offset, length);
      return [text(bytes), total];
    };
    assert.deepEqual(await piece(1, 0, 1_000_000), ["hi\n", 3]);
    assert.deepEqual(await piece(1, 1, 1), ["i", 3]);
    assert.deepEqual(await piece(2, 0, 1_000_000), [long, 70_003]);
    assert.deepEqual(await piece(2, 69_999, 2), ["xe", 70_003]);
    assert.deepEqual(await piece(2, 70_002, 9), ["d", 70_003]);
    assert.deepEqual(await piece(2, 70_003, 9), ["", 70_003]);
    assert.deepEqual(await piece(2, 1e15, 9), ["", 70_003]);
    assert.equal(await codeOf(piece(3, 0, 9)), "E_CONTENT_NONE");
    assert.equal(await codeOf(piece(4, 0, 9)), "E_CONTENT_NONE");
    assert.equal(await codeOf(workload.sessions.content("s-9", 1, 0, 9)), "E_SESSION_UNKNOWN");
  };
  {
    await using workload = await boot(folder.path, world);
    await workload.run({ text: "/read a.txt && /read long && /write b.txt new" });
    await look(workload);
  }
  await using workload = await boot(folder.path, world);
  await look(workload);
  rmSync(path.join(folder.path, "contents/s-1/2"));
  assert.equal(await codeOf(workload.sessions.content("s-1", 2, 0, 9)), "E_CONTENT_FORGOTTEN");
});

test("contents are bounded over all sessions: the oldest session's go, never the newest's", async () => {
  using folder = temporaryFolder();
  const world = new World();
  world.files.set("/w/long", "x".repeat(70_000));
  const kept = (): readonly string[] => readdirSync(path.join(folder.path, "contents")).toSorted();
  {
    await using workload = await boot(folder.path, world, { contentsBytesMax: 150_000 });
    for (const session of ["s-3", "s-2"]) await workload.run({ session, text: "/read long" });
    assert.deepEqual(kept(), ["s-2", "s-3"]);
    await workload.run({ session: "s-1", text: "/read long" });
    assert.deepEqual(kept(), ["s-1", "s-2"]);
    const gone = workload.sessions.content("s-3", 1, 0, 9);
    assert.equal(await codeOf(gone), "E_CONTENT_FORGOTTEN");
    assert.equal((await workload.sessions.content("s-2", 1, 0, 9)).total, 70_000);
    // One session alone has no more than there is together.
    const { view } = await workload.run({
      session: "s-4",
      text: "/read long && /read ./long && /read long",
    });
    assert.deepEqual(
      view.actions.map(({ outcome }) => outcome?.handle ?? null),
      ["contents/s-4/1", "contents/s-4/2", null],
    );
    assert.deepEqual(kept(), ["s-4"]);
  }
  // What is there counts after a restart; what belongs to no journal is removed.
  mkdirSync(path.join(folder.path, "contents/s-5"));
  writeFileSync(path.join(folder.path, "contents/s-5/1"), "nobody's");
  await using workload = await boot(folder.path, world, { contentsBytesMax: 150_000 });
  assert.deepEqual(kept(), ["s-4"]);
  await workload.run({ session: "s-6", text: "/read long" });
  assert.deepEqual(kept(), ["s-6"]);
});

test("content that cannot be kept costs the outcome nothing", async () => {
  using folder = temporaryFolder();
  const world = new World();
  world.files.set("/w/long", "x".repeat(70_000));
  await using workload = await boot(folder.path, world);
  writeFileSync(path.join(folder.path, "contents/s-1"), "in the way");
  const { state, view } = await workload.run({ text: "/read long" });
  assert.equal(state, "done");
  assert.deepEqual(
    [view.actions[0]?.outcome?.status, view.actions[0]?.outcome?.handle],
    ["confirmed", null],
  );
});

test("pend waits, over a restart, and goes on when a person approves", async () => {
  using folder = temporaryFolder();
  const world = new World();
  world.verdict = (target) => (target === "sys::exec" ? "ask" : "allow");
  {
    await using workload = await boot(folder.path, world);
    const { state, rests, view } = await workload.run({ text: '/run sh -c "$X"' });
    assert.deepEqual([state, rests], ["waiting-approval", true]);
    assert.equal(view.error?.code, "E_APPROVAL_PENDING");
    assert.equal(view.actions[0]?.approval, "a-1");
  }
  await using workload = await boot(folder.path, world);
  world.approved.add("s-1");
  const decision = { session: "s-1", approval: "a-1", approved: true, reason: "", expired: false };
  workload.gate.people.push(decision);
  await world.until(() => world.closed.length > 0);
  const { state, view } = await workload.view("s-1");
  assert.equal(state, "done");
  assert.equal(view.actions[0]?.outcome?.content, "out\n");
  assert.equal(world.effects.length, 1);
});

test("a person who denies ends the sequence", async () => {
  using folder = temporaryFolder();
  const world = new World();
  world.verdict = () => "ask";
  await using workload = await boot(folder.path, world);
  await workload.run({ text: "/run true && /read a.txt" });
  const decision = { session: "s-1", approval: "a-1", approved: false, expired: false };
  workload.gate.people.push({ ...decision, reason: "not now" });
  await world.until(() => world.closed.length > 0);
  const { view } = await workload.view("s-1");
  assert.equal(view.error?.message, "not now");
  assert.equal(world.effects.length, 0);
});

test("an ask that nobody answered in time ends its session, also over a restart", async () => {
  using folder = temporaryFolder();
  const world = new World();
  world.verdict = () => "ask";
  {
    await using workload = await boot(folder.path, world);
    await workload.run({ text: "/read a.txt" });
  }
  await using workload = await boot(folder.path, world);
  const decision = { session: "s-1", approval: "a-1", approved: false, expired: true };
  workload.gate.people.push({ ...decision, reason: "" });
  await world.until(() => world.closed.length > 0);
  const { state, view } = await workload.view("s-1");
  const [action] = view.actions;
  assert.deepEqual(
    [state, view.error?.code, action?.verdict, action?.rule, action?.reason],
    ["failed", "E_ACTION_DENIED", "deny", "builtin:expired", "nobody answered in time"],
  );
});

for (const hangs of ["before effect", "after effect", "in report"] as const) {
  test(`the process ends ${hangs}: the effect happens once and the session is done`, async () => {
    using folder = temporaryFolder();
    const world = new World();
    world.hangs = hangs;
    {
      await using workload = await boot(folder.path, world);
      await workload.sessions.start({
        session: "s-1",
        text: "/write b.txt new && /read b.txt",
        workspace: "/w",
        onAsk: "pend",
      });
      // A driver is told to act only when its verdict is durable.
      await world.until(
        () =>
          world.acts > 0 &&
          (hangs !== "after effect" || world.effects.length > 0) &&
          (hangs !== "in report" || world.reports.length > 0),
      );
    }
    world.hangs = "nowhere";
    await using workload = await boot(folder.path, world);
    await world.until(() => world.closed.length > 0);
    const { state } = await workload.view("s-1");
    assert.equal(state, "done");
    assert.equal(world.effects.length, 1);
    assert.equal(
      new Set(world.proposals.map(({ sequence }) => sequence)).size,
      Number(world.counter),
    );
  });
}

test("an outcome that nobody knows is asked for, and the person's word is reported", async () => {
  using folder = temporaryFolder();
  const world = new World();
  world.hangs = "after effect";
  world.settles = "unknown";
  {
    await using workload = await boot(folder.path, world);
    const start = { session: "s-1", text: "/write b.txt new", workspace: "/w" } as const;
    await workload.sessions.start({ ...start, onAsk: "pend" });
    await world.until(() => world.effects.length > 0);
  }
  world.hangs = "nowhere";
  await using workload = await boot(folder.path, world);
  let last = await workload.view("s-1");
  assert.equal(last.view.error?.code, "E_OUTCOME_UNKNOWN");
  await workload.sessions.resolve("s-1", "happened");
  await world.until(() => world.closed.length > 0);
  last = await workload.view("s-1");
  assert.equal(last.state, "done");
  assert.deepEqual(
    world.reports.map(({ status, reportedBy }) => [status, reportedBy]),
    [["confirmed", "person"]],
  );
  assert.equal(await codeOf(workload.sessions.resolve("s-1", "happened")), "E_SESSION_NOT_ASKING");
});

test("stop kills the drivers, tells the gate, and says stopped", async () => {
  using folder = temporaryFolder();
  const world = new World();
  world.hangs = "before effect";
  await using workload = await boot(folder.path, world);
  const start = { session: "s-1", text: "/run sleep 100", workspace: "/w" } as const;
  await workload.sessions.start({ ...start, onAsk: "pend" });
  await world.until(() => world.proposals.length > 0);
  const { signal } = new AbortController();
  assert.deepEqual(await workload.sessions.stop("", signal), ["s-1"]);
  assert.deepEqual(world.kills, ["s-1"]);
  assert.deepEqual(world.closed, ["s-1 stopped"]);
  assert.equal((await workload.view("s-1")).state, "stopped");
  assert.deepEqual(await workload.sessions.stop("s-1", signal), []);
  assert.equal(await codeOf(workload.sessions.stop("s-9", signal)), "E_SESSION_UNKNOWN");
});

test("undo reverts newest first, once", async () => {
  using folder = temporaryFolder();
  const world = new World();
  await using workload = await boot(folder.path, world);
  await workload.run({ text: "/write b.txt x && /write c.txt y" });
  const { signal } = new AbortController();
  const undo = async (undoSession: string, action: number): Promise<readonly unknown[]> => {
    const input = { session: "s-1", action, undoSession, onAsk: "deny" } as const;
    const views: string[] = [];
    for await (const each of (await workload.sessions.undo(input)).follow(signal)) {
      views.push(each.json);
    }
    const view = JSON.parse(views.at(-1) ?? "{}") as { state: string; actions: readonly unknown[] };
    return [view.state, view.actions.length];
  };
  assert.deepEqual(await undo("s-2", 2), ["done", 1]);
  assert.deepEqual([...world.files.keys()], ["/w/a.txt", "/w/b.txt"]);
  assert.deepEqual(await undo("s-3", 0), ["done", 1]);
  assert.deepEqual([...world.files.keys()], ["/w/a.txt"]);
  assert.deepEqual(await undo("s-4", 0), ["failed", 0]);
  const { view } = await workload.run({ session: "s-5", text: "/undo" });
  assert.equal(view.error?.code, "E_NOTHING_TO_UNDO");
});

test("a listing counts what is left to undo, also after a restart", async () => {
  using folder = temporaryFolder();
  const world = new World();
  const left = async (workload: Booted): Promise<Readonly<Record<string, number>>> =>
    Object.fromEntries(
      (await workload.sessions.list(0)).map(({ session, undoable }) => [session, undoable]),
    );
  const { signal } = new AbortController();
  {
    await using workload = await boot(folder.path, world);
    await workload.run({ session: "s-1", text: "/write b.txt x && /write c.txt y && /read a.txt" });
    await workload.run({ session: "s-2", text: "/read a.txt" });
    await workload.run({ session: "s-3", text: "/write d.txt x && /undo" });
    await workload.run({ session: "s-4", text: "/write d.txt x" });
    assert.deepEqual(await left(workload), { "s-1": 2, "s-2": 0, "s-3": 0, "s-4": 1 });
    const input = { session: "s-1", action: 2, undoSession: "s-5", onAsk: "deny" } as const;
    for await (const each of (await workload.sessions.undo(input)).follow(signal)) assert.ok(each);
    assert.deepEqual(await left(workload), { "s-1": 1, "s-2": 0, "s-3": 0, "s-4": 1, "s-5": 0 });
  }
  await using workload = await boot(folder.path, world);
  assert.deepEqual(await left(workload), { "s-1": 1, "s-2": 0, "s-3": 0, "s-4": 1, "s-5": 0 });
});

test("listing: newest first, and what the journals say after the index is lost", async () => {
  using folder = temporaryFolder();
  const world = new World();
  await using workload = await boot(folder.path, world);
  await workload.run({ session: "s-1", text: "/read a.txt" });
  await workload.run({ session: "s-2", text: "/help" });
  const listed = (await workload.sessions.list(10)).map(({ session, state, actions, text }) => [
    session,
    state,
    actions,
    text,
  ]);
  assert.deepEqual(new Set(listed.map(([session]) => session)), new Set(["s-1", "s-2"]));
  assert.deepEqual(
    listed.find(([session]) => session === "s-1"),
    ["s-1", "done", 1, "/read a.txt"],
  );
  assert.equal((await workload.sessions.list(1)).length, 1);
});

test("starting a session again follows it, a name that is none is refused", async () => {
  using folder = temporaryFolder();
  const world = new World();
  await using workload = await boot(folder.path, world);
  await workload.run({ text: "/write b.txt x" });
  const again = await workload.run({ text: "/write b.txt x" });
  assert.deepEqual([again.state, again.rests, world.effects.length], ["done", true, 1]);
  assert.equal(await codeOf(workload.run({ session: "../x", text: "/help" })), "E_SESSION_ID");
  assert.equal(await codeOf(workload.view("s-9")), "E_SESSION_UNKNOWN");
  assert.equal(await codeOf(workload.view("../../etc/passwd")), "E_SESSION_UNKNOWN");
});

test("a damaged journal names its record and harms no other session", async () => {
  using folder = temporaryFolder();
  const world = new World();
  world.verdict = () => "ask";
  {
    await using workload = await boot(folder.path, world);
    await workload.run({ session: "s-1", text: "/run true" });
    await workload.run({ session: "s-2", text: "/run true" });
  }
  const file = path.join(folder.path, "journals", "s-1.log");
  const bytes = readFileSync(file);
  // In an early record, which later ones prove durable.
  const at = 100;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(file, bytes);
  await using workload = await boot(folder.path, world);
  assert.equal(await codeOf(workload.view("s-1")), "E_JOURNAL_CORRUPT");
  assert.equal((await workload.view("s-2")).state, "waiting-approval");
});
