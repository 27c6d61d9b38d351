/** The epochs that a host went through: whom it helps out, and whom it convicts for signing on. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  anchorCert,
  Course,
  type EndedEpoch,
  epochsKeptMax,
  type Judge,
  judgeAfter,
  sessionId,
  verifyDivergence,
} from "@ioi/consensus";
import {
  blockOn,
  Committee,
  judgeOf,
  member,
  type Member,
  nothing,
  setOf,
  Signer,
  timeoutRequest,
  twin,
} from "@ioi/consensus/testing";

/** An end of the judge's epoch, after which these follow. */
const endOf = (
  members: readonly Member[],
  judge: Judge,
  next: readonly Member[],
  lease: bigint,
) => {
  const committee = new Committee(members, twin, judge);
  const ends = { validators: setOf(next).hash, leaseEnd: lease };
  const { anchor, context } = judge;
  const block = blockOn(judge, anchor, anchorCert(context, anchor), anchor.view + 1n, { ends });
  const { cert: commit } = committee.commitOf(block);
  const cert = { boundary: block.header, path: [], commit };
  const end: EndedEpoch = { cert, next: next.map(({ entry }) => entry) };
  const after = judgeAfter(judge, end);
  assert.ok(after.ok, "it ends so");
  return { end, judge: after.value.judge };
};

const before = ["a", "b", "c"].map((name) => member(name, 1n));
const [a, b, c] = before;
assert.ok(a !== undefined && b !== undefined && c !== undefined);
const lease = 40n;
/** The Guardian of `a` has another session. */
const renewed: Member = (() => {
  const { key } = member("another session", 1n);
  const session = sessionId(twin, a.entry.sessionKey);
  const succeeds = { session, lease };
  return { ...a, key, entry: { ...a.entry, sessionKey: key.publicKey, succeeds } };
})();

const course = () => {
  const first = judgeOf(before);
  const it = new Course(first);
  const { end, judge } = endOf(before, first, [renewed, b, c], lease);
  it.enter(end, judge);
  return { it, first, end };
};

test("whoever is still in an epoch is told how it ended, and nobody of the newest", () => {
  const { it, first, end } = course();
  assert.equal(it.number, 1n);
  assert.deepEqual(it.endOf(first.context.epoch), end);
  assert.equal(it.endOf(it.judge.context.epoch), undefined);
  assert.equal(it.endOf({ number: 9n, mode: "a-dmft" }), undefined);
  assert.equal(it.endOf({ number: 0n, mode: "a-pmft" }), undefined, "of another mode");
  assert.deepEqual(it.sets.setOf(first.context.epoch), first.set.hash);
});

test("K7: an old session that signs at its successor's lease or above is convicted, and below it not", () => {
  const { it, first } = course();
  const old = new Signer(first, a);
  const at = (view: bigint) => old.must(timeoutRequest(view, nothing));
  assert.equal(it.outlived(at(lease - 1n)), undefined);
  const late = at(lease);
  const proof = it.outlived(late);
  assert.equal(proof?.kind, "K7");
  assert.ok(proof !== undefined && verifyDivergence(twin, it.sets, proof).ok);
  const forged = { ...late, signature: new Uint8Array(32) };
  assert.equal(it.outlived(forged), undefined, "a signature that does not fit");
  assert.equal(
    it.outlived({ ...late, view: lease + 9n }),
    undefined,
    "another view than was signed",
  );
  const other = new Signer(first, b).must(timeoutRequest(lease + 5n, nothing));
  assert.equal(it.outlived(other), undefined, "it has no successor");
  const freeze = new Signer(first, a).must({ type: "freeze", proof: late.digest });
  assert.equal(it.outlived(freeze), undefined, "a freeze is of no view");
});

test("the newest epochs are kept, and older sessions are nobody's concern any more", () => {
  const { it, first } = course();
  const late = new Signer(first, a).must(timeoutRequest(lease, nothing));
  const members = [renewed, b, c];
  for (let count = 2; count < epochsKeptMax + 1; count++) {
    const { end, judge } = endOf(members, it.judge, members, 0n);
    it.enter(end, judge);
  }
  assert.equal(it.endOf(first.context.epoch), undefined);
  assert.equal(it.outlived(late), undefined);
  assert.equal(it.sets.setOf(first.context.epoch), undefined);
  const kept = { number: it.number - BigInt(epochsKeptMax) + 1n, mode: "a-dmft" } as const;
  assert.ok(it.endOf(kept) !== undefined);
  assert.throws(
    () => it.enter(endOf(before, first, before, 0n).end, first),
    /no epoch is left out/,
  );
});
