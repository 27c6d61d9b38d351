/**
 * The faults of SimFiles. Each protection (sync, directory sync, replacement) is tested over many
 * seeds beside its control: without it, some seed does the harm.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Files } from "@ioi/base";
import { toHex, utf8Decode, utf8Encode } from "@ioi/base";
import { checkSyncLatch } from "@ioi/base/compliance";
import { SimFiles, SimStopped } from "../src/index.ts";

const seeds = Array.from({ length: 120 }, (_, i) => `seed ${i}`);
const bytesMax = 1_000_000;

const contentOf = async (files: Files, path: string): Promise<string> =>
  (await files.stat(path)) === undefined
    ? "(none)"
    : (utf8Decode(await files.readFile(path, bytesMax)) ?? "(garbage)");

/** Everything that is found after a crash, over all seeds. */
const outcomes = async (
  files: SimFiles,
  look: (survivor: SimFiles) => Promise<string>,
): Promise<ReadonlySet<string>> => {
  const found = new Set<string>();
  for (const seed of seeds) found.add(await look(files.crash(seed)));
  return found;
};

const sorted = (found: ReadonlySet<string>): string[] => [...found].toSorted();

/** A tree with the durable file `a`. */
const withDurable = async (content: string, sectorBytes: 512 | 4096 = 512): Promise<SimFiles> => {
  const files = new SimFiles({ seed: "tree", sectorBytes });
  await files.replaceFile("a", utf8Encode(content));
  return files;
};

test("a write that was not synced is lost under some seed; a synced one never", async () => {
  const files = await withDurable("old");
  await using handle = await files.open("a", "write");
  await handle.write(0, utf8Encode("new"));
  const unsynced = await outcomes(files, (it) => contentOf(it, "a"));
  assert.ok(unsynced.has("old") && unsynced.has("new"), sorted(unsynced).join());
  await handle.sync();
  assert.deepEqual(sorted(await outcomes(files, (it) => contentOf(it, "a"))), ["new"]);
  await handle.writeDurable(3, utf8Encode("er"));
  assert.deepEqual(sorted(await outcomes(files, (it) => contentOf(it, "a"))), ["newer"]);
});

test("a new name is lost under some seed until its directory is synced", async () => {
  const files = new SimFiles({ seed: "tree" });
  await files.makeDirectory("d");
  await files.syncDirectory("");
  await using handle = await files.open("d/a", "create");
  await handle.writeDurable(0, utf8Encode("it"));
  assert.deepEqual(sorted(await outcomes(files, (it) => contentOf(it, "d/a"))), ["(none)", "it"]);
  await files.syncDirectory("");
  assert.deepEqual(sorted(await outcomes(files, (it) => contentOf(it, "d/a"))), ["(none)", "it"]);
  await files.syncDirectory("d");
  assert.deepEqual(sorted(await outcomes(files, (it) => contentOf(it, "d/a"))), ["it"]);
});

test("a synced name stays, whatever becomes of an earlier one elsewhere", async () => {
  const files = await withDurable("it");
  await files.makeDirectory("d");
  await files.syncDirectory("");
  await using other = await files.open("d/other", "create");
  await files.replaceFile("b", utf8Encode("b"));
  await files.remove("a");
  await files.syncDirectory("");
  const found = await outcomes(files, async (it) => (await it.list("")).join());
  assert.deepEqual(sorted(found), ["b,d"]);
  assert.equal(await other.size(), 0);
});

test("a directory that is lost takes its content with it", async () => {
  const files = new SimFiles({ seed: "tree" });
  await files.makeDirectory("d");
  await files.replaceFile("d/a", utf8Encode("it"));
  assert.deepEqual(sorted(await outcomes(files, (it) => contentOf(it, "d/a"))), ["(none)", "it"]);
});

test("a rename is lost under some seed until its directories are synced, and never half", async () => {
  const files = await withDurable("it");
  await files.makeDirectory("d");
  await files.syncDirectory("");
  await files.rename("a", "d/b");
  const look = async (it: SimFiles): Promise<string> =>
    `${await contentOf(it, "a")} ${await contentOf(it, "d/b")}`;
  assert.deepEqual(sorted(await outcomes(files, look)), ["(none) it", "it (none)"]);
  await files.syncDirectory("d");
  assert.deepEqual(sorted(await outcomes(files, look)), ["(none) it", "it (none)"]);
  await files.syncDirectory("");
  assert.deepEqual(sorted(await outcomes(files, look)), ["(none) it"]);
});

test("a removal is lost under some seed until its directory is synced", async () => {
  const files = await withDurable("it");
  await files.remove("a");
  assert.deepEqual(sorted(await outcomes(files, (it) => contentOf(it, "a"))), ["(none)", "it"]);
  await files.syncDirectory("");
  assert.deepEqual(sorted(await outcomes(files, (it) => contentOf(it, "a"))), ["(none)"]);
});

