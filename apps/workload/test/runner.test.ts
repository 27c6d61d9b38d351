/** The journal comes first: what it does not hold does not happen. */
import assert from "node:assert/strict";
import test from "node:test";
import { type SessionInput, SessionMachine } from "@ioi/agent";
import { OperationError, wallMs } from "@ioi/base";
import type { Contents, JournalFile } from "../src/ends.ts";
import { noMetrics } from "../src/metrics.ts";
import { type RunnerEnds, SessionRunner, type SessionUpdate } from "../src/runner.ts";
import { Told } from "../src/told.ts";
import { DriversDouble, GateDouble, quiet, World } from "./doubles.ts";

const contents: Contents = { keep: async () => undefined, read: async () => undefined };

const endsOf = (world: World): RunnerEnds => ({
  gate: new GateDouble(world),
  drivers: new DriversDouble(world),
  contents,
  clock: { nowMs: () => 1_700_000_000_000, nowUs: () => 0 },
  home: "/home/me",
  log: quiet,
  metrics: noMetrics,
  onMilestone: () => undefined,
});

const startOf = (text: string): Extract<SessionInput, { readonly type: "start" }> => ({
  type: "start",
  session: "s-1",
  workspace: "/w",
  onAsk: "deny",
  agent: "planner",
  goal: { text, kind: "planner", earlier: [], lost: [] },
});

/** A journal that takes so many records and then no more. */
const journalOf = (world: World, recordsMax: number) => {
  const written: { readonly durable: boolean; readonly actsBefore: number }[] = [];
  const journal: JournalFile = {
    append: async (_record, durable) => {
      if (written.length >= recordsMax) {
        throw new OperationError("E_WAL_FULL", "the disk is full", { retryable: true });
      }
      written.push({ durable, actsBefore: world.acts });
    },
    close: async () => undefined,
  };
  return { written, journal };
};

const { signal } = new AbortController();

const last = async (runner: SessionRunner): Promise<SessionUpdate> => {
  let seen: SessionUpdate | undefined;
  for await (const update of runner.follow(signal)) seen = update;
  assert.ok(seen !== undefined);
  return seen;
};

test("an act follows a durable record, an end too", async () => {
  const world = new World();
  const { written, journal } = journalOf(world, 1000);
  const runner = await SessionRunner.begin(endsOf(world), journal, startOf("/write b.txt x"));
  assert.equal((await last(runner)).state, "done");
  assert.equal(world.acts, 1);
  const before = written.filter(({ actsBefore }) => actsBefore === 0);
  assert.equal(before.at(-1)?.durable, true);
  assert.equal(written.at(-1)?.durable, true);
  assert.ok(written.some(({ durable }) => !durable));
});

test("at every record that the disk does not take, nothing further happens", async () => {
  const whole = new World();
  const { written, journal } = journalOf(whole, 1000);
  await last(await SessionRunner.begin(endsOf(whole), journal, startOf("/write b.txt x")));
  const verdict = written.findIndex(({ actsBefore }) => actsBefore > 0);
  for (let recordsMax = 0; recordsMax < written.length; recordsMax++) {
    const world = new World();
    const cut = journalOf(world, recordsMax);
    const run = SessionRunner.begin(endsOf(world), cut.journal, startOf("/write b.txt x"));
    await assert.rejects(run.then(last), (error) => {
      assert.ok(error instanceof OperationError);
      return error.code === "E_WAL_FULL";
    });
    // The control is the same session with one record more: then the act happens.
    assert.equal(world.acts, recordsMax >= verdict ? 1 : 0, `after ${recordsMax} records`);
    assert.equal(cut.written.length, recordsMax);
  }
});

test("slow readers get the newest state, and several readers the same end", async () => {
  const world = new World();
  const { journal } = journalOf(world, 1000);
  const runner = await SessionRunner.begin(
    endsOf(world),
    journal,
    startOf("/read a.txt && /write b.txt x && /help"),
  );
  const ends = await Promise.all([last(runner), last(runner)]);
  assert.equal(ends[0]?.json, ends[1]?.json);
  assert.equal(ends[0]?.state, "done");
  assert.ok(runner.over);
});

