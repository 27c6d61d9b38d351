/**
 * Asks and answers: what a device must have signed, what an answer is good for, how often, and for
 * how long.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { concatBytes, utf8Encode } from "@ioi/base";
import { domainHash, domains } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import type { DecisionStatement } from "@ioi/wire";
import type { Answer, ApprovalCard } from "../src/index.ts";
import {
  answerOf,
  asks,
  codeOf,
  device,
  inWork,
  policyText,
  PolicyText,
  readOf,
  statementOf,
  stranger,
  type TestDriver,
  World,
  writeOf,
} from "./support.ts";

const write = writeOf(inWork("a.txt"));
/** A package manifest: always asks, and only ever once. */
const guarded = writeOf(inWork("package.json"));
const careful = readOf(inWork("careful/a.txt"));

interface Asked {
  readonly world: World;
  readonly id: string;
  readonly driver: TestDriver;
  readonly card: ApprovalCard;
}

const asked = async (action = write): Promise<Asked> => {
  const world = await World.open();
  const { id, driver } = await world.session();
  const reply = await world.propose(driver, action);
  assert.deepEqual([reply.verdict, reply.ticket], ["ask", undefined]);
  return { world, id, driver, card: world.card(reply.approval ?? "") };
};

const answer = (card: ApprovalCard, changes: Partial<DecisionStatement> = {}): Answer =>
  answerOf(statementOf(card, changes));

const verdictsOf = async (
  { world, driver }: Asked,
  count: number,
  action = write,
): Promise<string[]> => {
  const replies = await Promise.all(
    Array.from({ length: count }, () => world.propose(driver, action)),
  );
  return replies.map(({ verdict }) => verdict);
};

test("a card says what waits, and its hash is that of its text", async () => {
  const { world, id, card } = await asked();
  const { card: text, cardHash, actionId, policyHash, ...rest } = card;
  assert.deepEqual(rest, {
    id: card.id,
    session: id,
    target: "fs::write",
    asks: asks(["default", "default"]),
    createdMs: world.clock.wall(),
    expiresMs: world.clock.wall() + 600_000,
    sessionScope: true,
    patternScope: true,
    preview: { state: "coming", text: "", statement: new Uint8Array(0), why: "" },
  });
  assert.match(text, /fs::write[^]*scope:\/a\.txt[^]*hello/);
  assert.deepEqual(cardHash, domainHash(nodeCrypto, domains.card, utf8Encode(text)));
  const [, intent] = await world.leaves();
  assert.ok(intent?.type === "intent");
  assert.deepEqual([intent.actionId, intent.policyHash], [actionId, policyHash]);
});

const tampered: readonly [name: string, make: (card: ApprovalCard) => Answer, code?: string][] = [
  ["a stranger's device", (card) => answerOf(statementOf(card), stranger)],
  [
    "a stranger's signature under the person's device",
    (card) => ({ ...answerOf(statementOf(card), stranger), device: answer(card).device }),
  ],
  ["no signature", (card) => ({ ...answer(card), signature: new Uint8Array(0) })],
  [
    "a signature over the bare statement",
    (card) => {
      const given = answer(card);
      return { ...given, signature: nodeCrypto.sign(device, given.statement) };
    },
  ],
  [
    "a changed byte",
    (card) => {
      const given = answer(card);
      return { ...given, statement: given.statement.with(40, (given.statement[40] ?? 0) ^ 1) };
    },
  ],
  [
    "bytes behind the statement",
    (card) => {
      const given = answer(card);
      return { ...given, statement: concatBytes(given.statement, Uint8Array.of(0)) };
    },
  ],
  ["another card", (card) => answer(card, { cardHash: new Uint8Array(32) })],
  ["another action", (card) => answer(card, { actionId: new Uint8Array(32) })],
  ["another policy", (card) => answer(card, { policyHash: new Uint8Array(32) })],
  ["another session", (card) => answer(card, { session: "s-000000000000" })],
  ["another ask", (card) => answer(card, { approval: "a-0000000000" }), "E_APPROVAL_UNKNOWN"],
  [
    "an ask source that was not on the card",
    (card) => answer(card, { discharges: [...card.asks, ...asks(["budget", "actions"])] }),
  ],
  [
    "a source with the right id and another kind",
    (card) => answer(card, { discharges: asks(["rule", "default"]) }),
  ],
];

