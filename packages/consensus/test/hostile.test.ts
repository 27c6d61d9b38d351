/**
 * Bad input to the engine, as one table: each message is refused with its reason, its cost is bounded, and
 * whatever the host is asked afterwards it answers as one that never heard it. Each kind of message is
 * accepted there as it was made, which is the control.
 */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "@ioi/base";
import { lastView, lastViewOf, totalPowerMax, ValidatorSet } from "@ioi/consensus";
import { blockOn, digestOf, member, twin } from "@ioi/consensus/testing";
import { Bench } from "@ioi/consensus/testing-bench";
import { type ConsensusMessage, consensusMessage, type Envelope, schema } from "@ioi/wire";
import {
  good,
  hidden,
  type Kind,
  kinds,
  refusals,
  type Stage,
  stage,
  standing,
  text,
  untouched,
} from "./hostile-stage.ts";

interface Row {
  readonly name: string;
  readonly kind: Kind;
  readonly code: string;
  readonly wrong: (stage: Stage) => ConsensusMessage;
}

const row = <K extends Kind>(
  name: string,
  kind: K,
  code: string,
  change: (
    message: Extract<ConsensusMessage, { type: K }>,
    stage: Stage,
  ) => ConsensusMessage | undefined,
): Row => ({
  name,
  kind,
  code: `E_CONSENSUS_${code}`,
  wrong: (at) => {
    const message = good[kind](at) as Extract<ConsensusMessage, { type: K }>;
    return change(message, at) ?? assert.fail("a change");
  },
});

const signed = <T extends { readonly envelope: Envelope }>(
  message: T,
  over: Partial<Envelope>,
): T => ({
  ...message,
  envelope: { ...message.envelope, ...over },
});

