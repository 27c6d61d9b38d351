/** The regressions of section 10 on production code, each with its guard and without. */
import {
  anchorCert,
  divergenceChecksMax,
  Evidence,
  type GuardianRule,
  resumeGuardian,
  sealGuardian,
  ValidatorSet,
  verifyDivergence,
} from "@ioi/consensus";
import {
  blockOn,
  chain,
  Committee,
  digestOf,
  firstEpoch,
  genesis,
  judgeOf,
  member,
  twin,
} from "@ioi/consensus/testing";
import { type Attacked, t1, t11, t13, t15, t2 } from "@ioi/consensus/testing-attacks";
import { divergenceMutants } from "../mutants/divergence.ts";
import { guardianMutants } from "../mutants/guardians.ts";
import { hostMutants } from "../mutants/hosts.ts";
import { judgeMutants } from "../mutants/judges.ts";
import { readerMutants } from "../mutants/readers.ts";

export interface Regression {
  /** `T1`, and what of it where there is more. */
  readonly id: string;
  /** The harm; with the guard there must be none. */
  harm(isGuarded: boolean): string | undefined | Promise<string | undefined>;
}

const mutants = [
  ...guardianMutants,
  ...judgeMutants,
  ...hostMutants,
  ...divergenceMutants,
  ...readerMutants,
];
const byRule = (id: string, rule: string): Regression => {
  const mutant = mutants.find((each) => each.rule === rule);
  if (mutant === undefined) throw new RangeError(`no mutant ${rule}`);
  return { id: `${id}/${rule}`, harm: (isGuarded) => mutant.harm(isGuarded) };
};

const forks = (
  id: string,
  attack: (lacks: readonly GuardianRule[]) => Attacked,
  rule: GuardianRule,
): Regression => ({
  id,
  harm: (isGuarded) => (attack(isGuarded ? [] : [rule]).result === "fork" ? "fork" : undefined),
});

const members = ["h1", "h2", "z"].map((name) => member(name, 1n));

/** Its owner starts the Guardian again from an older seal: it would sign a second block in view 1. */
const t3: Regression = {
  id: "T3",
  harm(isGuarded) {
    const committee = new Committee(members);
    const { judge } = committee;
    const guardian = committee.signer(0);
    const sealed = sealGuardian(guardian.state, 1n);
    const first = anchorCert(judge.context, genesis);
    const [a, b] = [1, 2].map((tag) =>
      blockOn(judge, genesis, first, 1n, { payloadRoot: digestOf(tag) }),
    );
    if (a === undefined || b === undefined) return undefined;
    guardian.vote(a);
    // The anchor counted on when that seal was taken up.
    const resumed = resumeGuardian(sealed, isGuarded ? 2n : 1n);
    if (!resumed.ok) return undefined;
    guardian.state = resumed.value;
    guardian.vote(b);
    return "two votes in one view";
  },
};

/** A copied image: the same platform under another name. */
const t7: Regression = {
  id: "T7",
  harm(isGuarded) {
    const [original] = members;
    const copy = member("copy", 1n).entry;
    if (original === undefined) return undefined;
    const platform = isGuarded ? original.entry.platform : copy.platform;
    const set = ValidatorSet.from(twin, [original.entry, { ...copy, platform }]);
    return set.ok ? "one machine has the power of two" : undefined;
  },
};

/** A flood of invented proofs: what is looked at in one second. */
const t9: Regression = {
  id: "T9",
  harm(isGuarded) {
    const judge = judgeOf(members);
    const vote = new Committee(members).commit(1n);
    const [first, second] = judge.votesOf(vote.cert.blockQc);
    if (first === undefined || second === undefined) return undefined;
    const registration = judge.set.registration(0, firstEpoch);
    const pair = { first: first.envelope, second: second.envelope };
    const proof = { version: 1, kind: "K1", registration, ...pair } as const;
    const sets = { chain, setOf: () => judge.set.hash };
    const evidence = new Evidence(judge);
    let looked = 0;
    for (let i = 0; i < 1000; i++) {
      const verdict = isGuarded
        ? evidence.admit(proof, sets, 1)
        : verifyDivergence(twin, sets, proof);
      if (!verdict.ok && verdict.error.code === "E_CONSENSUS_DIVERGENCE") looked += 1;
    }
    return looked > divergenceChecksMax ? `${looked} were verified in a second` : undefined;
  },
};

/** A key that some vendor's leaked key attests, and no set registers. */
const t10: Regression = {
  id: "T10",
  harm(isGuarded) {
    const stranger = member("stranger", 1n);
    const all = [...members, stranger];
    const strangers = new Committee(all);
    const first = anchorCert(strangers.judge.context, genesis);
    const vote = strangers.signer(3).vote(blockOn(strangers.judge, genesis, first, 1n));
    const judge = judgeOf(isGuarded ? members : all);
    return judge.envelope(vote).ok ? "a stranger votes" : undefined;
  },
};

export const regressions: readonly Regression[] = [
  forks("T1", t1, "G1-slot"),
  forks("T2", t2, "G1-lock"),
  t3,
  byRule("T4", "R5-nack"),
  byRule("T6", "R5-tenure"),
  byRule("T6", "R6-distinct"),
  t7,
  byRule("T8", "V1-context"),
  t9,
  byRule("T9", "K10-epoch"),
  byRule("T9", "K10-power"),
  t10,
  forks("T11", t11, "G1-lock"),
  forks("T13", t13, "G1-lock"),
  byRule("T13", "R2-lock"),
  ...[
    "V2-signature",
    "V3-order",
    "V3-power",
    "R2-leader",
    "V3-just",
    "V5-leader",
    "Y1-parent",
    "Y2-last",
  ].map((rule) => byRule("T14", rule)),
  {
    id: "T15",
    harm: (isGuarded) => (t15(isGuarded ? [] : ["V6-just"]).result === "fork" ? "fork" : undefined),
  },
  ...["G4-once", "G2-high", "K2-other", "K5-later", "K7-freeze", "K8-vote"].map((rule) =>
    byRule("T17", rule),
  ),
  byRule("T19", "V8-path"),
  byRule("T20", "R3-first"),
];
