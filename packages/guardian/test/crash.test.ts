/**
 * The whole Guardian when the machine stops: at every point of several lives, over several losses
 * of power. What was told to anybody is still true afterwards.
 */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { OperationError, toHex } from "@ioi/base";
import { SimClock, SimFiles, SimStopped } from "@ioi/sim";
import type { Leaf } from "@ioi/wire";
import type { LoggedLeaf } from "../src/index.ts";
import {
  answerOf,
  codeOf,
  inWork,
  PolicyText,
  policyText,
  readOf,
  stateOf,
  statementOf,
  TestDriver,
  World,
  writeOf,
} from "./support.ts";

/** `npm run check` looks at fewer; `npm test` at all. */
const inner = process.env["IOI_TEST"] === "inner";

interface Told {
  identity: string | undefined;
  readonly sessions: Set<string>;
  readonly closed: Set<string>;
  /** Durable receipts by index: the hash that was returned. */
  readonly receipts: Map<number, Uint8Array>;
  /** Counters of tickets that left, whole. */
  readonly tickets: bigint[];
  readonly approved: Set<string>;
  readonly checkpoints: { readonly size: number; readonly root: Uint8Array }[];
}

interface Lives {
  readonly files: SimFiles;
  readonly told: Told;
  readonly finished: boolean;
}

const policy = policyText(20);

const oneLife = async (world: World, told: Told): Promise<void> => {
  const identity = toHex(world.keys.identity.publicKey);
  assert.ok(told.identity === undefined || told.identity === identity, "one identity for life");
  told.identity = identity;
  const keep = ({ index, hash }: LoggedLeaf): void => {
    told.receipts.set(index, hash);
  };
  const { id, driver } = await world.session();
  told.sessions.add(id);
  const replies = await Promise.all([
    world.propose(driver, readOf(inWork("a.txt"))),
    world.propose(driver, readOf(inWork("secret/a.txt"))),
    world.propose(driver, writeOf(inWork("a.txt"))),
  ]);
  for (const reply of replies) {
    keep(reply.receipt);
    if (reply.ticket !== undefined) told.tickets.push(world.openTicket(reply.ticket).counter);
  }
  const ask = replies[2].approval ?? "";
  keep(await world.person.decide(answerOf(statementOf(world.card(ask), { scope: "session" }))));
  told.approved.add(ask);
  const approved = await world.propose(driver, writeOf(inWork("a.txt")));
  keep(approved.receipt);
  const ticket = world.openTicket(approved.ticket);
  told.tickets.push(ticket.counter);
  await world.gate.report(driver.outcome(ticket));
  told.checkpoints.push(await world.core.receipts.checkpoint());
  const second = await world.session("another");
  told.sessions.add(second.id);
  await world.person.revoke(second.id, "enough");
  told.closed.add(second.id);
};

const live = async (stopAt: number | undefined, durable: boolean): Promise<Lives> => {
  const files = new SimFiles({ seed: "lives" });
  if (stopAt !== undefined) files.stopAt(stopAt);
  const told: Told = {
    identity: undefined,
    sessions: new Set(),
    closed: new Set(),
    receipts: new Map(),
    tickets: [],
    approved: new Set(),
    checkpoints: [],
  };
  const clock = new SimClock();
  try {
    for (let life = 0; life < 2; life++) {
      const options = { seed: "lives", files, clock, policy: new PolicyText(policy), durable };
      const world = await World.open(options);
      await oneLife(world, told);
      await world.core.receipts.close();
    }
  } catch (error) {
    if (!files.stopped) throw error;
  }
  // Calls that ran beside the one that failed settle before the crash.
  await new Promise((resolve) => setImmediate(resolve));
  return { files, told, finished: !files.stopped };
};

/** What of it does not hold any more. */
const broken = (world: World, leaves: readonly Leaf[], told: Told): string[] => {
  const found: string[] = [];
  const { ledger } = world.core;
  if (told.identity !== undefined && told.identity !== toHex(world.keys.identity.publicKey)) {
    found.push("identity");
  }
  for (const id of told.sessions) if (!ledger.sessions.has(id)) found.push(`session ${id}`);
  for (const id of told.closed) {
    if (ledger.sessions.get(id)?.closed === undefined) found.push(`end of ${id}`);
  }
  const minted = new Set(
    leaves.flatMap((leaf) =>
      leaf.type === "intent" && leaf.verdict === "allow" ? [leaf.counter] : [],
    ),
  );
  for (const counter of told.tickets) if (!minted.has(counter)) found.push(`intent ${counter}`);
  for (const ask of told.approved) if (!ledger.answers.has(ask)) found.push(`answer ${ask}`);
  const newest = told.tickets.reduce((a, b) => (a > b ? a : b), 0n);
  if (ledger.lastCounter < newest) found.push("the counter goes back");
  return found;
};

const examine = async (lives: Lives, seed: string): Promise<string[]> => {
  const files = lives.files.crash(seed);
  const options = { seed: `after ${seed}`, files, policy: new PolicyText(policy) };
  const world = await World.open(options);
  const leaves = await world.leaves();
  const found = broken(world, leaves, lives.told);
  const hashes = new Map<number, Uint8Array>();
  for await (const { index, hash } of world.core.receipts.read(0)) hashes.set(index, hash);
  for (const [index, hash] of lives.told.receipts) {
    const there = hashes.get(index);
    if (there === undefined || toHex(there) !== toHex(hash)) found.push(`receipt ${index}`);
  }
  for (const { size } of lives.told.checkpoints) {
    if (size > leaves.length) found.push(`checkpoint of ${size}`);
  }
  // Counters go on above every one that ever left.
  const { driver } = await world.session();
  const ticket = world.openTicket((await world.propose(driver, readOf(inWork("z")))).ticket);
  if (lives.told.tickets.includes(ticket.counter)) found.push(`counter ${ticket.counter} again`);
  const intents = leaves.flatMap((leaf) => (leaf.type === "intent" ? [leaf.counter] : []));
  assert.deepEqual(
    intents,
    [...intents].toSorted((a, b) => (a < b ? -1 : 1)),
    "counters rise in the log",
  );
  assert.ok(intents.every((counter) => counter < ticket.counter));
  const restarted = await world.restart();
  assert.deepEqual(stateOf(restarted), stateOf(world));
  return found;
};

