/** E1: the end of an epoch after which another set decides waits for F2, and not for ever. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type EngineEffect, nextTenureStart } from "@ioi/consensus";
import { ending, held, requestsIn } from "@ioi/consensus/testing-bench";

const commitIn = (effects: readonly EngineEffect[]) =>
  effects.find((effect) => effect.type === "commit");

test("E1: with all alive it waits for the votes that are missing, and no longer", () => {
  const { bench, boundary, child, effects } = ending(2n);
  assert.equal(commitIn(effects), undefined);
  assert.ok(bench.engine.isStopped);
  assert.equal(bench.engine.deadline(), bench.nowMs + 2000);
  const asked = held(bench, child);
  const [request] = requestsIn(asked);
  assert.ok(
    request?.type === "sign" && request.kind === "vote" && request.view === child.header.view,
  );
  const last = bench.give({ type: "signed", envelope: bench.committee.signer(0).must(request) });
  const commit = commitIn(last);
  assert.ok(commit?.type === "commit");
  assert.deepEqual(commit.strength, { power: 4n, anchored: 4n });
  assert.deepEqual(commit.blocks, [{ header: boundary.header, justify: boundary.justify }]);
  const end = bench.judge.epochCert(commit.epochCert ?? assert.fail());
  assert.ok(
    end.ok && end.value.strength.anchored === 4n,
    "the next epoch stands on the stronger one",
  );
  assert.equal(bench.engine.deadline(), undefined);
  assert.equal(commitIn(bench.give({ type: "tick" })), undefined, "once");
});

test("E1: with one down it goes on after two seconds, with what there is", () => {
  const { bench } = ending(2n);
  bench.nowMs += 1999;
  assert.equal(commitIn(bench.give({ type: "tick" })), undefined);
  bench.nowMs += 1;
  const commit = commitIn(bench.give({ type: "tick" }));
  assert.ok(commit?.type === "commit" && commit.strength.power === 3n);
});

test("E1: nothing waits for what is reached, cannot be reached, or hands over to the same set", () => {
  for (const [x, isSame] of [
    [1n, false],
    [3n, false],
    [2n, true],
  ] as const) {
    assert.ok(commitIn(ending(x, [], isSame).effects) !== undefined, `x = ${x}`);
  }
  const control = ending(2n, ["E1-wait"]);
  assert.ok(commitIn(control.effects) !== undefined, "control: without the rule nothing waits");
});

test("E1: a restart in the wait begins it again, and the end is not lost", () => {
  const { bench } = ending(2n);
  bench.nowMs += 500;
  bench.engine = bench.boot(bench.wal);
  assert.equal(commitIn(bench.give({ type: "tick" })), undefined);
  bench.nowMs += 2000;
  const commit = commitIn(bench.give({ type: "tick" }));
  assert.ok(commit?.type === "commit" && commit.epochCert !== undefined);
});

test("E1: nothing is committed above the end, kept back or given out", () => {
  for (const without of [[], ["E1-wait"]] as const) {
    const { bench, boundary, child } = ending(2n, without);
    // The others lost the votes for the child, and go on from the end in a later view.
    const qc = child.justify;
    const view = bench.foreign(nextTenureStart(child.header.view));
    const above = bench.block(view, qc, boundary.header);
    const late = bench.hear(bench.proposal(above, bench.timeouts(view - 1n)));
    bench.nowMs += 1;
    const aboveQc = bench.committee.certify(above, [1, 2, 3]);
    const top = bench.block(view + 1n, aboveQc, above.header);
    const next = bench.hear(bench.proposal(top));
    const topQc = bench.committee.certify(top, [1, 2, 3]);
    const effects = [...late, ...next, ...bench.hear({ type: "qc", qc: topQc })];
    assert.deepEqual(bench.engine.high, topQc, "it is certified");
    assert.equal(commitIn(effects), undefined);
    bench.nowMs += 2000;
    const commit = commitIn(bench.give({ type: "tick" }));
    const isHeld = without.length === 0;
    assert.equal(commit?.type === "commit" && commit.epochCert !== undefined, isHeld);
  }
});
