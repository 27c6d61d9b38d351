/** The scope of a task: offered, signed, durable, and then exactly what it says. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex, unwrap } from "@ioi/base";
import { domainBytes, domains, type PrivateKey } from "@ioi/crypto";
import { defaultPrices } from "@ioi/firewall";
import { nodeCrypto } from "@ioi/host/crypto";
import { SimFiles } from "@ioi/sim";
import { type Action, profile, type Scope, schema, scopeStatement, signed } from "@ioi/wire";
import {
  type ModelRecord,
  ModelRegistry,
  PriceSource,
  type ScopeAnswer,
  type ScopeOffer,
  type ScopeRequest,
  ScopeSide,
} from "../src/index.ts";

import {
  codeOf,
  device,
  policyText,
  PolicyText,
  readOf,
  stateOf,
  stranger,
  TestDriver,
  World,
  writeOf,
} from "./support.ts";

const folder = "/home/p/Downloads";
const words = "Put the invoices in ~/Downloads into one folder per month and tell me the total";

const request = (session: string, changes: Partial<ScopeRequest> = {}): ScopeRequest => ({
  session,
  picks: [],
  model: "",
  microusdMax: 0,
  wallMinutesMax: 0,
  actionsMax: 0,
  ...changes,
});

const signedBy = (
  statement: Uint8Array,
  key: PrivateKey<"ed25519"> = device,
  domain: (typeof domains)[keyof typeof domains] = domains.scope,
): ScopeAnswer => ({
  statement,
  signature: nodeCrypto.sign(key, domainBytes(domain, statement)),
  device: key.publicKey,
});

/** No rule at all: everything is asked about, unless the task was given it. */
const bare = `version = 1\n[defaults]\nverdict = "ask"\n[budget.session]\nactions = 200\nwall_minutes = 20\n[approval]\nexpires_minutes = 10\nreversible_without_asking = false\n`;

const model: ModelRecord = {
  id: "ollama/small",
  protocol: "openai",
  url: "http://127.0.0.1:11434/v1",
  name: "small",
  secret: "",
  ownerUid: 1000,
  program: "/usr/bin/ollama",
  contextTokens: 8192,
};

/** Two confirmed models, the first of which is the default. */
const withModels = async (world: World): Promise<World> => {
  const prices = { name: "prices.toml", stamp: () => "", text: () => defaultPrices };
  const source = new PriceSource(prices, world.log);
  const models = await ModelRegistry.open(new SimFiles({ seed: "scopes" }), source);
  const consent = { isDefault: false, unscrubbedConsent: true };
  await models.confirm(model, consent);
  const url = "https://api.anthropic.com/v1";
  const remote = { id: "far", protocol: "anthropic", url, name: "claude-sonnet-4-5" };
  await models.confirm({ ...model, ...remote }, consent);
  world.core.attachModels(models);
  return world;
};

class Task {
  readonly world: World;
  readonly id: string;
  readonly scopes: ScopeSide;

  constructor(world: World, id: string) {
    this.world = world;
    this.id = id;
    this.scopes = new ScopeSide(world.core);
  }

  static async begin(text = words, policy = bare): Promise<Task> {
    const world = await withModels(await World.open({ policy: new PolicyText(policy) }));
    return new Task(world, await world.utter({ text, workspace: "", agent: "model" }));
  }

  offer(changes: Partial<ScopeRequest> = {}): ScopeOffer {
    return this.scopes.propose(request(this.id, changes));
  }

  async accept(changes: Partial<ScopeRequest> = {}): Promise<ScopeOffer> {
    const offer = this.offer(changes);
    await this.scopes.accept(signedBy(offer.canonical));
    return offer;
  }

  async verdicts(...actions: readonly Action[]): Promise<readonly string[]> {
    const driver = new TestDriver(this.world, this.id);
    const all: string[] = [];
    for (const action of actions) {
      const { verdict, decision } = await this.world.propose(driver, action);
      all.push([verdict, ...decision.asks.map(({ kind, id }) => `${kind} ${id}`)].join(" "));
    }
    return all;
  }
}

const facts = (path: string, exists: boolean) =>
  exists
    ? { realPath: path, exists, kind: "file" as const, nlink: 1, size: 3 }
    : { realPath: path, exists };

const move = (from: string, to: string): Action => ({
  version: 1,
  target: "fs::move",
  args: { path: from, to },
  facts: { path: facts(from, true), to: facts(to, false) },
});
const remove = (path: string): Action => ({
  version: 1,
  target: "fs::delete",
  args: { path },
  facts: { path: facts(path, true) },
});

