/**
 * Predicates that are not there: an offender's proof is not taken. And predicates without a clause: what
 * sound Guardians sign convicts them.
 *
 * K1 and K6 are told apart for people: whoever takes a slot twice, or signs after a freeze, is caught by
 * K2 or K5 too. What is missed without them is that a proof by another host, which names them, counts.
 */
import {
  anchorCert,
  divergenceOf,
  type DivergenceRule,
  leaseProofOf,
  proofOf,
  sessionId,
  verifyDivergence,
} from "@ioi/consensus";
import {
  blockOn,
  chain,
  digestOf,
  genesis,
  judgeOf,
  member,
  setOf,
  Signer,
  twin,
} from "@ioi/consensus/testing";
import type { DivergenceKind, DivergenceProof, Envelope } from "@ioi/wire";
import type { Mutant } from "./mutant.ts";

const owner = member("a", 1n);
const members = [owner, member("b", 1n), member("c", 1n)];
const judge = judgeOf(members);
const first = anchorCert(judge.context, genesis);
const registration = judge.set.registration(0, judge.context.epoch);
const blockIn = (view: bigint, tag = 1) =>
  blockOn(judge, genesis, first, view, { payloadRoot: digestOf(tag) });

type Pair = readonly [Envelope, Envelope];
type PairKind = Exclude<DivergenceKind, "K7">;

/** A Guardian, and what its owner makes of its state. */
const signer = (): Signer => new Signer(judge, owner);
const copyOf = ({ state }: Signer): Signer => Object.assign(signer(), { state });

const offences: Readonly<Record<PairKind, () => Pair>> = {
  K1: () => {
    const [one, other] = [signer(), signer()];
    return [one.vote(blockIn(1n, 1)), other.vote(blockIn(1n, 2))];
  },
  K2: () => {
    const [one, other] = [signer(), signer()];
    return [one.vote(blockIn(1n)), other.vote(blockIn(2n))];
  },
  K3: () => {
    const [one, other] = [signer(), signer()];
    other.vote(blockIn(2n));
    return [one.vote(blockIn(1n)), other.vote(blockIn(3n))];
  },
  K4: () => {
    const one = signer();
    const seen = { view: 1n, digest: digestOf(1) };
    const before = one.timeout(2n, seen);
    one.state = { ...one.state, high: genesis };
    return [before, one.timeout(3n, genesis)];
  },
  K5: () => {
    const one = signer();
    const before = one.vote(blockIn(5n));
    one.state = { ...one.state, slot: { view: 1n, kind: "timeout" } };
    return [before, one.vote(blockIn(3n))];
  },
  K6: () => {
    const one = signer();
    const { slot } = one.state;
    const before = one.must({ type: "freeze", proof: digestOf(1) });
    one.state = { ...one.state, frozen: false, slot };
    return [before, one.vote(blockIn(1n))];
  },
  K8: () => {
    const one = signer();
    const before = one.timeout(2n, { view: 1n, digest: digestOf(1) });
    const { high } = one.state;
    one.state = { ...one.state, high: genesis };
    return [before, one.vote(blockIn(3n), high)];
  },
};

/** A session that its successor took over at view 40. */
const late = (envelope: Envelope): readonly [DivergenceProof, (number: bigint) => Uint8Array] => {
  const fresh = member("fresh", 1n).entry;
  const { entry } = owner;
  const succeeds = { session: sessionId(twin, entry.sessionKey), lease: 40n };
  const renewed = { ...entry, sessionKey: fresh.sessionKey, succeeds };
  const set = setOf([{ ...owner, entry: renewed }, ...members.slice(1)]);
  const successor = set.registration(0, { number: 1n, mode: "a-dmft" });
  return [
    leaseProofOf(registration, envelope, successor),
    (number) => (number === 0n ? judge.set.hash : set.hash),
  ];
};

const takenLate = (envelope: Envelope, without: ReadonlySet<DivergenceRule>): boolean => {
  const [proof, setOfEpoch] = late(envelope);
  const sets = { chain, setOf: ({ number }: { readonly number: bigint }) => setOfEpoch(number) };
  return verifyDivergence(twin, sets, proof, without).ok;
};

const lacking = (rule: DivergenceRule, isThere: boolean): ReadonlySet<DivergenceRule> =>
  new Set(isThere ? [] : [rule]);

const removed = (kind: DivergenceKind): Mutant => ({
  rule: kind,
  of: "divergence",
  harm(isThere) {
    const without = lacking(kind, isThere);
    const escaped = `an offender against ${kind} is not convicted`;
    if (kind === "K7") return takenLate(signer().vote(blockIn(40n)), without) ? undefined : escaped;
    const [a, b] = offences[kind]();
    // Found in traffic by this predicate, and by no other where another one is not said to.
    const isFound = divergenceOf(twin, a, b, without) !== undefined;
    const proof = proofOf(kind, registration, a, b);
    const isTaken = verifyDivergence(
      twin,
      { chain, setOf: () => judge.set.hash },
      proof,
      without,
    ).ok;
    if (isThere && divergenceOf(twin, a, b) !== kind) return `it is no ${kind}`;
    const isDoubled = kind === "K1" || kind === "K6";
    return isTaken && (isFound || isDoubled) ? undefined : escaped;
  },
});

/** Everything that a sound Guardian can be led to sign, again and again, and its freeze. */
const honest = (): readonly Envelope[] => {
  const one = signer();
  const block = blockIn(1n);
  const said = [one.propose(block), one.vote(block), one.vote(block)];
  said.push(one.timeout(2n, { view: 1n, digest: block.digest }));
  const restarted = copyOf(one);
  said.push(restarted.timeout(2n, { view: 1n, digest: block.digest }));
  said.push(restarted.timeout(3n, { view: 2n, digest: digestOf(2) }));
  said.push(restarted.timeout(5n, { view: 2n, digest: digestOf(2) }));
  said.push(restarted.must({ type: "freeze", proof: digestOf(1) }));
  said.push(restarted.must({ type: "freeze", proof: digestOf(2) }));
  return said;
};

const loosened = (rule: DivergenceRule): Mutant => ({
  rule,
  of: "divergence",
  harm(isThere) {
    const without = lacking(rule, isThere);
    const said = honest();
    for (const a of said) {
      for (const b of said) {
        // As it arrives twice.
        const kind = divergenceOf(twin, a, { ...b }, without);
        if (kind !== undefined) return `a sound Guardian is convicted by ${kind}`;
      }
    }
    const ended = [signer().vote(blockIn(39n)), said.at(-1)].filter((each) => each !== undefined);
    return ended.some((each) => takenLate(each, without))
      ? "a Guardian that kept its lease is convicted by K7"
      : undefined;
  },
});

export const divergenceMutants: readonly Mutant[] = [
  ...(["K1", "K2", "K3", "K4", "K5", "K6", "K7", "K8"] as const).map(removed),
  ...(
    [
      "K1-other",
      "K2-other",
      "K3-next",
      "K4-below",
      "K5-later",
      "K6-later",
      "K7-lease",
      "K7-freeze",
      "K8-vote",
    ] as const
  ).map(loosened),
];
