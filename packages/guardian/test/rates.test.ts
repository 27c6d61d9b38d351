/** Rates and windows of time in the gate: held under concurrency, rebuilt from the log. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readOf, inWork, policyText, PolicyText, World } from "./support.ts";

const read = readOf(inWork("a.txt"));
const limited = policyText(200, '[rate."fs::read"]\nper_minute = 5\nall_per_hour = 8\n');

test("concurrent proposals get as many tickets as the rate lets go, and after a restart too", async () => {
  const world = await World.open({ policy: new PolicyText(limited) });
  const { driver } = await world.session();
  const replies = await Promise.all(Array.from({ length: 30 }, () => world.propose(driver, read)));
  const verdicts = replies.map(({ verdict }) => verdict);
  assert.equal(verdicts.filter((verdict) => verdict === "allow").length, 5);
  assert.deepEqual(replies.at(-1)?.decision.asks, [{ kind: "rate", id: "fs::read per_minute" }]);
  // Another session has its own minute, and all have one hour.
  const other = await world.session();
  const more = await Promise.all(
    Array.from({ length: 5 }, () => world.propose(other.driver, read)),
  );
  assert.deepEqual(
    more.map(({ verdict }) => verdict),
    ["allow", "allow", "allow", "ask", "ask"],
  );
  const next = await world.restart();
  const third = await next.session();
  const { decision } = await next.propose(third.driver, read);
  assert.deepEqual(decision.asks, [{ kind: "rate", id: "fs::read all_per_hour" }]);
  await world.clock.advance(3_600_000);
  const fourth = await next.session();
  assert.equal((await next.propose(fourth.driver, read)).verdict, "allow");
});

test("the control: without a rate all of them get one", async () => {
  const world = await World.open({ policy: new PolicyText(policyText()) });
  const { driver } = await world.session();
  const replies = await Promise.all(Array.from({ length: 30 }, () => world.propose(driver, read)));
  assert.ok(replies.every(({ verdict }) => verdict === "allow"));
});

test("a rule with a window counts by the Guardian's own time and zone", async () => {
  const now = new Date((await World.open()).clock.wall() + 60 * 60_000);
  const hour = (n: number): string => `${String((n + 24) % 24).padStart(2, "0")}:00`;
  const window = (from: number): string => {
    const when = `when = { from = "${hour(from)}", to = "${hour(from + 1)}", zone = "local" }`;
    return policyText(
      200,
      `[[rule]]\nid = "closed"\neffect = "deny"\ntarget = ["fs::read"]\n${when}`,
    );
  };
  const verdictAt = async (from: number): Promise<string> => {
    const world = await World.open({ policy: new PolicyText(window(from)) });
    const { driver } = await world.session();
    return (await world.propose(driver, read)).verdict;
  };
  assert.equal(await verdictAt(now.getUTCHours()), "deny");
  assert.equal(await verdictAt(now.getUTCHours() + 2), "allow");
});
