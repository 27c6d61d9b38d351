/** Outcomes: whose word they are, what they must fit, and what becomes of the budget. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex, unwrap } from "@ioi/base";
import { domains, verifyPayload } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import { schema, signed, type Ticket } from "@ioi/wire";
import { goneInstancesMax, type OutcomeReport } from "../src/index.ts";
import { codeOf, inWork, readOf, TestDriver, World } from "./support.ts";

const read = readOf(inWork("a.txt"));

const ticketed = async (): Promise<{
  world: World;
  id: string;
  driver: TestDriver;
  ticket: Ticket;
}> => {
  const world = await World.open();
  const { id, driver } = await world.session();
  const ticket = world.openTicket((await world.propose(driver, read)).ticket);
  return { world, id, driver, ticket };
};

const unsigned = (ticket: Ticket, status: string, reportedBy: string): OutcomeReport => ({
  session: ticket.session,
  counter: ticket.counter,
  outcome: undefined,
  signature: new Uint8Array(0),
  status,
  reportedBy,
});

test("a driver's outcome becomes a leaf with its signed report, which anybody can check", async () => {
  const { world, id, driver, ticket } = await ticketed();
  const { index } = await world.gate.report(driver.outcome(ticket, { evidence: { files: "2" } }));
  assert.equal(index, 2);
  const leaf = (await world.leaves())[2];
  assert.ok(leaf?.type === "outcome" && leaf.report !== undefined);
  const { report, ...rest } = leaf;
  assert.deepEqual(
    { ...rest, evidence: { ...rest.evidence } },
    {
      type: "outcome",
      atMs: world.clock.wall(),
      counter: 1n,
      session: id,
      reportedBy: "driver",
      status: "confirmed",
      resultHash: new Uint8Array(32).fill(4),
      evidence: { files: "2" },
    },
  );
  const envelope = unwrap(schema.decode(signed, report), "report");
  const { publicKey } = driver.key;
  const checked = verifyPayload(nodeCrypto, "ed25519", publicKey, domains.outcome, envelope);
  assert.equal(checked.ok, true);
  assert.equal(world.core.ledger.open.size, 0);
});

const wrong: readonly [
  name: string,
  report: (world: World, driver: TestDriver, ticket: Ticket) => Promise<OutcomeReport>,
][] = [
  [
    "of a counter that was never minted",
    async (_world, driver, ticket) => driver.outcome({ ...ticket, counter: 99n }),
  ],
  [
    "of another ticket than it is reported for",
    async (world, driver, ticket) => {
      const other = world.openTicket((await world.propose(driver, read)).ticket);
      return { ...driver.outcome(other), counter: ticket.counter };
    },
  ],
  [
    "of another action",
    async (_world, driver, ticket) =>
      driver.outcome(ticket, { actionId: new Uint8Array(32).fill(8) }),
  ],
  [
    "by another instance of the same session",
    async (world, driver, ticket) => new TestDriver(world, driver.session).outcome(ticket),
  ],
  [
    "by the exec driver of the same session",
    async (world, driver, ticket) => new TestDriver(world, driver.session, "exec").outcome(ticket),
  ],
  [
    "by an instance of another session",
    async (world, driver, ticket) => {
      const other = await world.session("another");
      return { ...other.driver.outcome(ticket), session: driver.session };
    },
  ],
  [
    "for another session than the ticket's",
    async (world, driver, ticket) => {
      const { id } = await world.session("another");
      return { ...driver.outcome(ticket), session: id };
    },
  ],
  [
    "for another session, in the Workload's name",
    async (world, _driver, ticket) => {
      const { id } = await world.session("another");
      return { ...unsigned(ticket, "unknown", "workload"), session: id };
    },
  ],
  [
    "by an instance that nobody registered",
    async (world, driver, ticket) =>
      new TestDriver(world, driver.session, "files", false).outcome(ticket),
  ],
  [
    "by an instance that is gone",
    async (world, driver, ticket) => {
      world.core.instances.delete(toHex(driver.instanceId));
      return driver.outcome(ticket);
    },
  ],
  [
    "signed by another key under this instance's name",
    async (world, driver, ticket) => ({
      ...driver.outcome(ticket),
      signature: new TestDriver(world, driver.session).outcome(ticket).signature,
    }),
  ],
  [
    "with a changed byte",
    async (_world, driver, ticket) => {
      const report = driver.outcome(ticket);
      const bytes = report.outcome as Uint8Array;
      return { ...report, outcome: bytes.with(bytes.length - 1, 1) };
    },
  ],
  [
    "larger than a receipt holds",
    async (_world, driver, ticket) =>
      driver.outcome(ticket, { evidence: { ["k".repeat(70_000)]: "1" } }),
  ],
  [
    "unsigned, in the driver's name",
    async (_world, _driver, ticket) => unsigned(ticket, "confirmed", "driver"),
  ],
  [
    "unsigned, in the Guardian's name",
    async (_world, _driver, ticket) => unsigned(ticket, "confirmed", "guardian"),
  ],
  [
    "of a status that does not exist",
    async (_world, _driver, ticket) => unsigned(ticket, "splendid", "workload"),
  ],
];

for (const [name, make] of wrong) {
  test(`refused: an outcome ${name}`, async () => {
    const { world, driver, ticket } = await ticketed();
    const report = await make(world, driver, ticket);
    const { size } = world.core.receipts;
    assert.equal(await codeOf(world.gate.report(report)), "E_OUTCOME_INVALID");
    assert.equal(world.core.receipts.size, size, "no leaf");
    // The ticket still waits for its own outcome.
    driver.register(world);
    assert.equal(await codeOf(world.gate.report(driver.outcome(ticket))), "");
  });
}

test("one outcome for one ticket, in turn and at once", async () => {
  const { world, driver, ticket } = await ticketed();
  const codes = await Promise.all(
    [driver.outcome(ticket), driver.outcome(ticket), unsigned(ticket, "unknown", "workload")].map(
      (report) => codeOf(world.gate.report(report)),
    ),
  );
  assert.deepEqual(codes, ["", "E_OUTCOME_INVALID", "E_OUTCOME_INVALID"]);
  assert.equal(await codeOf(world.gate.report(driver.outcome(ticket))), "E_OUTCOME_INVALID");
  assert.equal((await world.leaves()).filter(({ type }) => type === "outcome").length, 1);
});

test("denied and asked proposals have no outcome", async () => {
  const world = await World.open();
  const { driver } = await world.session();
  for (const path of ["secret/a", "careful/a"]) {
    const { counter } = await world.propose(driver, readOf(inWork(path)));
    const report = {
      ...unsigned({ session: driver.session, counter } as Ticket, "unknown", "workload"),
    };
    assert.equal(await codeOf(world.gate.report(report)), "E_OUTCOME_INVALID");
  }
});

test("an outcome that cannot be written can be reported again", async () => {
  const { world, driver, ticket } = await ticketed();
  world.files.setBytesMax(0);
  assert.equal(await codeOf(world.gate.report(driver.outcome(ticket))), "E_WAL_FULL");
  world.files.setBytesMax(Number.POSITIVE_INFINITY);
  assert.equal(await codeOf(world.gate.report(driver.outcome(ticket))), "");
  assert.equal((await world.leaves()).filter(({ type }) => type === "outcome").length, 1);
});

test("after a restart an old instance's word counts for nothing, the Workload's is named so", async () => {
  const { world, driver, ticket } = await ticketed();
  const next = await world.restart();
  assert.equal(next.core.ledger.open.size, 1);
  assert.equal(await codeOf(next.gate.report(driver.outcome(ticket))), "E_OUTCOME_INVALID");
  const reborn = new TestDriver(next, driver.session);
  assert.equal(await codeOf(next.gate.report(reborn.outcome(ticket))), "E_OUTCOME_INVALID");
  await next.gate.report(unsigned(ticket, "confirmed", "workload"));
  const leaf = (await next.leaves()).at(-1);
  assert.ok(leaf?.type === "outcome");
  assert.deepEqual([leaf.reportedBy, leaf.report], ["workload", undefined]);
});

test("a driver that has ended proposes nothing more, but what it signed still counts", async () => {
  const { world, driver, ticket } = await ticketed();
  world.core.instanceGone(toHex(driver.instanceId));
  assert.equal(await codeOf(world.propose(driver, read)), "E_PROPOSAL_INVALID");
  await world.gate.report(driver.outcome(ticket));
  const leaf = (await world.leaves()).at(-1);
  assert.ok(leaf?.type === "outcome");
  assert.equal(leaf.reportedBy, "driver");
});

test("ended drivers are kept up to a bound, the newest of them", async () => {
  const { world, driver } = await ticketed();
  world.core.instanceGone(toHex(driver.instanceId));
  for (let i = 0; i < goneInstancesMax; i++) {
    const next = new TestDriver(world, driver.session);
    world.core.instanceGone(toHex(next.instanceId));
  }
  assert.equal(world.core.instances.size, goneInstancesMax);
  assert.equal(world.core.instances.has(toHex(driver.instanceId)), false);
});

test("what a person said reaches the log as the Workload's word", async () => {
  const { world, ticket } = await ticketed();
  await world.gate.report(unsigned(ticket, "confirmed", "person"));
  const leaf = (await world.leaves()).at(-1);
  assert.ok(leaf?.type === "outcome");
  assert.equal(leaf.reportedBy, "workload");
});

test("a log that can store nothing more ends the process, a full one does not", async () => {
  const { world } = await ticketed();
  world.files.setBytesMax(0);
  assert.equal(await codeOf(world.utter({ text: "more" })), "E_WAL_FULL");
  assert.deepEqual(world.fatal, []);
  world.files.setBytesMax(Number.POSITIVE_INFINITY);
  world.files.failSync(0);
  assert.equal(await codeOf(world.utter({ text: "more" })), "E_WAL_POISONED");
  assert.deepEqual(world.fatal, ["E_WAL_POISONED"]);
});

test("an outcome after the session's end is still recorded", async () => {
  const { world, id, driver, ticket } = await ticketed();
  await world.person.revoke(id, "stop");
  assert.equal(await codeOf(world.gate.report(driver.outcome(ticket))), "");
});
