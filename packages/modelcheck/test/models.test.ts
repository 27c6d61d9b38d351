/** The models against known counts: lengths of the shortest attacks, and what holds without one. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "@ioi/base";
import { EpochModel, explore, Replay, SigningModel, walk } from "@ioi/modelcheck";

const sound = ["sound", "sound", "sound"] as const;

const outcome = (model: SigningModel | EpochModel, statesMax?: number) => {
  const found = explore(model, statesMax);
  return found.type === "violated" ? found.depth : found.type;
};

test("one slot, one envelope: T1 takes twelve steps without, and nothing forks with it", () => {
  const of = (third: "sound" | "unbound") =>
    new SigningModel({ nodes: ["sound", "sound", third], quorum: 2, views: 2, blocks: 2 });
  assert.equal(outcome(of("unbound")), 12);
  assert.equal(outcome(of("sound")), "holds");
});

test("a certificate that only its readers see: T16 takes nine steps where Guardians have no lock", () => {
  const of = (lock: boolean) =>
    new SigningModel({ nodes: sound, quorum: 2, views: 4, lock, rival: "certificate" });
  assert.equal(outcome(of(false)), 9);
  assert.equal(outcome(of(true)), "holds");
});

test("states that differ by names only are one state: with every name the verdicts are the same", () => {
  const withNames = (model: SigningModel): SigningModel =>
    Object.assign(model, { canonical: (): void => undefined });
  for (const third of ["sound", "unbound"] as const) {
    const nodes = ["sound", "sound", third] as const;
    const options = { nodes, quorum: 2, views: 2, blocks: 2 };
    const one = explore(new SigningModel(options));
    const ordered = explore(withNames(new SigningModel(options)));
    const named = explore(withNames(new SigningModel({ ...options, isOrdered: false })));
    for (const each of [ordered, named]) {
      assert.deepEqual([each.type, each.depth], [one.type, one.depth]);
    }
    assert.ok(one.states < ordered.states && ordered.states < named.states);
  }
});

test("an exploration ends at its bound and says so", () => {
  const model = new SigningModel({ nodes: sound, quorum: 2, views: 4 });
  const found = explore(model, 100);
  assert.equal(found.type, "bounded");
  assert.ok(found.states > 100 && found.states < 200);
});

test("an epoch ends with a commit, once, and what is above it is void", () => {
  const base = { nodes: 3, quorum: 2, views: 3 };
  assert.equal(outcome(new EpochModel(base)), "holds");
  assert.equal(outcome(new EpochModel({ ...base, endsBy: "certificate" })), 14);
  assert.equal(outcome(new EpochModel({ ...base, advances: "again" })), 16);
  assert.equal(outcome(new EpochModel({ ...base, voidAbove: false })), 14);
});

test("walks of the model are taken by real Guardians, judges and engines, and nothing differs", () => {
  const model = new SigningModel({
    nodes: sound,
    quorum: 2,
    views: 4,
    blocks: 2,
    opening: "timeouts",
  });
  const seed = "walks";
  const random = new SeededRandom(seed);
  for (let each = 0; each < 5; each++) {
    assert.equal(walk(model, random, 40).difference, undefined, `seed ${seed}, walk ${each}`);
  }
});

test("a replay sees a Guardian that keeps another rule than its model", () => {
  const free = new SigningModel({
    nodes: sound,
    quorum: 2,
    views: 4,
    lock: false,
    opening: "timeouts",
  });
  const random = new SeededRandom("differs");
  const differences = Array.from({ length: 50 }, () => walk(free, random, 40).difference);
  assert.ok(
    differences.some((each) => each?.endsWith("refused") === true),
    `${differences.join("\n")}`,
  );
});

test("the shortest attack on a Guardian without slots forks real certificates", () => {
  const nodes = ["sound", "sound", "unbound"] as const;
  const model = new SigningModel({ nodes, quorum: 2, views: 2, blocks: 2 });
  const found = explore(model);
  assert.ok(found.type === "violated");
  const replay = new Replay(model);
  for (const step of found.trace) assert.equal(replay.take(step), undefined);
  const last = found.trace.at(-1);
  assert.ok(last !== undefined && replay.isForked(last.state));
});
