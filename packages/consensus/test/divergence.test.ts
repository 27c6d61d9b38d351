/** What convicts a Guardian, and what must not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  anchorCert,
  divergenceChecksMax,
  divergenceId,
  divergenceOf,
  divergenceWindowMs,
  envelopesPerGuardianMax,
  Evidence,
  leaseProofOf,
  proofOf,
  quorumCertOf,
  sanctionOf,
  sessionId,
  type TrustedSets,
  verifyDivergence,
} from "@ioi/consensus";
import type { DivergenceProof, Envelope } from "@ioi/wire";
import {
  blockOn,
  chain,
  Committee,
  digestOf,
  firstEpoch,
  genesis,
  judgeOf,
  member,
  messageOf,
  nothing,
  setOf,
  Signer,
  twin,
} from "@ioi/consensus/testing";

const members = ["a", "b", "c"].map((name) => member(name, 1n));
const judge = judgeOf(members);
const sets: TrustedSets = {
  chain,
  setOf: (epoch) => (epoch.number === 0n ? judge.set.hash : undefined),
};
const registration = judge.set.registration(0, firstEpoch);
const verdict = (proof: DivergenceProof, trusted = sets) =>
  messageOf(verifyDivergence(twin, trusted, proof));

/** Two copies of one Guardian, which is what a broken or cloned one is. */
const twins = () => {
  const one = new Signer(judge, members[0] as (typeof members)[0]);
  const other = new Signer(judge, members[0] as (typeof members)[0]);
  return { one, other };
};
const block = (view: bigint, tag: number, justView = 0n) =>
  blockOn(judge, genesis, { ...anchorCert(judge.context, genesis), view: justView }, view, {
    payloadRoot: digestOf(tag),
  });

const pairs = (): Readonly<Record<string, readonly [Envelope, Envelope]>> => {
  const fork = twins();
  const same = twins();
  same.other.state = { ...same.other.state, counter: 5n };
  const trace = twins();
  trace.other.state = { ...trace.other.state, counter: 1n };
  const lock = twins();
  lock.other.state = { ...lock.other.state, counter: 5n };
  const back = twins();
  back.other.state = { ...back.other.state, counter: 5n, high: { view: 4n, digest: digestOf(4) } };
  const after = twins();
  after.other.state = { ...after.other.state, counter: 5n };
  const low = new Signer(judge, members[0] as (typeof members)[0], twin, ["G1-lock"]);
  const raised = { view: 7n, digest: digestOf(7) };
  return {
    K1: [same.one.vote(block(3n, 1)), same.other.vote(block(3n, 2))],
    K2: [fork.one.vote(block(3n, 1)), fork.other.vote(block(4n, 1))],
    K3: [trace.one.vote(block(3n, 1)), trace.other.vote(block(4n, 1))],
    K4: [lock.one.timeout(8n, raised), lock.other.timeout(9n, nothing)],
    K5: [back.one.vote(block(6n, 1)), back.other.timeout(5n, nothing)],
    K6: [after.one.must({ type: "freeze", proof: digestOf(1) }), after.other.timeout(5n, nothing)],
    K8: [low.timeout(8n, raised), low.vote(block(9n, 1))],
  };
};

test("each predicate convicts on its own, in either order, and its proof has one form", () => {
  for (const [kind, [a, b]] of Object.entries(pairs())) {
    assert.equal(divergenceOf(twin, a, b), kind);
    assert.equal(divergenceOf(twin, b, a), kind);
    const proof = proofOf(kind as "K1", registration, a, b);
    assert.equal(verdict(proof), "fine", kind);
    const again = proofOf(kind as "K1", registration, b, a);
    assert.deepEqual(divergenceId(twin, again), divergenceId(twin, proof));
    const { first, second } = proof;
    assert.ok(second !== undefined);
    assert.match(verdict({ ...proof, first: second, second: first }), /canonical order/);
    assert.match(verdict({ ...proof, kind: kind === "K2" ? "K3" : "K2" }), /may have signed both/);
    assert.match(
      verdict({ ...proof, first: { ...first, signature: new Uint8Array(32) } }),
      /first envelope/,
    );
    assert.match(
      verdict({ ...proof, second: { ...second, signature: new Uint8Array(32) } }),
      /second envelope/,
    );
    assert.match(verdict({ ...proof, second: first }), /may have signed both/, "sent twice");
    assert.match(
      verdict({ ...proof, registration: judge.set.registration(1, firstEpoch) }),
      /envelope/,
    );
    const elsewhere = { ...sets, setOf: () => digestOf(1) };
    assert.match(verdict(proof, elsewhere), /not in a known set/);
    assert.match(verdict(proof, { ...sets, chain: digestOf(1) }), /envelope/);
    assert.equal(sanctionOf(proof, judge).type, "freeze");
  }
});

test("what nobody is convicted for", () => {
  const { one } = twins();
  const a = one.vote(block(3n, 1));
  assert.equal(
    divergenceOf(twin, a, { ...a, signature: new Uint8Array(9) }),
    undefined,
    "signed again",
  );
  const b = one.timeout(16n, { view: 3n, digest: digestOf(3) });
  assert.equal(divergenceOf(twin, a, b), undefined, "a vote for what lost, then a timeout");
  const elsewhere: Envelope = { ...b, epoch: { number: 1n, mode: "a-dmft" }, view: 1n };
  assert.equal(divergenceOf(twin, a, elsewhere), undefined, "another epoch");
  assert.equal(divergenceOf(twin, a, { ...b, gid: digestOf(1), view: 1n }), undefined);
});

