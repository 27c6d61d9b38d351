/** The policy in force: read again when it changes, and nothing while it does not load. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeCrypto } from "@ioi/host/crypto";
import { PolicySourceReader } from "../src/index.ts";
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
const denyAll = policyText(
  200,
  `[[rule]]
id = "closed"
effect = "deny"
target = ["fs::read", "fs::write"]
`,
);

test("a policy that does not load denies every call, and a mended one counts from the next", async () => {
  const world = await World.open();
  const { id, driver } = await world.session();
  for (const broken of ["version = 1\n[defaults]\nverdit = 'ask'\n", "version = 9\n", "=", ""]) {
    world.policy.set(broken);
    const said = /policy\.toml:\d+:\d+: /;
    await assert.rejects(world.propose(driver, read), { code: "E_POLICY_INVALID", message: said });
    await assert.rejects(world.utter(), { code: "E_POLICY_INVALID", message: said });
    assert.throws(() => world.gate.openSession(id), { code: "E_POLICY_INVALID" });
  }
  world.policy.set(policyText());
  assert.equal((await world.propose(driver, read)).verdict, "allow");
});

test("a file that is missing or cannot be read is a policy that does not load", async () => {
  const world = await World.open();
  const { driver } = await world.session();
  world.policy.set(undefined);
  assert.equal(await codeOf(world.propose(driver, read)), "E_POLICY_INVALID");
  world.policy.failing = true;
  world.policy.set(policyText());
  assert.equal(await codeOf(world.propose(driver, read)), "E_POLICY_INVALID");
  world.policy.failing = false;
  world.policy.set(policyText());
  assert.equal((await world.propose(driver, read)).verdict, "allow");
});

test("a change counts from the next action on, and its hash is in ticket and leaf", async () => {
  const world = await World.open();
  const { driver } = await world.session();
  const first = world.openTicket((await world.propose(driver, read)).ticket);
  world.policy.set(denyAll);
  const denied = await world.propose(driver, read);
  assert.deepEqual([denied.verdict, denied.ticket], ["deny", undefined]);
  world.policy.set(policyText(300));
  const second = world.openTicket((await world.propose(driver, read)).ticket);
  assert.notDeepEqual(first.policyHash, second.policyHash);
  const hashes = (await world.leaves()).flatMap((leaf) =>
    leaf.type === "intent" ? [leaf.policyHash] : [],
  );
  assert.deepEqual([hashes[0], hashes[2]], [first.policyHash, second.policyHash]);
});

test("the file is read once for each change", () => {
  const file = new PolicyText();
  let reads = 0;
  const counted = {
    name: file.name,
    stamp: () => file.stamp(),
    text: () => {
      reads++;
      return file.text();
    },
  };
  const reader = new PolicySourceReader(counted, nodeCrypto);
  const looks = [reader.current(), reader.current(), reader.current()];
  assert.deepEqual(
    looks.map(({ changed, policy }) => [changed, policy.ok]),
    [
      [true, true],
      [false, true],
      [false, true],
    ],
  );
  file.set("broken");
  assert.equal(reader.current().policy.ok, false);
  assert.equal(reader.current().changed, false);
  assert.equal(reads, 2);
});

test("an ask under one policy is not approved under another that says something else", async () => {
  const world = await World.open();
  const { driver } = await world.session();
  const { approval } = await world.propose(driver, writeOf(inWork("a.txt")));
  const seen = world.card(approval ?? "");
  world.policy.set(policyText(201));
  const stale = world.person.decide(answerOf(statementOf(seen)));
  await assert.rejects(stale, { code: "E_APPROVAL_INVALID", message: /policy/ });
  // Looked at again, it is the person's to answer.
  await world.person.decide(answerOf(statementOf(world.card(approval ?? ""))));
  const retried = await world.propose(driver, writeOf(inWork("a.txt")));
  assert.equal(retried.verdict, "allow");
});

test("an ask that a new policy denies is denied however it is answered", async () => {
  const world = await World.open();
  const { driver } = await world.session();
  const { approval } = await world.propose(driver, writeOf(inWork("a.txt")));
  world.policy.set(denyAll);
  await world.person.decide(answerOf(statementOf(world.card(approval ?? ""))));
  assert.equal((await world.propose(driver, writeOf(inWork("a.txt")))).verdict, "deny");
});

test("a grant given under another policy stands only for asks that were on its card", async () => {
  const world = await World.open();
  const { driver } = await world.session();
  const write = writeOf(inWork("a.txt"));
  const { approval } = await world.propose(driver, write);
  await world.person.decide(answerOf(statementOf(world.card(approval ?? ""))));
  world.policy.set(
    policyText(
      200,
      `[[rule]]
id = "wary"
effect = "ask"
target = ["fs::write"]
where.path = { glob = "scope:/**" }
`,
    ),
  );
  const again = await world.propose(driver, write);
  assert.equal(again.verdict, "ask");
  assert.deepEqual(again.decision.discharged, [], "the old answer discharges nothing of it");
  world.policy.set(policyText(202));
  assert.equal((await world.propose(driver, write)).verdict, "allow", "a subset: it stands");
});

test("an approval goes on while the policy does not load, but cannot be given", async () => {
  const world = await World.open();
  const { driver } = await world.session();
  const { approval } = await world.propose(driver, writeOf(inWork("a.txt")));
  const seen = world.card(approval ?? "");
  world.policy.set("broken");
  assert.deepEqual(world.person.approvals(), []);
  assert.equal(await codeOf(world.person.decide(answerOf(statementOf(seen)))), "E_POLICY_INVALID");
  world.policy.set(policyText());
  await world.person.decide(answerOf(statementOf(world.card(approval ?? ""))));
});

test("headless, an ask is a denial and waits for nobody", async () => {
  const world = await World.open();
  const { driver } = await world.session();
  const reply = await world.propose(driver, writeOf(inWork("a.txt")), { headless: true });
  assert.deepEqual([reply.verdict, reply.approval, reply.ticket], ["deny", undefined, undefined]);
  assert.deepEqual(world.person.approvals(), []);
  // The control.
  assert.equal((await world.propose(driver, writeOf(inWork("a.txt")))).verdict, "ask");
});

test("the loaded and the broken policy are logged, with where and never with what", async () => {
  const world = await World.open();
  const { driver } = await world.session();
  world.policy.set('version = 1\nsecret_canary = "kanarienvogel"\n');
  assert.equal(await codeOf(world.propose(driver, read)), "E_POLICY_INVALID");
  const events = world.log.lines.map(({ level, event }) => `${level} ${event}`);
  assert.deepEqual(events, ["info policy.loaded", "error policy.invalid"]);
  const text = JSON.stringify(world.log.lines);
  assert.match(text, /"line":2/);
  assert.doesNotMatch(text, /kanarienvogel|secret_canary/);
});

test("a session opened under a policy keeps its budgets when the policy changes", async () => {
  const world = await World.open({ policy: new PolicyText(policyText(2)) });
  const { id, driver } = await world.session();
  world.policy.set(policyText(500));
  await world.propose(driver, read);
  await world.propose(driver, read);
  assert.equal((await world.propose(driver, read)).verdict, "ask");
  await world.utter({ session: id, text: "more" });
  assert.equal((await world.propose(driver, read)).verdict, "ask", "more words are no new budget");
  const fresh = await world.session();
  const other = new TestDriver(world, fresh.id);
  assert.equal((await world.propose(other, read)).verdict, "allow");
});