/** Messages of T14, of the future and the past, of elsewhere; signers that are doubled or made up. */
const table: readonly Row[] = [
  row("a vote without a signature", "vote", "ENVELOPE", (m) =>
    signed(m, { signature: new Uint8Array() }),
  ),
  row("a vote by nobody", "vote", "ENVELOPE", (m) => signed(m, { gid: digestOf(3) })),
  row("a vote of another session", "vote", "ENVELOPE", (m) => signed(m, { session: digestOf(3) })),
  row("a vote of the far future", "vote", "STALE", (m) => signed(m, { view: 1n << 40n })),
  row("a vote of the last view", "vote", "STALE", (m) => signed(m, { view: lastView })),
  row("a vote of the past", "vote", "STALE", (m) => signed(m, { view: 0n })),
  row("a vote that is a freeze", "vote", "ENVELOPE", (m, at) => {
    const { envelope } = good.freeze(at) as Extract<ConsensusMessage, { type: "freeze" }>;
    return { ...m, envelope };
  }),
  row("a vote with counter 0", "vote", "ENVELOPE", (m) => signed(m, { counter: 0n })),
  row("a vote of another chain", "vote", "FOREIGN", (m) => signed(m, { chain: digestOf(5) })),
  row("a vote of a later epoch", "vote", "FOREIGN", (m) =>
    signed(m, { epoch: { number: 1n, mode: "a-dmft" } }),
  ),
  row("a vote of another mode", "vote", "FOREIGN", (m) =>
    signed(m, { epoch: { number: 0n, mode: "a-pmft" } }),
  ),
  row("a vote of another set", "vote", "FOREIGN", (m) => signed(m, { validators: digestOf(5) })),
  row("a certificate of height 0", "qc", "CERTIFICATE", (m) => ({
    ...m,
    qc: { ...m.qc, view: 0n },
  })),
  row("a certificate of the far future", "qc", "CERTIFICATE", (m) => ({
    ...m,
    qc: { ...m.qc, view: 1n << 40n },
  })),
  row("a certificate without votes", "qc", "CERTIFICATE", (m) => ({
    ...m,
    qc: { ...m.qc, votes: [] },
  })),
  row("a signer three times", "qc", "CERTIFICATE", (m) => {
    const [share] = m.qc.votes;
    return share && { ...m, qc: { ...m.qc, votes: [share, share, share] } };
  }),
  row("voters that there are not", "qc", "CERTIFICATE", (m) => ({
    ...m,
    qc: { ...m.qc, votes: m.qc.votes.map((share, i) => ({ ...share, voter: 100 + i })) },
  })),
  row("a voter in the name of another", "qc", "CERTIFICATE", (m) => {
    const [one, two, three] = m.qc.votes;
    return (
      one && two && three && { ...m, qc: { ...m.qc, votes: [{ ...one, voter: 0 }, two, three] } }
    );
  }),
  row("votes below a quorum", "qc", "CERTIFICATE", (m) => ({
    ...m,
    qc: { ...m.qc, votes: m.qc.votes.slice(1) },
  })),
  row("a certificate of another epoch", "qc", "FOREIGN", (m) => ({
    ...m,
    qc: { ...m.qc, epoch: { number: 1n, mode: "a-dmft" } },
  })),
  row("timeouts below a quorum", "tc", "CERTIFICATE", (m) => ({
    ...m,
    tc: { ...m.tc, timeouts: m.tc.timeouts.slice(1) },
  })),
  row("timeouts of another set", "tc", "FOREIGN", (m) => ({
    ...m,
    tc: { ...m.tc, validators: digestOf(5) },
  })),
  row("timeouts of the last view", "tc", "CERTIFICATE", (m) => ({
    ...m,
    tc: { ...m.tc, view: lastView },
  })),
  row("a timeout whose lock nobody knows", "timeout", "UNKNOWN", (m, { bench, view }) => ({
    ...m,
    envelope: bench.committee
      .signer(2)
      .timeout(lastViewOf(view), { view: view + 1n, digest: digestOf(9) }),
  })),
  row("a timeout beside a certificate that is none", "timeout", "CERTIFICATE", (m) => ({
    ...m,
    qc: { ...m.qc, votes: m.qc.votes.slice(1) },
  })),
  row("a panic that was forged", "freeze", "ENVELOPE", (m) => signed(m, { digest: digestOf(2) })),
  row("a panic by nobody", "freeze", "ENVELOPE", (m) => signed(m, { gid: digestOf(2) })),
  row("a panic with a certificate that is none", "freeze", "CERTIFICATE", (m) => ({
    ...m,
    qc: { ...m.qc, votes: [] },
  })),
  row("a proof that shows one thing twice", "divergence", "DIVERGENCE", (m) => ({
    ...m,
    proof: { ...m.proof, second: m.proof.first },
  })),
  row("a proof in the wrong order", "divergence", "DIVERGENCE", (m) => {
    const { first, second } = m.proof;
    return second && { ...m, proof: { ...m.proof, first: second, second: first } };
  }),
  row("a proof against another", "divergence", "DIVERGENCE", (m, { bench }) => ({
    ...m,
    proof: { ...m.proof, registration: bench.judge.set.registration(1, bench.judge.context.epoch) },
  })),
  row("a garbage header before the leader's", "proposal", "ENVELOPE", (m) => ({
    ...m,
    block: { ...m.block, header: { ...m.block.header, payloadRoot: digestOf(9) } },
  })),
  row("a proposal with the envelope of a vote", "proposal", "ENVELOPE", (m) =>
    signed(m, { kind: "vote" }),
  ),
  row("a proposal with another certificate beside it", "proposal", "BLOCK", (m, { commit }) => ({
    ...m,
    block: { ...m.block, justify: commit.cert.blockQc },
  })),
  row("a proposal by who does not lead", "proposal", "BLOCK", (_, { bench, commit, view }) => {
    const block = hidden(bench, commit);
    const other = bench.committee.signer((bench.leader(view) + 1) % 4);
    const { header, justify } = block;
    return { type: "proposal", block: { header, justify }, envelope: other.propose(block) };
  }),
  row("a proposal of the past", "proposal", "STALE", () => {
    const { bench, commit } = stage();
    const { view } = commit.child.header;
    const copy = new Bench();
    const over = { proposer: bench.leader(view), payloadRoot: digestOf(4) };
    const block = blockOn(bench.judge, commit.block.header, commit.cert.blockQc, view, over);
    return copy.proposal(block);
  }),
  row("a block that nobody asked for", "block", "STALE", (_, { commit }) => {
    const { header, justify } = commit.block;
    return { type: "block", block: { header, justify } };
  }),
  row("a block with another certificate beside it", "block", "BLOCK", (m, { commit }) => ({
    ...m,
    block: { ...m.block, justify: commit.cert.blockQc },
  })),
  row("a rejection of what nobody proposed", "nack", "ENVELOPE", (m) => ({
    ...m,
    nack: { ...m.nack, propose: { ...m.nack.propose, kind: "vote" } },
  })),
  row("a rejection by a certificate that is not newer", "nack", "CERTIFICATE", (m, { commit }) => ({
    ...m,
    nack: { ...m.nack, qc: commit.cert.blockQc },
  })),
  row("a question about a commit that is none", "guard", "CERTIFICATE", (m) => ({
    ...m,
    commit: { ...m.commit, childQc: m.commit.blockQc },
  })),
  row("an answer that its host did not sign", "guarded", "ENVELOPE", (m) => ({
    ...m,
    answer: { ...m.answer, voter: 2 },
  })),
  row("an answer to no question", "guarded", "STALE", (m) => ({
    ...m,
    answer: { ...m.answer, block: digestOf(1) },
  })),
];

