/** A node that synchronises: whom it asks, what it believes, and what it does not hold against anybody. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  anchorCert,
  Sync,
  syncAnswerMs,
  syncChunkFrom,
  type SyncEffect,
  syncPeersMax,
  type SyncSource,
} from "@ioi/consensus";
import {
  blockOn,
  digestOf,
  chain,
  Committee,
  firstEpoch,
  genesis,
  member,
  twin,
} from "@ioi/consensus/testing";
import type { ConsensusBlock, SyncChunk } from "@ioi/wire";

const committee = new Committee([0, 1, 2, 3].map((i) => member(`${i}`, 1n)));

/** Nine blocks of one epoch; views 3 and 6 passed without one. */
const source: SyncSource = (() => {
  const { judge } = committee;
  const blocks: ConsensusBlock[] = [];
  let justify = anchorCert(judge.context, judge.anchor);
  let below: { readonly height: bigint; readonly timeMs: number } = judge.anchor;
  for (let height = 1; ; height++) {
    const view = justify.view + (height === 3 || height === 5 ? 2n : 1n);
    const block = blockOn(judge, below, justify, view);
    blocks.push({ header: block.header, justify });
    const newest = height === 9 ? committee.commitOf(block).cert : undefined;
    if (newest !== undefined) {
      return { newest, endAt: () => undefined, block: (at) => blocks[Number(at) - 1] };
    }
    justify = committee.certify(block);
    below = block.header;
  }
})();

const fresh = (): Sync =>
  new Sync(twin, { chain, epoch: firstEpoch, set: committee.judge.set, anchor: genesis });
const asked = (effects: readonly SyncEffect[]): readonly string[] =>
  effects.map((each) => (each.type === "ask" ? `ask ${each.peer} from ${each.from}` : each.type));
const chunk = syncChunkFrom(source, 1n);
const answer = (peer: number, given: SyncChunk = chunk, from = 1n) =>
  ({ type: "answer", peer, from, chunk: given }) as const;

test("Y1, Y2: an answer is taken whole, or its peer is not asked again and nothing changed", () => {
  assert.equal(chunk.blocks.length, 9);
  const middle = syncChunkFrom(
    { ...source, block: (at) => (at > 7n ? undefined : source.block(at)) },
    1n,
  );
  assert.equal(middle.blocks.length, 5, "down to one that is committed directly");
  const [first, ...others] = chunk.blocks;
  assert.ok(first !== undefined && chunk.commit !== undefined);
  const fifth = chunk.blocks[4] ?? first;
  const otherState = { ...fifth, header: { ...fifth.header, stateRoot: digestOf(1) } };
  const bad: readonly (readonly [string, SyncChunk])[] = [
    ["a block less", { ...chunk, blocks: others }],
    ["the last one less", { ...chunk, blocks: chunk.blocks.slice(0, -1) }],
    ["out of order", { ...chunk, blocks: chunk.blocks.toReversed() }],
    ["no certificate", { blocks: chunk.blocks }],
    ["another state", { ...chunk, blocks: chunk.blocks.with(4, otherState) }],
    [
      "another justify",
      {
        ...chunk,
        blocks: [first, { ...first, ...others[0], justify: first.justify }, ...others.slice(1)],
      },
    ],
    [
      "no votes",
      { ...chunk, commit: { ...chunk.commit, childQc: { ...chunk.commit.childQc, votes: [] } } },
    ],
  ];
  for (const [what, given] of bad) {
    const node = fresh();
    node.handle({ type: "peer", peer: 1 }, 0);
    const told = asked(node.handle(answer(1, given), 1));
    assert.deepEqual(told, ["banned", "failed"], `${what}: nobody else is there`);
    assert.deepEqual(node.tip, genesis);
    assert.deepEqual(node.handle({ type: "peer", peer: 1 }, 2), [], "it stays so");
    assert.deepEqual(asked(node.handle({ type: "peer", peer: 2 }, 2)), ["ask 2 from 1"]);
    assert.deepEqual(asked(node.handle(answer(2), 3)), ["blocks", "ask 2 from 10"]);
    assert.equal(node.tip.height, 9n);
    assert.deepEqual(asked(node.handle(answer(2, { blocks: [] }, 10n), 4)), ["done"]);
  }
});

