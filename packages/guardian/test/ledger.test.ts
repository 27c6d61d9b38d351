/**
 * The ledger: against an oracle that keeps nothing but the list of leaves, and the ledger of a
 * running Guardian against the one that its log gives back.
 */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "@ioi/base";
import { type Leaf, leaf as leafSchema, schema } from "@ioi/wire";
import fc from "fast-check";
import { Ledger, type Opening } from "../src/index.ts";
import {
  answerOf,
  asks,
  inWork,
  policyText,
  PolicyText,
  readOf,
  stateOf,
  statementOf,
  TestDriver,
  World,
  writeOf,
} from "./support.ts";

/** `npm run check` looks at fewer; `npm test` at all. */
const inner = process.env["IOI_TEST"] === "inner";

const hash = new Uint8Array(32).fill(1);
const empty = { commitment: hash, sealed: new Uint8Array(0) };

const sessionArb = fc.constantFrom("s-1", "s-2", "s-3");
const approvalArb = fc.constantFrom("a-1", "a-2", "a-3", "a-4");
const counterArb = fc.bigInt(1n, 12n);
const atMs = fc.nat(1_000_000);

const intentArb: fc.Arbitrary<Leaf> = fc
  .record({
    atMs,
    counter: counterArb,
    session: sessionArb,
    verdict: fc.constantFrom("allow", "ask", "deny"),
    approval: approvalArb,
    grants: fc.array(approvalArb, { maxLength: 2 }),
  })
  .map(({ approval, grants, verdict, ...rest }) => ({
    type: "intent",
    ...rest,
    verdict,
    agent: "planner",
    order: rest.counter,
    actionId: new Uint8Array(32).fill(Number(rest.counter)),
    target: "fs::write",
    rules: [],
    asks: verdict === "ask" ? asks(["default", "default"]) : [],
    discharged: [],
    policyHash: hash,
    grantsHash: hash,
    grants: verdict === "allow" ? grants : [],
    action: empty,
    ...(verdict === "ask" ? { approval } : {}),
  }));

const leafArb: fc.Arbitrary<Leaf> = fc
  .oneof(
    { weight: 2, arbitrary: fc.record({ atMs, session: sessionArb }) },
    { weight: 6, arbitrary: intentArb },
    {
      weight: 3,
      arbitrary: fc.record({
        type: fc.constant("outcome" as const),
        atMs,
        counter: counterArb,
        session: sessionArb,
        reportedBy: fc.constantFrom("driver", "workload", "person"),
        status: fc.constantFrom("confirmed", "no-effect", "refused", "unknown"),
        resultHash: fc.constant(hash),
        evidence: fc.constant({}),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        type: fc.constant("decision" as const),
        atMs,
        session: sessionArb,
        approval: approvalArb,
        actionId: counterArb.map((n) => new Uint8Array(32).fill(Number(n))),
        decision: fc.constantFrom("approve", "deny"),
        scope: fc.constantFrom("once", "session"),
        discharges: fc.constant(asks(["default", "default"])),
        policyHash: fc.constant(hash),
        expiresMs: fc.integer({ min: 1, max: 2_000_000 }),
        device: fc.constant(hash),
        signature: fc.constant(new Uint8Array(64)),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constant("revoke" as const),
        atMs,
        session: sessionArb,
        reason: fc.constant("stopped"),
      }),
    },
  )
  .map((leaf): Leaf =>
    "type" in leaf
      ? (leaf as Leaf)
      : {
          type: "session-open",
          ...leaf,
          agent: "planner",
          policyHash: hash,
          actionsMax: 3,
          wallMinutesMax: 20,
          words: empty,
        },
  );

const opening: Opening = { text: "words", workspace: "/home/p/work", access: "write" };

const applied = (leaves: readonly Leaf[]): Ledger => {
  const ledger = new Ledger();
  for (const [index, leaf] of leaves.entries()) {
    ledger.apply(leaf, index, leaf.type === "session-open" ? { opening } : {});
  }
  return ledger;
};

/** What a list of leaves means, worked out anew for each question. */
class Oracle {
  readonly leaves: readonly Leaf[];

  constructor(leaves: readonly Leaf[]) {
    this.leaves = leaves;
  }

