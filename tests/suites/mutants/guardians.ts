/** Guardians without a part of their rule: they fork, frame their owner, or fall silent. */
import {
  anchorCert,
  divergenceOf,
  type GuardianRequest,
  type GuardianRule,
  zeroHash,
} from "@ioi/consensus";
import {
  blockOn,
  Committee,
  digestOf,
  genesis,
  judgeOf,
  member,
  requestFor,
  Signer,
  twin,
} from "@ioi/consensus/testing";
import { t1, t2 } from "@ioi/consensus/testing-attacks";
import type { Mutant } from "./mutant.ts";

const members = ["a", "b", "c"].map((name) => member(name, 1n));
const judge = judgeOf(members);
const first = anchorCert(judge.context, genesis);
const blockIn = (view: bigint, tag = 1) =>
  blockOn(judge, genesis, first, view, { payloadRoot: digestOf(tag) });

const signer = (lacks: readonly GuardianRule[], leaseEnd?: bigint): Signer => {
  const [one] = members;
  if (one === undefined) throw new RangeError("three members");
  return new Signer(judge, one, twin, lacks, leaseEnd);
};

/** What the answers to these requests convict their Guardian of. */
const convictedFor = (
  lacks: readonly GuardianRule[],
  requests: readonly GuardianRequest[],
): string | undefined => {
  const one = signer(lacks);
  const said = requests
    .map((request) => one.ask(request))
    .filter((each) => typeof each !== "string");
  for (const a of said) {
    for (const b of said) {
      const kind = a === b ? undefined : divergenceOf(twin, a, b);
      if (kind !== undefined) return `convicted by ${kind}`;
    }
  }
  return undefined;
};

const forked = ({ result }: { readonly result: string }): string | undefined =>
  result === "fork" ? result : undefined;

const mutant = (
  rule: GuardianRule,
  harm: (lacks: readonly GuardianRule[]) => string | undefined,
): Mutant => ({ rule, of: "Guardian", harm: (isThere) => harm(isThere ? [] : [rule]) });

export const guardianMutants: readonly Mutant[] = [
  mutant("G1-slot", (lacks) => forked(t1(lacks))),
  mutant("G1-lock", (lacks) => forked(t2(lacks))),
  mutant("G1-again", (lacks) => {
    const one = signer(lacks);
    const request = requestFor(blockIn(1n));
    one.must(request);
    const again = one.ask(request);
    return typeof again === "string" ? `silent after a crash: ${again}` : undefined;
  }),
  mutant("G1-just", (lacks) => {
    const vote = signer(lacks).ask({
      ...requestFor(blockIn(1n)),
      just: { view: 1n, digest: digestOf(1) },
    });
    if (typeof vote === "string") return undefined;
    const verdict = judge.envelope(vote);
    return verdict.ok ? undefined : `signed what nobody takes: ${verdict.error.message}`;
  }),
  mutant("G1-lease", (lacks) => {
    const vote = signer(lacks, 5n).ask(requestFor(blockIn(5n)));
    return typeof vote === "string" ? undefined : "signed in a view that its successor begins with";
  }),
  mutant("G2-high", (lacks) => {
    const committee = new Committee(members, twin, judge, new Map([[0, lacks]]));
    const block = blockIn(1n);
    const qc = committee.certify(block, [1, 2]);
    const vote = committee.signer(0).vote(blockOn(judge, block.header, qc, 2n));
    const verdict = judge.envelope(vote);
    return verdict.ok ? undefined : `its votes count no more: ${verdict.error.message}`;
  }),
  mutant("G4-once", (lacks) =>
    convictedFor(lacks, [
      { type: "freeze", proof: digestOf(1) },
      { type: "freeze", proof: digestOf(2) },
    ]),
  ),
  mutant("G5-later", (lacks) => {
    const epoch = { number: 1n, mode: "a-dmft" } as const;
    const advance = { type: "advance", epoch, validators: zeroHash, anchor: genesis } as const;
    return convictedFor(lacks, [
      advance,
      requestFor(blockIn(1n)),
      advance,
      requestFor(blockIn(1n, 2)),
    ]);
  }),
];
