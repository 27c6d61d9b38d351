/**
 * The attacks of specs/consensus, section 7, on real Guardians and certificates: two honest hosts and a
 * malicious one, q = 2 of 3. Each forks the chain once its guard is taken away, and is refused with it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  anchorCert,
  Evidence,
  gradeOf,
  type GuardianRule,
  quorumCertOf,
  timeoutCertOf,
} from "@ioi/consensus";
import type { CommitCert, Envelope, QuorumCert } from "@ioi/wire";
import {
  blockOn,
  type Certified,
  Committee,
  digestOf,
  genesis,
  judgeOf,
  member,
  requestFor,
  twin,
} from "@ioi/consensus/testing";

const members = ["h1", "h2", "z"].map((name) => member(name, 1n));
const [h1, h2, z] = [0, 1, 2] as const;

/** Hosts that certify whatever their Guardians sign; every proposal, vote and timeout is a step. */
class Attack {
  readonly committee: Committee;
  readonly anchor: QuorumCert;
  steps = 0;

  constructor(broken: ReadonlyMap<number, readonly GuardianRule[]> = new Map()) {
    this.committee = new Committee(members, twin, judgeOf(members), broken);
    this.anchor = anchorCert(this.judge.context, genesis);
  }

  get judge() {
    return this.committee.judge;
  }

  block(
    view: bigint,
    tag: number,
    justify: QuorumCert = this.anchor,
    below?: Certified,
  ): Certified {
    this.steps += 1;
    return blockOn(this.judge, below?.header ?? genesis, justify, view, {
      payloadRoot: digestOf(tag),
    });
  }

  /** Undefined where a Guardian refuses. */
  vote(index: number, block: Certified): Envelope | string {
    this.steps += 1;
    return this.committee.signer(index).ask(requestFor(block));
  }

  certify(block: Certified, voters: readonly number[]): QuorumCert {
    const [first, ...rest] = voters.map((index) => {
      const envelope = this.vote(index, block);
      if (typeof envelope === "string") throw new Refused(envelope);
      return envelope;
    });
    assert.ok(first !== undefined);
    const qc = quorumCertOf(this.judge.set, [first, ...rest]);
    assert.ok(this.judge.quorumCert(qc).ok);
    return qc;
  }

  /** A block on the anchor, its child in the next view, and what commits it. */
  commit(view: bigint, tag: number, voters: readonly number[]): CommitCert {
    const block = this.block(view, tag);
    const blockQc = this.certify(block, voters);
    const child = this.block(view + 1n, tag, blockQc, block);
    const childQc = this.certify(child, voters);
    return { block: block.header, child: child.header, blockQc, childQc };
  }

  timeout(view: bigint, voters: readonly number[], seen = this.anchor): void {
    const [first, ...rest] = voters.map((index) => {
      this.steps += 1;
      return this.committee.signer(index).timeout(view, { view: seen.view, digest: seen.digest });
    });
    assert.ok(first !== undefined);
    assert.ok(this.judge.timeoutCert(timeoutCertOf(this.judge.set, [first, ...rest])).ok);
  }
}

class Refused extends Error {}

/** Two commits of one height, both valid to everybody. */
const forks = (attack: Attack, a: CommitCert, b: CommitCert): boolean =>
  attack.judge.commitCert(a).ok &&
  attack.judge.commitCert(b).ok &&
  a.block.height === b.block.height &&
  a.block.payloadRoot !== b.block.payloadRoot;

const outcome = (run: () => boolean): string => {
  try {
    return run() ? "fork" : "no fork";
  } catch (error) {
    if (error instanceof Refused) return error.message;
    throw error;
  }
};

test("T1: one slot, one envelope; a Guardian whose counter is not bound to slots forks in 12 steps", () => {
  const run = (broken: readonly GuardianRule[]) => {
    const attack = new Attack(new Map([[z, broken]]));
    const result = outcome(() => {
      const [b, a] = [attack.block(1n, 1), attack.block(1n, 2)];
      const [qcB, qcA] = [attack.certify(b, [h1, z]), attack.certify(a, [h2, z])];
      const [b2, a2] = [attack.block(2n, 1, qcB, b), attack.block(2n, 2, qcA, a)];
      const [qcB2, qcA2] = [attack.certify(b2, [h1, z]), attack.certify(a2, [h2, z])];
      return forks(
        attack,
        { block: b.header, child: b2.header, blockQc: qcB, childQc: qcB2 },
        { block: a.header, child: a2.header, blockQc: qcA, childQc: qcA2 },
      );
    });
    return { result, steps: attack.steps };
  };
  assert.deepEqual(run(["G1-slot"]), { result: "fork", steps: 12 });
  assert.match(run([]).result, /^G1: slot 1\/vote is not above/);
});