const crashSeeds = inner ? 1 : 3;

test("whatever was told is true after a loss of power at any point", async () => {
  for (let stopAt = 0; ; stopAt++) {
    const lives = await live(stopAt, true);
    for (let i = 0; i < crashSeeds; i++) {
      assert.deepEqual(await examine(lives, String(i)), [], `stopped at ${stopAt}, crash ${i}`);
    }
    if (lives.finished) {
      assert.ok(stopAt > 30, `${stopAt} points`);
      return;
    }
  }
});

test("the control: not synced, tickets that left are gone and their counters come again", async () => {
  const seen = new Set<string>();
  for (let stopAt = 10; stopAt < 60; stopAt += 5) {
    const lives = await live(stopAt, false);
    for (let i = 0; i < crashSeeds; i++) {
      for (const what of await examine(lives, String(i))) seen.add(what.replace(/[ \d].*/, ""));
    }
    if (lives.finished) break;
  }
  assert.ok(seen.has("intent") && seen.has("receipt") && seen.has("counter"), [...seen].join());
});

test("after the end of the process alone nothing at all is lost", async () => {
  const { files, told } = await live(undefined, true);
  const world = await World.open({ files: files.kill(), policy: new PolicyText(policy) });
  assert.deepEqual(broken(world, await world.leaves(), told), []);
  assert.equal(world.core.receipts.size, 18);
});

const read = readOf(inWork("a.txt"));

test("no ticket leaves when its intent cannot be written, whatever fails", async () => {
  const faults: readonly [code: string, fail: (files: SimFiles) => void][] = [
    ["E_WAL_FULL", (files) => files.setBytesMax(0)],
    ["E_WAL_POISONED", (files) => files.failSync()],
    ["E_WAL_POISONED", (files) => files.setReadOnly(true)],
    ["E_WAL_POISONED", (files) => files.stopAt(files.points)],
    ["E_WAL_POISONED", (files) => files.stopAt(files.points + 1)],
  ];
  for (const [code, fail] of faults) {
    const world = await World.open();
    const { id, driver } = await world.session();
    const first = world.openTicket((await world.propose(driver, read)).ticket);
    fail(world.files);
    const replies = await Promise.allSettled(
      Array.from({ length: 5 }, () => world.propose(driver, read)),
    );
    for (const reply of replies) {
      assert.equal(reply.status, "rejected", `${code}: an error, never a ticket`);
      const { reason } = reply as PromiseRejectedResult;
      assert.ok(reason instanceof OperationError || reason instanceof SimStopped);
      assert.equal((reason as OperationError).code, code);
    }
    for (let i = 0; i < 8; i++) {
      const next = await world.restart(world.files.crash(String(i)));
      const reborn = new TestDriver(next, id);
      const again = next.openTicket((await next.propose(reborn, read)).ticket);
      assert.ok(again.counter > first.counter);
      const minted = (await next.leaves()).filter((leaf) => leaf.type === "intent");
      assert.equal(new Set(minted.map(({ counter }) => counter)).size, minted.length);
    }
  }
});

test("once its log is poisoned a Guardian permits nothing, and a restart mends it", async () => {
  const world = await World.open();
  const { id, driver } = await world.session();
  world.files.failSync();
  assert.equal(await codeOf(world.propose(driver, read)), "E_WAL_POISONED");
  assert.equal(await codeOf(world.propose(driver, read)), "E_WAL_POISONED");
  assert.equal(await codeOf(world.utter()), "E_WAL_POISONED");
  assert.equal(await codeOf(world.person.revoke(id, "stop")), "E_WAL_POISONED");
  const next = await world.restart();
  assert.equal((await next.propose(new TestDriver(next, id), read)).verdict, "allow");
});

test("on a full disk nothing is permitted; with room the same Guardian goes on", async () => {
  const world = await World.open();
  const { driver } = await world.session();
  world.files.setBytesMax(0);
  assert.equal(await codeOf(world.propose(driver, read)), "E_WAL_FULL");
  assert.equal(await codeOf(world.utter()), "E_WAL_FULL");
  world.files.setBytesMax(Number.POSITIVE_INFINITY);
  const ticket = world.openTicket((await world.propose(driver, read)).ticket);
  assert.equal(ticket.counter, 2n, "a counter that never left is not used again");
});

test("counters rise over many restarts", async () => {
  let world = await World.open();
  const { id } = await world.session();
  const counters: bigint[] = [];
  for (let life = 0; life < 6; life++) {
    const driver = new TestDriver(world, id);
    const replies = await Promise.all([1, 2, 3].map(() => world.propose(driver, read)));
    counters.push(...replies.map(({ ticket }) => world.openTicket(ticket).counter));
    world = await world.restart();
  }
  assert.deepEqual(
    counters,
    Array.from({ length: 18 }, (_, n) => BigInt(n + 1)),
  );
});
