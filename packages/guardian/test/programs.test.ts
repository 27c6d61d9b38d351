/** Programs with a network at the Guardian: whose driver may ask, what a lease adds, what is kept. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { flowLogHash, flowLogStart } from "@ioi/firewall";
import { nodeCrypto } from "@ioi/host/crypto";
import { type Action, encodeCanonical } from "@ioi/wire";
import { codeOf, execOf, hex, PolicyText, TestDriver, World } from "./support.ts";

const rules = `version = 1
[[rule]]
id = "programs"
effect = "allow"
target = ["sys::exec"]
where.argv = { profile = "closed" }
where.cwd = { glob = "scope:/**" }
network = [{ host = "a.example" }, { host = "127.0.0.1", port = 8080 }]
[[rule]]
id = "tunnels"
effect = "allow"
target = ["net::connect"]
where.host = { one_of = ["b.example", "127.0.0.1"] }
`;

const program: Action = (() => {
  const action = execOf(["/usr/bin/curl", "x"]);
  return { ...action, args: { ...action.args, network: "egress" } };
})();
const connect = (host: string): Action => ({
  version: 1,
  target: "net::connect",
  args: { host, port: 443 },
  facts: {},
});

const opened = async () => {
  const world = await World.open({ seed: "programs", policy: new PolicyText(rules) });
  const session = await world.utter({ text: "reach b.example and 127.0.0.1" });
  return { world, session, driver: new TestDriver(world, session, "exec") };
};

test("a program's ticket says where it may go, and its lease adds nothing", async () => {
  const { world, driver } = await opened();
  const proposal = world.proposal(driver, program);
  const { verdict, ticket } = await world.gate.propose(proposal);
  assert.equal(verdict, "allow");
  const flow = world.openTicket(ticket).obligations.find(({ type }) => type === "flow");
  assert.deepEqual(flow?.type === "flow" ? flow.hosts?.map(({ host, port }) => [host, port]) : [], [
    ["a.example", 443],
    ["127.0.0.1", 8080],
  ]);
  const { headers, addressClasses } = world.gate.lease({
    ticket: ticket ?? new Uint8Array(0),
    action: proposal.action,
  });
  assert.deepEqual([headers, addressClasses], [[], []]);
});

test("what it asks for is brought by its own driver, and leads where its name says", async () => {
  const { world, session, driver } = await opened();
  for (const [host, classes] of [
    ["b.example", ["public"]],
    ["127.0.0.1", ["loopback"]],
  ] as const) {
    const proposal = world.proposal(driver, connect(host));
    const { verdict, ticket } = await world.gate.propose(proposal);
    assert.equal(verdict, "allow");
    const lease = { ticket: ticket ?? new Uint8Array(0), action: proposal.action };
    assert.deepEqual(world.gate.lease(lease).addressClasses, classes);
    assert.equal(await codeOf((async () => world.gate.lease(lease))()), "E_LEASE_REFUSED");
  }
  // A driver that starts no programs brings no tunnel.
  const files = new TestDriver(world, session, "files");
  assert.equal(await codeOf(world.propose(files, connect("b.example"))), "E_PROPOSAL_INVALID");
});

test("its requests are kept sealed where they are those that the driver signed", async () => {
  const { world, driver } = await opened();
  const entry = {
    method: "CONNECT",
    url: "a.example:443",
    status: 200,
    bytesUp: 3,
    bytesDown: 4,
    mode: "tunnel",
    want: 0,
  };
  const log = flowLogHash(nodeCrypto, flowLogStart, { ...entry, bytes: entry.bytesDown });
  const evidence = { net_requests: "1", request_log: Buffer.from(log).toString("hex") };
  const reported = async (requests: Uint8Array) => {
    const proposal = world.proposal(driver, program);
    const reply = await world.gate.propose(proposal);
    const ticket = world.openTicket(reply.ticket);
    return await world.gate.report({ ...driver.outcome(ticket, { evidence }), requests });
  };
  const { index } = await reported(encodeCanonical([entry]));
  const [receipt] = await world.person.receipts(index, 1, "");
  assert.match(receipt?.requests ?? "", /^CONNECT a\.example:443 200, tunnel, 3 up, 4 down/);
  // Control: one byte less came back.
  const other = encodeCanonical([{ ...entry, bytesDown: 3 }]);
  assert.equal(await codeOf(reported(other)), "E_OUTCOME_INVALID");
  assert.equal(await codeOf(reported(hex("00"))), "E_OUTCOME_INVALID");
  // Not all of them: the hash alone is kept.
  const { index: without } = await reported(encodeCanonical([]));
  const [bare] = await world.person.receipts(without, 1, "");
  assert.equal(bare?.requests, "");
});