  #last(type: Leaf["type"], test: (leaf: Leaf) => boolean): number {
    return this.leaves.findLastIndex((leaf) => leaf.type === type && test(leaf));
  }

  /** Closed by the first revocation after the first opening; never open again. */
  closed(session: string, before = this.leaves.length): boolean {
    const opened = this.leaves.findIndex(
      (leaf) => leaf.type === "session-open" && leaf.session === session,
    );
    return (
      opened >= 0 &&
      this.leaves.some(
        (leaf, at) =>
          leaf.type === "revoke" && leaf.session === session && at > opened && at < before,
      )
    );
  }

  get sessions(): readonly string[] {
    return [
      ...new Set(
        this.leaves.flatMap((leaf) => (leaf.type === "session-open" ? [leaf.session] : [])),
      ),
    ];
  }

  get open(): readonly bigint[] {
    return [
      ...new Set(
        this.leaves.flatMap((leaf, at) =>
          leaf.type === "intent" &&
          leaf.verdict === "allow" &&
          this.#last("outcome", (it) => it.type === "outcome" && it.counter === leaf.counter) < at
            ? [leaf.counter]
            : [],
        ),
      ),
    ];
  }

  asked(approval: string, before = this.leaves.length): number | undefined {
    let asked: number | undefined;
    for (const [at, leaf] of this.leaves.slice(0, before).entries()) {
      if (leaf.type === "intent" && leaf.approval === approval) {
        if (!this.closed(leaf.session, at)) asked = at;
      } else if (leaf.type === "decision" && leaf.approval === approval) asked = undefined;
      else if (leaf.type === "revoke" && asked !== undefined) {
        const ask = this.leaves[asked];
        if (ask?.type === "intent" && ask.session === leaf.session) asked = undefined;
      }
    }
    return asked;
  }

  grants(session: string, nowMs: number): readonly string[] {
    const ids: string[] = [];
    for (const approval of ["a-1", "a-2", "a-3", "a-4"]) {
      const at = this.leaves.findLastIndex(
        (leaf, index) =>
          leaf.type === "decision" &&
          leaf.approval === approval &&
          leaf.decision === "approve" &&
          this.asked(approval, index) !== undefined,
      );
      const decision = this.leaves[at];
      if (decision?.type !== "decision" || decision.session !== session) continue;
      const later = this.leaves.slice(at + 1);
      const used =
        decision.scope === "once" &&
        later.some((leaf) => leaf.type === "intent" && leaf.grants.includes(approval));
      const revoked = later.some((leaf) => leaf.type === "revoke" && leaf.session === session);
      const valid = decision.atMs <= nowMs && decision.expiresMs > nowMs;
      if (!used && !revoked && valid) ids.push(approval);
    }
    return ids;
  }
}

const sorted = <T extends string | bigint>(values: Iterable<T>): readonly T[] =>
  [...values].toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));

test("the fold says what the list of leaves says", () => {
  fc.assert(
    fc.property(fc.array(leafArb, { maxLength: 40 }), fc.nat(2_000_000), (leaves, nowMs) => {
      const ledger = applied(leaves);
      const oracle = new Oracle(leaves);
      assert.deepEqual(sorted(ledger.sessions.keys()), sorted(oracle.sessions));
      for (const session of oracle.sessions) {
        const closed = ledger.sessions.get(session)?.closed !== undefined;
        assert.equal(closed, oracle.closed(session), `${session} closed`);
        assert.deepEqual(
          sorted(ledger.liveGrants(session, nowMs).map(({ id }) => id)),
          sorted(oracle.grants(session, nowMs)),
          `grants of ${session}`,
        );
      }
      assert.deepEqual(sorted(ledger.open.keys()), sorted(oracle.open));
      const waiting = ["a-1", "a-2", "a-3", "a-4"].filter((id) => oracle.asked(id) !== undefined);
      assert.deepEqual(sorted(ledger.asks.keys()), waiting);
      const counters = leaves.map((leaf) => (leaf.type === "intent" ? leaf.counter : 0n));
      const last = counters.reduce((a, b) => (a > b ? a : b), 0n);
      assert.equal(ledger.lastCounter, last);
      assert.equal(ledger.takeCounter(), last + 1n);
    }),
    { numRuns: inner ? 100 : 1500, seed: 20_260_101 },
  );
});

test("leaves that went through the file give the same ledger", () => {
  fc.assert(
    fc.property(fc.array(leafArb, { maxLength: 40 }), (leaves) => {
      const read = leaves.map((leaf) => {
        const decoded = schema.decode(leafSchema, schema.encode(leafSchema, leaf));
        assert.ok(decoded.ok, decoded.ok ? "" : decoded.error.message);
        return decoded.value;
      });
      const [one, two] = [applied(leaves), applied(read)];
      const view = (ledger: Ledger): unknown => [
        ledger.lastCounter,
        [...ledger.sessions],
        [...ledger.open.keys()],
        [...ledger.asks.keys()],
        [...ledger.answers.keys()],
        ["s-1", "s-2", "s-3"].map((id) => [
          ledger.liveGrants(id, 0).map((grant) => grant.id),
          ledger.budgets.state(id, 0),
        ]),
      ];
      assert.deepEqual(view(two), view(one));
    }),
    { numRuns: 300, seed: 20_260_102 },
  );
});