test("K7: the old session after its successor took over, but never its freeze", () => {
  const old = new Signer(judge, members[0] as (typeof members)[0], twin, [], 50n);
  const late = old.vote(block(40n, 1));
  const frozen = old.must({ type: "freeze", proof: digestOf(1) });
  const renewed = member("a", 1n);
  const fresh = member("fresh", 1n);
  const successorEntry = (lease: bigint) => ({
    ...fresh,
    entry: {
      ...renewed.entry,
      sessionKey: fresh.entry.sessionKey,
      succeeds: { session: sessionId(twin, renewed.entry.sessionKey), lease },
    },
  });
  const proofFor = (envelope: Envelope, lease: bigint, number = 1n) => {
    const set = setOf([successorEntry(lease), ...members.slice(1)]);
    const epoch = { number, mode: "a-dmft" } as const;
    const trusted: TrustedSets = {
      chain,
      setOf: (each) => (each.number === 0n ? judge.set.hash : set.hash),
    };
    return verdict(leaseProofOf(registration, envelope, set.registration(0, epoch)), trusted);
  };
  assert.equal(proofFor(late, 40n), "fine");
  assert.match(proofFor(late, 41n), /lease was kept/);
  assert.match(proofFor(frozen, 40n), /lease was kept/);
  assert.match(proofFor(late, 40n, 0n), /not later/);
  const successor = setOf([successorEntry(40n), ...members.slice(1)]).registration(0, firstEpoch);
  const lease = leaseProofOf(registration, late, successor);
  assert.deepEqual(sanctionOf(lease, judge), { type: "slash", reason: "lease" });
});

test("traffic convicts a clone once, whatever comes first", () => {
  for (const order of [0, 1]) {
    const evidence = new Evidence(judge);
    const { one, other } = twins();
    const first = [1n, 2n, 3n].map((view) => one.vote(block(view, 1)));
    const second = [1n, 2n].map((view) => other.vote(block(view, 1)));
    const conflict = other.vote(block(3n, 2));
    const later = [one.vote(block(4n, 1)), other.vote(block(4n, 2))];
    const all =
      order === 0
        ? [...first, ...second, conflict, ...later]
        : [conflict, ...second, ...first, ...later];
    const proofs = all.flatMap((envelope) => evidence.observe(envelope, 0) ?? []);
    assert.equal(proofs.length, 1);
    assert.equal(verdict(proofs[0] as DivergenceProof), "fine");
    assert.equal(evidence.convicted.size, 1);
  }
});

test("traffic is kept in bounds and still compared with the newest", () => {
  const evidence = new Evidence(judge);
  const { one, other } = twins();
  for (let view = 1n; view <= BigInt(2 * envelopesPerGuardianMax); view++) {
    assert.equal(evidence.observe(one.vote(block(view, 1)), 0), undefined);
    other.vote(block(view, 1));
  }
  const view = BigInt(2 * envelopesPerGuardianMax);
  other.state = { ...other.state, slot: { view: view - 1n, kind: "vote" } };
  assert.equal(evidence.observe(other.vote(block(view, 2)), 0)?.kind, "K1");
});

test("proofs by strangers are deduplicated and verified a few at a time", () => {
  const evidence = new Evidence(judge);
  const { one, other } = twins();
  const [a, b] = [one.vote(block(3n, 1)), other.vote(block(3n, 2))];
  const good = proofOf("K1", registration, a, b);
  const bad = { ...good, kind: "K3" } as const;
  for (let i = 0; i < divergenceChecksMax; i++) {
    assert.match(messageOf(evidence.admit(bad, sets, 0)), /^K3/);
  }
  assert.match(messageOf(evidence.admit(good, sets, 1)), /too many/);
  assert.deepEqual(evidence.admit(good, sets, divergenceWindowMs), { ok: true, value: good });
  assert.deepEqual(evidence.admit(good, sets, divergenceWindowMs), { ok: true, value: undefined });
});

test("K9 finds who broke a rule under two commits, and nobody who only voted for what lost", () => {
  const broken = new Map([[2, ["G1-lock"]]] as const);
  const committee = new Committee(members, twin, judge, broken);
  const { cert } = committee.commit(1n, [0, 2]);
  const rival = blockOn(judge, genesis, anchorCert(judge.context, genesis), 17n);
  const qc = quorumCertOf(judge.set, [
    committee.signer(1).vote(rival),
    committee.signer(2).vote(rival),
  ]);
  assert.ok(judge.quorumCert(qc).ok, "a conflicting block is certified");
  const evidence = new Evidence(judge);
  const proofs = evidence.find(cert, [qc]);
  assert.deepEqual(
    proofs.map(({ kind, registration: { index } }) => ({ kind, index })),
    [{ kind: "K8", index: 2 }],
  );
  assert.equal(verdict(proofs[0] as DivergenceProof), "fine");
  assert.deepEqual(evidence.find(cert, [qc]), [], "once");
});