test("the words are offered as a card, and what is signed is that card", async () => {
  const task = await Task.begin();
  const offer = task.offer();
  assert.deepEqual(offer.scope, {
    version: 1,
    session: task.id,
    folders: [{ path: folder, access: "organise", words: "~/Downloads" }],
    sites: [],
    groups: ["read", "organise"],
    model: "ollama/small",
    microusdMax: 500_000,
    wallMinutesMax: 20,
    actionsMax: 200,
    undoDays: 7,
  } satisfies Scope);
  assert.equal(
    offer.card.split("\n")[0],
    "~/Downloads: read, sort, rename (undoable 7 days) · model ollama/small, at most $0.50 · 20 min",
  );
  const statement = unwrap(schema.decode(scopeStatement, offer.canonical), "statement");
  assert.deepEqual(
    [statement.scope, toHex(statement.cardHash)],
    [offer.scope, toHex(offer.cardHash)],
  );
});

test("the names of picked files are others' words that have come to the agent", async () => {
  for (const picks of [[], [{ kind: "file", value: `${folder}/a.pdf`, access: "" }]]) {
    const task = await Task.begin();
    const { core } = task.world;
    await task.scopes.accept(signedBy(task.offer({ picks }).canonical));
    const session = core.requireSession(task.id);
    const { fresh } = core.sessionContext({ workspaces: [] }, session, false);
    assert.equal(fresh, picks.length === 0);
  }
});

test("a picked file is on the card and counts as the person's own once it was accepted", async () => {
  const task = await Task.begin();
  const file = `${folder}/a.pdf`;
  const picks = [{ kind: "file", value: file, access: "" }];
  const picked = (): readonly string[] => {
    const session = task.world.core.requireSession(task.id);
    const policy = task.world.core.policy();
    assert.ok(policy !== undefined);
    return task.world.core.sessionContext(policy, session, false).picks ?? [];
  };
  const offer = task.offer({ picks });
  assert.match(offer.card, /^file {6}\/home\/p\/Downloads\/a\.pdf, picked$/m);
  assert.deepEqual(picked(), [], "an offer gives nothing");
  await task.scopes.accept(signedBy(offer.canonical));
  assert.deepEqual(picked(), [file]);
  for (const value of ["a.pdf", `${folder}/../a.pdf`, `${folder}//a.pdf`, `${folder}/a\0`, ""]) {
    const wrong = { picks: [{ kind: "file", value, access: "" }] };
    assert.equal(await codeOf((async () => task.offer(wrong))()), "E_SCOPE_INVALID", value);
  }
});

test("a picked person is on the card, once, and counts as typed once it was accepted", async () => {
  const task = await Task.begin();
  const pick = (value: string) => ({ kind: "person", value, access: "" });
  const people = ["anna@example.com", "+49 30 1234567", "Anna@Example.com"];
  const context = () =>
    task.world.core.sessionContext(
      { workspaces: [] },
      task.world.core.requireSession(task.id),
      false,
    );
  const offer = task.offer({ picks: people.map(pick) });
  assert.deepEqual(
    offer.card.split("\n").filter((line) => line.startsWith("person")),
    ["person    anna@example.com, picked", "person    +49 30 1234567, picked"],
  );
  assert.deepEqual(context().picks ?? [], [], "an offer gives nothing");
  await task.scopes.accept(signedBy(offer.canonical));
  assert.deepEqual(context().picks, people.slice(0, 2));
  const names = ["Anna", "", "anna@", "anna@ex\u0430mple.com", "a@b.example\nbob", "x".repeat(400)];
  for (const value of names) {
    const wrong = { picks: [pick(value)] };
    assert.equal(await codeOf((async () => task.offer(wrong))()), "E_SCOPE_INVALID", value);
  }
});

test("before it is accepted nothing is reached; afterwards exactly what it says, also after a restart", async () => {
  const task = await Task.begin();
  const actions = [
    readOf(`${folder}/a.pdf`),
    move(`${folder}/a.pdf`, `${folder}/2026-05/a.pdf`),
    writeOf(`${folder}/total.txt`),
    remove(`${folder}/a.pdf`),
    readOf(`${folder}/.secret`),
    readOf("/home/p/other/a.pdf"),
    move(`${folder}/a.pdf`, "/home/p/a.pdf"),
  ];
  assert.deepEqual(await task.verdicts(...actions), [
    "deny default default",
    "deny default default",
    "deny default default",
    "deny default default",
    "deny default default",
    "deny default default",
    "deny default default",
  ]);
  await task.accept();
  const given = [
    "allow",
    "allow",
    "ask task write default default",
    "ask task delete default default",
    "ask default default",
    "deny default default",
    "deny default default",
  ];
  assert.deepEqual(await task.verdicts(...actions), given);
  const before = stateOf(task.world);
  const later = new Task(await withModels(await task.world.restart()), task.id);
  assert.deepEqual(stateOf(later.world), before);
  assert.deepEqual((await later.verdicts(...actions)).slice(0, 2), given.slice(0, 2));
});

