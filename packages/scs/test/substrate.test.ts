/** The substrate: remembering, finding, proving, forgetting, opening again. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SignalSource } from "@ioi/base";
import { SimFiles } from "@ioi/sim";
import { verifyRecall } from "@ioi/verifier";
import {
  compactSubstrate,
  createSubstrate,
  functionEmbedder,
  type KernelSource,
  type NewMemory,
  openSubstrate,
  type Place,
} from "../src/index.ts";
import {
  embedder,
  fresh,
  idsOf,
  kernel,
  memoriesFrom,
  memoryAt,
  open,
  identity,
  embedText,
} from "./substrate-support.ts";
import { bytesOf, codeOf, placeOn, placeWith } from "./support.ts";

test("what is remembered is found by words and by vectors, there and after opening again", async () => {
  const place = await fresh("found");
  const query = { text: "word8 in the garden", k: 5 };
  let first: readonly number[];
  {
    await using substrate = await open(place);
    await substrate.remember(memoriesFrom(0, 40));
    const { answers, commit } = await substrate.recall(query);
    first = idsOf(answers);
    assert.equal(first[0], 8, "by a word and by what it is about");
    assert.ok(
      answers.some(({ vector }) => vector !== undefined),
      "by a vector",
    );
    assert.deepEqual([answers[0]?.rank, commit, answers.length], [1, 0, 5]);
    assert.equal(answers[0]?.memory.text, memoryAt(first[0] as number).text);
  }
  await using again = await open(place, "read");
  assert.deepEqual(idsOf((await again.recall(query)).answers), first);
  const byWords = await again.recall({ ...query, by: "words" });
  assert.ok(byWords.answers.every(({ vector }) => vector === undefined));
  const byVectors = await again.recall({ ...query, by: "vectors" });
  assert.ok(byVectors.answers.every(({ memory }) => memory.text.includes("garden")));
});

test("an index from a snapshot is the one that the log makes, and so is one that was built", async () => {
  const place = await fresh("snapshot");
  {
    await using substrate = await open(place);
    for (let n = 0; n < 300; n += 50) await substrate.remember(memoriesFrom(n, 50));
    await substrate.tomb([5, 6]);
    await substrate.supersede(7, 8);
  }
  {
    await using substrate = await open(place);
    assert.ok(substrate.file.segments().some(({ kind }) => kind === "index"));
    assert.ok(substrate.info.walkedFrom > 5120, "the walk began behind a table");
    await substrate.remember(memoriesFrom(300, 20));
    await substrate.tomb([301]);
    const audit = await substrate.audit();
    assert.deepEqual([audit.ok, audit.words, audit.nodes], [true, true, 320]);
    assert.deepEqual(audit.rebuilt, substrate.info.indexRoot);
  }
  // The same calls from the beginning, without a snapshot on the way.
  await using substrate = await open(place, "read");
  assert.equal((await substrate.audit()).ok, true);
  const { answers } = await substrate.recall({ text: "word301", k: 3, by: "words" });
  assert.ok(!idsOf(answers).includes(301) && !idsOf(answers).includes(7));
});

const holds = (bytes: Uint8Array, needle: Uint8Array): boolean =>
  Buffer.from(bytes).includes(needle);

test("what is forgotten is in no segment any more: not its text, its words or its vector", async () => {
  const place = await fresh("forgotten");
  const secret = { ...memoryAt(999), text: "the xylophonist hid the violin under the harbour" };
  const vector = embedText(secret.text);
  /** Everything that whoever has the key can read in the file. */
  const readable = async (bytes: Uint8Array): Promise<{ text: string; vector: boolean }> => {
    await using substrate = await open(await placeWith(bytes, "look"), "read");
    const parts: Uint8Array[] = [];
    for (const segment of substrate.file.segments()) {
      parts.push((await substrate.file.readSegment(segment)) ?? new Uint8Array());
    }
    const { answers } = await substrate.recall({ vector, k: 1 });
    const all = Buffer.concat(parts).toString("latin1");
    return { text: all, vector: answers[0]?.memory.text === secret.text };
  };
  let id: number;
  {
    await using substrate = await open(place);
    await substrate.remember(memoriesFrom(0, 80));
    id = (await substrate.remember([secret]))[0]?.id as number;
  }
  const before = await bytesOf(place);
  const control = await readable(before);
  assert.ok(control.text.includes("xylophonist") && control.vector, "found before");
  {
    await using substrate = await open(place);
    const kept = substrate.file.kept(id);
    assert.ok(kept);
    const held = substrate.file
      .segments()
      .filter(({ first, count }) => id >= first && id < first + count);
    assert.deepEqual(new Set(held.map(({ kind }) => kind)), new Set(["vector", "index", "lex"]));
    const wrapped = held.map(({ keyOffset }) => before.slice(keyOffset + 48, keyOffset + 108));
    wrapped.push(before.slice(kept.keyOffset + 48, kept.keyOffset + 108));
    assert.ok(wrapped.every((key) => holds(before, key)));
    await substrate.forget([id]);
    const after = await bytesOf(place);
    assert.ok(
      wrapped.every((key) => !holds(after, key)),
      "every key that sealed something of it",
    );
    assert.equal(substrate.info.stale, false, "a small index is made anew at once");
    assert.equal((await substrate.audit()).ok, true);
  }
  const after = await readable(await bytesOf(place));
  assert.ok(!after.text.includes("xylophon") && !after.vector);
  // And once more after all snapshots were written again.
  {
    await using substrate = await open(place);
    await substrate.remember(memoriesFrom(100, 80));
  }
  assert.ok(!(await readable(await bytesOf(place))).text.includes("xylophon"));
});

