/** Hosts without a rule: the chain stops, or their Guardians fall silent. */
import { type HostRule, lastViewOf, nextTenureStart, tenureOf, tenureViews } from "@ioi/consensus";
import {
  blockOn,
  chain,
  digestOf,
  doubleVote,
  judgeOf,
  member,
  requestFor,
  twin,
} from "@ioi/consensus/testing";
import { Bench, ending, held, requestsIn, typesOf } from "@ioi/consensus/testing-bench";
import { calm, checkLiveness, Network, runRemembered, runTwoFaced } from "@ioi/netsim";
import type { Mutant } from "./mutant.ts";

/** Ten time-outs of 250 ms, and half as much for what passes between them. */
const stalledMsMax = 4000;

const mutant = (
  rule: HostRule,
  harm: (lacks: readonly HostRule[]) => string | undefined | Promise<string | undefined>,
): Mutant => ({ rule, of: "host", harm: (isThere) => harm(isThere ? [] : [rule]) });

/** It holds a certificate of one view; the leader of a later one proposes as if there were none. */
const hidden = (lacks: readonly HostRule[]) => {
  const bench = new Bench(lacks);
  const { view, tc } = bench.late();
  const block = bench.block(view, bench.first);
  bench.hear(bench.proposal(block, tc));
  bench.hear({ type: "qc", qc: bench.committee.certify(block, [1, 2, 3]) });
  const later = bench.foreign(nextTenureStart(view));
  bench.hear({ type: "tc", tc: bench.timeouts(later - 1n), qc: bench.first });
  const stale = bench.block(later, bench.first);
  return requestsIn([...bench.hear(bench.proposal(stale)), ...held(bench, stale)]);
};

/** Ten tenures in a row are led by whoever is down: three of seven. */
const stalled = async (lacks: readonly HostRule[]): Promise<string | undefined> => {
  const members = Array.from({ length: 7 }, (_, i) => member(`${i}`, 1n));
  const down = [1, 3, 5];
  const leader = (view: bigint): number => {
    const tenure = Number(tenureOf(view));
    return tenure < 10 ? (down[tenure % down.length] ?? 1) : 0;
  };
  const network = new Network({
    members,
    seed: "stalled",
    without: new Map(members.map((_, index) => [index, lacks])),
    engine: { leaders: { views: tenureViews, leader } },
  });
  for (const index of down) network.stop(index);
  network.demand(true);
  const of = [0, 2, 4, 6];
  const [wrong] = await checkLiveness(network, { blocks: 3, boundMs: stalledMsMax, of });
  return wrong?.message;
};

/** A leader whose Guardian is broken shows two faces; somebody says S of what another host never saw. */
const guarded = async (lacks: readonly HostRule[]): Promise<string | undefined> => {
  for (let i = 0; i < 12; i++) {
    const options = { nodes: 3, without: lacks };
    const [wrong] = (await runTwoFaced(`two-faced ${i}`, twin, options)).violations;
    if (wrong !== undefined) return wrong.message;
  }
  return undefined;
};

/** A host in its third epoch is told of an offence that no longer decides anything. */
const frozen = (lacks: readonly HostRule[], epoch: bigint, isGone: boolean) => {
  const all = ["a", "b", "c", "d"].map((name) => member(name, 1n));
  const gone = member("gone", 1n);
  const judgeAt = (number: bigint) =>
    judgeOf(number < 2n ? [...all, gone] : all, twin, { epoch: number });
  const sets = {
    chain,
    setOf: ({ number }: { readonly number: bigint }) => judgeAt(number).set.hash,
  };
  const bench = new Bench(lacks, { judge: judgeAt(2n), sets });
  const proof = doubleVote(judgeAt(epoch), isGone ? gone : bench.member(1));
  const heard = bench.hear({ type: "divergence", proof });
  if (!typesOf(heard).includes("divergence")) return "the proof is lost";
  return bench.engine.isStopped ? "the chain stops for who decides nothing any more" : undefined;
};

/** A copy of a Guardian speaks up once all have crashed who could have contradicted it. */
const remembered = async (isKept: boolean): Promise<string | undefined> => {
  for (let i = 0; i < 4; i++) {
    const { proofs } = await runRemembered(`kept ${i}`, twin, { areForgetful: !isKept });
    if (proofs.length === 0) return "an offence from before a crash is nobody's to convict";
  }
  return undefined;
};