for (const [name, make, code] of tampered) {
  test(`refused: an answer with ${name}`, async () => {
    const all = await asked();
    const { size } = all.world.core.receipts;
    assert.equal(
      await codeOf(all.world.person.decide(make(all.card))),
      code ?? "E_APPROVAL_INVALID",
    );
    assert.equal(all.world.core.receipts.size, size, "no leaf");
    assert.deepEqual(await verdictsOf(all, 1), ["ask"]);
    // The ask still waits for its true answer.
    await all.world.person.decide(answer(all.card));
    assert.deepEqual(await verdictsOf(all, 1), ["allow"]);
  });
}

test("for the session is refused where once is all that is offered", async () => {
  const all = await asked(guarded);
  assert.equal(all.card.sessionScope, false);
  assert.ok(all.card.asks.some(({ kind }) => kind === "protected"));
  const greedy = all.world.person.decide(answer(all.card, { scope: "session" }));
  assert.equal(await codeOf(greedy), "E_APPROVAL_INVALID");
  await all.world.person.decide(answer(all.card));
  assert.deepEqual(await verdictsOf(all, 3, guarded), ["allow", "ask", "ask"]);
});

test("a once-grant is good for one proposal of that action, however many come at once", async () => {
  const all = await asked();
  await all.world.person.decide(answer(all.card));
  assert.deepEqual(await verdictsOf(all, 1, writeOf(inWork("b.txt"))), ["ask"], "another action");
  const verdicts = await verdictsOf(all, 50);
  assert.equal(verdicts.filter((verdict) => verdict === "allow").length, 1);
  assert.deepEqual(await verdictsOf(all, 1), ["ask"]);
  const [used] = (await all.world.leaves()).flatMap((leaf) =>
    leaf.type === "intent" && leaf.verdict === "allow" ? [leaf] : [],
  );
  assert.deepEqual(used?.grants, [all.card.id]);
  assert.deepEqual(
    used?.discharged.map(({ ...each }) => each),
    asks(["default", "default"]),
  );
});

test("a used once-grant stays used after a restart, an unused one stays good", async () => {
  for (const [use, expected] of [
    [true, "ask"],
    [false, "allow"],
  ] as const) {
    const all = await asked();
    await all.world.person.decide(answer(all.card));
    if (use) await verdictsOf(all, 1);
    const world = await all.world.restart();
    all.driver.register(world);
    assert.equal((await world.propose(all.driver, write)).verdict, expected);
  }
});

test("a session-grant is good for its target in its session, until the end of either", async () => {
  const all = await asked();
  const { world } = all;
  await world.person.decide(answer(all.card, { scope: "session" }));
  assert.deepEqual(await verdictsOf(all, 3), ["allow", "allow", "allow"]);
  assert.deepEqual(await verdictsOf(all, 1, writeOf(inWork("b.txt"))), ["allow"]);
  assert.deepEqual(await verdictsOf(all, 1, careful), ["ask"], "another target");
  assert.deepEqual(await verdictsOf(all, 1, guarded), ["ask"], "another source");
  const other = await world.session("another");
  assert.equal((await world.propose(other.driver, write)).verdict, "ask", "another session");
  const next = await world.restart();
  all.driver.register(next);
  assert.equal((await next.propose(all.driver, write)).verdict, "allow", "after a restart");
  await next.clock.advance(24 * 3_600_000 + 1);
  const late = await next.propose(all.driver, write);
  assert.ok(
    late.decision.asks.some(({ kind }) => kind === "default"),
    "a day later",
  );
});