test("filters, and what was there at an earlier time", async () => {
  const place = await fresh("filters");
  await using substrate = await open(place);
  await substrate.remember(memoriesFrom(0, 64));
  await substrate.tomb([0]);
  const ask = async (more: object): Promise<readonly number[]> =>
    idsOf((await substrate.recall({ text: "garden note", k: 1024, ...more })).answers).toSorted(
      (a, b) => a - b,
    );
  const expected = (test_: (n: number) => boolean): readonly number[] =>
    Array.from({ length: 64 }, (_, n) => n).filter((n) => n !== 0 && test_(n));
  assert.deepEqual(
    await ask({ filter: { tags: ["t1"] } }),
    expected((n) => n % 3 === 1),
  );
  assert.deepEqual(
    await ask({ filter: { source: "notes/2" } }),
    expected((n) => n % 4 === 2),
  );
  assert.deepEqual(
    await ask({ filter: { origins: ["file"] } }),
    expected((n) => n % 2 === 1),
  );
  const [fromMs, toMs] = [1_600_000_000_010, 1_600_000_000_019];
  assert.deepEqual(
    await ask({ filter: { fromMs, toMs } }),
    expected((n) => n >= 10 && n < 20),
  );
  const vectors = await substrate.recall({
    text: "garden",
    k: 5,
    by: "vectors",
    filter: { tags: ["t2"] },
  });
  assert.ok(vectors.answers.length === 5 && vectors.answers.every(({ id }) => id % 3 === 2));
  const before = await ask({ asOf: { commit: 0 } });
  assert.ok(before.includes(0), "it was left out later");
  await assert.rejects(substrate.recall({ text: "x", k: 1, asOf: { commit: 9 } }), {
    code: "E_SCS_QUERY",
  });
  await assert.rejects(substrate.recall({ text: "x", k: 1, asOf: { ms: 5 } }), {
    code: "E_SCS_QUERY",
  });
  const old = await substrate.recall({ text: "x", k: 1, asOf: { commit: 0 } });
  assert.notDeepEqual(old.logRoot, substrate.info.logRoot);
});

test("what says nearly the same is told and kept", async () => {
  const place = await fresh("near");
  await using substrate = await open(place);
  const note = (text: string): NewMemory => ({ text, origin: { kind: "user", from: "" } });
  const ids = await substrate.remember([
    note("The key is under the mat."),
    note("the KEY  is under the mat."),
    note("A violin."),
  ]);
  assert.deepEqual(ids, [{ id: 0 }, { id: 1, nearDuplicateOf: 0 }, { id: 2 }]);
  assert.deepEqual(await substrate.remember([note("A VIOLIN.")]), [{ id: 3, nearDuplicateOf: 2 }]);
  assert.deepEqual(await substrate.remember([note("A violin. once more")]), [
    { id: 4, nearDuplicateOf: 2 },
  ]);
  assert.deepEqual(await substrate.remember([note("A comet.")]), [{ id: 5 }]);
  const { answers } = await substrate.recall({ text: "key mat", k: 2, by: "words" });
  assert.deepEqual(idsOf(answers), [0, 1]);
  assert.deepEqual(answers[0]?.nearDuplicates, [1]);
});