/** Two hosts say OK, and the third shows its vote of a view before, which may have completed a commit there. */
const objected = (lacks: readonly HostRule[]): string | undefined => {
  const bench = new Bench(lacks);
  const { digest, header } = bench.commit().block;
  bench.give({ type: "guard", height: 1n });
  for (const voter of [1, 2]) bench.hear(bench.answer(voter, digest));
  const rival = blockOn(bench.judge, { height: 5n, timeMs: 9 }, bench.first, header.view - 1n);
  const just = { view: header.view - 2n, digest: digestOf(7) };
  const request = { ...requestFor(rival), just, seen: just };
  const vote = new Bench().committee.signer(3).must(request);
  const heard = bench.hear(bench.answer(3, digest, [vote]));
  bench.nowMs += 50;
  const told = [...heard, ...bench.give({ type: "tick" })];
  const isGuarded = told.some((each) => each.type === "guarded" && each.verdict === "guarded");
  return isGuarded ? "S is said beside a vote that may have committed something else" : undefined;
};

/** The fourth vote for the end of an epoch is on its way: with it, it has F2(2). */
const hurried = (lacks: readonly HostRule[]): string | undefined => {
  const commit = ending(2n, lacks).effects.find((each) => each.type === "commit");
  return commit === undefined
    ? undefined
    : `the end of an epoch stands on ${commit.strength.power} of 4 for good`;
};

const kindsOf = (requests: ReturnType<typeof requestsIn>): readonly string[] =>
  requests.map((each) => (each.type === "sign" ? each.kind : each.type));

export const hostMutants: readonly Mutant[] = [
  mutant("R2-leader", (lacks) => {
    const bench = new Bench(lacks);
    const { view, tc } = bench.late();
    const block = bench.block(view, bench.first);
    const other = [1, 2, 3].find((index) => index !== bench.leader(view)) ?? 1;
    const envelope = bench.committee.signer(other).propose(block);
    const { header, justify } = block;
    bench.hear({ type: "proposal", block: { header, justify }, envelope, tc });
    return requestsIn(held(bench, block)).length > 0 ? "voted for what no leader said" : undefined;
  }),
  mutant("R2-lock", (lacks) =>
    kindsOf(hidden(lacks)).includes("vote") ? "asked for a vote below what it holds" : undefined,
  ),
  mutant("R3-first", (lacks) => {
    const bench = new Bench(lacks);
    const { view, tc } = bench.late();
    const block = bench.block(view, bench.first);
    bench.hear(bench.proposal(block, tc));
    held(bench, block);
    const envelope = bench.committee.signer(0).vote(block);
    const types = typesOf(bench.give({ type: "signed", envelope }));
    return types.indexOf("broadcast") < types.indexOf("persist")
      ? "sent before it was durable"
      : undefined;
  }),
  mutant("R4-own-vote", (lacks) => {
    const bench = new Bench(lacks);
    let view = 17n;
    while (bench.leader(view) === 0 || bench.leader(lastViewOf(view) + 1n) !== 0) {
      view = nextTenureStart(view);
    }
    view = lastViewOf(view);
    bench.give({ type: "payload", waits: true });
    const block = bench.block(view, bench.first);
    bench.hear(bench.proposal(block, bench.timeouts(view - 1n)));
    bench.hear({ type: "qc", qc: bench.committee.certify(block, [1, 2, 3]) });
    const asked = kindsOf(requestsIn(held(bench, block)));
    return asked.includes("vote") ? undefined : "proposed without its own vote in the view before";
  }),
  mutant("R5-known", (lacks) => {
    const bench = new Bench(lacks);
    const seen = { view: 9n, digest: digestOf(9) };
    for (const index of [1, 2, 3]) {
      const envelope = bench.committee.signer(index).timeout(16n, seen);
      bench.hear({ type: "timeout", envelope, qc: bench.first });
    }
    return bench.engine.view > 1n ? "opened a view on locks that nobody can show" : undefined;
  }),
  mutant("R5-nack", (lacks) =>
    kindsOf(hidden(lacks)).includes("timeout") ? undefined : "a hidden certificate costs a tenure",
  ),
  mutant("R5-tenure", stalled),
  mutant("R6-distinct", stalled),
  { rule: "R8-kept", of: "host", harm: remembered },
  mutant("K10-epoch", (lacks) => frozen(lacks, 0n, false)),
  mutant("K10-power", (lacks) => frozen(lacks, 1n, true)),
  mutant("GS2-votes", guarded),
  mutant("GS2-older", objected),
  mutant("GS5-wait", guarded),
  mutant("E1-wait", hurried),
  mutant("R7-resend", async (lacks) => {
    const members = ["a", "b", "c", "d"].map((name) => member(name, 1n));
    const without = new Map(members.map((_, index) => [index, lacks]));
    const network = new Network({
      members,
      seed: "resend",
      faults: { ...calm, lost: 300 },
      without,
    });
    network.demand(true);
    const [wrong] = await checkLiveness(network, { blocks: 20, boundMs: 120_000 });
    return wrong?.message;
  }),
];
