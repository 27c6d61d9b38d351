/**
 * What a proposal must be before any rule looks at it: numbered, prepared by a registered driver of
 * its own session, for exactly this action, under a nonce that had no decision.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { concatBytes, toHex, unwrap } from "@ioi/base";
import { domainHash, domains } from "@ioi/crypto";
import { nodeCrypto } from "@ioi/host/crypto";
import {
  action as actionSchema,
  encodeCanonical,
  type Profile,
  profile as profileSchema,
  schema,
  signed,
} from "@ioi/wire";
import type { Proposal } from "../src/index.ts";
import { noticesMax } from "../src/index.ts";
import {
  codeOf,
  execOf,
  inWork,
  policyText,
  readOf,
  TestDriver,
  World,
  workspace,
} from "./support.ts";

const read = readOf(inWork("a.txt"));

/** One session in which everything is in order, and one thing that is not. */
const refusal = async (
  change: (
    world: World,
    driver: TestDriver,
    good: Proposal,
  ) => Promise<Partial<Proposal>> | Partial<Proposal>,
): Promise<{ code: string; message: string; leaves: number; left: number | undefined }> => {
  const world = await World.open();
  const { id, driver } = await world.session();
  const good = { ...driver.prepare(read), session: id, sequence: 0n, salt: new Uint8Array(32) };
  const changes = await change(world, driver, { ...good, headless: false });
  let [code, message] = ["", ""];
  try {
    await world.propose(driver, read, changes);
  } catch (error) {
    ({ code, message } = error as { code: string; message: string });
  }
  const left = world.core.ledger.budgets.state(id, world.clock.wall())?.actionsLeft;
  return { code, message, leaves: world.core.receipts.size, left };
};

const invalid = (message: RegExp) => ({ code: "E_PROPOSAL_INVALID", message });

const cases: readonly [
  name: string,
  change: Parameters<typeof refusal>[0],
  expected: { code: string; message: RegExp },
][] = [
  [
    "an instance that nobody registered",
    (world, driver) => {
      const foreign = new TestDriver(world, driver.session, "files", false);
      return foreign.prepare(read);
    },
    invalid(/not registered/),
  ],
  [
    "an instance that is gone",
    (world, driver) => {
      world.core.instances.delete(toHex(driver.instanceId));
      return {};
    },
    invalid(/not registered/),
  ],
  [
    "a signature by another instance",
    (world, driver) => {
      const other = new TestDriver(world, driver.session);
      const { preparedSignature } = other.prepare(read);
      return { ...driver.prepare(read), preparedSignature };
    },
    invalid(/signature/),
  ],
  [
    "a signature under another domain",
    (_world, driver) => {
      const { prepared } = driver.prepare(read);
      return { prepared, preparedSignature: nodeCrypto.sign(driver.key, prepared) };
    },
    invalid(/signature/),
  ],
  ["no signature", () => ({ preparedSignature: new Uint8Array(0) }), invalid(/signature/)],
  [
    "a statement that does not decode",
    (_world, _driver, good) => ({ prepared: concatBytes(good.prepared, Uint8Array.of(0)) }),
    invalid(/prepared/),
  ],
  [
    "an action that was not the prepared one",
    (_world, driver) => {
      const { prepared, preparedSignature } = driver.prepare(readOf(inWork("b.txt")));
      return { prepared, preparedSignature };
    },
    invalid(/another action/),
  ],
  [
    "a driver of another session",
    async (world) => {
      const { driver } = await world.session("another");
      return driver.prepare(read);
    },
    invalid(/another session/),
  ],
  [
    "a driver that speaks of another session",
    async (world, driver) => {
      const { id } = await world.session("another");
      const action = schema.encode(actionSchema, read);
      return {
        action,
        ...driver.sign(domainHash(nodeCrypto, domains.action, action), undefined, id),
      };
    },
    invalid(/another session/),
  ],
  [
    "a driver of another session that speaks of this one",
    async (world, _driver, good) => {
      const { driver: foreign } = await world.session("another");
      const id = domainHash(nodeCrypto, domains.action, good.action);
      return foreign.sign(id, undefined, good.session);
    },
    invalid(/another session/),
  ],
  [
    "an action that is not canonical",
    (_world, driver) => {
      const action = concatBytes(schema.encode(actionSchema, read), Uint8Array.of(0));
      return { action, ...driver.sign(domainHash(nodeCrypto, domains.action, action)) };
    },
    invalid(/action/),
  ],
  [
    "an action of an unknown shape",
    (_world, driver) => {
      const action = encodeCanonical({ ...read, version: 2 });
      return { action, ...driver.sign(domainHash(nodeCrypto, domains.action, action)) };
    },
    invalid(/action/),
  ],
  [
    "a files driver that would run a program",
    (_world, driver) => driver.prepare(execOf(["/usr/bin/sort", "a"])),
    invalid(/no files driver/),
  ],
  [
    "an exec driver that would read a file",
    (world, driver) => new TestDriver(world, driver.session, "exec").prepare(read),
    invalid(/no exec driver/),
  ],
  [
    "a target that no driver has",
    (_world, driver) =>
      driver.prepare({ version: 1, target: "net::get", args: { url: "https://a" }, facts: {} }),
    invalid(/no files driver/),
  ],
  [
    "a target that nobody knows",
    (_world, driver) => driver.prepare({ version: 1, target: "fs::format", args: {}, facts: {} }),
    invalid(/no files driver/),
  ],
  [
    "an action larger than its receipt can hold",
    (world, driver) => {
      const argv = ["/usr/bin/printf", ...Array.from({ length: 4 }, () => "x".repeat(100_000))];
      return new TestDriver(world, driver.session, "exec").prepare(execOf(argv));
    },
    invalid(/bytes/),
  ],
];