test("another embedder, none, wrong vectors and bad questions are refused, and nothing is stored", async () => {
  const place = await fresh("refused");
  const other = functionEmbedder(
    { identity: { ...identity, name: "other" }, dimension: 32 },
    (texts) => Promise.resolve(texts.map(embedText)),
  );
  const wider = functionEmbedder({ identity, dimension: 40 }, (texts) =>
    Promise.resolve(texts.map(() => new Float32Array(40))),
  );
  for (const given of [other, wider]) {
    await assert.rejects(openSubstrate(place, "write", { embedder: given, kernel }), {
      code: "E_SCS_EMBEDDER",
    });
  }
  {
    await using substrate = await openSubstrate(place, "write", { kernel });
    await assert.rejects(substrate.remember(memoriesFrom(0, 1)), { code: "E_SCS_EMBEDDER" });
    await assert.rejects(substrate.recall({ text: "x", k: 1, by: "vectors" }), {
      code: "E_SCS_EMBEDDER",
    });
  }
  await using substrate = await open(place);
  const bad: readonly (readonly [object, string])[] = [
    [{ vector: new Float32Array(31) }, "E_SCS_VECTOR"],
    [{ vector: new Float32Array(32) }, "E_SCS_VECTOR"],
    [{ vector: new Float32Array(32).fill(Number.NaN) }, "E_SCS_VECTOR"],
    [{ vector: new Float32Array(32).fill(Number.POSITIVE_INFINITY) }, "E_SCS_VECTOR"],
    [{ k: 0 }, "E_SCS_QUERY"],
    [{ k: 1e6 }, "E_SCS_QUERY"],
    [{ text: undefined }, "E_SCS_QUERY"],
    [{ text: "\ud800" }, "E_SCS_QUERY"],
    [{ ef: 1e9 }, "E_SCS_QUERY"],
  ];
  for (const [more, code] of bad) {
    await assert.rejects(substrate.recall({ text: "x", k: 1, ...more }), (error: unknown) => {
      assert.equal(codeOf(error), code, JSON.stringify(more));
      return true;
    });
  }
  await assert.rejects(substrate.remember([{ ...memoryAt(0), text: "" }]), { code: "E_SCS_INPUT" });
  assert.equal(substrate.info.commits, 0);
  assert.deepEqual((await substrate.recall({ text: "x", k: 1 })).answers, []);
});

test("a disk that is full between index and file: what is answered is what is stored", async () => {
  const files = new SimFiles({ seed: "full" });
  const place = placeOn(files, "full");
  await createSubstrate(place, { slot: { type: "open" }, embedder, efConstruction: 40 });
  await using substrate = await open(place);
  await substrate.remember(memoriesFrom(0, 10));
  files.setBytesMax((await files.stat("a.scs"))?.size ?? 0);
  await assert.rejects(substrate.remember(memoriesFrom(10, 10)), { code: "E_SCS_FULL" });
  files.setBytesMax(1 << 30);
  assert.equal((await substrate.audit()).ok, true);
  await substrate.remember(memoriesFrom(10, 5));
  assert.deepEqual([(await substrate.audit()).ok, substrate.info.vectors], [true, 15]);
});

test("a large index waits for rebuild after something was forgotten; words and vectors answer meanwhile", async () => {
  const place = await fresh("stale");
  const gone = 700;
  {
    await using substrate = await open(place);
    await substrate.remember(memoriesFrom(0, 1100));
    await substrate.tomb([3]);
    await substrate.forget([gone]);
    assert.equal(substrate.info.stale, true);
    assert.equal(substrate.info.indexRoot, undefined);
    const query = { text: memoryAt(gone).text, k: 10 };
    const { answers } = await substrate.recall(query);
    assert.ok(answers.length === 10 && !idsOf(answers).includes(gone));
    await assert.rejects(substrate.prove({ ...query, by: "vectors" }), { code: "E_SCS_STALE" });
    const { proof } = await substrate.prove(query);
    const { logRoot } = substrate.info;
    const verdict = verifyRecall(proof, { logRoot });
    assert.ok(verdict.ok && verdict.search === undefined, "words are proved to be there");
    // Something is added and forgotten while the index is made.
    let turns = 0;
    await substrate.rebuild(async () => {
      turns++;
      if (turns === 1) await substrate.forget([gone + 1]);
      if (turns === 3) await substrate.remember(memoriesFrom(1100, 2));
    });
    assert.deepEqual([substrate.info.stale, substrate.info.vectors], [false, 1100]);
    assert.equal((await substrate.audit()).ok, true);
  }
  await using substrate = await open(place, "read");
  assert.equal((await substrate.audit()).ok, true);
  const { proof, indexRoot } = await substrate.prove({ text: "violin", k: 3, by: "vectors" });
  const commit = substrate.info.lastCommit;
  assert.ok(indexRoot && commit && verifyRecall(proof, { commit }).ok);
});