test("bad messages: each is refused with its reason, at a bounded cost, and changes nothing", () => {
  for (const { name, kind, code, wrong } of table) {
    const at = stage(kind);
    const message = wrong(stage(kind));
    const { verified, hashed } = at.counting;
    const effects = at.bench.hear(message);
    assert.deepEqual(
      refusals(effects).map((error) => error.code),
      [code],
      name,
    );
    assert.equal(effects.length, 1, name);
    assert.ok(at.counting.verified - verified <= 6, `${name}: signatures`);
    assert.ok(at.counting.hashed - hashed <= 60, `${name}: ${at.counting.hashed - hashed} hashes`);
    assert.equal(standing(at), untouched(kind), name);
  }
});

test("control: every kind of message is accepted there, and most leave a trace", () => {
  const traces = kinds.filter((kind) => {
    const at = stage(kind);
    const message = good[kind](stage(kind));
    const effects = at.bench.hear(message);
    assert.deepEqual(refusals(effects), [], kind);
    assert.ok(effects.length > 0 || kind === "guarded", kind);
    return standing(at) !== untouched(kind);
  });
  // What only asks changes nothing; the block comes with its proposal too.
  assert.deepEqual(kinds.filter((kind) => !traces.includes(kind)).toSorted(), [
    "block",
    "fetch",
    "guard",
  ]);
});

type Path = readonly (string | number)[];

/** Of a leaf: the ends of its range, and what is beside it. */
const boundsOf = (leaf: unknown, key: string | number | undefined): readonly unknown[] => {
  if (typeof leaf === "bigint") {
    return [0n, leaf - 1n, leaf + 1n, (1n << 63n) - 1n, lastView, lastView + 1n];
  }
  if (typeof leaf === "number") return [0, leaf + 1, 255, Number.MAX_SAFE_INTEGER];
  if (leaf instanceof Uint8Array) {
    const flipped = leaf.map((byte, i) => (i === leaf.length - 1 ? byte ^ 1 : byte));
    return [
      new Uint8Array(leaf.length),
      new Uint8Array(leaf.length).fill(255),
      flipped,
      new Uint8Array(),
      new Uint8Array(2420),
    ];
  }
  if (key === "kind") return ["propose", "vote", "timeout", "freeze", "K1", "K2", "K8"];
  if (key === "mode") return ["a-pmft"];
  return key === "isolation" ? ["none", "remote"] : key === "rollback" ? ["none"] : [];
};

const mutants = function* (value: unknown, path: Path = []): Generator<readonly [Path, unknown]> {
  const key = path.at(-1);
  if (Array.isArray(value)) {
    for (const other of [[], value.slice(1), [...value, ...value], value.toReversed()])
      yield [path, other];
    for (const [i, each] of value.entries()) {
      for (const [at, changed] of mutants(each, [...path, i])) yield [at, value.with(i, changed)];
    }
  } else if (typeof value === "object" && value !== null && !(value instanceof Uint8Array)) {
    for (const [name, each] of Object.entries(value)) {
      for (const [at, changed] of mutants(each, [...path, name])) {
        yield [at, { ...value, [name]: changed }];
      }
    }
  } else if (key !== "type") {
    for (const bound of boundsOf(value, key)) yield [path, bound];
  }
};

