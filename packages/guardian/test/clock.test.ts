/**
 * A wall clock that jumps: nothing lives longer for it. Set back, deadlines go on by the monotonic
 * clock; set forward, they end early. What an earlier life made later than now has expired.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { answerOf, codeOf, inWork, readOf, statementOf, World, writeOf } from "./support.ts";

const minute = 60_000;
const day = 24 * 60 * minute;
const write = writeOf(inWork("a.txt"));
const read = readOf(inWork("a.txt"));

const asked = async () => {
  const world = await World.open();
  const { id, driver } = await world.session();
  const reply = await world.propose(driver, write);
  assert.equal(reply.verdict, "ask");
  return { world, id, driver, card: world.card(reply.approval ?? "") };
};

test("set back, an ask expires when it would have", async () => {
  const { world, card } = await asked();
  world.clock.jumpWall(-day);
  await world.clock.advance(10 * minute - 1);
  assert.equal(world.person.approvals().length, 1);
  await world.clock.advance(1);
  assert.deepEqual(world.person.approvals(), []);
  const late = answerOf(statementOf(card));
  assert.equal(await codeOf(world.person.decide(late)), "E_APPROVAL_EXPIRED");
});

test("who nobody answers is told to have expired, no sooner and while it lasts", async () => {
  const { world, card } = await asked();
  const told = (): readonly string[] => world.core.expiredAsks().map(({ approval }) => approval);
  await world.clock.advance(10 * minute - 1);
  assert.deepEqual(told(), []);
  await world.clock.advance(1);
  assert.deepEqual(told(), [card.id]);
  const next = await world.restart();
  assert.deepEqual(
    next.core.expiredAsks().map(({ approval }) => approval),
    [card.id],
  );
  await next.gate.closeSession(card.session, "failed");
  assert.deepEqual(next.core.expiredAsks(), []);
});

test("set back, a grant expires when it would have", async () => {
  const { world, driver, card } = await asked();
  await world.person.decide(answerOf(statementOf(card)));
  world.clock.jumpWall(-day);
  await world.clock.advance(10 * minute);
  assert.equal((await world.propose(driver, write)).verdict, "ask");
});

test("the control: within its time the same grant is good, however the clock is set back", async () => {
  const { world, driver, card } = await asked();
  await world.person.decide(answerOf(statementOf(card)));
  world.clock.jumpWall(-day);
  await world.clock.advance(10 * minute - 1);
  assert.equal((await world.propose(driver, write)).verdict, "allow");
});

test("set back, a session gets no more minutes", async () => {
  const world = await World.open();
  const { driver } = await world.session();
  world.clock.jumpWall(-day);
  await world.clock.advance(20 * minute - 1);
  assert.equal((await world.propose(driver, read)).verdict, "allow");
  await world.clock.advance(1);
  const late = await world.propose(driver, read);
  assert.deepEqual(
    [late.verdict, late.decision.asks],
    ["ask", [{ kind: "budget", id: "wall_minutes" }]],
  );
});

test("set forward, an ask has expired and the minutes are over", async () => {
  const { world, driver, card } = await asked();
  world.clock.jumpWall(day);
  assert.deepEqual(world.person.approvals(), []);
  assert.equal(
    await codeOf(world.person.decide(answerOf(statementOf(card)))),
    "E_APPROVAL_EXPIRED",
  );
  assert.equal((await world.propose(driver, read)).verdict, "ask");
});

test("what an earlier life made later than now counts for nothing", async () => {
  const { world, id, driver, card } = await asked();
  await world.person.decide(answerOf(statementOf(card)));
  await world.propose(driver, writeOf(inWork("b.txt")));
  assert.equal(world.core.ledger.liveGrants(id, world.core.wall()).length, 1);
  world.clock.jumpWall(-day);
  const next = await world.restart();
  assert.deepEqual(next.person.approvals(), []);
  assert.deepEqual(next.core.ledger.liveGrants(id, next.core.wall()), []);
  assert.deepEqual(next.core.ledger.budgets.exceeded(id, next.core.wall()), ["wall_minutes"]);
});

test("the times of the log never go back in one life", async () => {
  const world = await World.open();
  const { driver } = await world.session();
  for (const jump of [0, -day, minute, -minute, day, -2 * day]) {
    world.clock.jumpWall(jump);
    await world.propose(driver, read);
  }
  const times = (await world.leaves()).map(({ atMs }) => atMs);
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  );
});