for (const [name, change, expected] of cases) {
  test(`refused: ${name}`, async () => {
    const { code, message, leaves, left } = await refusal(change);
    assert.equal(code, expected.code, message);
    assert.match(message, expected.message);
    assert.ok(leaves <= 2, "no leaf but those of the sessions");
    assert.equal(left, 200, "the budget is whole");
  });
}

test("the control: the same proposal with nothing wrong gets a ticket", async () => {
  const { code, leaves, left } = await refusal(() => ({}));
  assert.deepEqual({ code, leaves, left }, { code: "", leaves: 2, left: 199 });
});

test("a proposal without a number, or that differs from what was numbered, is refused", async () => {
  const world = await World.open();
  const { driver } = await world.session();
  const unnumbered = { ...world.proposal(driver, read), sequence: 77n };
  assert.equal(await codeOf(world.gate.propose(unnumbered)), "E_PROPOSAL_UNORDERED");
  const otherAction = { ...world.proposal(driver, read), ...driver.prepare(readOf(inWork("b"))) };
  assert.equal(await codeOf(world.gate.propose(otherAction)), "E_PROPOSAL_UNORDERED");
  const otherSalt = { ...world.proposal(driver, read), salt: nodeCrypto.randomBytes(32) };
  assert.equal(await codeOf(world.gate.propose(otherSalt)), "E_PROPOSAL_UNORDERED");
  // Salt and action end to end are the committed bytes, cut elsewhere.
  const good = world.proposal(driver, read);
  const cut = {
    ...good,
    salt: concatBytes(good.salt, good.action.subarray(0, 1)),
    action: good.action.subarray(1),
  };
  assert.equal(await codeOf(world.gate.propose(cut)), "E_PROPOSAL_UNORDERED");
  assert.equal(world.core.receipts.size, 1);
  // The control.
  assert.equal((await world.gate.propose(world.proposal(driver, read))).verdict, "allow");
});

test("a number serves one proposal, whatever came of it", async () => {
  const world = await World.open();
  const { driver } = await world.session();
  const proposal = world.proposal(driver, read);
  const spoilt = { ...proposal, salt: new Uint8Array(32) };
  assert.equal(await codeOf(world.gate.propose(spoilt)), "E_PROPOSAL_UNORDERED");
  assert.equal(await codeOf(world.gate.propose(proposal)), "E_PROPOSAL_UNORDERED");
});

test("the reply and the leaf name the Orchestrator's number", async () => {
  const world = await World.open();
  const { driver } = await world.session();
  for (const order of [100n, 101n]) {
    assert.equal((await world.propose(driver, read)).order, order);
  }
  const orders = (await world.leaves()).flatMap((leaf) =>
    leaf.type === "intent" ? [leaf.order] : [],
  );
  assert.deepEqual(orders, [100n, 101n]);
});