test("a clock that was set back while nothing ran keeps no session waiting", async () => {
  const world = new World();
  const { journal } = journalOf(world, 1000);
  const day = 24 * 3_600_000;
  const startedMs = 1_700_000_000_000;
  const machine = new SessionMachine();
  machine.handle(startOf("/write b.txt x"), wallMs(startedMs));
  const began = performance.now();
  let refusals = 1;
  const gate = new GateDouble(world);
  const opened = gate.openSession.bind(gate);
  gate.openSession = async () => {
    if (refusals-- > 0) throw new OperationError("E_GATE_GONE", "not yet", { retryable: true });
    return await opened();
  };
  const ends: RunnerEnds = {
    ...endsOf(world),
    gate,
    clock: { nowMs: () => startedMs - day + Math.round(performance.now() - began), nowUs: () => 0 },
  };
  const runner = SessionRunner.resume(ends, journal, machine, new Told());
  assert.equal((await last(runner)).state, "done");
  assert.ok(runner.state.lastMs >= startedMs);
});

test("after another scope the next action is prepared by drivers that reach it", async () => {
  const world = new World();
  world.verdict = () => "ask";
  const ends = endsOf(world);
  const did: string[] = [];
  const gate = Object.assign(Object.create(ends.gate) as typeof ends.gate, {
    openSession: async () => {
      did.push("open");
      return await ends.gate.openSession("s-1", signal);
    },
    propose: ends.gate.propose.bind(ends.gate),
    preview: ends.gate.preview.bind(ends.gate),
    report: ends.gate.report.bind(ends.gate),
    closeSession: ends.gate.closeSession.bind(ends.gate),
  });
  const drivers = Object.assign(Object.create(ends.drivers) as typeof ends.drivers, {
    of: ends.drivers.of.bind(ends.drivers),
    running: ends.drivers.running.bind(ends.drivers),
    release: (session: string) => {
      did.push("release");
      ends.drivers.release(session);
    },
  });
  const { journal } = journalOf(world, 1000);
  const start = { ...startOf("/write b.txt x"), onAsk: "pend" as const };
  const runner = await SessionRunner.begin({ ...ends, gate, drivers }, journal, start);
  assert.equal((await last(runner)).state, "waiting-approval");
  did.length = 0;
  runner.scopeChanged();
  world.approved.add("s-1");
  const approval = runner.state.current?.approval ?? "";
  await runner.give({ type: "decision", approval, approved: true, reason: "" });
  assert.equal((await last(runner)).state, "done");
  assert.deepEqual(did.slice(0, 2), ["open", "release"]);
  assert.equal(did.filter((each) => each === "open").length, 1);
});

test("who asks to write shows first what it would change, or why it cannot", async () => {
  for (const fails of [undefined, new OperationError("E_FS_CHANGED", "meanwhile")]) {
    const world = new World();
    world.verdict = () => "ask";
    world.previewFails = fails;
    const { journal } = journalOf(world, 1000);
    const start = { ...startOf("/write b.txt x"), onAsk: "pend" as const };
    const runner = await SessionRunner.begin(endsOf(world), journal, start);
    assert.equal((await last(runner)).state, "waiting-approval");
    const { current } = runner.state;
    const none = new Uint8Array(0);
    const there = {
      statement: current?.prepared?.nonce ?? none,
      signature: current?.prepared?.actionId ?? none,
      text: "fs::write x",
      missing: "",
    };
    assert.deepEqual(world.previews, [
      {
        session: "s-1",
        approval: current?.approval,
        ...(fails === undefined
          ? there
          : { statement: none, signature: none, text: "", missing: "E_FS_CHANGED" }),
      },
    ]);
  }
  // What is allowed is shown to nobody beforehand.
  const world = new World();
  const runner = await SessionRunner.begin(
    endsOf(world),
    journalOf(world, 1000).journal,
    startOf("/write b.txt x"),
  );
  assert.equal((await last(runner)).state, "done");
  assert.deepEqual(world.previews, []);
});
