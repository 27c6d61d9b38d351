/** Actions on memories: whose words they are, whom the file's key is sealed to, what is vouched for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type OperationError, toHex, unwrap, utf8Encode } from "@ioi/base";
import {
  generateSealingKeys,
  openBox,
  parseCheckpoint,
  sealingPublicKey,
  verifyCheckpoint,
} from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import type { Action } from "@ioi/wire";
import { memoryCheckpoint } from "../src/index.ts";
import { policyText, PolicyText, TestDriver, World } from "./support.ts";

const rules = `
[[rule]]
id = "own"
effect = "allow"
target = ["memory::remember"]
where.origin = { equals = "user" }
[[rule]]
id = "recall"
effect = "allow"
target = ["memory::recall"]
`;

const remember = (text: string, origin: string): Action => {
  const bytes = utf8Encode(text);
  const content = { sha256: nodeCrypto.sha256(bytes), length: bytes.length, head: text };
  return { version: 1, target: "memory::remember", args: { content, origin }, facts: {} };
};

const recall: Action = {
  version: 1,
  target: "memory::recall",
  args: { query: "where is the key" },
  facts: {},
};

const codeOf = async (work: Promise<unknown>): Promise<string> =>
  await work.then(
    () => "",
    (error: OperationError) => error.code,
  );

const open = async (text: string) => {
  const world = await World.open({ policy: new PolicyText(policyText(200, rules)) });
  const driver = new TestDriver(world, await world.utter({ text }), "memory");
  const keys = generateSealingKeys(nodeCrypto);
  driver.sealTo = sealingPublicKey(keys);
  return { world, driver, keys };
};

test("only what the person asked to keep is the person's own", async () => {
  const { world, driver } = await open("/remember The key is under the mat. && /recall key");
  const verdict = async (text: string, origin: string) =>
    (await world.propose(driver, remember(text, origin))).verdict;
  assert.equal(await verdict("The key is under the mat.", "user"), "allow");
  assert.equal(await verdict("The key is under the mat.", "content"), "ask");
  for (const text of ["The key is under the", "key", "/remember The key is under the mat."]) {
    assert.equal(await codeOf(verdict(text, "user")), "E_PROPOSAL_INVALID", text);
  }
  assert.equal(await codeOf(verdict("The key is under the mat.", "boss")), "E_PROPOSAL_INVALID");
});

test("a paste is nobody's own", async () => {
  const long = `Pay ${"very ".repeat(60)}much.`;
  const { world, driver } = await open(`/remember ${long}`);
  assert.equal(await codeOf(world.propose(driver, remember(long, "user"))), "E_PROPOSAL_INVALID");
  const typed = await world.utter({ text: `/remember ${long}`, typed: true });
  const seen = new TestDriver(world, typed, "memory");
  seen.sealTo = driver.sealTo;
  assert.equal((await world.propose(seen, remember(long, "user"))).verdict, "allow");
});

test("the file's key goes to the instance that prepared, for that action alone", async () => {
  const { world, driver, keys } = await open("/recall where is the key");
  const one = world.openTicket((await world.propose(driver, recall)).ticket);
  const found = one.obligations.find(({ type }) => type === "memory");
  assert.ok(found?.type === "memory");
  const key = unwrap(openBox(nodeCrypto, keys, found.key, one.actionId), "the key");
  assert.deepEqual(key, world.keys.memoryKey);
  assert.equal(openBox(nodeCrypto, keys, found.key, new Uint8Array(32)).ok, false);
  const other = generateSealingKeys(nodeCrypto);
  assert.equal(openBox(nodeCrypto, other, found.key, one.actionId).ok, false);
  const asked = await world.propose(driver, remember("a", "content"));
  assert.equal(asked.ticket, undefined);
  const { obligations } = asked.decision;
  assert.equal(obligations.length, 0, "what still asks opens nothing");
  // The same key in the next life, and nowhere else in what was written.
  const next = await world.restart();
  assert.deepEqual(next.keys.memoryKey, key);
});

test("to forget or to give away is asked about each time", async () => {
  const { world, driver } = await open("/forget 1 && /remember x");
  const ask = async (action: Action) => {
    const { approval = "" } = await world.propose(driver, action);
    return world.card(approval);
  };
  const forget = { version: 1, target: "memory::forget", args: { memory: 1 }, facts: {} } as const;
  const bytes = utf8Encode("00");
  const key = { sha256: nodeCrypto.sha256(bytes), length: 2, head: "00" };
  const args = { memory: "1", key, agent: "0".repeat(64) };
  const share = { version: 1, target: "memory::share", args, facts: {} } as const;
  assert.deepEqual(
    [(await ask(forget)).sessionScope, (await ask(share)).sessionScope],
    [false, false],
  );
  assert.match((await ask(share)).card, /^agent +0{64}$/m, "whom it goes to stands on the card");
  assert.equal((await ask(remember("y", "content"))).sessionScope, true, "the control");
});

test("an instance that names no key of its own gets no decision", async () => {
  const { world, driver } = await open("/recall where is the key");
  driver.sealTo = undefined;
  assert.equal(await codeOf(world.propose(driver, recall)), "E_PROPOSAL_INVALID");
  driver.sealTo = new Uint8Array(1216);
  const before = world.core.receipts.size;
  assert.equal(await codeOf(world.propose(driver, recall)), "E_PROPOSAL_INVALID");
  assert.equal(world.core.receipts.size, before, "nothing was permitted");
});

const store = "0123456789abcdef0123456789abcdef";

test("what the file committed to is vouched for, and never after it went back", async () => {
  const { world, driver } = await open("/recall where is the key");
  const committed = async (in_: World, size: number, root: number, more = {}): Promise<void> => {
    const ticket = in_.openTicket((await in_.propose(driver, recall)).ticket);
    const log_root = toHex(new Uint8Array(32).fill(root));
    const evidence = { store, commit: "1", log_size: String(size), log_root, ...more };
    await in_.gate.report(driver.outcome(ticket, { evidence }));
  };
  const code = (of: World): string => {
    try {
      memoryCheckpoint(of.core);
      return "";
    } catch (error) {
      return (error as OperationError).code;
    }
  };
  assert.equal(code(world), "E_MEMORY_UNKNOWN");
  await committed(world, 3, 1, { log_root: "zz" });
  assert.equal(code(world), "E_MEMORY_UNKNOWN");
  await committed(world, 3, 1);
  await committed(world, 5, 2);
  const { note, state } = memoryCheckpoint(world.core);
  const origin = `ioi/scs/${store}`;
  const parsed = unwrap(parseCheckpoint(note), "a note");
  assert.deepEqual(
    [parsed.checkpoint.origin, parsed.checkpoint.size, parsed.checkpoint.root],
    [origin, 5, new Uint8Array(32).fill(2)],
  );
  const trusted = { name: origin, publicKey: world.keys.identity.publicKey };
  assert.ok(verifyCheckpoint(nodeCrypto, trusted, note).ok);
  assert.equal(verifyCheckpoint(nodeCrypto, trusted, note.replace("\n5\n", "\n6\n")).ok, false);
  assert.equal(state.commit, 1);
  // A restart knows the same from the log.
  const next = await world.restart();
  assert.equal(memoryCheckpoint(next.core).state.size, 5);
  driver.register(next);
  await committed(next, 5, 3);
  assert.equal(code(next), "E_MEMORY_ROLLED_BACK");
  await committed(next, 9, 4);
  assert.equal(code(next), "E_MEMORY_ROLLED_BACK");
});