test("an answer to a part of the card is good for that part", async () => {
  const both = writeOf(inWork("package.json"));
  const all = await asked(both);
  const part = all.card.asks.filter(({ kind }) => kind === "default");
  assert.ok(part.length < all.card.asks.length);
  await all.world.person.decide(answer(all.card, { discharges: part }));
  const again = await all.world.propose(all.driver, both);
  assert.equal(again.verdict, "ask");
  assert.ok(again.decision.asks.every(({ kind }) => kind !== "default"));
  // It was not used: nothing happened. With the rest answered too, both are.
  const rest = all.world.card(again.approval ?? "");
  const left = rest.asks.filter(({ kind }) => kind !== "default");
  await all.world.person.decide(answer(rest, { discharges: left }));
  const world = await all.world.restart();
  all.driver.register(world);
  const done = await world.propose(all.driver, both);
  assert.equal(done.verdict, "allow");
  assert.equal(done.decision.grantsUsed.length, 2);
  assert.equal((await world.propose(all.driver, both)).verdict, "ask");
});

test("an answer never discharges a denial", async () => {
  const all = await asked(careful);
  await all.world.person.decide(answer(all.card));
  all.world.policy.set(
    policyText().replaceAll("careful/**", "x/**").replaceAll("secret/**", "careful/**"),
  );
  assert.deepEqual(await verdictsOf(all, 1, careful), ["deny"]);
});

test("a denial is a leaf, an answer that the agent sees, and no grant", async () => {
  const all = await asked();
  await all.world.person.decide(answer(all.card, { decision: "deny" }));
  assert.deepEqual(all.world.person.approvals(), []);
  const answers = [...all.world.core.ledger.answers.values()];
  assert.deepEqual(answers, [
    {
      session: all.id,
      approval: all.card.id,
      actionId: all.card.actionId,
      approved: false,
      expired: false,
    },
  ]);
  // Exactly this is not asked again; anything else is.
  assert.deepEqual(await verdictsOf(all, 1), ["deny"]);
});

test("an ask is answered once, in turn and at once", async () => {
  const all = await asked();
  const codes = await Promise.all([
    codeOf(all.world.person.decide(answer(all.card))),
    codeOf(all.world.person.decide(answer(all.card, { decision: "deny" }))),
    codeOf(all.world.person.decide(answer(all.card))),
  ]);
  assert.deepEqual(codes, ["", "E_APPROVAL_UNKNOWN", "E_APPROVAL_UNKNOWN"]);
  assert.equal(await codeOf(all.world.person.decide(answer(all.card))), "E_APPROVAL_UNKNOWN");
  const decisions = (await all.world.leaves()).filter(({ type }) => type === "decision");
  assert.equal(decisions.length, 1);
  const next = await all.world.restart();
  assert.equal(await codeOf(next.person.decide(answer(all.card))), "E_APPROVAL_UNKNOWN");
});

test("the answer to one ask does not answer the next one for the same action", async () => {
  const all = await asked();
  const given = answer(all.card);
  await all.world.person.decide(given);
  await verdictsOf(all, 1);
  const second = await all.world.propose(all.driver, write);
  assert.notEqual(second.approval, all.card.id);
  assert.equal(await codeOf(all.world.person.decide(given)), "E_APPROVAL_UNKNOWN");
  const forged = { ...statementOf(all.card), approval: second.approval ?? "" };
  const refitted = answerOf(forged);
  const replayed = { ...refitted, signature: given.signature };
  assert.equal(await codeOf(all.world.person.decide(replayed)), "E_APPROVAL_INVALID");
});

test("an answer that cannot be written leaves the ask to be answered again", async () => {
  const all = await asked();
  all.world.files.setBytesMax(0);
  assert.equal(await codeOf(all.world.person.decide(answer(all.card))), "E_WAL_FULL");
  all.world.files.setBytesMax(Number.POSITIVE_INFINITY);
  assert.deepEqual(await verdictsOf(all, 1), ["ask"], "nothing was granted");
  await all.world.person.decide(answer(all.card));
  assert.deepEqual(await verdictsOf(all, 1), ["allow"]);
});

test("an ask expires by the policy's minutes, and its answer with it", async () => {
  const all = await asked();
  await all.world.clock.advance(599_999);
  assert.equal(all.world.person.approvals().length, 1);
  await all.world.clock.advance(1);
  assert.deepEqual(all.world.person.approvals(), []);
  assert.equal(await codeOf(all.world.person.decide(answer(all.card))), "E_APPROVAL_EXPIRED");
  assert.deepEqual(await verdictsOf(all, 1), ["ask"]);
});