test("compaction takes the index over, and drops what was forgotten from it", async () => {
  const place = await fresh("compacted");
  const query = { text: "word12 bread", k: 5 };
  let before: readonly number[];
  {
    await using substrate = await open(place);
    await substrate.remember(memoriesFrom(0, 120));
    await substrate.tomb([11]);
    await substrate.supersede(13, 14);
    await substrate.forget([12, 60]);
    before = idsOf((await substrate.recall(query)).answers);
  }
  const passphrase = new TextEncoder().encode("new");
  const slot = {
    type: "passphrase",
    passphrase,
    scrypt: { log2Cost: 10, blockSize: 8, parallel: 1 },
  } as const;
  const done = await compactSubstrate(place, slot, { embedder, kernel });
  assert.deepEqual([done.memories, done.dropped], [120, 2]);
  await using substrate = await openSubstrate(place, "read", {
    embedder,
    kernel,
    unlock: { type: "passphrase", passphrase },
  });
  assert.deepEqual([substrate.info.stale, substrate.info.vectors], [false, 118]);
  assert.deepEqual(idsOf((await substrate.recall(query)).answers), before);
  assert.equal((await substrate.audit()).ok, true);
});

test("opening by the table and by walking everything give the same", async () => {
  const place = await fresh("table");
  {
    await using substrate = await open(place);
    for (let n = 0; n < 200; n += 20) await substrate.remember(memoriesFrom(n, 20));
    await substrate.forget([5]);
    await substrate.tomb([6]);
    await substrate.supersede(7, 8);
    await substrate.save();
    await substrate.remember(memoriesFrom(200, 3));
    await substrate.tomb([9, 201]);
    await substrate.forget([10, 200]);
  }
  const all = async (from: Place, extent: "all" | "tail"): Promise<readonly unknown[]> => {
    await using substrate = await openSubstrate(from, "read", { embedder, kernel, extent });
    const { file } = substrate;
    const { walkedFrom, ...info } = file.info;
    const kept = file.states().map(({ id }) => file.kept(id));
    return [info, kept, file.segments(), file.commits, walkedFrom > 5120];
  };
  const bytes = await bytesOf(place);
  const [byTable, byWalk] = [await all(place, "tail"), await all(place, "all")];
  assert.deepEqual(byTable.slice(0, 4), byWalk.slice(0, 4));
  assert.deepEqual([byTable[4], byWalk[4]], [true, false], "the control: a table was used");
  assert.deepEqual(await bytesOf(place), bytes, "reading wrote nothing");
  // A table that changed in any byte is not believed: the file is walked, and says what holds of it.
  const table = new DataView(bytes.buffer).getUint32(4096 + 24, true);
  assert.ok(table > 5120);
  for (const at of [table + 60, table + 120, table + 400]) {
    const changed = await placeWith(bytes.map((byte, i) => (i === at ? byte ^ 1 : byte)));
    assert.equal((await all(changed, "tail"))[4], false, `byte ${at}`);
  }
  const unhinted = await placeWith(bytes.slice().fill(0, 4096, 5120));
  assert.deepEqual((await all(unhinted, "tail")).slice(0, 4), byWalk.slice(0, 4));
});

test("an audit finds a builder that left out one edge", async () => {
  const build = async (source: KernelSource): Promise<boolean> => {
    const place = await fresh("edge");
    {
      await using substrate = await openSubstrate(place, "write", { embedder, kernel: source });
      await substrate.remember(memoriesFrom(0, 40));
      // Its own proofs verify: they show the search over this index, not how it was made.
      const { proof } = await substrate.prove({ text: "garden", k: 3, by: "vectors" });
      const commit = substrate.info.lastCommit;
      assert.ok(commit && verifyRecall(proof, { commit }).ok);
    }
    await using substrate = await open(place, "read");
    return (await substrate.audit()).ok;
  };
  const forgetful: KernelSource = {
    open: () => {
      const made = kernel.open();
      const build = (until: number): void => {
        made.build(until);
        if (made.nodes() < 40) return;
        const words = new Int32Array(made.memory.buffer);
        const at = made.listAt(5, 0) >>> 2;
        words[at] = (words[at] as number) - 1;
      };
      return { ...made, build };
    },
  };
  assert.equal(await build(kernel), true, "the control");
  assert.equal(await build(forgetful), false);
});

test("making an index again can be cancelled, and the file is as it was", async () => {
  const place = await fresh("cancelled");
  {
    await using substrate = await open(place);
    await substrate.remember(memoriesFrom(0, 300));
  }
  const bytes = await bytesOf(place);
  const source = new SignalSource();
  {
    const { signal } = source;
    const given = { embedder, kernel, signal, progress: () => source.abort(new Error("enough")) };
    await using substrate = await openSubstrate(place, "read", given);
    await assert.rejects(
      substrate.audit(() => source.signal.throwIfAborted()),
      /enough/,
    );
  }
  assert.deepEqual(await bytesOf(place), bytes);
  await assert.rejects(
    openSubstrate(place, "read", { embedder, kernel, signal: source.signal }),
    /enough/,
  );
});
