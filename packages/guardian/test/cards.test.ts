/** The person's patience: what was denied is not asked again, and too many cards pause a task. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Action, encodeCanonical } from "@ioi/wire";
import type { ApprovalCard, ProposalReply } from "../src/index.ts";
import {
  answerOf,
  execOf,
  inWork,
  policyText,
  PolicyText,
  stateOf,
  statementOf,
  TestDriver,
  World,
  writeOf,
} from "./support.ts";

const write = (name: string): Action => writeOf(inWork(name));

class Asking {
  world: World;
  readonly id: string;
  #driver: TestDriver;

  private constructor(world: World, id: string) {
    this.world = world;
    this.id = id;
    this.#driver = new TestDriver(world, id);
  }

  static async open(policy = policyText()): Promise<Asking> {
    const world = await World.open({ policy: new PolicyText(policy) });
    return new Asking(world, await world.utter());
  }

  async restart(): Promise<void> {
    this.world = await this.world.restart();
    this.#driver = new TestDriver(this.world, this.id);
  }

  async propose(action: Action): Promise<ProposalReply> {
    return await this.world.propose(this.#driver, action);
  }

  /** The sources of the ask, or the verdict. */
  async asks(action: Action): Promise<string> {
    const { verdict, decision } = await this.propose(action);
    return verdict === "ask"
      ? decision.asks.map(({ kind, id }) => `${kind} ${id}`).join(", ")
      : verdict;
  }

  async card(action: Action): Promise<ApprovalCard> {
    const { approval } = await this.propose(action);
    return this.world.card(approval ?? "");
  }

  async answer(
    card: ApprovalCard,
    changes: Parameters<typeof statementOf>[1] = {},
    reason = "",
  ): Promise<void> {
    await this.world.person.decide({ ...answerOf(statementOf(card, changes)), reason });
  }
}

test("an identical action is denied at once after a denial, with the person's reason", async () => {
  const all = await Asking.open();
  await all.answer(await all.card(write("a")), { decision: "deny" }, "not\u202e that one");
  const again = await all.propose(write("a"));
  assert.deepEqual(
    [again.verdict, again.approval, again.decision.rules[0]?.id, again.decision.reason],
    [
      "deny",
      undefined,
      "builtin:person",
      "A person denied exactly this before: not\u27e8U+202E\u27e9 that one.",
    ],
  );
  assert.equal(await all.asks(write("b")), "default default", "another one is asked");
  await all.restart();
  const later = await all.propose(write("a"));
  assert.deepEqual(
    [later.verdict, later.decision.reason],
    ["deny", "A person denied exactly this before."],
    "the reason is in no receipt",
  );
});

test("a denial holds in its session alone, and an approval denies nothing", async () => {
  const all = await Asking.open();
  await all.answer(await all.card(write("a")), { decision: "deny" });
  const other = await all.world.utter();
  const reply = await all.world.propose(new TestDriver(all.world, other), write("a"));
  assert.equal(reply.verdict, "ask");
  await all.answer(await all.card(write("b")));
  assert.equal(await all.asks(write("b")), "allow");
  assert.equal(await all.asks(write("b")), "default default", "once is once");
});

test("the fourth card within a minute pauses; slower ones do not", async () => {
  const fast = await Asking.open();
  const slow = await Asking.open();
  for (const name of ["1", "2", "3"]) {
    assert.equal(await fast.asks(write(name)), "default default");
    assert.equal(await slow.asks(write(name)), "default default");
    await slow.world.clock.advance(20_001);
  }
  assert.equal(await fast.asks(write("4")), "default default, cards minute");
  assert.equal(await slow.asks(write("4")), "default default");
});

test("the eleventh card of a task pauses, also after a restart; the same action counts once", async () => {
  const all = await Asking.open();
  for (let at = 0; at < 10; at++) {
    assert.equal(await all.asks(write(`${at}`)), "default default");
    assert.equal(await all.asks(write(`${at}`)), "default default", "asked again after a restart");
    await all.world.clock.advance(30_000);
  }
  await all.restart();
  assert.equal(await all.asks(write("10")), "default default, cards task");
  const state = stateOf(all.world);
  await all.restart();
  assert.deepEqual(stateOf(all.world), state);
});

const paused = async (policy = policyText()): Promise<[Asking, ApprovalCard]> => {
  const all = await Asking.open(policy);
  for (const name of ["1", "2", "3"]) await all.asks(write(name));
  return [all, await all.card(write("4"))];
};

test("the card that pauses sums up and offers a wider scope", async () => {
  const [, card] = await paused();
  assert.deepEqual(card.card.split("\n").slice(0, 7), [
    "paused    this task has asked 3 times within a minute",
    "asked     fs::write /home/p/work/1 any",
    "asked     fs::write /home/p/work/2 any",
    "asked     fs::write /home/p/work/3 any",
    'offer     "this session" also gives the task: organise',
    "goes on   with any answer to this:",
    "fs::write: write a file",
  ]);
  assert.deepEqual(
    card.asks.map(({ kind, id }) => `${kind} ${id}`),
    ["default default", "cards minute", "task organise"],
  );
  assert.equal(card.sessionScope, true);
});