test("numbers rise: one that was given, one that comes late and one beyond the clock count for nothing", async () => {
  const world = await World.open();
  const { driver } = await world.session();
  /** The proposal with the number that an Orchestrator gives it. */
  const numbered = async (order: bigint): Promise<string> => {
    const { session, sequence, salt, action, ...rest } = {
      ...world.proposal(driver, read),
      sequence: order + 1_000n,
    };
    const opened = concatBytes(salt, action);
    const commitment = domainHash(nodeCrypto, domains.proposal, opened);
    world.gate.notice({ session, sequence, commitment, order });
    return await codeOf(world.gate.propose({ session, sequence, salt, action, ...rest }));
  };
  const unordered = "E_PROPOSAL_UNORDERED";
  assert.equal(await numbered(500n), "");
  assert.equal(await numbered(500n), unordered, "given before");
  assert.equal(await numbered(499n), unordered, "late");
  assert.equal(await numbered(0n), unordered);
  assert.equal(await numbered(2n ** 63n), unordered, "beyond the clock");
  // The control: the next one, with a gap, is taken.
  assert.equal(await numbered(503n), "");
  assert.equal(
    world.log.lines.filter(({ event }) => event === "gate.number-refused").length >= 4,
    true,
  );
});

test("numbers rise over the lives of the Guardian", async () => {
  const first = await World.open();
  const { id, driver } = await first.session();
  const proposal = first.proposal(driver, read);
  await first.gate.propose(proposal);
  const world = await first.restart();
  const next = new TestDriver(world, id);
  const numbered = async (order: bigint): Promise<string> => {
    const [session, salt, sequence] = [id, nodeCrypto.randomBytes(32), order];
    const given = { ...next.prepare(read), session, salt, sequence, headless: false };
    const commitment = domainHash(nodeCrypto, domains.proposal, concatBytes(salt, given.action));
    world.gate.notice({ session, sequence, commitment, order });
    return await codeOf(world.gate.propose(given));
  };
  // What the first life's log holds is not given again; the control: what is above it is.
  assert.equal(await numbered(100n), "E_PROPOSAL_UNORDERED");
  assert.equal(await numbered(101n), "");
});

test("waiting numbers are bounded: the oldest is forgotten", async () => {
  const world = await World.open();
  const { driver } = await world.session();
  const [oldest, next] = [world.proposal(driver, read), world.proposal(driver, read)];
  for (let n = 0; n < noticesMax - 1; n++) {
    const commitment = new Uint8Array(32);
    world.gate.notice({
      session: "s-flood",
      sequence: BigInt(n),
      commitment,
      order: BigInt(1000 + n),
    });
  }
  assert.equal(await codeOf(world.gate.propose(oldest)), "E_PROPOSAL_UNORDERED");
  assert.equal((await world.gate.propose(next)).verdict, "allow");
});

test("a nonce gets one decision, whatever its verdict, in any order of arrival", async () => {
  for (const path of ["a.txt", "secret/a.txt", "careful/a.txt"]) {
    const world = await World.open();
    const { driver } = await world.session();
    const nonce = nodeCrypto.randomBytes(16);
    const first = world.proposal(driver, readOf(inWork(path)), {
      ...driver.prepare(readOf(inWork(path)), nonce),
    });
    await world.gate.propose(first);
    const again = driver.prepare(readOf(inWork(path)), nonce);
    assert.equal(await codeOf(world.propose(driver, read, again)), "E_NONCE_BURNED");
    const other = driver.prepare(read, nonce);
    assert.equal(await codeOf(world.propose(driver, read, other)), "E_NONCE_BURNED");
  }
  const world = await World.open();
  const { driver } = await world.session();
  const same = driver.prepare(read);
  const codes = await Promise.all(
    Array.from({ length: 20 }, () => codeOf(world.propose(driver, read, same))),
  );
  assert.equal(codes.filter((code) => code === "").length, 1);
  assert.equal(codes.filter((code) => code === "E_NONCE_BURNED").length, 19);
});

test("a nonce that another instance used is free for this one", async () => {
  const world = await World.open();
  const { id, driver } = await world.session();
  const second = new TestDriver(world, id);
  const nonce = nodeCrypto.randomBytes(16);
  await world.propose(driver, read, driver.prepare(read, nonce));
  assert.equal((await world.propose(second, read, second.prepare(read, nonce))).verdict, "allow");
});