test("a once-grant is good until the card would have expired, and for a minute at least", async () => {
  const early = await asked();
  await early.world.person.decide(answer(early.card));
  await early.world.clock.advance(599_999);
  assert.deepEqual(await verdictsOf(early, 1), ["allow"]);
  const missed = await asked();
  await missed.world.person.decide(answer(missed.card));
  await missed.world.clock.advance(600_000);
  assert.deepEqual(await verdictsOf(missed, 1), ["ask"]);
  const late = await asked();
  await late.world.clock.advance(590_000);
  await late.world.person.decide(answer(late.card));
  await late.world.clock.advance(59_999);
  assert.deepEqual(await verdictsOf(late, 1), ["allow"]);
});

test("a revoked session has no asks, no answers, no grants", async () => {
  const all = await asked();
  const { world, id, driver } = all;
  await world.person.decide(answer(all.card, { scope: "session" }));
  const { approval } = await world.propose(driver, guarded);
  const waiting = world.card(approval ?? "");
  assert.equal(world.core.ledger.liveGrants(id, world.clock.wall()).length, 1);
  await world.person.revoke(id, "enough");
  for (const at of [world, await world.restart()]) {
    const { ledger } = at.core;
    assert.deepEqual([ledger.asks.size, ledger.answers.size], [0, 0]);
    assert.deepEqual(ledger.liveGrants(id, at.clock.wall()), []);
    assert.deepEqual(at.person.approvals(), []);
    assert.equal(await codeOf(at.person.decide(answer(waiting))), "E_APPROVAL_UNKNOWN");
  }
});

test("an answer that meets the session's end is refused", async () => {
  const all = await asked();
  const revoking = all.world.person.revoke(all.id, "enough");
  assert.equal(await codeOf(all.world.person.decide(answer(all.card))), "E_SESSION_CLOSED");
  await revoking;
  assert.equal(await codeOf(all.world.utter({ session: all.id })), "E_SESSION_CLOSED");
});

test("revoking: unknown sessions are named, a second time is nothing, any text is a reason", async () => {
  const all = await asked();
  const { world, id } = all;
  assert.equal(await codeOf(world.person.revoke("s-nobody", "x")), "E_SESSION_UNKNOWN");
  await Promise.all([
    world.person.revoke(id, `${"x".repeat(255)}\u{1f600}`),
    world.person.revoke(id, "y"),
    world.gate.closeSession(id, "done"),
  ]);
  await world.person.revoke(id, "z");
  assert.equal((await world.leaves()).filter(({ type }) => type === "revoke").length, 1);
});

test("an end that cannot be written leaves the session open, and can be asked for again", async () => {
  const all = await asked();
  all.world.files.setBytesMax(0);
  assert.equal(await codeOf(all.world.person.revoke(all.id, "x")), "E_WAL_FULL");
  all.world.files.setBytesMax(Number.POSITIVE_INFINITY);
  assert.deepEqual(await verdictsOf(all, 1), ["ask"]);
  await all.world.person.revoke(all.id, "x");
  assert.equal(await codeOf(all.world.propose(all.driver, write)), "E_SESSION_CLOSED");
});

test("the clock set back does not bring a used or revoked answer back", async () => {
  const all = await asked();
  await all.world.person.decide(answer(all.card));
  assert.deepEqual(await verdictsOf(all, 1), ["allow"]);
  all.world.clock.jumpWall(-3_600_000);
  assert.deepEqual(await verdictsOf(all, 1), ["ask"]);
});

test("a card shows what cannot be seen, so that two names never give one card", async () => {
  const world = await World.open({ policy: new PolicyText() });
  const { driver } = await world.session();
  const texts = new Set<string>();
  for (const name of ["a\u202etxt.exe", "a\u200btxt.exe", "atxt.exe"]) {
    const { approval } = await world.propose(driver, writeOf(inWork(name)));
    const { card } = world.card(approval ?? "");
    assert.doesNotMatch(card, /[\u202e\u200b]/);
    texts.add(card);
  }
  assert.equal(texts.size, 3);
});