test("the scope is in the profiles, folder by folder, and an undo works there", async () => {
  const task = await Task.begin("copy ~/a to ~/b");
  const picks = [
    { kind: "folder", value: "/data/in", access: "read" },
    { kind: "folder", value: "/data/out", access: "organise" },
  ];
  await task.accept({ picks });
  const undo = await task.world.utter({ undoes: task.id, workspace: "" });
  for (const id of [task.id, undo]) {
    const [first] = task.world.gate.openSession(id).profiles;
    const { payload } = unwrap(schema.decode(signed, first ?? new Uint8Array()), "signed");
    assert.deepEqual(unwrap(schema.decode(profile, payload), "profile").roots, [
      { name: "scope", path: "/data/in", access: "read" },
      { name: "scope2", path: "/data/out", access: "write" },
    ]);
  }
  // A rule about `scope:/` speaks of every folder of the session.
  task.world.policy.set(`${policyText()}`);
  assert.deepEqual(
    await task.verdicts(
      readOf("/data/in/x"),
      readOf("/data/out/x"),
      readOf("/data/in/secret/x"),
      readOf("/data/out/secret/x"),
      readOf("/data/out/careful/x"),
      writeOf("/data/in/x"),
    ),
    ["allow", "allow", "deny", "deny", "ask rule careful", "deny default default"],
  );
});

test("it discharges the default only: rules and protected paths ask, and a default that denies denies", async () => {
  const rule = `[[rule]]\nid = "careful"\neffect = "ask"\ntarget = ["fs::read"]\nwhere.path = { glob = "scope:/careful/**" }\n`;
  const careful = readOf(`${folder}/careful/a`);
  const hook = move(`${folder}/a`, `${folder}/package.json`);
  const task = await Task.begin(words, bare + rule);
  await task.accept();
  assert.deepEqual(await task.verdicts(careful, hook), ["ask rule careful", "ask protected to"]);
  const strict = await Task.begin(words, bare.replace('verdict = "ask"', 'verdict = "deny"'));
  await strict.accept();
  assert.deepEqual(await strict.verdicts(readOf(`${folder}/a`)), ["deny default default"]);
});

test("its budgets count instead of the policy's, from its acceptance on", async () => {
  const task = await Task.begin();
  await task.world.clock.advance(15 * 60_000);
  await task.accept({ actionsMax: 2, wallMinutesMax: 10 });
  const read = (name: string): Action => readOf(`${folder}/${name}`);
  assert.deepEqual(await task.verdicts(read("1"), read("2"), read("3")), [
    "allow",
    "allow",
    "ask budget actions",
  ]);
  await task.world.clock.advance(10 * 60_000);
  assert.deepEqual(await task.verdicts(read("4")), ["ask budget actions budget wall_minutes"]);
});

test("what was not offered, or not signed by a device for this, is not accepted", async () => {
  const task = await Task.begin();
  const { canonical } = task.offer();
  const accept = (answer: ScopeAnswer): Promise<string> => codeOf(task.scopes.accept(answer));
  const wider = schema.encode(scopeStatement, {
    ...unwrap(schema.decode(scopeStatement, canonical), "statement"),
    scope: { ...task.offer().scope, groups: ["read", "organise", "delete"] },
  });
  assert.equal(await accept(signedBy(canonical, stranger)), "E_APPROVAL_INVALID");
  assert.equal(await accept(signedBy(canonical, device, domains.decision)), "E_APPROVAL_INVALID");
  assert.equal(
    await accept({ ...signedBy(canonical), statement: wider }),
    "E_APPROVAL_INVALID",
    "changed after it was signed",
  );
  assert.equal(await accept(signedBy(wider)), "E_SCOPE_UNKNOWN");
  assert.equal(await accept(signedBy(new Uint8Array(8))), "E_SCOPE_UNKNOWN");
  assert.equal(task.world.core.ledger.sessions.get(task.id)?.scope, undefined);
  const twice = await Promise.all([accept(signedBy(canonical)), accept(signedBy(canonical))]);
  assert.deepEqual(twice.toSorted(), ["", "E_SCOPE_UNKNOWN"], "the control is accepted, once");
});

