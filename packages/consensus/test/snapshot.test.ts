/** A state in parts: whom a node asks, what it takes, and what it does not hold against anybody. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { concatBytes, equalBytes, err, ok } from "@ioi/base";
import {
  holdsHash,
  Snapshot,
  type SnapshotEffect,
  snapshotManifestBytesMax,
  snapshotPartBytesMax,
  snapshotPartsMax,
  type SnapshotTree,
  syncAnswerMs,
  syncPeersMax,
} from "@ioi/consensus";
import { digestOf, twin } from "@ioi/consensus/testing";

const parts = [1, 2, 3].map((n) => digestOf(n));
const manifest = concatBytes(...parts.map((part) => twin.sha256(part)));
const target = { height: 7n, root: twin.sha256(manifest) };
const tree: SnapshotTree = {
  partsOf: (root, bytes) =>
    equalBytes(twin.sha256(bytes), root)
      ? ok(Array.from({ length: bytes.length / 32 }, (_, i) => bytes.slice(32 * i, 32 * i + 32)))
      : err({ code: "E_CONSENSUS_SNAPSHOT", message: "another root" }),
  holds: (_index, hash, bytes) => holdsHash((each) => twin.sha256(each), hash, bytes),
};

const said = (effects: readonly SnapshotEffect[]): readonly string[] =>
  effects.map((each) => {
    if (each.type === "ask") return `ask ${each.peer} for ${each.part ?? "manifest"}`;
    return each.type === "part" ? `part ${each.index}` : each.type;
  });
const answer = (peer: number, part: number | undefined, bytes?: Uint8Array) =>
  ({
    type: "answer",
    peer,
    part,
    bytes: bytes ?? (part === undefined ? manifest : parts[part]),
  }) as const;
const absent = (peer: number, part?: number) =>
  ({ type: "answer", peer, part, bytes: undefined }) as const;
const met = (...peers: readonly number[]): Snapshot => {
  const node = new Snapshot(tree, target);
  for (const peer of peers) node.handle({ type: "peer", peer }, 0);
  return node;
};

test("Y5, Y6: the manifest, then each part once, then it is done", () => {
  const node = new Snapshot(tree, target);
  assert.deepEqual(said(node.handle({ type: "peer", peer: 1 }, 0)), ["ask 1 for manifest"]);
  assert.deepEqual(said(node.handle(answer(1, undefined), 1)), ["manifest", "ask 1 for 0"]);
  assert.deepEqual(said(node.handle(answer(1, 0), 2)), ["part 0", "ask 1 for 1"]);
  assert.deepEqual(said(node.handle(answer(1, 0), 2)), [], "it came already");
  assert.deepEqual(said(node.handle(answer(1, 1), 3)), ["part 1", "ask 1 for 2"]);
  assert.deepEqual(said(node.handle(answer(1, 2), 4)), ["part 2", "done"]);
  assert.ok(node.isDone);
  assert.deepEqual(node.handle({ type: "peer", peer: 2 }, 5), []);
});

test("a wrong answer costs its peer, changes nothing, and the next one is asked for the same", () => {
  const bad: readonly (readonly [string, Uint8Array])[] = [
    ["changed", manifest.with(3, 9)],
    ["cut", manifest.subarray(0, 64)],
    ["nothing", new Uint8Array()],
    ["too long", new Uint8Array(snapshotManifestBytesMax + 1)],
  ];
  for (const [what, bytes] of bad) {
    const node = met(1, 2);
    const told = said(node.handle(answer(1, undefined, bytes), 1));
    assert.deepEqual(told, ["banned", "ask 2 for manifest"], what);
    assert.deepEqual(node.handle({ type: "peer", peer: 1 }, 2), [], "it stays so");
    assert.deepEqual(said(node.handle(answer(2, undefined), 2)), ["manifest", "ask 2 for 0"]);
  }
  for (const bytes of [digestOf(2), new Uint8Array(), new Uint8Array(snapshotPartBytesMax + 1)]) {
    const node = met(1, 2);
    node.handle(answer(1, undefined), 1);
    assert.deepEqual(said(node.handle(answer(1, 0, bytes), 2)), ["banned", "ask 2 for 0"]);
  }
  const huge = new Uint8Array(32 * (snapshotPartsMax + 1));
  const node = new Snapshot(tree, { height: 7n, root: twin.sha256(huge) });
  node.handle({ type: "peer", peer: 1 }, 0);
  assert.deepEqual(said(node.handle(answer(1, undefined, huge), 1)), ["banned", "failed"]);
});

test("Y7: what nobody asked for is nothing; silence and absence cost a turn, and twice in a row all of them", () => {
  const node = met(1, 2);
  assert.deepEqual(node.handle(answer(2, undefined), 1), [], "it was not asked");
  assert.deepEqual(node.handle(answer(3, undefined), 1), [], "it is no peer");
  assert.deepEqual(node.handle(answer(1, 0), 1), [], "of another question");
  assert.deepEqual(said(node.handle(absent(1), 1)), ["ask 2 for manifest"]);
  const late = syncAnswerMs + 1;
  assert.deepEqual(node.handle({ type: "tick" }, late - 1), []);
  assert.deepEqual(said(node.handle({ type: "tick" }, late)), ["ask 1 for manifest"]);
  assert.deepEqual(said(node.handle(absent(1), late)), ["ask 2 for manifest"]);
  assert.deepEqual(said(node.handle({ type: "tick" }, 2 * late)), ["failed"]);
  assert.deepEqual(said(node.handle({ type: "peer", peer: 1 }, 2 * late)), ["ask 1 for manifest"]);
  assert.deepEqual(said(node.handle({ type: "gone", peer: 1 }, 2 * late)), ["failed"]);
});

test("a second start asks for what is missing only, and believes no list of another state", () => {
  const kept = { manifest, parts: new Set([0, 2]) };
  const node = new Snapshot(tree, target, kept);
  assert.deepEqual(said(node.handle({ type: "peer", peer: 1 }, 0)), ["ask 1 for 1"]);
  assert.deepEqual(said(node.handle(answer(1, 1), 1)), ["part 1", "done"]);
  const other = new Snapshot(tree, { ...target, root: digestOf(5) }, kept);
  assert.deepEqual(said(other.handle({ type: "peer", peer: 1 }, 0)), ["ask 1 for manifest"]);
  assert.ok(new Snapshot(tree, target, { manifest, parts: new Set([0, 1, 2]) }).isDone);
});

test("peers beyond the bound are not taken on", () => {
  const node = new Snapshot(tree, target);
  for (let peer = 0; peer < 2 * syncPeersMax; peer++) node.handle({ type: "peer", peer }, 0);
  const asked = new Set<number>();
  for (let peer = 0; peer < 2 * syncPeersMax; peer++) {
    for (const effect of node.handle(absent(peer), 1)) {
      if (effect.type === "ask") asked.add(effect.peer);
    }
  }
  assert.ok(asked.size <= syncPeersMax);
});