test("once lets the task go on; the wider scope spares its questions, also after a restart", async () => {
  const [once, first] = await paused();
  await once.answer(first);
  assert.equal(await once.asks(write("4")), "allow");
  assert.equal(await once.asks(write("5")), "default default", "the count began anew");
  const [session, second] = await paused();
  await session.answer(second, { scope: "session" });
  const copy = (name: string): Action => ({
    version: 1,
    target: "fs::mkdir",
    args: { path: inWork(name) },
    facts: { path: { realPath: inWork(name), exists: false } },
  });
  assert.equal(await session.asks(write("4")), "allow");
  assert.equal(await session.asks(copy("d")), "allow", "another target of the group");
  assert.equal(await session.asks(copy(".git")), "protected path, default default");
  const exec = new TestDriver(session.world, session.id, "exec");
  const other = await session.world.propose(exec, execOf(["/bin/true"]));
  assert.equal(other.verdict, "ask", "another group");
  await session.restart();
  assert.equal(await session.asks(copy("e")), "allow");
  const [denied, third] = await paused();
  await denied.answer(third, { decision: "deny" });
  assert.equal(await denied.asks(write("4")), "deny");
  assert.equal(await denied.asks(write("5")), "default default");
});

test("nothing is offered where a rule asks, and no answer gives more than was offered", async () => {
  const asks = `[[rule]]\nid = "all"\neffect = "ask"\ntarget = ["fs::write"]\nwhere.path = { glob = "scope:/**" }\n`;
  const [all, card] = await paused(policyText(200, asks));
  assert.match(card.card, /^offer {5}nothing would spare such questions but a rule/m);
  const discharges = [...card.asks, { kind: "task", id: "delete" }];
  await assert.rejects(all.answer(card, { scope: "session", discharges }), /what it answers/);
  await all.answer(card, { scope: "session" });
  assert.deepEqual(all.world.core.ledger.sessions.get(all.id)?.widened, []);
});

test("without a person nothing pauses: an ask is a denial", async () => {
  const all = await Asking.open();
  const driver = new TestDriver(all.world, all.id);
  for (let at = 0; at < 12; at++) {
    const reply = await all.world.propose(driver, write(`${at}`), { headless: true });
    assert.equal(reply.verdict, "deny");
  }
  assert.deepEqual(all.world.core.ledger.sessions.get(all.id)?.cards, []);
});

const remove = (path: string, facts: Partial<Action["facts"][string]> = {}): Action => ({
  version: 1,
  target: "fs::delete",
  args: { path },
  facts: { path: { realPath: path, exists: true, kind: "file", nlink: 1, size: 1, ...facts } },
});

/** The first of several deletions, with the others named beside. */
const grouped = async (later: readonly Action["args"][]): Promise<[Asking, ApprovalCard]> => {
  const all = await Asking.open();
  const driver = new TestDriver(all.world, all.id);
  const alike = later.map((args) => encodeCanonical(args));
  const reply = await all.world.propose(driver, remove(inWork("a/1")), { alike });
  return [all, all.world.card(reply.approval ?? "")];
};

const footOf = ({ card }: ApprovalCard): readonly string[] => {
  const lines = card.trimEnd().split("\n");
  const at = lines.findIndex((line) => line.startsWith("alike"));
  return at < 0 ? [] : lines.slice(at);
};

test("alike calls share one card: one answer is for all that it names, once", async () => {
  const later = ["a/2", "a/3\u202e", "b/4", "a/1"].map((name) => ({ path: inWork(name) }));
  const [all, card] = await grouped(later);
  assert.deepEqual(footOf(card), [
    'alike     2 more calls of fs::delete; "once" and "deny" answer all of them',
    "          /home/p/work/a/2",
    "          /home/p/work/a/3\u27e8U+202E\u27e9",
  ]);
  await all.answer(card);
  await all.restart();
  const verdicts = async (...names: readonly string[]): Promise<readonly string[]> => {
    const said: string[] = [];
    for (const name of names) said.push(await all.asks(remove(inWork(name))));
    return said;
  };
  assert.deepEqual(await verdicts("a/1", "a/2", "a/3\u202e"), ["allow", "allow", "allow"]);
  assert.deepEqual(
    await verdicts("a/1", "a/2", "b/4", "a/5"),
    Array(4).fill("default default").with(3, "default default, cards minute"),
  );
});

test("a denial of the card denies all that it names", async () => {
  const [all, card] = await grouped([{ path: inWork("a/2") }]);
  await all.answer(card, { decision: "deny" });
  assert.equal(await all.asks(remove(inWork("a/2"))), "deny");
  assert.equal(await all.asks(remove(inWork("a/3"))), "default default");
});

test("what leads elsewhere, or asks for more, is not answered by a card that did not show it", async () => {
  const [all, card] = await grouped([{ path: inWork("a/2") }, { path: inWork("a/3") }]);
  await all.answer(card);
  const elsewhere = remove(inWork("a/2"), { realPath: inWork("c/2") });
  assert.equal(await all.asks(elsewhere), "default default");
  const large = remove(inWork("a/3"), { size: 3_000_000_000 });
  assert.equal(await all.asks(large), "irreversible snapshot");
  assert.equal(await all.asks(remove(inWork("a/2"))), "allow", "control");
});

test("hostile neighbours are left out: other folders, refused, malformed, endless", async () => {
  const many = Array.from({ length: 200 }, (_, at) => ({ path: inWork(`a/x${at}`) }));
  assert.equal(footOf((await grouped(many))[1]).length, 1 + 63);
  const bad: readonly Action["args"][] = [
    { path: "/etc/passwd" },
    { path: inWork("a/../../x") },
    { path: inWork("a/.git") },
    { path: 7 },
    { path: inWork("a/2"), more: "x" },
    { path: "/home/p/ioi-data/a" },
    { path: `${inWork("a")}/${"x".repeat(300)}` },
    {},
  ];
  assert.deepEqual(footOf((await grouped(bad))[1]), []);
  const all = await Asking.open();
  const driver = new TestDriver(all.world, all.id);
  const junk = [new Uint8Array(9), encodeCanonical([1]), encodeCanonical("x")];
  const reply = await all.world.propose(driver, remove(inWork("a/1")), { alike: junk });
  assert.deepEqual(footOf(all.world.card(reply.approval ?? "")), []);
});