test("a torn write leaves a prefix, or any subset of its sectors", async () => {
  for (const sectorBytes of [512, 4096] as const) {
    const files = await withDurable("o".repeat(3 * sectorBytes), sectorBytes);
    await using handle = await files.open("a", "write");
    await handle.write(0, utf8Encode("n".repeat(3 * sectorBytes)));
    const found = await outcomes(files, async (it) => {
      const content = await contentOf(it, "a");
      const sectors = [0, 1, 2].map((i) => content.slice(i * sectorBytes, (i + 1) * sectorBytes));
      return sectors.map((sector) => [...new Set(sector)].join("")).join(" ");
    });
    for (const state of ["n o o", "o n o", "o o n", "n o n", "n n n", "o o o"]) {
      assert.ok(found.has(state), `${state} of ${sorted(found).join(", ")}`);
    }
    assert.ok(
      [...found].some((state) => /no/.test(state)),
      "a tear within a sector",
    );
    assert.ok(![...found].some((state) => /on/.test(state)), "an end without its beginning");
  }
});

test("a sector holds one of the states it had", async () => {
  const files = await withDurable("..........");
  await using handle = await files.open("a", "write");
  await handle.write(0, utf8Encode("1"));
  await handle.write(5, utf8Encode("2"));
  const states = ["..........", "1.........", "1....2...."];
  assert.deepEqual(sorted(await outcomes(files, (it) => contentOf(it, "a"))), states);
});

test("writes to two files are reordered", async () => {
  const files = new SimFiles({ seed: "tree" });
  for (const name of ["a", "b"]) await files.replaceFile(name, utf8Encode("old"));
  for (const name of ["a", "b"]) {
    await using handle = await files.open(name, "write");
    await handle.write(0, utf8Encode("new"));
  }
  const found = await outcomes(
    files,
    async (it) => `${await contentOf(it, "a")} ${await contentOf(it, "b")}`,
  );
  for (const state of ["old old", "new old", "old new", "new new"]) {
    assert.ok(found.has(state), `${state} of ${sorted(found).join(", ")}`);
  }
});

test("a grown file may read as zeros or garbage where nothing was written back", async () => {
  const files = await withDurable("o".repeat(512));
  await using handle = await files.open("a", "write");
  await handle.write(512, utf8Encode("n".repeat(1024)));
  const found = await outcomes(files, async (it) => {
    const content = await it.readFile("a", bytesMax);
    const kinds = [1, 2].map((i) => {
      const sector = content.subarray(i * 512, (i + 1) * 512);
      if (sector.length < 512) return "short";
      const values = new Set(sector);
      return values.size > 2 ? "garbage" : values.has(0) ? "zero" : "new";
    });
    return kinds.join(" ");
  });
  for (const state of ["short short", "new new", "zero new", "new zero"]) {
    assert.ok(found.has(state), `${state} of ${sorted(found).join(", ")}`);
  }
  assert.ok(
    [...found].some((state) => state.includes("garbage")),
    "garbage",
  );
});

test("what truncation cut off does not come back into the grown file", async () => {
  const files = await withDurable("secret".repeat(200));
  await using handle = await files.open("a", "write");
  await handle.truncate(0);
  await handle.write(0, utf8Encode("new"));
  const found = await outcomes(files, (it) => contentOf(it, "a"));
  assert.ok(!found.has("sec"), "the cut content at the new size");
  const uncut = [...found].filter((state) => state.length > 9 && state !== "(garbage)");
  assert.deepEqual(uncut, ["secret".repeat(200)], "a write without the cut before it");
  assert.ok(found.has("new") && found.has("") && found.has("secret".repeat(200)));
});

test("after a failed sync the data is dropped, though it can still be read", async () => {
  const files = await withDurable("old");
  await checkSyncLatch(files, () => files.failSync());
  await using handle = await files.open("a", "write");
  await handle.write(0, utf8Encode("new"));
  files.failSync();
  await assert.rejects(handle.sync(), { code: "E_FILES_SYNC_FAILED" });
  assert.equal(await contentOf(files, "a"), "new");
  {
    await using other = await files.open("a", "write");
    await other.sync();
  }
  assert.deepEqual(sorted(await outcomes(files, (it) => contentOf(it, "a"))), ["old"]);
  await using last = await files.open("a", "write");
  await last.writeDurable(3, utf8Encode("!"));
  assert.deepEqual(sorted(await outcomes(files, (it) => contentOf(it, "a"))), ["new!"]);
});

test("the failing sync can be one of those to come", async () => {
  const files = await withDurable("old");
  await using handle = await files.open("a", "write");
  files.failSync(2);
  await handle.sync();
  await handle.sync();
  await assert.rejects(handle.sync(), { code: "E_FILES_SYNC_FAILED" });
  files.failSync();
  await assert.rejects(files.syncDirectory(""), { code: "E_FILES_SYNC_FAILED" });
  await files.syncDirectory("");
});

test("a full disk takes a part of a write, and a replacement keeps the old content", async () => {
  const files = await withDurable("12345");
  files.setBytesMax(10);
  await using handle = await files.open("b", "create");
  await assert.rejects(handle.write(0, utf8Encode("abcdefgh")), {
    code: "E_FILES_FULL",
    retryable: true,
  });
  assert.equal(await contentOf(files, "b"), "abcde");
  await handle.write(0, utf8Encode("ABCDE"));
  await assert.rejects(files.replaceFile("a", utf8Encode("67890")), { code: "E_FILES_FULL" });
  assert.equal(await contentOf(files, "a"), "12345");
  assert.equal(await files.stat(".a.tmp"), undefined);
  await handle.truncate(0);
  await files.replaceFile("a", utf8Encode("67890"));
  assert.equal(await contentOf(files, "a"), "67890");
});

