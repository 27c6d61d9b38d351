/**
 * The attacks of specs/consensus, section 7, on real Guardians and certificates, for tests and suites: two
 * honest hosts and a malicious one, q = 2 of 3. Each forks the chain once its guard is taken away, and is
 * refused with it. Every proposal, vote and timeout is a step.
 */
import { assert, equalBytes } from "@ioi/base";
import type { CommitCert, Envelope, QuorumCert } from "@ioi/wire";
import { anchorCert, type JudgeRule, quorumCertOf, timeoutCertOf } from "./certificates.ts";
import type { GuardianRule } from "./guardian.ts";
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
} from "./testing.ts";

const members = ["h1", "h2", "z"].map((name) => member(name, 1n));
export const [h1, h2, z] = [0, 1, 2] as const;

export interface Lacking {
  /** By number of the Guardian. */
  readonly guardians?: ReadonlyMap<number, readonly GuardianRule[]>;
  readonly judge?: readonly JudgeRule[];
}

/** Hosts that certify whatever their Guardians sign. */
export class Attack {
  readonly committee: Committee;
  readonly anchor: QuorumCert;
  steps = 0;

  constructor({ guardians = new Map(), judge = [] }: Lacking = {}) {
    const judging = judgeOf(members, twin, { without: judge });
    this.committee = new Committee(members, twin, judging, guardians);
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
    assert(first !== undefined, "somebody signs");
    const qc = quorumCertOf(this.judge.set, [first, ...rest]);
    assert(this.judge.quorumCert(qc).ok, "a quorum");
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
    assert(first !== undefined, "somebody signs");
    const tc = timeoutCertOf(this.judge.set, [first, ...rest]);
    assert(this.judge.timeoutCert(tc).ok, "a quorum");
  }
}

export class Refused extends Error {}

/** Two commits of one height, both valid to everybody. */
export const forks = (attack: Attack, a: CommitCert, b: CommitCert): boolean =>
  attack.judge.commitCert(a).ok &&
  attack.judge.commitCert(b).ok &&
  a.block.height === b.block.height &&
  !equalBytes(a.block.payloadRoot, b.block.payloadRoot);

export interface Attacked {
  /** `fork`, `no fork`, or why something was refused. */
  readonly result: string;
  readonly steps: number;
}

const attacked = (lacking: Lacking, run: (attack: Attack) => boolean): Attacked => {
  const attack = new Attack(lacking);
  try {
    return { result: run(attack) ? "fork" : "no fork", steps: attack.steps };
  } catch (error) {
    if (error instanceof Refused) return { result: error.message, steps: attack.steps };
    throw error;
  }
};

const only = (index: number, rules: readonly GuardianRule[]): Lacking => ({
  guardians: new Map([[index, rules]]),
});

/** Two blocks of one view. */
export const t1 = (broken: readonly GuardianRule[]): Attacked =>
  attacked(only(z, broken), (attack) => {
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

/** A vote below the own lock. */
export const t2 = (broken: readonly GuardianRule[]): Attacked =>
  attacked(only(z, broken), (attack) => {
    const b = attack.commit(1n, 1, [h1, z]);
    attack.timeout(2n, [h2, z]);
    return forks(attack, b, attack.commit(3n, 2, [h2, z]));
  });

/** Hosts that take a later view for a reason: only the Guardians are left. */
export const t13 = (broken: readonly GuardianRule[]): Attacked =>
  attacked({ guardians: new Map([h1, h2, z].map((index) => [index, broken])) }, (attack) =>
    forks(attack, attack.commit(1n, 1, [h1, z]), attack.commit(3n, 2, [h2, z])),
  );

/** Timeouts that were signed before anything was certified, shown after the commit, to open view 4. */
export const t11 = (broken: readonly GuardianRule[]): Attacked =>
  attacked(only(z, broken), (attack) => {
    attack.timeout(1n, [h2, z]);
    const b = attack.commit(2n, 1, [h1, z]);
    return forks(attack, b, attack.commit(4n, 2, [h2, z]));
  });

/**
 * Two hosts have their sound Guardians vote for B' as if it extended the anchor, so that their locks stay
 * where they were.
 */
export const t15 = (lacking: readonly JudgeRule[]): Attacked =>
  attacked({ judge: lacking }, (attack) => {
    const b = attack.block(1n, 1);
    const qcB = attack.certify(b, [h1, z]);
    const b2 = attack.block(2n, 1, qcB, b);
    const nowhere = { view: 0n, digest: genesis.digest };
    const lie = { ...requestFor(b2), just: nowhere, seen: nowhere };
    const [first, second] = [h1, z].map((index) => attack.committee.signer(index).must(lie));
    assert(first !== undefined && second !== undefined, "both vote");
    attack.steps += 2;
    const childQc = quorumCertOf(attack.judge.set, [first, second]);
    const a = attack.commit(3n, 2, [h1, z]);
    return forks(attack, { block: b.header, child: b2.header, blockQc: qcB, childQc }, a);
  });