test("only a driver's own word gives a budget back", () => {
  for (const reportedBy of ["workload", "person", "driver"] as const) {
    for (const status of ["no-effect", "refused", "confirmed", "partial", "unknown"] as const) {
      const leaves = fc.sample(intentArb, { numRuns: 200, seed: 7 });
      const allowed = leaves.find((leaf) => leaf.type === "intent" && leaf.verdict === "allow");
      assert.ok(allowed?.type === "intent");
      const { session, counter } = allowed;
      const ledger = applied([
        {
          type: "session-open",
          atMs: 0,
          session,
          agent: "planner",
          policyHash: hash,
          actionsMax: 3,
          wallMinutesMax: 20,
          words: empty,
        },
        allowed,
        {
          type: "outcome",
          atMs: 0,
          counter,
          session,
          reportedBy,
          status,
          resultHash: hash,
          evidence: {},
        },
      ]);
      const back = reportedBy === "driver" && (status === "no-effect" || status === "refused");
      assert.equal(
        ledger.budgets.state(session, 0)?.actionsLeft,
        back ? 3 : 2,
        `${reportedBy} ${status}`,
      );
    }
  }
});

type Step = (world: World, drivers: Map<string, TestDriver>, random: SeededRandom) => Promise<void>;

const openSessions = (world: World): string[] =>
  [...world.core.ledger.sessions.values()]
    .filter(({ closed }) => closed === undefined)
    .map(({ id }) => id);

const driverOf = (world: World, drivers: Map<string, TestDriver>, id: string): TestDriver => {
  const driver = drivers.get(id) ?? new TestDriver(world, id);
  drivers.set(id, driver);
  return driver;
};

const steps: readonly Step[] = [
  async (world, drivers) => {
    const { id, driver } = await world.session("do something");
    drivers.set(id, driver);
  },
  async (world, _drivers, random) => {
    const ids = openSessions(world);
    if (ids.length === 0) return;
    const session = random.pick(ids);
    await world.utter({ session, text: "and more", workspace: "" });
  },
  ...Array.from({ length: 4 }, (): Step => async (world, drivers, random) => {
    const ids = openSessions(world);
    if (ids.length === 0) return;
    const driver = driverOf(world, drivers, random.pick(ids));
    const name = random.pick(["a", "b", "secret/c", "careful/d", "package.json"]);
    const path = inWork(name);
    await world.propose(driver, random.chance(1, 2) ? readOf(path) : writeOf(path));
  }),
  async (world, _drivers, random) => {
    const cards = world.person.approvals();
    if (cards.length === 0) return;
    const card = random.pick(cards);
    const decision = random.chance(1, 4) ? "deny" : "approve";
    const scope = card.sessionScope && random.chance(1, 2) ? "session" : "once";
    const discharges = card.asks.filter(() => random.chance(3, 4));
    await world.person.decide(answerOf(statementOf(card, { decision, scope, discharges })));
  },
  async (world, _drivers, random) => {
    const open = [...world.core.ledger.open.values()];
    if (open.length === 0) return;
    const { counter, session } = random.pick(open);
    const status = random.pick(["confirmed", "no-effect", "unknown"] as const);
    const none = { outcome: undefined, signature: new Uint8Array(0) };
    await world.gate.report({ session, counter, ...none, status, reportedBy: "workload" });
  },
  async (world, _drivers, random) => {
    const ids = openSessions(world);
    if (ids.length === 0 || !random.chance(1, 3)) return;
    if (random.chance(1, 2)) await world.person.revoke(random.pick(ids), "enough");
    else await world.gate.closeSession(random.pick(ids), "done");
  },
  async (world, _drivers, random) => {
    await world.clock.advance(random.below(120_000));
  },
];

test("what a Guardian knows after any work is what its log gives back", async () => {
  for (let seed = 0; seed < 25; seed++) {
    const random = new SeededRandom(`work/${seed}`);
    const policy = new PolicyText(policyText(6));
    let world = await World.open({ seed: `work/${seed}`, policy });
    const drivers = new Map<string, TestDriver>();
    for (let round = 0; round < 30; round++) {
      // Several at once: what races in a Guardian must not race in its log.
      const group = Array.from({ length: 1 + random.below(3) }, () => random.pick(steps));
      const settled = await Promise.allSettled(group.map((step) => step(world, drivers, random)));
      for (const each of settled) {
        if (each.status === "rejected") {
          const { code } = each.reason as { readonly code?: unknown };
          assert.match(String(code), /^E_/, `seed ${seed}: ${String(each.reason)}`);
        }
      }
      if (round % 10 !== 9) continue;
      await world.core.receipts.flush();
      const before = stateOf(world);
      world = await world.restart();
      assert.deepEqual(stateOf(world), before, `seed ${seed}, round ${round}`);
      for (const driver of drivers.values()) driver.register(world);
    }
  }
});
