/** Undo: the whole tree is what it was, in bytes, modes and times; or it is not touched at all. */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { Place, treeOf } from "./support.ts";

let place: Place;
before(async () => {
  place = await Place.open();
});
after(async () => {
  await place.quiet();
  await place[Symbol.asyncDispose]();
});

/** Files and folders of many kinds, each with a time of its own, to the nanosecond. */
const grow = (name: string): string => {
  const folder = place.scratch.folder(name);
  const at = (relative: string): string => path.join(folder, relative);
  const put = (relative: string, text: string, mode: number): void => {
    fs.mkdirSync(path.dirname(at(relative)), { recursive: true });
    fs.writeFileSync(at(relative), text);
    fs.chmodSync(at(relative), mode);
  };
  put("kept.txt", "before\n", 0o640);
  put("moved.txt", "moved\n", 0o600);
  put("run.sh", "#!/bin/sh\necho hi\n", 0o755);
  put("gone.txt", "gone\n", 0o444);
  put("tree/one.txt", "one\n", 0o664);
  put("tree/deep/two.txt", "two\n", 0o400);
  put("bin/tool", "tool\n", 0o700);
  fs.mkdirSync(at("tree/empty"));
  fs.symlinkSync("one.txt", at("tree/link"));
  fs.chmodSync(at("tree/deep"), 0o711);
  fs.chmodSync(at("tree"), 0o750);
  const names = fs.readdirSync(folder, { recursive: true, encoding: "utf8" });
  const depth = (each: string): number => each.split("/").length;
  for (const [n, each] of [...names.toSorted((a, b) => depth(b) - depth(a)), "."].entries()) {
    const seconds = 1_500_000_000 + n * 1000 + 0.123_456;
    fs.lutimesSync(at(each), seconds, seconds);
  }
  return folder;
};

const groups: Readonly<Record<string, string>> = {
  "write, mkdir, copy":
    "/write kept.txt after && /write new.txt new && /write tree/deep/three.txt three" +
    " && /mkdir made && /copy run.sh made/run.sh && /write made/x x",
  "move, delete":
    "/move moved.txt tree/elsewhere.txt && /move tree grove && /delete gone.txt" +
    " && /delete grove/deep && /move kept.txt grove/kept.txt",
  "a program":
    '/run sh -c "echo more >> kept.txt; rm gone.txt; rm -r tree/deep; mkdir -p made/deep;' +
    " echo x > made/deep/x; chmod 777 run.sh; ln -s kept.txt made/link; mv moved.txt tree/empty;" +
    ' rm tree/link; ln -s elsewhere tree/link; chmod 700 tree; cp -p run.sh copy.sh"',
  "a sequence of both":
    '/write kept.txt after && /run sh -c "cat kept.txt run.sh > both.txt; rm run.sh"' +
    ' && /move both.txt tree/both.txt && /run sh -c "tr a-z A-Z < tree/both.txt > kept.txt"' +
    " && /delete bin && /mkdir bin && /write bin/tool other",
};

test("without a name: back from session to session, past those that only looked", async () => {
  const names = (): readonly string[] => fs.readdirSync(place.workspace).toSorted();
  const run = async (text: string): Promise<string> => {
    const { code, view, stderr } = await place.run(text);
    assert.equal(code, 0, stderr);
    return view.session;
  };
  const undo = async (...session: string[]): Promise<readonly [number, string | undefined]> => {
    const { code, json } = await place.ioi("undo", ...session, "--json");
    const error = json as { code?: string; error?: { code: string } | null };
    return [code, error.error?.code ?? error.code];
  };
  await run("/write first.txt 1");
  const second = await run("/write second.txt 2");
  await run("/read second.txt");
  await run("/run cat first.txt");
  assert.deepEqual(names(), ["first.txt", "second.txt"]);
  assert.deepEqual(await undo(), [0, undefined]);
  assert.deepEqual(names(), ["first.txt"]);
  assert.deepEqual(await undo(second), [5, "E_NOTHING_TO_UNDO"]);
  assert.deepEqual(await undo(), [0, undefined]);
  assert.deepEqual(names(), []);
  assert.deepEqual(await undo(), [5, "E_NOTHING_TO_UNDO"]);
});