test("an offer ends with its policy, its session and its Guardian", async () => {
  const changed = await Task.begin();
  const offer = changed.offer();
  changed.world.policy.set(policyText());
  const accept = (task: Task, answer: ScopeAnswer): Promise<string> =>
    codeOf(task.scopes.accept(answer));
  assert.equal(await accept(changed, signedBy(offer.canonical)), "E_SCOPE_UNKNOWN");
  const closed = await Task.begin();
  const late = closed.offer();
  await closed.world.person.revoke(closed.id, "enough");
  assert.equal(await accept(closed, signedBy(late.canonical)), "E_SESSION_CLOSED");
  assert.equal(await codeOf(Promise.resolve().then(() => closed.offer())), "E_SESSION_CLOSED");
  const old = await Task.begin();
  const before = old.offer();
  const next = new Task(await withModels(await old.world.restart()), old.id);
  assert.equal(await accept(next, signedBy(before.canonical)), "E_SCOPE_UNKNOWN");
  assert.equal(await accept(next, signedBy(next.offer().canonical)), "", "control");
});

test("product, system and root folders are never given, whoever asks", async () => {
  const task = await Task.begin("delete /etc and ~/ioi-data and / and ~/a");
  const picks = [
    "/",
    "/usr/lib",
    "/opt/ioi",
    "/home/p/ioi-data/guardian",
    "/home/p/../p",
    "/home/p/a",
  ];
  for (const given of [
    {},
    { picks: picks.map((value) => ({ kind: "folder", value, access: "write" })) },
  ]) {
    const { scope } = task.offer(given);
    assert.deepEqual(
      scope.folders.map(({ path }) => path),
      ["/home/p/a"],
    );
  }
  const bad = [
    { kind: "folder", value: "/a", access: "all" },
    { kind: "site", value: "exa mple", access: "" },
    { kind: "site", value: "127.0.0.1:80", access: "" },
    { kind: "person", value: "someone", access: "" },
  ];
  for (const pick of bad) {
    const offered = Promise.resolve().then(() => task.offer({ picks: [pick] }));
    assert.equal(await codeOf(offered), "E_SCOPE_INVALID", JSON.stringify(pick));
  }
  const many = Array.from({ length: 65 }, () => ({ kind: "folder", value: "/a", access: "" }));
  assert.equal(
    await codeOf(Promise.resolve().then(() => task.offer({ picks: many }))),
    "E_SCOPE_INVALID",
  );
});

test("direct requests need no card; a folder picked at the beginning stays picked, for what it was picked", async () => {
  const world = await withModels(await World.open({ policy: new PolicyText(bare) }));
  const direct = await world.utter({ text: "/list ." });
  assert.equal(new ScopeSide(world.core).propose(request(direct)).needless, true);
  const given = await world.utter({ text: "tidy up", agent: "model" });
  const offer = new ScopeSide(world.core).propose(request(given));
  assert.equal(offer.needless, false);
  assert.deepEqual(offer.scope.folders, [{ path: "/home/p/work", access: "organise", words: "" }]);
  for (const [access, write, change] of [
    ["read", "deny", "deny"],
    ["organise", "ask task write", "ask"],
    ["write", "ask", "ask"],
    ["", "ask", "ask"],
  ] as const) {
    const id = await world.utter({ access });
    const driver = new TestDriver(world, id);
    const first = await world.propose(driver, writeOf("/home/p/work/a"));
    const asked = first.decision.asks.filter(({ kind }) => kind === "task");
    const said = [first.verdict, ...asked.map((ask) => `${ask.kind} ${ask.id}`)].join(" ");
    assert.equal(said, write, access);
    const second = await world.propose(driver, move("/home/p/work/a", "/home/p/work/b"));
    assert.equal(second.verdict, change, access);
  }
  assert.equal(await codeOf(world.utter({ access: "all" })), "E_WORKSPACE_REFUSED");
});

test("the model on the card is the confirmed one, and what goes away from this machine is said", async () => {
  const task = await Task.begin();
  assert.doesNotMatch(task.offer().card, /^warning/m);
  const far = task.offer({ model: "far" });
  assert.deepEqual(far.warnings, [
    "claude-sonnet-4-5 is not on this machine: what the task reads goes there as it is.",
  ]);
  assert.equal(far.card.includes(far.warnings[0] ?? "-"), true);
  assert.deepEqual(task.offer({ model: "none\u202e" }).warnings, [
    "Nobody confirmed a model none\u27e8U+202E\u27e9.",
  ]);
  const folder = await task.world.utter({ text: "tidy ~/a", workspace: "", agent: "sorter" });
  assert.equal(task.scopes.propose(request(folder)).scope.model, "");
});