test("an unknown session, and one that is closed, get nothing", async () => {
  const world = await World.open();
  const { id, driver } = await world.session();
  const unknown = world.proposal(driver, read, { session: "s-000000000000" });
  assert.equal(await codeOf(world.gate.propose(unknown)), "E_SESSION_UNKNOWN");
  assert.equal(
    await codeOf(world.gate.closeSession("s-000000000000", "done")),
    "E_SESSION_UNKNOWN",
  );
  assert.throws(() => world.gate.openSession("s-000000000000"), { code: "E_SESSION_UNKNOWN" });
  await world.gate.closeSession(id, "done");
  assert.equal(await codeOf(world.propose(driver, read)), "E_SESSION_CLOSED");
  assert.throws(() => world.gate.openSession(id), { code: "E_SESSION_CLOSED" });
  const size = world.core.receipts.size;
  await world.gate.closeSession(id, "done again");
  assert.equal(world.core.receipts.size, size, "closing twice is one leaf");
});

test("no ticket leaves once the session's end is in the log", async () => {
  const closings = [
    (world: World, id: string) => world.person.revoke(id, "stop"),
    (world: World, id: string) => world.gate.closeSession(id, "done"),
  ];
  for (const close of closings) {
    const world = await World.open();
    const { id, driver } = await world.session();
    // The end is on its way to the disk when the proposal arrives.
    const closing = close(world, id);
    const code = await codeOf(world.propose(driver, read));
    await closing;
    assert.equal(code, "E_SESSION_CLOSED");
    const leaves = (await world.leaves()).map(({ type }) => type);
    const restarted = await world.restart();
    assert.deepEqual(
      restarted.core.ledger.sessions.get(id)?.closed === undefined,
      false,
      leaves.join(),
    );
  }
  // The control: a proposal that is on its way when the end arrives was permitted before it.
  const world = await World.open();
  const { id, driver } = await world.session();
  const proposed = world.propose(driver, read);
  await world.person.revoke(id, "stop");
  assert.equal((await proposed).verdict, "allow");
  assert.deepEqual(
    (await world.leaves()).map(({ type }) => type),
    ["session-open", "intent", "revoke"],
  );
});

test("a state of any letters closes a session", async () => {
  const world = await World.open();
  const { id } = await world.session();
  await world.gate.closeSession(id, `${"x".repeat(63)}\u{1f600}`);
  assert.match(world.core.ledger.sessions.get(id)?.closed ?? "", /^closed: x{63}/);
});

test("profiles are signed by this boot, one for each kind, under the policy in force", async () => {
  const world = await World.open();
  const { id } = await world.session();
  const { profiles, policy, roots } = world.gate.openSession(id);
  assert.equal(profiles.length, 6);
  assert.deepEqual(roots, [{ name: "scope", path: workspace, write: true }]);
  const before = policy.hash;
  world.policy.set(policyText(7));
  assert.notDeepEqual(world.gate.openSession(id).policy.hash, before);
});

const profileOf = (encoded: Uint8Array): Profile => {
  const outer = unwrap(schema.decode(signed, encoded), "a signed profile");
  return unwrap(schema.decode(profileSchema, outer.payload), "a profile");
};

test("an agent's program gets its own folder for reading, and no more", async () => {
  const world = await World.open();
  const utter = async (agentFolder: string) =>
    await world.person.utter({
      session: "",
      text: "sort",
      workspace,
      agent: "sort-files",
      undoes: "",
      agentFolder,
    });
  const { session } = await utter("/home/me/agents/sort");
  const profiles = world.gate.openSession(session).profiles.map(profileOf);
  assert.deepEqual(
    profiles.map(({ kind }) => kind),
    ["files", "exec", "net", "model", "shell", "memory", "agent"],
  );
  const agent = profiles.at(-1);
  assert.deepEqual(agent?.roots, [{ name: "agent", path: "/home/me/agents/sort", access: "read" }]);
  assert.equal(agent?.network, "none");
  for (const folder of ["agents", "/home/../etc", "/a//b", "/a/.", "/proc/self", "/a\nb"]) {
    assert.equal(await codeOf(utter(folder)), "E_WORKSPACE_REFUSED", folder);
  }
});