test("a read-only disk is read and not written", async () => {
  const files = await withDurable("it");
  await using handle = await files.open("a", "write");
  files.setReadOnly(true);
  const changes = [
    () => handle.write(0, utf8Encode("x")),
    () => handle.writeDurable(0, utf8Encode("x")),
    () => handle.truncate(0),
    () => files.open("b", "create"),
    () => files.makeDirectory("d"),
    () => files.rename("a", "b"),
    () => files.remove("a"),
    () => files.replaceFile("a", utf8Encode("x")),
    () => files.lock("lock"),
  ];
  for (const change of changes) await assert.rejects(change(), { code: "E_FILES_READ_ONLY" });
  assert.equal(await contentOf(files, "a"), "it");
  assert.deepEqual(await files.list(""), ["a"]);
  files.setReadOnly(false);
  await handle.write(0, utf8Encode("x"));
});

test("after its stop a process does nothing more, and its points are the same in every run", async () => {
  const work = async (files: SimFiles): Promise<void> => {
    await files.makeDirectory("d");
    await files.replaceFile("d/a", utf8Encode("1"));
    await using handle = await files.open("d/a", "write");
    await handle.writeDurable(0, utf8Encode("2"));
  };
  const counted = new SimFiles({ seed: "s" });
  await work(counted);
  assert.equal(counted.points, 8);
  for (let point = 0; point < counted.points; point++) {
    const files = new SimFiles({ seed: "s" });
    files.stopAt(point);
    await assert.rejects(work(files), SimStopped);
    assert.equal(files.stopped, true);
    assert.equal(files.points, point + 1);
    await assert.rejects(files.list(""), SimStopped);
    await assert.rejects(files.replaceFile("x", utf8Encode("x")), SimStopped);
  }
});

test("replaceFile leaves the old or the new content at every stop; writing in place does not", async () => {
  const [old, fresh] = ["o".repeat(1500), "n".repeat(1500)];
  const replace = (files: SimFiles): Promise<void> => files.replaceFile("a", utf8Encode(fresh));
  const overwrite = async (files: SimFiles): Promise<void> => {
    await using handle = await files.open("a", "write");
    await handle.truncate(0);
    await handle.writeDurable(0, utf8Encode(fresh));
  };
  const found = async (work: (files: SimFiles) => Promise<void>): Promise<Set<string>> => {
    const all = new Set<string>();
    for (let point = 0; ; point++) {
      const files = await withDurable(old);
      files.stopAt(files.points + point);
      const done = await work(files).then(
        () => true,
        () => false,
      );
      const states = await outcomes(files, (it) => contentOf(it, "a"));
      if (done) {
        assert.deepEqual(sorted(states), [fresh], "durable on return");
        return all;
      }
      for (const state of states) all.add(state);
    }
  };
  assert.deepEqual(sorted(await found(replace)), [fresh, old]);
  const control = await found(overwrite);
  assert.ok(control.size > 2, "the control is harmed");
});

test("the end of the process alone loses nothing, and frees its locks", async () => {
  const files = await withDurable("old");
  const handle = await files.open("a", "write");
  await handle.write(0, utf8Encode("new"));
  await files.lock("lock");
  const next = files.kill();
  await assert.rejects(handle.write(0, utf8Encode("xxx")), SimStopped);
  assert.equal(await contentOf(next, "a"), "new");
  await next.lock("lock");
  const lost = await outcomes(next, (it) => contentOf(it, "a"));
  assert.ok(lost.has("old"), "what it wrote is still only in the cache");
});

test("a seed gives one state, always the same, and crashes can follow each other", async () => {
  const dump = async (files: Files, path = ""): Promise<string> => {
    const info = await files.stat(path);
    if (info?.kind === "file") return toHex(await files.readFile(path, bytesMax));
    const parts: string[] = [];
    for (const name of await files.list(path)) {
      parts.push(`${name}: ${await dump(files, path === "" ? name : `${path}/${name}`)}`);
    }
    return `{${parts.join(", ")}}`;
  };
  const run = async (): Promise<SimFiles> => {
    const files = new SimFiles({ seed: "run" });
    await files.makeDirectory("d");
    for (const name of ["a", "d/b", "d/c"]) {
      await using handle = await files.open(name, "create");
      await handle.write(0, new Uint8Array(2000).fill(name.length));
    }
    await files.rename("d/b", "e");
    return files;
  };
  const [one, two] = [await run(), await run()];
  const states = new Set<string>();
  for (const seed of seeds) {
    const state = await dump(one.crash(seed));
    assert.equal(await dump(two.crash(seed)), state);
    assert.equal(await dump(one.crash(seed).crash("again")), state, "what is found is durable");
    states.add(state);
  }
  assert.ok(states.size > 20, `${states.size} different states`);
});