test("Y3: what nobody asked for is nothing, and a late answer is held against nobody", () => {
  const node = fresh();
  node.handle({ type: "peer", peer: 1 }, 0);
  assert.deepEqual(asked(node.handle({ type: "peer", peer: 2 }, 0)), []);
  assert.deepEqual(asked(node.handle(answer(2), 1)), [], "it was not asked");
  assert.deepEqual(asked(node.handle(answer(3), 1)), [], "it is no peer");
  assert.deepEqual(asked(node.handle({ type: "tick" }, syncAnswerMs - 1)), []);
  assert.deepEqual(asked(node.handle({ type: "tick" }, syncAnswerMs)), ["ask 2 from 1"]);
  assert.deepEqual(asked(node.handle(answer(1), syncAnswerMs + 1)), [], "too late");
  assert.deepEqual(asked(node.handle(answer(2), syncAnswerMs + 2)), ["blocks", "ask 2 from 10"]);
  assert.deepEqual(asked(node.handle(answer(2), syncAnswerMs + 3)), [], "of an older question");
  const later = answer(2, { blocks: [] }, 10n);
  assert.deepEqual(asked(node.handle(later, syncAnswerMs + 4)), ["ask 1 from 10"]);
});

test("Y4: a node is done when nobody has more, and asks again when somebody says so", () => {
  const node = fresh();
  assert.deepEqual(node.handle({ type: "tick" }, 0), [], "nobody is there");
  node.handle({ type: "peer", peer: 1 }, 0);
  assert.deepEqual(asked(node.handle(answer(1, { blocks: [] }), 1)), ["done"]);
  assert.deepEqual(asked(node.handle({ type: "peer", peer: 1 }, 2)), ["ask 1 from 1"]);
  assert.deepEqual(asked(node.handle({ type: "gone", peer: 1 }, 3)), []);
  assert.equal(node.deadline(), undefined);
  const silent = fresh();
  silent.handle({ type: "peer", peer: 1 }, 0);
  assert.deepEqual(asked(silent.handle({ type: "tick" }, syncAnswerMs)), ["ask 1 from 1"]);
  assert.deepEqual(asked(silent.handle({ type: "tick" }, 2 * syncAnswerMs)), ["failed"]);
  assert.deepEqual(asked(silent.handle({ type: "peer", peer: 2 }, 9000)), ["ask 2 from 1"]);
});

test("Y4: silences count where they happened: a slow peer is asked twice above the newest block", () => {
  const node = fresh();
  node.handle({ type: "peer", peer: 1 }, 0);
  node.handle({ type: "peer", peer: 2 }, 0);
  let nowMs = syncAnswerMs;
  assert.deepEqual(asked(node.handle({ type: "tick" }, nowMs)), ["ask 2 from 1"]);
  assert.deepEqual(asked(node.handle(answer(2), nowMs)), ["blocks", "ask 2 from 10"]);
  const empty = answer(2, { blocks: [] }, 10n);
  assert.deepEqual(asked(node.handle(empty, nowMs)), ["ask 1 from 10"]);
  nowMs += syncAnswerMs;
  assert.deepEqual(asked(node.handle({ type: "tick" }, nowMs)), ["ask 1 from 10"], "once here");
  nowMs += syncAnswerMs;
  assert.deepEqual(asked(node.handle({ type: "tick" }, nowMs)), ["done"]);
});

test("Y4: a peer that gives little at once is asked before one that is silent", () => {
  const node = fresh();
  for (const peer of [1, 2]) node.handle({ type: "peer", peer }, 0);
  node.handle({ type: "tick" }, syncAnswerMs);
  const one = syncChunkFrom(
    { ...source, block: (at) => (at > 3n ? undefined : source.block(at)) },
    1n,
  );
  assert.equal(one.blocks.length, 1);
  const told = asked(node.handle(answer(2, one), syncAnswerMs + 20));
  assert.deepEqual(told, ["blocks", "ask 2 from 2"]);
  const slow = fresh();
  for (const peer of [1, 2]) slow.handle({ type: "peer", peer }, 0);
  slow.handle({ type: "tick" }, syncAnswerMs);
  const late = asked(slow.handle(answer(2, one), 2 * syncAnswerMs - 1));
  assert.deepEqual(late, ["blocks", "ask 1 from 2"], "a block in four seconds is worth less");
});

test("peers beyond the bound are not taken on", () => {
  const node = fresh();
  for (let peer = 0; peer < 2 * syncPeersMax; peer++) node.handle({ type: "peer", peer }, 0);
  let questions = 1;
  for (let peer = 0; questions < 4 * syncPeersMax; peer++) {
    const effects = node.handle(answer(peer, { blocks: [] }), 1);
    if (effects.some(({ type }) => type === "done")) break;
    questions += 1;
  }
  assert.equal(questions, syncPeersMax);
});
