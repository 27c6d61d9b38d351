/** Budgets under concurrency and over restarts: what was given out never exceeds them. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProposalReply } from "../src/index.ts";
import { openSessionsMax, pendingApprovalsMax } from "../src/index.ts";
import {
  answerOf,
  codeOf,
  inWork,
  policyText,
  PolicyText,
  readOf,
  statementOf,
  TestDriver,
  World,
  writeOf,
} from "./support.ts";

const read = readOf(inWork("a.txt"));
const concurrent = 1000;
const budget = 200;

const counted = (replies: readonly PromiseSettledResult<ProposalReply>[]) => {
  const counts = { allow: 0, ask: 0, deny: 0, failed: 0, tickets: 0 };
  for (const reply of replies) {
    if (reply.status === "rejected") counts.failed++;
    else {
      counts[reply.value.verdict]++;
      if (reply.value.ticket !== undefined) counts.tickets++;
    }
  }
  return counts;
};

const storm = (world: World, driver: TestDriver, headless: boolean, count = concurrent) =>
  Promise.allSettled(
    Array.from({ length: count }, () => world.propose(driver, read, { headless })),
  );

test("1,000 proposals at once on a budget of 200: exactly 200 tickets", async () => {
  const world = await World.open({ policy: new PolicyText(policyText(budget)) });
  const { id, driver } = await world.session();
  const counts = counted(await storm(world, driver, true));
  assert.deepEqual(counts, { allow: 200, ask: 0, deny: 800, failed: 0, tickets: 200 });
  const minted = (await world.leaves()).filter(
    (leaf) => leaf.type === "intent" && leaf.verdict === "allow",
  );
  assert.equal(minted.length, budget, "overspent 0");
  assert.equal(world.core.ledger.budgets.state(id, world.clock.wall())?.actionsLeft, 0);
});

test("the control: with a larger budget the same storm gets a ticket each", async () => {
  const world = await World.open({ policy: new PolicyText(policyText(5000)) });
  const { driver } = await world.session();
  assert.equal(counted(await storm(world, driver, true, 300)).tickets, 300);
});

test("with a person, what is beyond the budget asks, and asks are bounded too", async () => {
  const world = await World.open({ policy: new PolicyText(policyText(budget)) });
  const { driver } = await world.session();
  const counts = counted(await storm(world, driver, false));
  assert.deepEqual(counts, {
    allow: 200,
    ask: pendingApprovalsMax,
    deny: 0,
    failed: concurrent - budget - pendingApprovalsMax,
    tickets: 200,
  });
  assert.equal(world.core.ledger.asks.size, pendingApprovalsMax);
});

test("asks that nobody answered in time make room for new ones", async () => {
  const world = await World.open();
  const { driver } = await world.session();
  const ask = (): Promise<string> => codeOf(world.propose(driver, writeOf(inWork("a.txt"))));
  await Promise.all(Array.from({ length: pendingApprovalsMax }, ask));
  assert.equal(await ask(), "E_PROPOSAL_INVALID");
  await world.clock.advance(11 * 60_000);
  assert.equal(await ask(), "");
  assert.equal(world.person.approvals().length, 1);
  for (let round = 0; round < 3; round++) {
    await Promise.all(Array.from({ length: pendingApprovalsMax }, ask));
    await world.clock.advance(11 * 60_000);
  }
  assert.ok(world.core.ledger.asks.size <= 2 * pendingApprovalsMax, "and are forgotten in the end");
});

test("sessions opened at once are bounded", async () => {
  const world = await World.open();
  const codes = await Promise.all(
    Array.from({ length: openSessionsMax + 20 }, () => codeOf(world.utter())),
  );
  assert.equal(codes.filter((code) => code === "").length, openSessionsMax);
  assert.equal(codes.filter((code) => code === "E_SESSIONS_FULL").length, 20);
  const [first] = world.core.ledger.sessions.keys();
  await world.person.revoke(first ?? "", "room");
  assert.equal(await codeOf(world.utter()), "");
  const [, second] = world.core.ledger.sessions.keys();
  assert.equal(await codeOf(world.utter({ session: second ?? "" })), "", "words need no room");
});

test("words that never became a task make room after an hour; a task that did something does not", async () => {
  const world = await World.open();
  const { id, driver } = await world.session();
  assert.equal((await world.propose(driver, read)).verdict, "allow");
  for (let n = 1; n < openSessionsMax; n++) await world.utter();
  await world.clock.advance(3_599_000);
  assert.equal(await codeOf(world.utter()), "E_SESSIONS_FULL");
  await world.clock.advance(1000);
  assert.equal(await codeOf(world.utter()), "");
  const open = [...world.core.ledger.sessions.values()].filter(
    ({ closed }) => closed === undefined,
  );
  assert.equal(open.length, 2);
  assert.ok(open.some((session) => session.id === id));
});

test("what was reserved is spent after a restart, whatever had no outcome", async () => {
  const world = await World.open({ policy: new PolicyText(policyText(5)) });
  const { id, driver } = await world.session();
  const tickets = [];
  for (let n = 0; n < 4; n++) {
    tickets.push(world.openTicket((await world.propose(driver, read)).ticket));
  }
  const [one, two] = tickets;
  assert.ok(one !== undefined && two !== undefined);
  await world.gate.report(driver.outcome(one));
  await world.gate.report(driver.outcome(two, { status: "no-effect" }));
  const left = (at: World): number | undefined =>
    at.core.ledger.budgets.state(id, at.clock.wall())?.actionsLeft;
  assert.equal(left(world), 2, "one came back");
  const next = await world.restart();
  assert.equal(left(next), 2);
  const reborn = new TestDriver(next, id);
  const verdicts = [];
  for (let n = 0; n < 3; n++) {
    verdicts.push((await next.propose(reborn, read, { headless: true })).verdict);
  }
  assert.deepEqual(verdicts, ["allow", "allow", "deny"]);
});

test("a budget that cannot be logged is given back", async () => {
  const world = await World.open({ policy: new PolicyText(policyText(3)) });
  const { id, driver } = await world.session();
  world.files.setBytesMax(0);
  for (let n = 0; n < 10; n++) {
    assert.equal(await codeOf(world.propose(driver, read)), "E_WAL_FULL");
  }
  world.files.setBytesMax(Number.POSITIVE_INFINITY);
  assert.equal(world.core.ledger.budgets.state(id, world.clock.wall())?.actionsLeft, 3);
  assert.equal(counted(await storm(world, driver, true, 20)).tickets, 3);
});

test("time is a budget: after its minutes a session asks, and headless it ends", async () => {
  const world = await World.open();
  const { driver } = await world.session();
  await world.clock.advance(20 * 60_000 - 1);
  assert.equal((await world.propose(driver, read)).verdict, "allow");
  await world.clock.advance(1);
  const late = await world.propose(driver, read);
  assert.equal(late.verdict, "ask");
  assert.deepEqual(late.decision.asks, [{ kind: "budget", id: "wall_minutes" }]);
  assert.equal((await world.propose(driver, read, { headless: true })).verdict, "deny");
});

test("beyond its budget a session goes exactly as often as a person says", async () => {
  const world = await World.open({ policy: new PolicyText(policyText(1)) });
  const { driver } = await world.session();
  await world.propose(driver, read);
  const { approval, decision } = await world.propose(driver, read);
  assert.deepEqual(decision.asks, [{ kind: "budget", id: "actions" }]);
  await world.person.decide(answerOf(statementOf(world.card(approval ?? ""))));
  const verdicts = await Promise.all(
    Array.from({ length: 8 }, () => world.propose(driver, read, { headless: true })),
  );
  assert.equal(verdicts.filter(({ verdict }) => verdict === "allow").length, 1);
  const next = await world.restart();
  const reborn = new TestDriver(next, driver.session);
  assert.equal((await next.propose(reborn, read, { headless: true })).verdict, "deny");
});

test("denials and asks cost nothing", async () => {
  const world = await World.open({ policy: new PolicyText(policyText(1)) });
  const { driver } = await world.session();
  for (let n = 0; n < 5; n++) {
    assert.equal((await world.propose(driver, readOf(inWork("secret/a")))).verdict, "deny");
    assert.equal((await world.propose(driver, writeOf(inWork("a.txt")))).verdict, "ask");
  }
  assert.equal((await world.propose(driver, read)).verdict, "allow");
});
