/**
 * Random lives of a file against a model of it: remembered, left out, replaced, forgotten, saved, opened
 * again, compacted. After each step what is found is what the model has; what opens by a table is what a
 * walk finds; index and words are those that the log makes.
 */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "@ioi/base";
import { SimFiles } from "@ioi/sim";
import { verifyRecall } from "@ioi/verifier";
import {
  compactSubstrate,
  createSubstrate,
  openSubstrate,
  type Place,
  type Substrate,
} from "../src/index.ts";
import { embedderNamed, kernel, placeOn, vectorOf } from "./support.ts";

const embedder = embedderNamed("random");
const textOf = (n: number): string => `memory ${n} holds thing${n}`;

type State = "live" | "tombed" | "superseded" | "forgotten";

const open = (place: Place): Promise<Substrate> =>
  openSubstrate(place, "write", { embedder, kernel });

/** Numbers that words and vectors find, all of them. */
const check = async (substrate: Substrate, model: readonly State[]): Promise<void> => {
  assert.deepEqual(
    substrate.file.states().map(({ state }) => state),
    model,
  );
  const live = model.flatMap((state, id) => (state === "live" ? [id] : []));
  const byWords = await substrate.recall({ text: "memory holds", k: 1024, by: "words" });
  assert.deepEqual(
    byWords.answers.map(({ id }) => id).toSorted((a, b) => a - b),
    live,
  );
  for (const [id, state] of model.entries()) {
    const { answers } = await substrate.recall({ vector: vectorOf(textOf(id)), k: 1, ef: 256 });
    assert.equal(answers[0]?.id === id, state === "live", `vector of ${id}, ${state}`);
    if (state === "live") assert.equal(answers[0]?.memory.text, textOf(id));
  }
};

const step = async (
  random: SeededRandom,
  substrate: Substrate,
  model: State[],
  replaced: Map<number, number>,
): Promise<string> => {
  const there = model.flatMap((state, id) => (state === "forgotten" ? [] : [id]));
  const some = (): number[] =>
    there.filter(() => random.chance(1, 2 + Math.floor(there.length / 3)));
  const mark = (ids: readonly number[], state: State): void => {
    for (const id of ids) model[id] = state;
  };
  switch (random.pick(["remember", "remember", "tomb", "supersede", "forget", "save", "rebuild"])) {
    case "remember": {
      const count = 1 + random.below(12);
      const texts = Array.from({ length: count }, (_, i) => textOf(model.length + i));
      await substrate.remember(texts.map((text) => ({ text, origin: { kind: "user", from: "" } })));
      for (let i = 0; i < count; i++) model.push("live");
      return `remember ${count}`;
    }
    case "tomb": {
      const ids = some();
      await substrate.tomb(ids);
      mark(ids, "tombed");
      return `tomb ${ids.join(" ")}`;
    }
    case "supersede": {
      const [id, by] = [random.pick(there), random.pick(there)];
      if (id === by) return "nothing";
      await substrate.supersede(id, by);
      replaced.set(id, by);
      if (model[id] === "live") model[id] = "superseded";
      return `supersede ${id} by ${by}`;
    }
    case "forget": {
      const ids = some();
      await substrate.forget(ids);
      mark(ids, "forgotten");
      return `forget ${ids.join(" ")}`;
    }
    case "save":
      await substrate.save();
      return "save";
    default:
      await substrate.rebuild();
      return "rebuild";
  }
};

const live = async (seed: string): Promise<void> => {
  const random = new SeededRandom(seed);
  const place = placeOn(new SimFiles({ seed }), seed);
  await createSubstrate(place, { slot: { type: "open" }, embedder, m: 4, efConstruction: 16 });
  const model: State[] = [];
  const done: string[] = [];
  const replaced = new Map<number, number>();
  try {
    for (let session = 0; session < 4; session++) {
      {
        await using substrate = await open(place);
        if (model.length === 0) {
          await substrate.remember([{ text: textOf(0), origin: { kind: "user", from: "" } }]);
          model.push("live");
        }
        for (let i = 0; i < 6; i++) done.push(await step(random, substrate, model, replaced));
        await check(substrate, model);
        assert.equal((await substrate.audit()).ok, true);
        const { proof } = await substrate.prove({ text: "memory", k: 5 });
        const commit = substrate.info.lastCommit;
        assert.ok(commit && verifyRecall(proof, { commit }).ok);
      }
      if (random.chance(1, 3)) {
        done.push("compact");
        await compactSubstrate(place, { type: "open" }, { embedder, kernel });
        // Replaced by what is forgotten: left out, since there is nothing to name any more.
        for (const [id, by] of replaced)
          if (model[by] === "forgotten" && model[id] === "superseded") model[id] = "tombed";
      }
      await using byTable = await openSubstrate(place, "read", { embedder, kernel });
      await using byWalk = await openSubstrate(place, "read", { embedder, kernel, extent: "all" });
      assert.deepEqual(byTable.file.segments(), byWalk.file.segments());
      assert.deepEqual(byTable.file.commits, byWalk.file.commits);
      assert.deepEqual(byTable.info.logRoot, byWalk.info.logRoot);
      await check(byWalk, model);
    }
  } catch (error) {
    throw new Error(`seed ${seed}: ${done.join("; ")}`, { cause: error });
  }
};

test("random lives of a file are those of the model", async (t) => {
  for (let n = 0; n < 5; n++) {
    const seed = `random life ${n}`;
    t.diagnostic(seed);
    await live(seed);
  }
});