/** As it comes from the wire; undefined where it is no message. */
const wired = (message: unknown): ConsensusMessage | undefined => {
  try {
    const bytes = schema.encode(consensusMessage, message as ConsensusMessage);
    const decoded = schema.decode(consensusMessage, bytes);
    return decoded.ok ? decoded.value : undefined;
  } catch {
    return undefined;
  }
};

test("every field at its bounds: refused with a reason, and the message itself still counts after all of them", () => {
  let count = 0;
  for (const kind of kinds.filter((each) => each !== "fetch")) {
    const at = stage(kind);
    const message = wired(good[kind](stage(kind))) ?? assert.fail(kind);
    const same = text(message);
    let refused = 0;
    for (const [path, changed] of mutants(message)) {
      if (text(changed) === same) continue;
      const heard = wired(changed);
      if (heard === undefined) continue;
      // Proofs by strangers are verified a few at a time.
      if (kind === "divergence") at.bench.nowMs += 1000;
      const effects = at.bench.hear(heard);
      const due = effects.filter(({ type }) => type !== "keep" && type !== "guarded");
      const name = `${kind} ${path.join(".")}`;
      assert.equal(refusals(effects).length, 1, `${name}: ${text(effects)}`);
      if (kind !== "divergence") assert.equal(due.length, 1, name);
      assert.match(refusals(effects)[0]?.code ?? "", /^E_CONSENSUS_/);
      refused += 1;
    }
    count += refused;
    assert.ok(refused > 20, `${kind}: ${refused}`);
    if (kind === "divergence") continue;
    assert.equal(standing(at, message), standing(stage(kind), message), kind);
  }
  assert.ok(count > 1500, `${count}`);
});

test("arbitrary bytes are no message, or are refused, or are what somebody signed", (t) => {
  const seed = process.env["IOI_SEED"] ?? `${Math.random()}`;
  t.diagnostic(`seed ${seed}`);
  const random = new SeededRandom(seed);
  const at = stage();
  let decoded = 0;
  for (let i = 0; i < 1500; i++) {
    const kind = random.pick(kinds.filter((each) => each !== "fetch"));
    const bytes = schema.encode(consensusMessage, made(kind));
    const flips = 1 + random.below(3);
    for (let flip = 0; flip < flips; flip++) {
      const place = random.below(bytes.length);
      bytes[place] = (bytes[place] ?? 0) ^ (1 << random.below(8));
    }
    const cut = random.chance(1, 20) ? bytes.slice(0, random.below(bytes.length)) : bytes;
    const message = schema.decode(consensusMessage, cut);
    if (!message.ok) continue;
    decoded += 1;
    const effects = at.bench.hear(message.value);
    assert.equal(refusals(effects).length, 1, `${kind}: ${text(effects)}`);
  }
  assert.ok(decoded > 100, `${decoded} of them decode`);
  assert.equal(standing(at), standing(stage()));
  for (let i = 0; i < 500; i++) {
    const bytes = random.fill(new Uint8Array(random.below(300)));
    assert.equal(schema.decode(consensusMessage, bytes).ok, false);
  }
});

const known = new Map<Kind, ConsensusMessage>();
const made = (kind: Kind): ConsensusMessage => {
  const message = known.get(kind) ?? good[kind](stage(kind));
  known.set(kind, message);
  return message;
};

test("powers: none, more than fits, and sums that overflow make no set", () => {
  const refused: readonly (readonly [string, readonly bigint[]])[] = [
    ["none", [0n, 1n]],
    ["too large", [totalPowerMax + 1n]],
    ["2^64-1", [(1n << 64n) - 1n, 1n]],
    ["a sum that is too large", [totalPowerMax, 1n]],
    ["a sum of 2^64", Array.from({ length: 4 }, () => 1n << 62n)],
    ["nobody", []],
  ];
  const setOf = (powers: readonly bigint[]) =>
    ValidatorSet.from(
      twin,
      powers.map((power, i) => member(`${i}`, power).entry),
    );
  for (const [name, powers] of refused) {
    const set = setOf(powers);
    assert.ok(!set.ok && set.error.code === "E_CONSENSUS_SET", name);
  }
  const largest = setOf([totalPowerMax - 1n, 1n]);
  assert.ok(largest.ok && largest.value.quorum === totalPowerMax / 2n + 1n, "control");
});
