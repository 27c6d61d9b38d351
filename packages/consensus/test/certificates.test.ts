/** What is valid, and every message that must not be. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  anchorCert,
  blockHash,
  defaultBroken,
  freezeView,
  gradeOf,
  powerByVendor,
  quorumCertOf,
  sessionId,
  strengthOf,
  timeoutCertOf,
  totalPowerMax,
  validatorsMax,
  ValidatorSet,
  verifyRegistration,
} from "@ioi/consensus";
import {
  blockHeader,
  type Envelope,
  type QuorumCert,
  schema,
  type ValidatorEntry,
} from "@ioi/wire";
import {
  blockOn,
  Committee,
  digestOf,
  firstEpoch,
  genesis,
  judgeOf,
  member,
  messageOf,
  setOf,
  twin,
} from "@ioi/consensus/testing";
import { native, nativeKey } from "./native.ts";

const four = () => ["a", "b", "c", "d"].map((name) => member(name, 1n));

test("a set is refused that repeats anybody, lacks power or has too much", () => {
  const entries = four().map(({ entry }) => entry);
  const [a, b, ...rest] = entries as [ValidatorEntry, ValidatorEntry, ...ValidatorEntry[]];
  const because = (given: readonly ValidatorEntry[]) => messageOf(ValidatorSet.from(twin, given));
  assert.equal(because(entries), "fine");
  assert.equal(because([]), "it is empty");
  assert.match(because([a, { ...b, gid: a.gid }, ...rest]), /^Guardian .* twice/);
  assert.match(because([a, { ...b, sessionKey: a.sessionKey }, ...rest]), /^session .* twice/);
  assert.match(because([a, { ...b, platform: a.platform }, ...rest]), /^platform .* twice/);
  assert.match(because([a, { ...b, identity: a.identity }, ...rest]), /^account .* twice/);
  assert.equal(because([a, { ...b, power: 0n }]), "a validator has no power");
  assert.equal(because([{ ...a, power: totalPowerMax }, b]), "the powers are too large");
  assert.equal(because([{ ...a, power: totalPowerMax }]), "fine");
  const many = Array.from({ length: validatorsMax + 1 }, (_, i) => ({ ...a, gid: digestOf(i) }));
  assert.match(because(many), /^more than/);
});

test("a quorum is more than half, and more than two thirds where hardware holds too little", () => {
  const soft = (name: string) => {
    const { entry } = member(name, 1n);
    return { ...entry, isolation: "none" } as const;
  };
  const quorum = (entries: readonly ValidatorEntry[], isDevnet = false): bigint => {
    const set = ValidatorSet.from(twin, entries, isDevnet);
    assert.ok(set.ok);
    return set.value.quorum;
  };
  const hard = (count: number) =>
    Array.from({ length: count }, (_, i) => member(`h${i}`, 1n).entry);
  assert.deepEqual(
    [1, 3, 4, 7, 21, 100].map((n) => quorum(hard(n))),
    [1n, 2n, 3n, 4n, 11n, 51n],
  );
  assert.equal(quorum([...hard(6), soft("s")]), 4n);
  assert.equal(quorum([...hard(5), soft("s")]), 5n);
  assert.equal(quorum([...hard(5), soft("s")], true), 4n);
});

test("grades are those of the table, and count no Guardian that can be set back", () => {
  const graded = (n: number, signed: number) => {
    const set = setOf(Array.from({ length: n }, (_, i) => member(`${i}`, 1n)));
    return gradeOf(
      set,
      strengthOf(
        set,
        Array.from({ length: signed }, (_, i) => i),
      ),
    );
  };
  const f2 = (x: bigint) => ({ type: "F2", x });
  assert.deepEqual(graded(1, 1), { type: "local" });
  assert.deepEqual(graded(3, 2), { type: "F0" });
  assert.deepEqual([graded(4, 3), graded(4, 4)], [f2(1n), f2(2n)]);
  assert.deepEqual(graded(7, 7), f2(3n));
  assert.deepEqual([graded(21, 14), graded(21, 21)], [f2(3n), f2(10n)]);
  assert.deepEqual(graded(100, 67), f2(17n));
  assert.equal(graded(4, 2), undefined);
  const tpm = four().map(({ entry, ...keys }) => ({
    ...keys,
    entry: { ...entry, rollback: "none", vendor: entry.gid[0] === 0 ? "x" : "y" } as const,
  }));
  const set = setOf(tpm);
  assert.deepEqual(gradeOf(set, strengthOf(set, [0, 1, 2, 3])), { type: "F0" });
  assert.deepEqual(powerByVendor(set, [0, 1]), [{ vendor: "y", power: 2n }]);
  assert.equal(defaultBroken(set), 1n);
});

test("a hash is remembered for an object that nobody changes: decoders copy, a change is another object", () => {
  const { block } = new Committee(four()).commit();
  const bytes = schema.encode(blockHeader, block.header);
  const decoded = schema.decode(blockHeader, bytes);
  assert.ok(decoded.ok);
  const hash = blockHash(twin, decoded.value);
  assert.equal(blockHash(twin, decoded.value), hash, "remembered");
  bytes.fill(0);
  assert.deepEqual(blockHash(twin, { ...decoded.value }), hash, "what was decoded is as it was");
  assert.notDeepEqual(blockHash(twin, { ...decoded.value, height: 9n }), hash);
});

test("a registration is of its set and of no other", () => {
  const set = setOf(four());
  for (const index of set.entries.keys()) {
    const good = set.registration(index, firstEpoch);
    assert.ok(verifyRegistration(twin, good));
    assert.ok(!verifyRegistration(twin, { ...good, index: (index + 1) % 4 }));
    assert.ok(!verifyRegistration(twin, { ...good, entry: { ...good.entry, power: 2n } }));
    assert.ok(!verifyRegistration(twin, { ...good, validators: digestOf(1) }));
  }
});

test("what a quorum of real signatures says is a commit, and one bit less is not", () => {
  const committee = new Committee(
    ["a", "b", "c"].map((name) => member(name, 1n, nativeKey())),
    native,
  );
  const { cert } = committee.commit(1n, [0, 2]);
  const { judge } = committee;
  assert.deepEqual(judge.commitCert(cert), { ok: true, value: { power: 2n, anchored: 2n } });
  const [share, ...rest] = cert.childQc.votes;
  assert.ok(share !== undefined);
  const signature = share.signature.slice();
  signature[7] = (signature[7] ?? 0) ^ 1;
  const forged = { ...cert.childQc, votes: [{ ...share, signature }, ...rest] };
  assert.match(messageOf(judge.commitCert({ ...cert, childQc: forged })), /voter 0 does not fit/);
});

test("an envelope is refused for each field that is not as it must be", () => {
  const committee = new Committee(four());
  const { judge } = committee;
  const { anchor, context } = judge;
  const block = blockOn(judge, anchor, anchorCert(context, anchor), 1n);
  const vote = committee.signer(0).vote(block);
  assert.deepEqual(judge.envelope(vote), { ok: true, value: 0 });
  const because = (over: Partial<Envelope>) => messageOf(judge.envelope({ ...vote, ...over }));
  const stranger = member("stranger", 1n).entry;
  const cases: readonly [Partial<Envelope>, RegExp][] = [
    [{ chain: digestOf(1) }, /^V1/],
    [{ epoch: { number: 1n, mode: "a-dmft" } }, /^V1/],
    [{ epoch: { number: 0n, mode: "a-pmft" } }, /^V1/],
    [{ validators: digestOf(1) }, /^V1/],
    [{ gid: stranger.gid }, /not in the set/],
    [{ session: sessionId(twin, stranger.sessionKey) }, /not registered/],
    [{ counter: 0n }, /counter is 0/],
    [{ counter: 2n }, /does not fit/],
    [{ view: freezeView }, /no such view/],
    [{ justView: 1n, high: { view: 1n, digest: digestOf(1) } }, /not older/],
    [{ justView: 5n }, /lock below/],
    [{ kind: "timeout" }, /for no block/],
    [{ kind: "freeze" }, /freeze of a view/],
    [
      { kind: "freeze", view: freezeView, justView: 1n, high: { view: 1n, digest: digestOf(1) } },
      /freeze is not justified/,
    ],
    [{ kind: "propose" }, /does not fit/],
    [{ digest: digestOf(1) }, /does not fit/],
    [{ signature: new Uint8Array(0) }, /does not fit/],
  ];
  for (const [over, reason] of cases) assert.match(because(over), reason);
});

test("a certificate is refused for each way in which it certifies nothing", () => {
  const committee = new Committee(four());
  const { judge } = committee;
  const { block, cert } = committee.commit();
  const qc = cert.blockQc;
  const because = (over: Partial<QuorumCert>) => messageOf(judge.quorumCert({ ...qc, ...over }));
  const [a, b, c, d] = qc.votes;
  assert.ok(a !== undefined && b !== undefined && c !== undefined && d !== undefined);
  assert.equal(because({}), "fine");
  assert.equal(because({ votes: [a, b, c] }), "fine");
  assert.match(because({ votes: [a, b] }), /power 2 of 3/);
  assert.match(because({ votes: [] }), /certifies nothing/);
  assert.match(because({ votes: [a, a, b] }), /rising order/, "duplicate signers");
  assert.match(because({ votes: [b, a, c] }), /rising order/);
  assert.match(because({ votes: [a, b, { ...c, voter: 4 }] }), /not in the set/, "invented voters");
  assert.match(because({ votes: [a, b, { ...c, voter: 3 }] }), /voter 3 does not fit/);
  assert.match(because({ view: 900n }), /voter 0 does not fit/, "a far future");
  assert.match(because({ view: 0n }), /certifies nothing/, "of height 0");
  assert.match(because({ view: 0n, votes: [], digest: digestOf(1) }), /certifies nothing/);
  assert.match(because({ view: freezeView }), /no such view/);
  assert.match(because({ justView: 1n }), /not before its view/);
  assert.match(because({ digest: digestOf(1) }), /does not fit/);
  assert.match(because({ validators: digestOf(1) }), /^V1/);
  assert.equal(messageOf(judge.quorumCert(anchorCert(judge.context, genesis))), "fine");
  assert.ok(judge.certifies(qc, block.header, block.digest));
  assert.ok(!judge.certifies({ ...qc, view: 2n }, block.header, block.digest));
  assert.ok(!judge.certifies({ ...qc, justView: 3n }, block.header, block.digest));
  assert.ok(!judge.certifies(qc, block.header, digestOf(1)));
});

test("timeouts of power q open the next view, whatever else they are said to be", () => {
  const committee = new Committee(four());
  const { judge } = committee;
  const [a, b, c] = [0, 1, 2].map((i) => committee.signer(i).timeout(16n, genesis));
  assert.ok(a !== undefined && b !== undefined && c !== undefined);
  const tc = timeoutCertOf(judge.set, [c, a, b]);
  assert.equal(messageOf(judge.timeoutCert(tc)), "fine");
  assert.match(messageOf(judge.timeoutCert({ ...tc, view: 32n })), /does not fit/);
  assert.match(messageOf(judge.timeoutCert({ ...tc, view: 0n })), /no such view/);
  assert.match(messageOf(judge.timeoutCert({ ...tc, view: freezeView })), /no such view/);
  assert.match(messageOf(judge.timeoutCert(timeoutCertOf(judge.set, [a, b]))), /power 2/);
  const asVotes = quorumCertOf(judge.set, [a, b, c]);
  assert.match(messageOf(judge.quorumCert(asVotes)), /does not fit/, "timeouts are no votes");
});

test("a rejection needs the leader's own envelope and a certificate above what it justified", () => {
  const committee = new Committee(four());
  const { judge } = committee;
  const { block, child, cert } = committee.commit(1n, [0, 1, 2]);
  const late = blockOn(judge, block.header, cert.blockQc, 5n);
  const propose = committee.signer(3).propose(late);
  const leader = () => 3;
  const because = (over: Partial<{ propose: Envelope; qc: QuorumCert }>, by = leader) =>
    messageOf(judge.nack({ propose, qc: cert.childQc, ...over }, by));
  assert.equal(because({}), "fine");
  assert.match(
    because({}, () => 2),
    /not the leader/,
  );
  assert.match(because({ qc: cert.blockQc }), /not between/);
  assert.match(because({ qc: { ...cert.childQc, view: 5n } }), /not between/);
  assert.match(because({ qc: { ...cert.childQc, digest: digestOf(1) } }), /does not fit/);
  assert.match(because({ propose: { ...propose, justView: 0n } }), /does not fit/);
  assert.match(because({ propose: committee.signer(3).vote(late) }), /no proposal/);
  assert.equal(child.header.view, 2n);
});

test("a commit is of a block and its child in the next view, and of nothing else", () => {
  const committee = new Committee(four());
  const { judge } = committee;
  const { block, child, cert } = committee.commit(1n, [0, 1, 2]);
  const because = (over: Partial<typeof cert>) => messageOf(judge.commitCert({ ...cert, ...over }));
  assert.equal(because({}), "fine");
  const gap = blockOn(judge, child.header, cert.childQc, 4n);
  const gapQc = committee.certify(gap, [0, 1, 2]);
  const skipped = { block: child.header, child: gap.header, blockQc: cert.childQc, childQc: gapQc };
  assert.match(because(skipped), /next view/);
  assert.match(because({ blockQc: cert.childQc }), /first certificate/);
  assert.match(because({ childQc: cert.blockQc }), /second certificate/);
  assert.match(because({ block: { ...block.header, height: 9n } }), /first certificate/);
  assert.match(because({ child: { ...child.header, timeMs: 9 } }), /second certificate/);
  assert.match(because({ block: { ...block.header, chain: digestOf(1) } }), /^V1/);
  assert.match(because({ blockQc: anchorCert(judge.context, genesis) }), /nobody voted/);
});

test("T15: a vote that declares another justView counts for nothing", () => {
  const committee = new Committee(four());
  const { judge } = committee;
  const { block, cert } = committee.commit(1n, [0, 1, 2]);
  const child = blockOn(judge, block.header, cert.blockQc, 2n);
  const liar = committee.signer(3).must({
    type: "sign",
    kind: "vote",
    view: 2n,
    digest: child.digest,
    just: { view: 0n, digest: genesis.digest },
    seen: genesis,
  });
  const qc = quorumCertOf(judge.set, [liar]);
  assert.ok(judge.envelope(liar).ok, "it is well signed");
  assert.ok(!judge.certifies(qc, child.header, child.digest));
  const [first, second] = cert.childQc.votes;
  assert.ok(first !== undefined && second !== undefined);
  const mixed = { ...cert.childQc, votes: [first, second, ...qc.votes] };
  assert.match(messageOf(judge.quorumCert(mixed)), /V2: it shows a lock below/);
  assert.equal(judgeOf(four()).quorumCert(cert.blockQc).ok, true);
});
