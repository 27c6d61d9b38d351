/** Epochs are followed by their certificates alone, and by nothing less. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Anchor,
  anchorAfter,
  anchorCert,
  leaseAheadMax,
  LightClient,
  tenureViews,
} from "@ioi/consensus";
import { SeededRandom } from "@ioi/base";
import { BlockTree } from "../src/engine/tree.ts";
import { commitCert, type EpochCert, schema } from "@ioi/wire";
import {
  blockOn,
  chain,
  Committee,
  digestOf,
  firstEpoch,
  genesis,
  judgeOf,
  type Member,
  member,
  messageOf,
  setOf,
  twin,
} from "@ioi/consensus/testing";

const names = (from: number): readonly Member[] =>
  [0, 1, 2, 3].map((i) => member(`${from + i}`, 1n));

interface Epoch {
  readonly committee: Committee;
  readonly cert: EpochCert;
  readonly anchor: Anchor;
}

/** An epoch whose last block X hands over to `next`; `empty` blocks stand above X before it commits. */
const endOf = (committee: Committee, next: readonly Member[], leaseEnd = 0n, empty = 0): Epoch => {
  const { judge } = committee;
  const { anchor, context } = judge;
  const first = anchor.view + 1n;
  const ends = { validators: setOf(next).hash, leaseEnd };
  const boundary = blockOn(judge, anchor, anchorCert(context, anchor), first, { ends });
  let top = boundary;
  const path = [];
  for (let i = 0; i < empty; i++) {
    top = blockOn(judge, top.header, committee.certify(top), top.header.view + 3n);
    path.push(top.header);
  }
  const { cert: commit } = committee.commitOf(top);
  const cert = { boundary: boundary.header, path, commit };
  const end = judge.epochCert(cert);
  assert.ok(end.ok, messageOf(end));
  return { committee, cert, anchor: anchorAfter(end.value) };
};

const committeeAt = (members: readonly Member[], epoch: bigint, anchor: Anchor): Committee =>
  new Committee(members, twin, judgeOf(members, twin, { epoch, anchor }));

const startOf = (members: readonly Member[]) =>
  new LightClient(twin, { chain, epoch: firstEpoch, set: setOf(members), anchor: genesis });

test("five epochs with another set each are followed, and each one's commits are verified", () => {
  const client = startOf(names(0));
  let committee = new Committee(names(0));
  for (let number = 1n; number <= 5n; number++) {
    const next = names(Number(number));
    const { cert, anchor } = endOf(committee, next, 40n * number, Number(number) % 3);
    const entries = next.map(({ entry }) => entry);
    assert.deepEqual(client.advance(cert, entries), {
      ok: true,
      value: { number, mode: "a-dmft" },
    });
    assert.deepEqual(client.anchor, anchor);
    assert.equal(anchor.view % tenureViews, 0n);
    assert.ok(anchor.view >= 40n * number && anchor.view >= cert.boundary.view);
    committee = committeeAt(next, number, anchor);
    const { cert: commit, block } = committeeAt(next, number, anchor).commit();
    const verified = client.verify(commit);
    assert.ok(verified.ok);
    assert.deepEqual(verified.value.header, block.header);
    assert.deepEqual(verified.value.grade, { type: "F2", x: 2n });
  }
});

test("a grade is never above that of an epoch's end below it", () => {
  const [members, next] = [names(0), names(1)];
  const committee = new Committee(members);
  const { judge } = committee;
  const ends = { validators: setOf(next).hash, leaseEnd: 0n };
  const boundary = blockOn(judge, genesis, anchorCert(judge.context, genesis), 1n, { ends });
  const { cert: commit } = committee.commitOf(boundary, [0, 1, 2]);
  const client = startOf(members);
  const cert = { boundary: boundary.header, path: [], commit };
  assert.ok(
    client.advance(
      cert,
      next.map(({ entry }) => entry),
    ).ok,
  );
  const verified = client.verify(committeeAt(next, 1n, client.anchor).commit().cert);
  assert.ok(verified.ok);
  assert.deepEqual(verified.value.grade, { type: "F2", x: 1n });
  assert.deepEqual(verified.value.strength, { power: 4n, anchored: 4n });
});

