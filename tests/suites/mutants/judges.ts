/** Judges without a check: they take what no quorum of sound Guardians signed for. */
import { anchorCert, type Judge, type JudgeRule, quorumCertOf } from "@ioi/consensus";
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
import { t15 } from "@ioi/consensus/testing-attacks";
import type { Envelope, QuorumCert } from "@ioi/wire";
import type { Mutant } from "./mutant.ts";

const members = ["a", "b", "c"].map((name) => member(name, 1n));
const sound = judgeOf(members);
const first = anchorCert(sound.context, genesis);
const blockIn = (view: bigint, over = {}): Certified => blockOn(sound, genesis, first, view, over);
const committee = (): Committee => new Committee(members, twin, sound);
const certOf = (votes: readonly [Envelope, ...Envelope[]]): QuorumCert =>
  quorumCertOf(sound.set, votes);

const taken = (verdict: { readonly ok: boolean }, what: string): string | undefined =>
  verdict.ok ? `${what} is taken` : undefined;

const mutant = (
  rule: JudgeRule,
  harm: (judge: Judge, lacks: readonly JudgeRule[]) => string | undefined,
): Mutant => ({
  rule,
  of: "judge",
  harm(isThere) {
    const lacks = isThere ? [] : [rule];
    return harm(judgeOf(members, twin, { without: lacks }), lacks);
  },
});

/** A Guardian without that part signs `just` where its own view is. */
const unjustified = (): Envelope => {
  const broken = new Committee(members, twin, sound, new Map([[0, ["G1-just"]]]));
  const just = { view: 3n, digest: digestOf(1) };
  return broken.signer(0).must({ ...requestFor(blockIn(3n)), just });
};

const rejection = (signer: number, justView: bigint) => {
  const all = committee();
  const block = blockIn(1n);
  const qc = all.certify(block);
  const just = { view: justView, digest: digestOf(1) };
  const propose = all.signer(signer).must({
    ...requestFor(blockIn(2n)),
    kind: "propose",
    just,
  });
  return { propose, qc };
};

export const judgeMutants: readonly Mutant[] = [
  mutant("V1-context", (judge) => {
    const later = new Committee(members, twin, judgeOf(members, twin, { epoch: 1n }));
    return taken(judge.envelope(later.signer(0).vote(blockIn(1n))), "a vote of another epoch");
  }),
  mutant("V2-fields", (judge) =>
    taken(judge.envelope(unjustified()), "a vote justified by itself"),
  ),
  mutant("V2-signature", (judge) => {
    const vote = committee().signer(0).vote(blockIn(1n));
    return taken(judge.envelope({ ...vote, signature: new Uint8Array(32) }), "an unsigned vote");
  }),
  mutant("V3-order", (judge) => {
    const vote = committee().signer(0).vote(blockIn(1n));
    return taken(judge.quorumCert(certOf([vote, vote])), "one vote that counts twice");
  }),
  mutant("V3-power", (judge) =>
    taken(judge.quorumCert(certOf([committee().signer(0).vote(blockIn(1n))])), "one vote of three"),
  ),
  mutant("V3-just", (_, without) => {
    const judge = judgeOf(members, twin, { anchor: { ...genesis, view: 16n }, without });
    const lockless = new Map([0, 1].map((index) => [index, ["G1-lock"] as const]));
    const all = new Committee(members, twin, judge, lockless);
    const old = blockOn(judge, genesis, { ...first, view: 5n }, 17n);
    const votes = [all.signer(0).vote(old), all.signer(1).vote(old)] as const;
    return taken(judge.quorumCert(certOf(votes)), "a certificate justified before the epoch");
  }),
  mutant("V5-leader", (judge) =>
    taken(
      judge.nack(rejection(1, 0n), () => 0),
      "the rejection of what no leader proposed",
    ),
  ),
  mutant("V5-between", (judge) =>
    taken(
      judge.nack(rejection(0, 1n), () => 0),
      "the rejection of what is new enough",
    ),
  ),
  mutant("V6-just", (_, lacks) => (t15(lacks).result === "fork" ? "fork" : undefined)),
  mutant("V7-parent", (judge) => {
    const all = committee();
    const [block, stranger] = [blockIn(1n), blockIn(2n)];
    return taken(
      judge.commitCert({
        block: block.header,
        child: stranger.header,
        blockQc: all.certify(block),
        childQc: all.certify(stranger),
      }),
      "a commit without a child",
    );
  }),
  mutant("V7-next", (judge) => {
    const all = committee();
    const block = blockIn(1n);
    const blockQc = all.certify(block);
    const child = blockOn(sound, block.header, blockQc, 3n);
    return taken(
      judge.commitCert({
        block: block.header,
        child: child.header,
        blockQc,
        childQc: all.certify(child),
      }),
      "a commit over a view in which others may have committed",
    );
  }),
  mutant("V8-path", (judge) => {
    const ends = { validators: digestOf(1), leaseEnd: 0n };
    const boundary = blockIn(9n, { ends }).header;
    const { cert } = committee().commit(1n);
    return taken(
      judge.epochCert({ boundary, path: [], commit: cert }),
      "an end that nobody committed",
    );
  }),
];
