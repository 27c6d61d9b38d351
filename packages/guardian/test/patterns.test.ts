/** An answer "alike" in the ledger: so many uses, so long, one for each action, over restarts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { patternMinutesMax, patternUsesMax } from "@ioi/firewall";
import {
  answerOf,
  codeOf,
  inWork,
  policyText,
  PolicyText,
  statementOf,
  World,
  writeOf,
} from "./support.ts";

const open = async () => {
  const world = await World.open({ policy: new PolicyText(policyText()) });
  const { id, driver } = await world.session();
  const { approval } = await world.propose(driver, writeOf(inWork("a/0.txt")));
  assert.ok(approval !== undefined);
  const card = world.card(approval);
  return { world, id, driver, card };
};

test("twenty like the one on the card go without asking, and the next one asks", async () => {
  const { world, driver, card } = await open();
  assert.match(
    card.card,
    /alike {5}at most 20 like it in 30 minutes[^]*path: any name in scope:\/a/,
  );
  await world.person.decide(answerOf(statementOf(card, { scope: "pattern" })));
  const half = patternUsesMax / 2;
  const verdicts = async (kernel: World, by: typeof driver, count: number, from: number) => {
    const made = Array.from({ length: count }, (_, at) => writeOf(inWork(`a/${from + at}.txt`)));
    const replies = await Promise.all(made.map((action) => kernel.propose(by, action)));
    return replies.map(({ verdict }) => verdict);
  };
  const elsewhere = await world.propose(driver, writeOf(inWork("b/1.txt")));
  assert.equal(elsewhere.verdict, "ask");
  assert.deepEqual(new Set(await verdicts(world, driver, half, 0)), new Set(["allow"]));
  // What was used is in the log: a restart gives nothing back.
  const next = await world.restart();
  driver.register(next);
  assert.deepEqual(await verdicts(next, driver, half + 2, half), [
    ...Array.from({ length: half }, () => "allow"),
    "ask",
    "ask",
  ]);
});

test("it ends after its time, and with its session", async () => {
  const { world, driver, card } = await open();
  await world.person.decide(answerOf(statementOf(card, { scope: "pattern" })));
  assert.equal((await world.propose(driver, writeOf(inWork("a/1.txt")))).verdict, "allow");
  // Half of the session's time is left.
  await world.clock.advance((patternMinutesMax * 60_000) / 2 - 1);
  assert.equal((await world.propose(driver, writeOf(inWork("a/2.txt")))).verdict, "allow");
  await world.clock.advance((patternMinutesMax * 60_000) / 2 + 1);
  const { decision } = await world.propose(driver, writeOf(inWork("a/3.txt")));
  assert.ok(decision.asks.some(({ kind }) => kind === "default"));
});

test("it is refused where the card offers none", async () => {
  const { world, driver } = await open();
  const { approval } = await world.propose(driver, writeOf(inWork(".env")));
  assert.ok(approval !== undefined);
  const card = world.card(approval);
  assert.equal(card.patternScope, false);
  const answer = world.person.decide(answerOf(statementOf(card, { scope: "pattern" })));
  assert.equal(await codeOf(answer), "E_APPROVAL_INVALID");
  // Control: once is taken.
  await world.person.decide(answerOf(statementOf(card)));
});
