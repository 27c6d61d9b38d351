/** The Guardian's two services over RPC: what the Workload and the person's programs may ask. */
import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { mock, test } from "node:test";
import { unwrap } from "@ioi/base";
import { domainBytes, domains, signPayload } from "@ioi/crypto";
import { driverKinds } from "@ioi/guardian";
import { nodeCrypto } from "@ioi/host/crypto";
import { metricsText } from "@ioi/host/process";
import { client, connect, serve } from "@ioi/host/rpc";
import {
  type AskSource,
  decisionStatement,
  outcome as outcomeSchema,
  pb,
  schema,
  signed,
  ticket as ticketSchema,
} from "@ioi/wire";
import { Anchors } from "../src/anchors.ts";
import { gateService } from "../src/gate-service.ts";
import { expiryCheckMs } from "../src/limits.ts";
import { observe } from "../src/observe.ts";
import { personService } from "../src/person-service.ts";
import { device, Driver, Kernel, readOf, writeOf, workspace } from "./support.ts";

class Ends implements AsyncDisposable {
  readonly kernel: Kernel;
  readonly #channel: ReturnType<typeof connect>;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
    const [near, far] = duplexPair();
    const services = [
      gateService(kernel.core, kernel.gate),
      personService(kernel.core, kernel.person, kernel.anchors),
    ];
    serve(far, services, { peer: "test", onBug: (error) => kernel.bugs.push(error) });
    this.#channel = connect(near);
  }

  get gate(): ReturnType<typeof client<typeof pb.Gate>> {
    return client(pb.Gate, this.#channel);
  }

  get person(): ReturnType<typeof client<typeof pb.Person>> {
    return client(pb.Person, this.#channel);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    assert.deepEqual(this.kernel.bugs, []);
    this.#channel.close();
    await this.#channel.closed;
  }
}

const propose = async (ends: Ends, driver: Driver, action = readOf("a.txt")) => {
  const { notice, request } = driver.proposal(action);
  assert.ok(notice.frame?.case === "notice");
  const { session = "", sequence = 0n, commitment = new Uint8Array(0) } = notice.frame.value;
  const { order = 0n } = notice.frame.value;
  ends.kernel.gate.notice({ session, sequence, commitment, order });
  return await ends.gate.propose(request);
};

const answer = (
  approval: pb.Approval,
  decision: "approve" | "deny" = "approve",
): { statement: Uint8Array; signature: Uint8Array; device: Uint8Array } => {
  const { id, session, actionId, cardHash, asks, policyHash } = approval;
  const statement = schema.encode(decisionStatement, {
    version: 1,
    approval: id,
    session,
    actionId,
    cardHash,
    decision,
    scope: "once",
    discharges: asks.map(({ kind, id: source }): AskSource => ({ kind, id: source })),
    policyHash,
  });
  const signature = nodeCrypto.sign(device, domainBytes(domains.decision, statement));
  return { statement, signature, device: device.publicKey };
};

test("a whole action over both services: utter, propose, ask, answer, ticket, outcome", async () => {
  await using ends = new Ends(await Kernel.open());
  const { kernel, person, gate } = ends;
  const said = { text: "make a folder", workspace, agent: "planner" };
  const { session } = await person.utter(said);
  const opened = await gate.openSession({ session });
  assert.equal(opened.profiles.length, driverKinds.length);
  assert.deepEqual(
    opened.roots.map(({ name, path, write }) => ({ name, path, write })),
    [{ name: "scope", path: workspace, write: true }],
  );
  assert.deepEqual([opened.actionsMax, opened.wallMinutesMax], [200, 20]);
  assert.deepEqual(Uint8Array.from(opened.bootCertificate), kernel.core.keys.bootCertificate);
  const driver = new Driver(kernel, session);
  const asked = await propose(ends, driver, writeOf("new"));
  assert.deepEqual([asked.verdict, asked.ticket.length, asked.ttlMs], ["ask", 0, 0]);
  assert.match(asked.display, /fs::mkdir scope:\/new/);
  const { approvals } = await person.listApprovals({});
  assert.deepEqual(
    approvals.map(({ id, target }) => [id, target]),
    [[asked.approval, "fs::mkdir"]],
  );
  assert.ok(approvals[0] !== undefined);
  const { receiptIndex } = await person.decide(answer(approvals[0]));
  assert.equal(receiptIndex, 2n);
  const allowed = await propose(ends, driver, writeOf("new"));
  assert.deepEqual([allowed.verdict, allowed.ttlMs], ["allow", 30_000]);
  assert.ok(allowed.order > asked.order);
  const { payload } = unwrap(schema.decode(signed, allowed.ticket), "signed");
  const ticket = unwrap(schema.decode(ticketSchema, payload), "ticket");
  const outcome = schema.encode(outcomeSchema, {
    version: 1,
    counter: ticket.counter,
    actionId: ticket.actionId,
    instanceId: driver.instanceId,
    status: "confirmed",
    resultHash: new Uint8Array(32),
    bytes: 0,
    reversible: true,
    evidence: {},
  });
  const { signature } = signPayload(nodeCrypto, driver.key, domains.outcome, outcome);
  const reported = await gate.report({
    session,
    counter: ticket.counter,
    outcome,
    outcomeSignature: signature,
  });
  assert.equal(reported.receiptIndex, 4n);
  await gate.closeSession({ session, state: "done" });
  const { receipts, size } = await person.listReceipts({});
  assert.equal(size, 6n);
  const types = receipts.map(({ display }) => display !== "");
  assert.deepEqual(types, [false, true, false, true, false, false]);
  const { note, size: signedSize } = await person.checkpoint({});
  assert.equal(signedSize, 6n);
  assert.match(note, /^ioi\.test\/receipts\n6\n/);
});

test("rejections keep their codes across the channel", async () => {
  await using ends = new Ends(await Kernel.open());
  const { person, gate } = ends;
  const cases: readonly [string, Promise<unknown>][] = [
    ["E_SESSION_UNKNOWN", gate.openSession({ session: "s-none" })],
    ["E_SESSION_UNKNOWN", gate.propose({ session: "s-none" })],
    ["E_OUTCOME_INVALID", gate.report({ session: "s-none", counter: 1n })],
    ["E_SESSION_UNKNOWN", gate.closeSession({ session: "s-none", state: "done" })],
    ["E_PROPOSAL_INVALID", gate.closeSession({ session: "s-none", state: "x".repeat(65) })],
    ["E_WORKSPACE_REFUSED", person.utter({ text: "x", workspace: "/etc", agent: "planner" })],
    ["E_APPROVAL_INVALID", person.decide({})],
    ["E_SESSION_UNKNOWN", person.revoke({ session: "s-none", reason: "x" })],
    ["E_RPC_MALFORMED", person.listReceipts({ from: 1n << 53n })],
    ["E_RPC_MALFORMED", person.listReceipts({ from: (1n << 64n) - 1n })],
  ];
  for (const [code, call] of cases) await assert.rejects(call, { code });
});

test("the Workload sees every answer: the known ones first, then each as it comes", async () => {
  await using ends = new Ends(await Kernel.open());
  const { kernel } = ends;
  const { id, driver } = await kernel.session();
  const askAndAnswer = async (name: string, decision: "approve" | "deny"): Promise<string> => {
    const { approval } = await propose(ends, driver, writeOf(name));
    const { approvals } = await ends.person.listApprovals({});
    const found = approvals.find((each) => each.id === approval);
    assert.ok(found !== undefined);
    await ends.person.decide({ ...answer(found, decision), reason: `because ${name}` });
    return approval;
  };
  const known = await askAndAnswer("one", "deny");
  const abort = new AbortController();
  const options = { signal: abort.signal, deadlineMs: Number.POSITIVE_INFINITY };
  const seen: [string, boolean, string][] = [];
  const stream = ends.gate.watchDecisions({}, options)[Symbol.asyncIterator]();
  const take = async (): Promise<void> => {
    const { value } = (await stream.next()) as { value: pb.ApprovalDecision };
    assert.equal(value.session, id);
    seen.push([value.approval, value.approved, value.reason]);
  };
  await take();
  const coming = take();
  const next = await askAndAnswer("two", "approve");
  await coming;
  assert.deepEqual(seen, [
    [known, false, "because one"],
    [next, true, "because two"],
  ]);
  for (const path of await kernel.files.list("")) {
    const bytes = Buffer.from(await kernel.files.readFile(path, 1e6));
    assert.equal(bytes.includes("because"), false, `a reason is in no receipt: ${path}`);
  }
  abort.abort(new Error("enough"));
  await assert.rejects(stream.next(), { message: "enough" });
});

test("what nobody answered in time is told once in each stream, whenever it expires", async () => {
  mock.timers.enable({ apis: ["setInterval"] });
  try {
    await using ends = new Ends(await Kernel.open());
    const { kernel } = ends;
    const { driver } = await kernel.session();
    const ask = async (name: string): Promise<string> =>
      (await propose(ends, driver, writeOf(name))).approval;
    const first = await ask("one");
    await kernel.clock.advance(10 * 60_000);
    const second = await ask("two");
    const abort = new AbortController();
    const options = { signal: abort.signal, deadlineMs: Number.POSITIVE_INFINITY };
    const stream = ends.gate.watchDecisions({}, options)[Symbol.asyncIterator]();
    const next = async (): Promise<unknown> => {
      const { value } = (await stream.next()) as { value: pb.ApprovalDecision };
      return [value.approval, value.approved, value.expired];
    };
    assert.deepEqual(await next(), [first, false, true]);
    const coming = next();
    mock.timers.tick(expiryCheckMs);
    await kernel.clock.advance(10 * 60_000);
    mock.timers.tick(expiryCheckMs);
    assert.deepEqual(await coming, [second, false, true]);
    abort.abort(new Error("enough"));
    await assert.rejects(stream.next(), { message: "enough" });
  } finally {
    mock.timers.reset();
  }
});

test("what a person says with an answer is bounded, of any letters", async () => {
  await using ends = new Ends(await Kernel.open());
  const { driver } = await ends.kernel.session();
  await propose(ends, driver, writeOf("x"));
  const [approval] = (await ends.person.listApprovals({})).approvals;
  assert.ok(approval !== undefined);
  const reason = `${"x".repeat(255)}\u{1f600}${"y".repeat(100_000)}`;
  await ends.person.decide({ ...answer(approval, "deny"), reason });
  for await (const told of ends.gate.watchDecisions({})) {
    assert.equal(told.reason, `${"x".repeat(255)}\ufffd`);
    break;
  }
});

test("a decision is a line of the log: ids, the target, the verdict, nothing else", async () => {
  await using ends = new Ends(await Kernel.open());
  const { kernel } = ends;
  const { id, driver } = await kernel.session("kanarienvogel");
  await propose(ends, driver, readOf("kanarienvogel.txt"));
  await new Promise((resolve) => setImmediate(resolve));
  const [line] = kernel.log.lines.filter(({ event }) => event === "gate.decided");
  const { action, order, ...fields } = line?.fields ?? {};
  assert.match(String(action), /^[0-9a-f]{64}$/);
  assert.match(String(order), /^\d+$/);
  assert.deepEqual(fields, {
    session: id,
    ticket: "1",
    target: "fs::read",
    verdict: "allow",
    receipt: 1,
  });
  assert.doesNotMatch(JSON.stringify(kernel.log.lines), /kanarie|home/);
});

test("status says what is open, what waits, and how the log is kept", async () => {
  await using ends = new Ends(await Kernel.open());
  const { kernel, person } = ends;
  const { driver } = await kernel.session();
  const second = await kernel.session("another");
  await kernel.person.revoke(second.id, "done");
  await propose(ends, driver, writeOf("x"));
  const status = await person.guardianStatus({});
  assert.deepEqual(
    [status.logSize, status.pendingApprovals, status.openSessions, status.durable],
    [4n, 1, 1, true],
  );
  assert.deepEqual([status.policyError, status.policyHash.length], ["", 32]);
  assert.match(status.anchor, /no rollback protection/);
  assert.deepEqual(Uint8Array.from(status.identity), kernel.core.keys.identity.publicKey);
});

test("metrics count decisions and outcomes, and name no session", async () => {
  await using ends = new Ends(await Kernel.open());
  const { kernel } = ends;
  observe(kernel.core);
  const { id, driver } = await kernel.session();
  const { counter } = await propose(ends, driver);
  await propose(ends, driver, readOf("a.txt"));
  await propose(ends, driver, writeOf("x"));
  await ends.gate.report({ session: id, counter, status: "unknown", reportedBy: "workload" });
  const text = await metricsText();
  assert.match(text, /^ioi_gate_decisions_total\{.*verdict="allow".*\} 2$/m);
  assert.match(text, /^ioi_gate_decisions_total\{.*verdict="ask".*\} 1$/m);
  assert.match(text, /^ioi_gate_outcomes_total\{.*status="unknown".*\} 1$/m);
  assert.match(text, /^ioi_receipts_size(\{.*\})? 5$/m);
  assert.match(text, /^ioi_approvals_waiting(\{.*\})? 1$/m);
  assert.doesNotMatch(text, new RegExp(`${id}|home|mkdir`));
});

const newest = (anchors: Anchors): number | undefined => anchors.newest?.size;

test("a checkpoint is signed at a quiet moment and after many leaves, not in between", async () => {
  mock.timers.enable({ apis: ["setInterval"] });
  try {
    const kernel = await Kernel.open();
    const anchors = new Anchors(kernel.core, kernel.log);
    const sizes: number[] = [];
    const told = (): Promise<void> =>
      new Promise((resolve) => {
        const stop = anchors.onCheckpoint(({ size }) => {
          sizes.push(size);
          setImmediate(() => stop());
          resolve();
        });
      });
    mock.timers.tick(5000);
    assert.equal(newest(anchors), undefined, "nothing to sign");
    const first = told();
    await kernel.session();
    mock.timers.tick(2000);
    assert.equal(newest(anchors), undefined, "not quiet yet");
    mock.timers.tick(1000);
    await first;
    assert.deepEqual(sizes, [1]);
    mock.timers.tick(10_000);
    assert.equal(newest(anchors), 1, "signed once");
    const { id } = await kernel.session();
    await Promise.all(
      Array.from({ length: 300 }, () =>
        kernel.person.utter({ session: id, text: "x", workspace: "", agent: "a", undoes: "" }),
      ),
    );
    mock.timers.tick(1000);
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok((newest(anchors) ?? 0) > 300, "after many leaves at once");
  } finally {
    mock.timers.reset();
  }
});

test("checkpoints asked for at once are taken one after the other, each over all before it", async () => {
  const kernel = await Kernel.open();
  await kernel.session();
  const taken = await Promise.all([
    kernel.anchors.take(),
    kernel.session("another").then(() => kernel.anchors.take()),
    kernel.anchors.take(),
  ]);
  const sizes = taken.map(({ size }) => size);
  assert.ok(sizes[1] === 2 && sizes.every((size) => size >= 1), sizes.join());
  assert.equal(kernel.anchors.newest?.size, 2);
});

test("a checkpoint that fails is said in the log, and the next is tried", async () => {
  mock.timers.enable({ apis: ["setInterval"] });
  try {
    const kernel = await Kernel.open();
    const anchors = new Anchors(kernel.core, kernel.log);
    await kernel.session();
    kernel.files.setBytesMax(0);
    mock.timers.tick(3000);
    await new Promise((resolve) => setImmediate(resolve));
    const failed = kernel.log.lines.filter(({ event }) => event === "guardian.checkpoint-failed");
    assert.equal(failed[0]?.fields["code"], "E_WAL_FULL");
    assert.equal(newest(anchors), undefined);
    kernel.files.setBytesMax(Number.POSITIVE_INFINITY);
    mock.timers.tick(10_000);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(newest(anchors), 1, "without anything new");
  } finally {
    mock.timers.reset();
  }
});
