/**
 * The attacks of specs/consensus, section 7, on real Guardians and certificates: two honest hosts and a
 * malicious one, q = 2 of 3. Each forks the chain once its guard is taken away, and is refused with it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { anchorCert, Evidence, gradeOf, type GuardianRule } from "@ioi/consensus";
import { Attack, forks, h1, h2, t1, t11, t13, t15, t2, z } from "@ioi/consensus/testing-attacks";
import {
  blockOn,
  Committee,
  digestOf,
  genesis,
  judgeOf,
  member,
  requestFor,
  twin,
} from "@ioi/consensus/testing";

test("T1: one slot, one envelope; a Guardian whose counter is not bound to slots forks in 12 steps", () => {
  assert.deepEqual(t1(["G1-slot"]), { result: "fork", steps: 12 });
  assert.match(t1([]).result, /^G1: slot 1\/vote is not above/);
});

test("T2: the lock is the Guardian's; a Guardian without one forks in 14 steps", () => {
  assert.deepEqual(t2(["G1-lock"]), { result: "fork", steps: 14 });
  assert.match(t2([]).result, /^G1: the vote is justified at 0, below 1/);
});

test("T13, T16: a later view is no reason to vote below a lock; hosts that think so fork in 12 steps", () => {
  assert.deepEqual(t13(["G1-lock"]), { result: "fork", steps: 12 });
  assert.match(t13([]).result, /^G1: the vote is justified at 0, below 1/);
});

test("T11: timeouts of an older view justify nothing: shown to a host that takes them, the lock holds", () => {
  assert.deepEqual(t11(["G1-lock"]), { result: "fork", steps: 14 });
  assert.match(t11([]).result, /^G1: the vote is justified at 0, below 2/);
});

test("T15: a vote counts only with the block's own justView; if digests alone counted, this would fork", () => {
  assert.equal(t15([]).result, "no fork");
  assert.deepEqual(t15(["V6-just"]), { result: "fork", steps: 12 });
});

test("T3, T7: a Guardian that is set back forks, and what it signed convicts it", () => {
  const attack = new Attack();
  const guardian = attack.committee.signer(z);
  const before = guardian.state;
  const b = attack.commit(1n, 1, [h1, z]);
  guardian.state = before;
  const a = attack.commit(1n, 2, [h2, z]);
  assert.ok(forks(attack, b, a));
  assert.ok(!forks(attack, b, structuredClone(b)), "a commit that came twice is no fork");
  const proofs = new Evidence(attack.judge).find(b, [a.blockQc]);
  assert.deepEqual(
    proofs.map(({ kind, registration }) => ({ kind, index: registration.index })),
    [{ kind: "K1", index: z }],
  );
});

test("forks with broken Guardians of power c: where the grade does not reach, and nowhere else", () => {
  for (const n of [3, 4, 5, 7]) {
    const many = Array.from({ length: n }, (_, i) => member(`${i}`, 1n));
    const { quorum } = judgeOf(many).set;
    const q = Number(quorum);
    for (let s = q; s <= n; s++) {
      for (let c = 0; c <= n; c++) {
        // A commit by the first s, another by the last q: the c lowest of those in both are broken.
        const shared = n - q;
        const broken = new Map<number, readonly GuardianRule[]>();
        for (let i = shared; i < shared + c; i++) broken.set(i, ["G1-slot", "G1-lock"]);
        const committee = new Committee(many, twin, judgeOf(many), broken);
        const { judge } = committee;
        const strong = committee.commit(1n, [...Array(s).keys()]);
        const strength = judge.commitCert(strong.cert);
        assert.ok(strength.ok);
        const grade = gradeOf(judge.set, strength.value);
        const withstands = grade?.type === "F2" ? Number(grade.x) : 0;
        const rival = blockOn(judge, genesis, anchorCert(judge.context, genesis), 1n, {
          payloadRoot: digestOf(2),
        });
        const votes = many.keys().drop(n - q);
        const answers = [...votes].map((index) => committee.signer(index).ask(requestFor(rival)));
        const isForked = answers.every((answer) => typeof answer !== "string");
        assert.equal(isForked, c > withstands, `n=${n} s=${s} c=${c}`);
      }
    }
  }
});
