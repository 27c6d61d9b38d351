/** The signing rule, and that nobody can be framed who keeps it. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "@ioi/base";
import {
  compareSlots,
  divergenceOf,
  Evidence,
  freezeView,
  type GuardianRequest,
  type GuardianRule,
  lastView,
  resumeGuardian,
  sealGuardian,
} from "@ioi/consensus";
import type { Envelope } from "@ioi/wire";
import {
  digestOf,
  genesis,
  judgeOf,
  member,
  nothing,
  Signer,
  timeoutRequest,
  twin,
} from "@ioi/consensus/testing";

const members = [member("a", 1n), member("b", 1n), member("c", 1n)] as const;
const judge = judgeOf(members);
const signer = (without: readonly GuardianRule[] = [], leaseEnd?: bigint): Signer =>
  new Signer(judge, members[0], twin, without, leaseEnd);

const vote = (
  view: bigint,
  block: number,
  justView = view - 1n,
): GuardianRequest & { type: "sign" } => ({
  type: "sign",
  kind: "vote",
  view,
  digest: digestOf(block),
  just: { view: justView, digest: digestOf(99) },
  seen: genesis,
});

test("one slot has one envelope, and asking again gives the same bytes", () => {
  const guardian = signer();
  const first = guardian.must(vote(3n, 1));
  const { state } = guardian;
  assert.equal(guardian.must(vote(3n, 1)), first);
  assert.equal(guardian.state, state);
  assert.match(guardian.ask(vote(3n, 2)) as string, /^G1: slot/);
  assert.match(guardian.ask(vote(2n, 1)) as string, /^G1: slot/);
  assert.match(guardian.ask({ ...vote(3n, 1), kind: "propose" }) as string, /^G1: slot/);
  assert.equal(guardian.must(timeoutRequest(3n, genesis)).counter, 2n);
});

test("the lock is the Guardian's own: what justifies a vote is never below what it was told of", () => {
  const guardian = signer();
  guardian.must({ ...vote(4n, 1), kind: "propose", just: { view: 3n, digest: digestOf(3) } });
  assert.match(guardian.ask(vote(4n, 1, 2n)) as string, /^G1: the vote is justified at 2, below 3/);
  guardian.must({ ...timeoutRequest(9n, { view: 7n, digest: digestOf(7) }) });
  assert.match(guardian.ask(vote(10n, 1, 6n)) as string, /below 7/);
  assert.equal(guardian.must(vote(10n, 1, 7n)).high.view, 7n);
});

test("every envelope shows the highest that was justified or seen, and hangs on the one before", () => {
  const guardian = signer();
  const a = guardian.must({ ...vote(5n, 1, 2n), seen: { view: 4n, digest: digestOf(4) } });
  assert.deepEqual(a.high, { view: 4n, digest: digestOf(4) });
  const b = guardian.must(timeoutRequest(5n, nothing));
  assert.deepEqual(b.high, a.high);
  assert.equal(b.counter, 2n);
  assert.equal(divergenceOf(twin, a, b), undefined);
  assert.ok(judge.envelope(a).ok && judge.envelope(b).ok);
});

test("no view beyond the lease, none that is not, nothing that justifies itself", () => {
  const guardian = signer([], 8n);
  assert.match(guardian.ask(vote(8n, 1)) as string, /lease ends at view 8/);
  assert.match(guardian.ask(vote(7n, 1, 7n)) as string, /not older/);
  assert.match(guardian.ask(vote(freezeView, 1, 1n)) as string, /no such view/);
  assert.match(
    guardian.ask({ ...timeoutRequest(3n, genesis), digest: digestOf(1) }) as string,
    /no block/,
  );
  assert.match(guardian.ask({ type: "lease", end: 7n }) as string, /never gets shorter/);
  assert.equal(guardian.ask({ type: "lease", end: 9n }), "done");
  guardian.must(vote(8n, 1));
  assert.ok(lastView < freezeView);
});

test("a freeze is given once, and nothing after it", () => {
  const guardian = signer();
  guardian.must(vote(3n, 1));
  const frozen = guardian.must({ type: "freeze", proof: digestOf(1) });
  assert.equal(guardian.must({ type: "freeze", proof: digestOf(2) }), frozen);
  assert.match(guardian.ask(vote(4n, 1)) as string, /frozen/);
  const anchor = { view: 16n, digest: digestOf(5) };
  const next = { number: 1n, mode: "a-dmft" } as const;
  const advanced = { type: "advance", epoch: next, validators: digestOf(6), anchor } as const;
  assert.match(guardian.ask(advanced) as string, /^G5: it is frozen/);
});

test("an epoch is entered once, forwards, and its slots begin anew", () => {
  const guardian = signer();
  guardian.must(vote(40n, 1));
  const anchor = { view: 16n, digest: digestOf(5) };
  const next = { number: 1n, mode: "a-dmft" } as const;
  const advanced = { type: "advance", epoch: next, validators: digestOf(6), anchor } as const;
  assert.equal(guardian.ask(advanced), "done");
  assert.match(guardian.ask(advanced) as string, /no later epoch/);
  assert.deepEqual(guardian.state.high, anchor);
  assert.match(guardian.ask(vote(16n, 1, 15n)) as string, /^G1: slot/);
  assert.equal(guardian.must(vote(17n, 1, 16n)).counter, 2n);
});

test("a restart from the seal is exact, and a seal is taken up once", () => {
  const guardian = signer();
  guardian.must(vote(3n, 1));
  guardian.must({ type: "freeze", proof: digestOf(1) });
  const sealed = sealGuardian(guardian.state, 4n);
  const resumed = resumeGuardian(sealed, 4n);
  assert.deepEqual(resumed, { ok: true, value: guardian.state });
  assert.equal(resumeGuardian(sealed, 5n).ok, false, "the anchor went on");
  assert.equal(resumeGuardian(sealed, 3n).ok, false);
  assert.equal(resumeGuardian(sealed.subarray(1), 4n).ok, false);
  const { last: _, ...rest } = guardian.state;
  assert.ok(sealGuardian({ ...rest, last: undefined }, 4n).length <= 700);
});

/** Any request that a host could think of, most of them near what would hurt. */
const anyRequest = (random: SeededRandom, epoch: bigint): GuardianRequest => {
  const view = BigInt(1 + random.below(10));
  const ref = () => ({ view: BigInt(random.below(11)), digest: digestOf(random.below(3)) });
  switch (random.below(24)) {
    case 0:
      return { type: "freeze", proof: digestOf(random.below(3)) };
    case 1:
    case 2:
      return {
        type: "advance",
        epoch: { number: epoch + BigInt(random.below(2)), mode: "a-dmft" },
        validators: digestOf(7),
        anchor: ref(),
      };
    case 3:
      return { type: "lease", end: BigInt(random.below(14)) };
    case 4:
    case 5:
    case 6:
      return timeoutRequest(view, ref());
    default:
      return {
        type: "sign",
        kind: random.chance(1, 3) ? "propose" : "vote",
        view,
        digest: digestOf(random.below(3)),
        just: ref(),
        seen: ref(),
      };
  }
};