describe("by name", { concurrency: 2 }, () => {
  for (const [title, text] of Object.entries(groups)) {
    test(`undo of ${title}: the whole tree is what it was`, async () => {
      const folder = grow(title.replaceAll(/\W+/g, "-"));
      const was = treeOf(folder);
      const changed = await place.runIn(folder, text, "--on-ask", "pend");
      assert.equal(changed.code, 0, changed.stderr);
      assert.notDeepEqual(treeOf(folder), was);
      const undone = await place.undo(changed.view.session);
      assert.equal(undone.code, 0, undone.stderr);
      assert.deepEqual(treeOf(folder), was);
      for (const { target, outcome } of undone.view.actions) {
        assert.deepEqual([target, outcome?.status], ["fs::restore", "confirmed"]);
        assert.notEqual(outcome?.receipt, null);
      }
    });
  }

  test("undo of one action leaves the others; what is undone is not undone again", async () => {
    const folder = grow("one");
    const was = treeOf(folder);
    const changed = await place.runIn(folder, "/write kept.txt after && /write new.txt new");
    const { session } = changed.view;
    const one = await place.undo(session, "--action", "2");
    assert.equal(one.code, 0, one.stderr);
    assert.equal(fs.readFileSync(path.join(folder, "kept.txt"), "utf8"), "after");
    assert.ok(!fs.existsSync(path.join(folder, "new.txt")));
    const rest = await place.undo(session);
    assert.deepEqual([rest.code, rest.view.actions.length], [0, 1], rest.stderr);
    assert.deepEqual(treeOf(folder), was);
    const nothing = await place.ioi("undo", session, "--json");
    assert.equal(nothing.code, 5, nothing.stdout);
    assert.match(nothing.stdout, /E_NOTHING_TO_UNDO/);
    assert.deepEqual(treeOf(folder), was);
  });

  test("an undo is undone by its name, and what it had undone can be undone again", async () => {
    const folder = grow("again");
    const was = treeOf(folder);
    const changed = await place.runIn(folder, "/write kept.txt after && /delete gone.txt");
    const { session } = changed.view;
    const did = treeOf(folder);
    const undone = await place.undo(session);
    assert.deepEqual([undone.code, treeOf(folder)], [0, was], undone.stderr);
    const redone = await place.undo(undone.view.session);
    assert.deepEqual([redone.code, redone.view.actions.length], [0, 2], redone.stderr);
    assert.deepEqual(treeOf(folder), did);
    // Nothing is left of it: the undo is undone, once.
    const twice = await place.ioi("undo", undone.view.session, "--json");
    assert.deepEqual([twice.code, /E_NOTHING_TO_UNDO/.test(twice.stdout)], [5, true]);
    const again = await place.undo(session);
    assert.deepEqual([again.code, treeOf(folder)], [0, was], again.stderr);
  });

  test("what somebody changed since is not overwritten: 5, and the tree stays", async () => {
    const folder = grow("changed");
    const changed = await place.runIn(folder, "/write kept.txt after && /delete gone.txt");
    assert.equal(changed.code, 0, changed.stderr);
    fs.writeFileSync(path.join(folder, "kept.txt"), "mine now\n");
    fs.writeFileSync(path.join(folder, "gone.txt"), "mine too\n");
    const mine = treeOf(folder);
    const undone = await place.undo(changed.view.session);
    assert.equal(undone.code, 5);
    assert.equal(undone.action.outcome?.code, "E_RESTORE_CHANGED");
    assert.deepEqual(treeOf(folder), mine);
  });

  test("nothing to undo, and no such session, are said", async () => {
    const folder = grow("nothing");
    const read = await place.runIn(folder, "/read kept.txt");
    assert.equal(read.code, 0);
    const undone = await place.ioi("undo", read.view.session, "--json");
    assert.equal(undone.code, 5, undone.stdout);
    assert.match(undone.stdout, /E_NOTHING_TO_UNDO/);
    const unknown = await place.ioi("undo", "s-000000000000", "--json");
    assert.equal(unknown.code, 2, unknown.stderr);
    assert.match(unknown.stdout, /"code":"E_/);
  });

  test("/undo inside a session takes back what stands before it", async () => {
    const folder = grow("inside");
    const was = treeOf(folder);
    const { code, view, stderr } = await place.runIn(
      folder,
      "/write kept.txt x && /mkdir d && /undo",
    );
    assert.equal(code, 0, stderr);
    assert.deepEqual(
      view.actions.map(({ target }) => target),
      ["fs::write", "fs::mkdir", "fs::restore", "fs::restore"],
    );
    assert.deepEqual(treeOf(folder), was);
  });
});
