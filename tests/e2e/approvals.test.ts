/** Approvals: what asks waits for the person, is done once as shown, or not at all. */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { Place, ranOf } from "./support.ts";

let place: Place;
before(async () => {
  place = await Place.open();
});
after(async () => await place[Symbol.asyncDispose]());

const pend = (folder: string, text: string) => place.runIn(folder, text, "--on-ask", "pend");

const waiting = async (): Promise<readonly string[]> => {
  const { json } = await place.ioi("status", "--json");
  return (json as { approvals: { id: string }[] }).approvals.map(({ id }) => id);
};

describe("on one kernel", { concurrency: 2 }, () => {
  test("pend: 4 and the id; approve sees it through; show has the outcome; no second time", async () => {
    const folder = place.scratch.folder("pend");
    const text = '/run sh -c "echo ran >> ran.txt; $X"';
    const human = await place.ioi("run", "--workspace", folder, "--on-ask", "pend", text);
    assert.equal(human.code, 4);
    const [said] = /a-[0-9a-f]{6,}/.exec(human.stdout) ?? [""];
    assert.ok((await waiting()).includes(said), human.stdout);
    const { code, view, action } = await pend(folder, text);
    assert.deepEqual([code, view.state, action.verdict], [4, "waiting-approval", "ask"]);
    assert.deepEqual([action.ticket, action.outcome], [null, null]);
    assert.ok(!fs.existsSync(path.join(folder, "ran.txt")));
    const approved = ranOf(await place.ioi("approve", action.approval ?? "", "--json"));
    assert.equal(approved.code, 0, approved.stderr);
    const shown = await place.show(view.session);
    assert.deepEqual([shown.state, shown.actions[0]?.outcome?.status], ["done", "confirmed"]);
    assert.equal(fs.readFileSync(path.join(folder, "ran.txt"), "utf8"), "ran\n");
    assert.ok(!(await waiting()).includes(action.approval ?? ""));
    assert.equal((await place.ioi("approve", action.approval ?? "")).code, 2);
    assert.equal(fs.readFileSync(path.join(folder, "ran.txt"), "utf8"), "ran\n");
    const types = (await place.receipts(view.session)).map(({ leaf }) => leaf.type);
    assert.deepEqual(types, ["session-open", "intent", "decision", "intent", "outcome", "revoke"]);
  });

  test("a denial is final and gives its reason; nothing is done", async () => {
    const folder = place.scratch.folder("deny");
    const { view, action } = await pend(folder, "/write .hidden x && /write after.txt x");
    const denied = await place.ioi(
      "deny",
      action.approval ?? "",
      "--reason",
      "not today",
      "--json",
    );
    assert.equal(denied.code, 0, denied.stderr);
    const shown = await place.show(view.session);
    assert.equal(shown.state, "failed");
    assert.deepEqual([shown.actions[0]?.verdict, shown.actions[0]?.outcome], ["deny", null]);
    assert.match(JSON.stringify(shown), /not today/);
    assert.deepEqual(fs.readdirSync(folder), []);
    assert.equal((await place.ioi("approve", action.approval ?? "")).code, 2);
  });

  test("without a terminal an ask is a denial: 3, also when it is said", async () => {
    const folder = place.scratch.folder("headless");
    for (const more of [[], ["--on-ask", "deny"]]) {
      const { code, view } = await place.runIn(folder, "/write .hidden x", ...more);
      assert.deepEqual([code, view.state], [3, "failed"]);
    }
    const prompt = await place.ioi("run", "--workspace", folder, "--on-ask", "prompt", "/list");
    assert.equal(prompt.code, 2);
    assert.deepEqual(fs.readdirSync(folder), []);
  });

  test("an approval is for what was shown: where the file changed since, it is asked anew", async () => {
    const folder = place.scratch.folder("bait");
    const file = path.join(folder, ".profile-of-mine");
    fs.writeFileSync(file, "old\n");
    const { view, action } = await pend(folder, "/write .profile-of-mine new");
    fs.rmSync(file);
    fs.writeFileSync(file, "another file now, that nobody was asked about\n");
    const approved = ranOf(await place.ioi("approve", action.approval ?? "", "--json"));
    assert.equal(approved.code, 4, approved.stderr);
    assert.match(fs.readFileSync(file, "utf8"), /nobody was asked/);
    const shown = await place.show(view.session);
    const again = shown.actions.at(-1)?.approval ?? "";
    assert.notEqual(again, action.approval);
    assert.equal((await place.ioi("approve", again)).code, 0);
    assert.equal(fs.readFileSync(file, "utf8"), "new");
  });

  test("once is once; for the session is for the session, and for no other", async () => {
    const folder = place.scratch.folder("scope");
    const text = "/write .one x && /write .two x";
    const once = await pend(folder, text);
    const first = ranOf(await place.ioi("approve", once.action.approval ?? "", "--json"));
    assert.equal(first.code, 4, "the second asks on its own");
    assert.ok(
      fs.existsSync(path.join(folder, ".one")) && !fs.existsSync(path.join(folder, ".two")),
    );
    await place.ioi("deny", first.view.actions[1]?.approval ?? "");
    const session = await pend(folder, text);
    const args = ["approve", session.action.approval ?? "", "--session-scope", "--json"];
    const both = ranOf(await place.ioi(...args));
    assert.equal(both.code, 0, both.stderr);
    assert.ok(fs.existsSync(path.join(folder, ".two")));
    assert.equal((await pend(folder, text)).code, 4);
  });
});

test("approvals outlive the kernel: killed and started again, the answer still counts", async () => {
  const folder = place.scratch.folder("outlive");
  const { view, action } = await pend(folder, "/write .kept x");
  await place.end("kill");
  await place.start();
  assert.ok((await waiting()).includes(action.approval ?? ""));
  const approved = ranOf(await place.ioi("approve", action.approval ?? "", "--json"));
  assert.equal(approved.code, 0, approved.stderr);
  assert.equal(approved.view.session, view.session);
  assert.equal(fs.readFileSync(path.join(folder, ".kept"), "utf8"), "x");
});

test("a card shows what a write changes, also in a later life; a file changed since asks anew", async () => {
  const file = path.join(place.workspace, "package.json");
  fs.writeFileSync(file, "one\ntwo\n");
  const asked = await place.run('/write package.json "one\n2\n"', "--on-ask", "pend");
  assert.equal(asked.code, 4, asked.stderr);
  const id = asked.action.approval ?? "";
  const changeOf = async (): Promise<unknown> => {
    const shown = await place.ioi("approve", id, "--show", "--json");
    assert.equal(shown.code, 0, shown.stderr);
    return (shown.json as { readonly change: unknown }).change;
  };
  const text = "8 bytes become 6\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n";
  assert.deepEqual(await changeOf(), { state: "there", text, why: "" });
  await place.end("kill");
  await place.start();
  assert.deepEqual(await changeOf(), { state: "there", text, why: "" });
  // Another content stands there: the answer is not for what would go now.
  fs.writeFileSync(file, "mine\n");
  const approved = await place.ioi("approve", id, "--json");
  assert.equal(approved.code, 4, approved.stdout);
  assert.equal(fs.readFileSync(file, "utf8"), "mine\n");
  const [action] = (approved.json as { readonly actions: { readonly approval: string }[] }).actions;
  assert.notEqual(action?.approval, id);
  // The control: answered for what is there, it is written.
  const again = await place.ioi("approve", action?.approval ?? "", "--json");
  assert.deepEqual([again.code, fs.readFileSync(file, "utf8")], [0, "one\n2\n"], again.stderr);
});