const play = (
  random: SeededRandom,
  without: readonly GuardianRule[],
  rollsBack = false,
): Envelope[] => {
  const guardian = signer(without, BigInt(6 + random.below(8)));
  const envelopes: Envelope[] = [];
  let old = guardian.state;
  for (let call = 0; call < 30; call++) {
    const answer = guardian.ask(anyRequest(random, guardian.state.epoch.number));
    if (typeof answer !== "string") envelopes.push(answer);
    if (random.chance(1, 8)) {
      const boot = BigInt(call);
      const resumed = resumeGuardian(sealGuardian(rollsBack ? old : guardian.state, boot), boot);
      assert.ok(resumed.ok);
      old = guardian.state;
      guardian.state = resumed.value;
    }
  }
  return envelopes;
};

const kindsIn = (envelopes: readonly Envelope[]): Set<string> => {
  const kinds = new Set<string>();
  for (const [i, a] of envelopes.entries()) {
    for (const b of envelopes.slice(0, i)) {
      const kind = divergenceOf(twin, a, b);
      if (kind !== undefined) kinds.add(kind);
    }
  }
  return kinds;
};

const sequences = Number(process.env["IOI_SEQUENCES"] ?? 2000);

test("no sequence of calls to a sound Guardian frames it", (t) => {
  const seed = process.env["IOI_SEED"] ?? `${Math.random()}`;
  t.diagnostic(`seed ${seed}`);
  const random = new SeededRandom(seed);
  let signed = 0;
  for (let i = 0; i < sequences; i++) {
    const envelopes = play(random, []);
    signed += new Set(envelopes).size;
    assert.deepEqual([...kindsIn(envelopes)], [], `sequence ${i} of seed ${seed}`);
    const evidence = new Evidence(judge);
    for (const envelope of envelopes) assert.equal(evidence.observe(envelope, 0), undefined);
    const ends = envelopes.filter(({ epoch }) => epoch.number === 0n);
    for (const [at, envelope] of ends.entries()) {
      assert.ok(judge.envelope(envelope).ok);
      assert.ok(at === 0 || compareSlots(envelope, ends[at - 1] as Envelope) >= 0);
    }
  }
  assert.ok(signed > sequences, "they do sign");
});

test("control: a Guardian without a part of the rule is found out by its own envelopes", () => {
  const random = new SeededRandom("without");
  const found = (without: readonly GuardianRule[], rollsBack = false): Set<string> => {
    const kinds = new Set<string>();
    for (let i = 0; i < 200; i++) {
      for (const kind of kindsIn(play(random, without, rollsBack))) kinds.add(kind);
    }
    return kinds;
  };
  assert.deepEqual(found([]), new Set());
  assert.ok(found(["G1-slot"]).isSupersetOf(new Set(["K1", "K5"])));
  assert.deepEqual(found(["G1-lock"]), new Set(["K8"]));
  assert.deepEqual(found(["G4-once"]), new Set(["K1", "K6"]));
  assert.ok(found([], true).isSupersetOf(new Set(["K1", "K2", "K4", "K5"])), "set back on restart");
});

test("control: a Guardian that does not raise its lock signs what is no envelope", () => {
  const guardian = signer(["G2-high"]);
  const verdict = judge.envelope(guardian.must(vote(3n, 1)));
  assert.deepEqual(verdict, {
    ok: false,
    error: { code: "E_CONSENSUS_ENVELOPE", message: "V2: it shows a lock below what justifies it" },
  });
});