test("no epoch is skipped, no other set is believed, nothing of another epoch is verified", () => {
  const committee = new Committee(names(0));
  const next = names(1);
  const entries = next.map(({ entry }) => entry);
  const { cert, anchor } = endOf(committee, next, 0n, 2);
  const later = endOf(committeeAt(next, 1n, anchor), names(2));
  const client = startOf(names(0));
  const because = (given: EpochCert, set = entries) => messageOf(client.advance(given, set));
  assert.match(
    because(
      later.cert,
      names(2).map(({ entry }) => entry),
    ),
    /^V1/,
    "skipped",
  );
  assert.match(
    because(
      cert,
      names(3).map(({ entry }) => entry),
    ),
    /another set follows/,
  );
  assert.match(because(cert, [...entries, ...entries]), /twice/);
  const { ends: _, ...noEnd } = cert.boundary;
  assert.match(because({ ...cert, boundary: noEnd }), /ends no epoch/);
  const otherSet = { validators: digestOf(1), leaseEnd: 0n };
  assert.match(
    because({ ...cert, boundary: { ...cert.boundary, ends: otherSet } }),
    /path breaks/,
    "T19",
  );
  assert.match(because({ ...cert, path: cert.path.slice(1) }), /path breaks/);
  assert.match(because({ ...cert, path: cert.path.slice(0, 1) }), /does not lead/);
  assert.match(because({ ...cert, path: [] }), /does not lead/);
  const tooLong = Array.from({ length: 257 }, () => cert.boundary);
  assert.match(because({ ...cert, path: tooLong }), /too long/);
  assert.equal(because(cert), "fine");
  assert.match(because(cert), /^V1/, "twice");
  assert.match(messageOf(client.verify(new Committee(names(0)).commit().cert)), /^V1/);
});

test("a thousand certificates of five epochs are accepted, and none of them changed anywhere", (t) => {
  const seed = process.env["IOI_SEED"] ?? `${Math.random()}`;
  t.diagnostic(`seed ${seed}`);
  const random = new SeededRandom(seed);
  const client = startOf(names(0));
  let anchor = client.anchor;
  let changed = 0;
  for (let number = 0; number < 5; number++) {
    const committee = committeeAt(names(number), BigInt(number), anchor);
    let { cert } = committee.commit();
    for (let i = 0; i < 200; i++) {
      const verified = client.verify(cert);
      assert.ok(verified.ok, messageOf(verified));
      const bytes = schema.encode(commitCert, cert);
      const at = random.below(bytes.length);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
      const decoded = schema.decode(commitCert, bytes);
      if (decoded.ok) {
        changed += 1;
        assert.ok(!client.verify(decoded.value).ok, `byte ${at} of ${number}/${i}, seed ${seed}`);
      }
      const below = { ...cert.child, digest: cert.childQc.digest };
      const next = blockOn(committee.judge, below, cert.childQc, below.view + 1n);
      const childQc = committee.certify(next);
      cert = { block: cert.child, child: next.header, blockQc: cert.childQc, childQc };
    }
    const next = names(number + 1);
    const end = endOf(committeeAt(names(number), BigInt(number), anchor), next);
    assert.ok(
      client.advance(
        end.cert,
        next.map(({ entry }) => entry),
      ).ok,
    );
    anchor = end.anchor;
  }
  assert.ok(changed > 500, `${changed} of them still decode`);
});

test("an end of an epoch registers no lease far above it: nobody moves the views to their end", () => {
  for (const ahead of [leaseAheadMax, leaseAheadMax + 1n]) {
    const committee = new Committee(names(0));
    const { judge } = committee;
    const ends = { validators: setOf(names(1)).hash, leaseEnd: 1n + ahead };
    const anchored = anchorCert(judge.context, genesis);
    const boundary = blockOn(judge, genesis, anchored, 1n, { ends });
    const { cert: commit } = committee.commitOf(boundary);
    const end = judge.epochCert({ boundary: boundary.header, path: [], commit });
    assert.match(messageOf(end), ahead === leaseAheadMax ? /^fine/ : /^V8: a lease ends too far/);
    const tree = new BlockTree(judge, () => 0, { ...genesis, justView: 0n, commitHeight: 0n });
    const held = tree.insert({ header: boundary.header, justify: anchored });
    assert.match(messageOf(held), ahead === leaseAheadMax ? /^fine/ : /^V9: a lease ends too far/);
  }
});
