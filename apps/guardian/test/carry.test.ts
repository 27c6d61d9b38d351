/**
 * The carried channel with real TLS inside: only the Workload's certificate reaches the gate, the
 * carrier reads nothing, and whatever frames it makes up harm nobody else.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { driverKinds } from "@ioi/guardian";
import { makeCertificateAuthority, nodeCrypto } from "@ioi/host/crypto";
import { client } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";
import { type Carrier, type Frame, Kernel, readOf } from "./support.ts";

const tls = (bytes: Uint8Array): Frame => ({ frame: { case: "tls", value: bytes } });

const propose = async (kernel: Kernel, carrier: Carrier, name = "a.txt") => {
  const { driver } = await kernel.session();
  const gate = await carrier.workload(kernel);
  const { notice, request } = driver.proposal(readOf(name));
  carrier.frames.push(notice);
  return await gate.propose(request);
};

test("the Workload proposes through the carrier and gets its ticket", async () => {
  const kernel = await Kernel.open();
  await using carrier = kernel.connect();
  const reply = await propose(kernel, carrier);
  assert.deepEqual([reply.verdict, reply.order, reply.counter], ["allow", 5n, 1n]);
  assert.ok(reply.ticket.length > 0);
  assert.deepEqual(kernel.bugs, []);
});

test("the carrier sees nothing of a proposal; the control: the Guardian sees it whole", async () => {
  const kernel = await Kernel.open();
  await using carrier = kernel.connect();
  const reply = await propose(kernel, carrier, "kanarienvogel.txt");
  const carried = Buffer.concat(carrier.carried);
  assert.ok(carried.length > 2000, `${carried.length} bytes passed`);
  for (const canary of ["kanarienvogel", "fs::read", "/home/p", "scope"]) {
    assert.equal(carried.includes(canary), false, canary);
  }
  assert.equal(carried.includes(reply.ticket), false);
  assert.match(reply.display, /kanarienvogel/);
});

const callsOf = (gate: ReturnType<typeof client<typeof pb.Gate>>, session: string) =>
  Promise.allSettled([
    gate.openSession({ session }),
    gate.propose({ session }),
    gate.closeSession({ session, state: "done" }),
  ]);

for (const [name, foreign] of [
  ["orchestrator", false],
  ["guardian", false],
  ["launcher", false],
  ["workload2", false],
  ["workload", true],
] as const) {
  test(`inside the tunnel, a peer named ${name}${foreign ? " by a stranger" : ""} calls nothing`, async () => {
    const kernel = await Kernel.open();
    const { id } = await kernel.session();
    await using carrier = kernel.connect();
    const authority = foreign ? makeCertificateAuthority("launcher") : kernel.authority;
    const gate = await carrier.workload(kernel, name, authority).catch(() => undefined);
    if (gate !== undefined) {
      for (const call of await callsOf(gate, id)) assert.equal(call.status, "rejected");
    }
    await carrier.ended;
    assert.equal(kernel.core.ledger.sessions.get(id)?.closed, undefined, "nothing was called");
    const events = kernel.log.lines.map(({ event, fields }) => [event, fields["code"]]);
    assert.deepEqual(events.at(-1), ["guardian.tunnel-refused", "E_TLS_PEER_REFUSED"]);
    // The control: the Workload itself, on the next connection.
    await using next = kernel.connect();
    const own = await next.workload(kernel);
    assert.equal((await own.openSession({ session: id })).profiles.length, driverKinds.length);
  });
}

test("the carrier's own channel offers carrying and nothing else", async () => {
  const kernel = await Kernel.open();
  const { id } = await kernel.session();
  await using carrier = kernel.connect();
  const unknown = { code: "E_RPC_UNKNOWN_METHOD" };
  await assert.rejects(client(pb.Gate, carrier.channel).openSession({ session: id }), unknown);
  await assert.rejects(client(pb.Person, carrier.channel).listApprovals({}), unknown);
  await assert.rejects(client(pb.Process, carrier.channel).drain({}), unknown);
});

test("bytes that are no TLS end the tunnel, and the next one works", async () => {
  const kernel = await Kernel.open();
  for (const rubbish of [
    Buffer.from("GET / HTTP/1.1\r\n\r\n"),
    new Uint8Array(100_000),
    nodeCrypto.randomBytes(5000),
    Uint8Array.of(22, 3, 1, 0xff, 0xff),
  ]) {
    await using carrier = kernel.connect();
    carrier.frames.push(tls(rubbish));
    carrier.frames.push(tls(nodeCrypto.randomBytes(100)));
    carrier.frames.finish();
    await carrier.ended;
  }
  assert.deepEqual(kernel.bugs, []);
  await using carrier = kernel.connect();
  assert.equal((await propose(kernel, carrier)).verdict, "allow");
});

test("frames in any order beside the tunnel change nothing in it", async () => {
  const kernel = await Kernel.open();
  await using carrier = kernel.connect();
  const { id, driver } = await kernel.session();
  const odd: readonly Frame[] = [
    {},
    { frame: { case: "anchor", value: { size: 1n << 60n, root: new Uint8Array(3) } } },
    { frame: { case: "notice", value: {} } },
    { frame: { case: "notice", value: { session: "\u0000", commitment: new Uint8Array(9999) } } },
    tls(new Uint8Array(0)),
  ];
  for (const frame of odd) carrier.frames.push(frame);
  const gate = await carrier.workload(kernel);
  for (const frame of odd) carrier.frames.push(frame);
  const { notice, request } = driver.proposal(readOf("a.txt"));
  for (const frame of [...odd, notice, ...odd]) carrier.frames.push(frame);
  assert.equal((await gate.propose(request)).verdict, "allow");
  assert.equal((await gate.openSession({ session: id })).profiles.length, driverKinds.length);
  assert.deepEqual(kernel.bugs, []);
});

test("a carrier that keeps a number back, or gives it to something else, permits nothing", async () => {
  const kernel = await Kernel.open();
  await using carrier = kernel.connect();
  const { driver } = await kernel.session();
  const gate = await carrier.workload(kernel);
  const unordered = { code: "E_PROPOSAL_UNORDERED" };
  await assert.rejects(gate.propose(driver.proposal(readOf("a")).request), unordered);
  const [one, two] = [driver.proposal(readOf("a")), driver.proposal(readOf("b"))];
  assert.ok(one.notice.frame?.case === "notice" && two.notice.frame?.case === "notice");
  const swapped = { ...one.notice.frame.value, commitment: new Uint8Array(32) };
  carrier.frames.push({ frame: { case: "notice", value: swapped } });
  await assert.rejects(gate.propose(one.request), unordered);
  carrier.frames.push(two.notice);
  assert.equal((await gate.propose(two.request)).verdict, "allow");
});

test("TLS bytes replayed, reordered or changed by the carrier end the tunnel", async () => {
  for (const spoil of [
    (all: Uint8Array[]) => all.map((bytes) => bytes.with(bytes.length - 1, 1)),
    (all: Uint8Array[]) => [...all, ...all],
    (all: Uint8Array[]) => all.toReversed(),
  ]) {
    const kernel = await Kernel.open();
    await using carrier = kernel.connect();
    const { id } = await kernel.session();
    const gate = await carrier.workload(kernel);
    await gate.openSession({ session: id });
    const mine = carrier.carried.slice(-3);
    for (const bytes of spoil(mine)) carrier.frames.push(tls(bytes));
    const call = gate.closeSession({ session: id, state: "done" }, { deadlineMs: 3000 });
    await assert.rejects(call);
    assert.equal(kernel.core.ledger.sessions.get(id)?.closed, undefined);
    assert.deepEqual(kernel.bugs, []);
  }
});

test("when the carrier goes, calls end, and the gate stays", async () => {
  const kernel = await Kernel.open();
  const { id } = await kernel.session();
  {
    await using carrier = kernel.connect();
    const gate = await carrier.workload(kernel);
    const watching = (async () => {
      for await (const _ of gate.watchDecisions({}, { deadlineMs: Number.POSITIVE_INFINITY })) {
        assert.fail("no decision was made");
      }
    })();
    await gate.openSession({ session: id });
    carrier.channel.close();
    await assert.rejects(watching, { code: "E_RPC_UNAVAILABLE" });
  }
  await using next = kernel.connect();
  assert.equal((await propose(kernel, next)).verdict, "allow");
});

test("the carrier gets every checkpoint, the newest one at once", async () => {
  const kernel = await Kernel.open();
  await kernel.session();
  await kernel.anchors.take();
  await using carrier = kernel.connect();
  await carrier.workload(kernel);
  assert.deepEqual(
    carrier.anchors.map(({ size }) => size),
    [1n],
  );
  await kernel.session("another");
  const { root } = await kernel.anchors.take();
  const gate = await carrier.workload(kernel).catch(() => undefined);
  assert.equal(gate, undefined, "one Workload in one tunnel");
  await using second = kernel.connect();
  await second.workload(kernel);
  assert.deepEqual(
    second.anchors.map(({ size, root: told }) => [size, Uint8Array.from(told)]),
    [[2n, root]],
  );
});