test("T2: the lock is the Guardian's; a Guardian without one forks in 14 steps", () => {
  const run = (broken: readonly GuardianRule[]) => {
    const attack = new Attack(new Map([[z, broken]]));
    const result = outcome(() => {
      const b = attack.commit(1n, 1, [h1, z]);
      attack.timeout(2n, [h2, z]);
      return forks(attack, b, attack.commit(3n, 2, [h2, z]));
    });
    return { result, steps: attack.steps };
  };
  assert.deepEqual(run(["G1-lock"]), { result: "fork", steps: 14 });
  assert.match(run([]).result, /^G1: the vote is justified at 0, below 1/);
});

test("T13, T16: a later view is no reason to vote below a lock; hosts that think so fork in 12 steps", () => {
  const run = (broken: readonly GuardianRule[]) => {
    // No host asks for timeouts or looks at what it holds: only the Guardians are left.
    const attack = new Attack(new Map([h1, h2, z].map((index) => [index, broken])));
    const result = outcome(() =>
      forks(attack, attack.commit(1n, 1, [h1, z]), attack.commit(3n, 2, [h2, z])),
    );
    return { result, steps: attack.steps };
  };
  assert.deepEqual(run(["G1-lock"]), { result: "fork", steps: 12 });
  assert.match(run([]).result, /^G1: the vote is justified at 0, below 1/);
});

test("T11: timeouts of an older view justify nothing: shown to a host that takes them, the lock holds", () => {
  const run = (broken: readonly GuardianRule[]) => {
    const attack = new Attack(new Map([[z, broken]]));
    const result = outcome(() => {
      // Signed before anything was certified, and shown to H2 after the commit, to open view 4.
      attack.timeout(1n, [h2, z]);
      const b = attack.commit(2n, 1, [h1, z]);
      return forks(attack, b, attack.commit(4n, 2, [h2, z]));
    });
    return { result, steps: attack.steps };
  };
  assert.deepEqual(run(["G1-lock"]), { result: "fork", steps: 14 });
  assert.match(run([]).result, /^G1: the vote is justified at 0, below 2/);
});

test("T15: a vote counts only with the block's own justView; if digests alone counted, this would fork", () => {
  const attack = new Attack();
  const b = attack.block(1n, 1);
  const qcB = attack.certify(b, [h1, z]);
  const b2 = attack.block(2n, 1, qcB, b);
  const honest = attack.vote(h1, b2);
  // Z votes for B' as if it extended the anchor, so that its lock stays where it was.
  const liar = attack.committee.signer(z).ask({
    ...requestFor(b2),
    just: { view: 0n, digest: genesis.digest },
    seen: { view: 0n, digest: genesis.digest },
  });
  assert.ok(typeof honest !== "string" && typeof liar !== "string");
  attack.timeout(2n, [h2, z]);
  const a = attack.commit(3n, 2, [h2, z]);
  assert.ok(attack.judge.commitCert(a).ok, "Z's lock let it vote for another branch");
  const power = attack.judge.set.power([h1, z]);
  assert.ok(
    power >= attack.judge.set.quorum,
    "control: by digest alone B' has a quorum, and B a commit",
  );
  assert.deepEqual(honest.digest, liar.digest);
  for (const votes of [
    [honest, liar],
    [liar, honest],
  ] as const) {
    const childQc = quorumCertOf(attack.judge.set, votes);
    const cert = { block: b.header, child: b2.header, blockQc: qcB, childQc };
    assert.equal(attack.judge.commitCert(cert).ok, false);
  }
  assert.equal(attack.steps, 13);
});

test("T3, T7: a Guardian that is set back forks, and what it signed convicts it", () => {
  const attack = new Attack();
  const guardian = attack.committee.signer(z);
  const before = guardian.state;
  const b = attack.commit(1n, 1, [h1, z]);
  guardian.state = before;
  const a = attack.commit(1n, 2, [h2, z]);
  assert.ok(forks(attack, b, a));
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
