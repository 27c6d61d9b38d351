/** The policy in force: budgets, examples, folders with names, changes while the kernel runs. */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { Place, ranOf } from "./support.ts";

let place: Place;
let shipped: string;
before(async () => {
  place = await Place.open();
  shipped = fs.readFileSync(path.join(place.data, "guardian/policy.toml"), "utf8");
  fs.writeFileSync(path.join(place.workspace, "a.txt"), "hi\n");
});
beforeEach(() => policy(shipped));
afterEach(async () => await place.quiet());
after(async () => await place[Symbol.asyncDispose]());

const policy = (text: string): void => {
  fs.writeFileSync(path.join(place.data, "guardian/policy.toml"), text);
};

test("a budget of three actions: the fourth asks, and without a person it is denied", async () => {
  policy(shipped.replace(/^actions = \d+$/m, "actions = 3"));
  const text = "/write 1 x && /write 2 x && /write 3 x && /write 4 x && /write 5 x";
  const { code, view } = await place.run(text);
  assert.equal(code, 3);
  assert.deepEqual(
    view.actions.map(({ verdict }) => verdict),
    ["allow", "allow", "allow", "deny"],
  );
  assert.match(JSON.stringify(view.actions[3]), /budget/);
  assert.ok(!fs.existsSync(path.join(place.workspace, "4")));
  // Asked, the person may go beyond it, once.
  const asked = await place.run(text, "--on-ask", "pend");
  assert.equal(asked.code, 4);
  assert.ok(!fs.existsSync(path.join(place.workspace, "4")));
  const approval = asked.view.actions[3]?.approval ?? "";
  assert.equal((await place.ioi("approve", approval, "--json")).code, 4);
  assert.ok(fs.existsSync(path.join(place.workspace, "4")));
  assert.ok(!fs.existsSync(path.join(place.workspace, "5")));
  await place.ioi("stop", asked.view.session);
});

test("an example that does not hold: lint and the kernel say where; nothing is permitted", async () => {
  policy(`${shipped}
[[rule]]
id = "wrong-example"
effect = "allow"
target = ["fs::read"]
where.path = { glob = "scope:/a/**" }
match = [{ target = "fs::read", path = "scope:/b/c" }]
`);
  const lint = await place.ioi("policy", "lint");
  assert.notEqual(lint.code, 0);
  assert.match(lint.stdout + lint.stderr, /E_POLICY_\w+.*policy\.toml:\d+:\d+.*match/s);
  const refused = await place.ioi("run", "--workspace", place.workspace, "--json", "/read a.txt");
  assert.equal(refused.code, 5);
  assert.match(refused.stdout, /E_POLICY_INVALID.*policy\.toml:\d+:\d+/s);
  const status = await place.ioi("status", "--json");
  assert.match((status.json as { policy: { error: string } }).policy.error, /policy\.toml:\d+/);
  policy(shipped);
  assert.equal((await place.run("/read a.txt")).code, 0);
});

test("a change counts from the next action on, also within a session", async () => {
  const asked = await place.run('/run sh -c "$X" && /read a.txt', "--on-ask", "pend");
  assert.equal(asked.code, 4);
  policy(`${shipped}
[[rule]]
id = "no-reading"
effect = "deny"
target = ["fs::read"]
reason = "Not today."
instead = "Tomorrow."
`);
  const approved = await place.ioi("approve", asked.action.approval ?? "", "--json");
  assert.notEqual(approved.code, 0);
  const shown = await place.show(asked.view.session);
  const denied = (await place.run("/read a.txt")).action;
  assert.deepEqual([denied.rule, denied.instead], ["no-reading", "Tomorrow."]);
  assert.match(denied.reason, /Not today\./);
  assert.ok(
    shown.actions.every(({ outcome, target }) => target !== "fs::read" || outcome === null),
  );
});

test("folders that the policy names are there beside the workspace, as far as it says", async () => {
  const library = place.scratch.folder("library");
  const outbox = place.scratch.folder("outbox");
  fs.writeFileSync(path.join(library, "book.txt"), "text\n");
  policy(`${shipped}
[workspace.library]
path = "${library}"
access = "read"

[workspace.outbox]
path = "${outbox}"

[[rule]]
id = "read-library"
effect = "allow"
target = ["fs::read", "fs::list"]
where.path = { glob = "library:/**" }

[[rule]]
id = "send"
effect = "allow"
target = ["fs::copy"]
where.path = { glob = ["library:/**", "scope:/**"] }
where.to = { glob = "outbox:/**" }

[[rule]]
id = "take-back"
effect = "allow"
target = ["fs::restore"]
where.paths = { glob = "outbox:/**" }
`);
  const sent = await place.run(
    `/list ${library} && /read ${library}/book.txt && /copy ${library}/book.txt ${outbox}/sent.txt`,
  );
  assert.equal(sent.code, 0, sent.stderr);
  assert.equal(sent.view.actions[1]?.outcome?.content, "text\n");
  assert.match(sent.view.actions[1]?.display ?? "", /library:\/book\.txt/);
  assert.equal(fs.readFileSync(path.join(outbox, "sent.txt"), "utf8"), "text\n");
  // What no rule allows asks; what the folder's access forbids is not done even when approved.
  const written = await place.run(`/write ${library}/book.txt x`, "--on-ask", "pend");
  assert.ok(written.code === 3 || written.code === 4, `exit ${written.code}`);
  if (written.code === 4) {
    assert.notEqual((await place.ioi("approve", written.action.approval ?? "")).code, 0);
  }
  assert.equal(fs.readFileSync(path.join(library, "book.txt"), "utf8"), "text\n");
  // A program sees them too: the one for reading only, the other staged.
  const ran = await place.run(
    `/run sh -c "cat ${library}/book.txt; echo x > ${outbox}/ran.txt; echo x > ${library}/ran.txt"`,
  );
  assert.match(ran.action.outcome?.content ?? "", /text/);
  assert.ok(!fs.existsSync(path.join(library, "ran.txt")));
  const undone = await place.undo(sent.view.session);
  assert.equal(undone.code, 0, undone.stderr);
  assert.ok(!fs.existsSync(path.join(outbox, "sent.txt")));
});

test("check and explain say what the kernel does", async () => {
  const ask = (command: string, file: string) => {
    const folder = ["--workspace", place.workspace, "--json"];
    return place.ioi("policy", command, "fs::read", "--arg", `path=${file}`, ...folder);
  };
  const file = path.join(place.workspace, "a.txt");
  assert.match((await ask("check", file)).stdout, /"verdict":"allow"/);
  assert.match((await ask("check", "/etc/shadow")).stdout, /"verdict":"deny".*outside/);
  assert.equal((await ask("explain", "/etc/shadow")).code, 0);
});

test("a rule in the shadow stops nothing; the log says what it would have done", async () => {
  policy(`${shipped}
[[rule]]
id = "tried-out"
effect = "deny"
target = ["fs::read"]
where.path = { glob = "scope:/a.txt" }
shadow = true
`);
  const run = await place.run("/read a.txt");
  assert.equal(run.code, 0);
  const logs = path.join(place.data, "logs");
  const said = fs.readdirSync(logs).map((name) => fs.readFileSync(path.join(logs, name), "utf8"));
  assert.match(said.join("\n"), /"shadow":"deny tried-out"/);
});

test("content that a rule refuses is not written, says which rule, and has its receipts", async () => {
  const rule = `
[[rule]]
id = "accounts-stay"
effect = "deny"
target = ["fs::write", "net::post"]
where.content = { contains_kind = ["IBAN"] }
reason = "Account numbers stay where they are."
`;
  const file = path.join(place.workspace, "pay.txt");
  const text = "/write pay.txt DE89370400440532013000";
  policy(shipped + rule);
  const refused = await place.run(text);
  assert.deepEqual([refused.code, refused.action.verdict], [3, "allow"]);
  assert.deepEqual(
    [refused.action.outcome?.status, refused.action.outcome?.code],
    ["refused", "E_CONTENT_REFUSED"],
  );
  assert.ok(!fs.existsSync(file));
  const leaves = (await place.receipts(refused.view.session)).map(({ leaf }) => leaf);
  const said = JSON.stringify(leaves);
  assert.match(said, /accounts-stay/);
  assert.match(said, /"status":"refused"/);
  const other = await place.run("/write pay.txt nothing");
  assert.deepEqual([other.code, other.action.outcome?.status], [0, "confirmed"]);
  // Control: without the rule the same bytes are written.
  policy(shipped);
  assert.equal((await place.run(text)).code, 0);
  assert.equal(fs.readFileSync(file, "utf8").trim(), "DE89370400440532013000");
});

test("a rate asks when it is used up, over all sessions too", async () => {
  policy(`${shipped}\n[rate."fs::mkdir"]\nall_per_hour = 2\n`);
  const text = "/mkdir r1 && /mkdir r2 && /mkdir r3";
  const { code, view } = await place.run(text);
  assert.equal(code, 3);
  assert.deepEqual(
    view.actions.map(({ verdict }) => verdict),
    ["allow", "allow", "deny"],
  );
  assert.match(view.actions[2]?.reason ?? "", /too often \(fs::mkdir all_per_hour\)/);
  const again = await place.run("/mkdir r4");
  assert.equal(again.action.verdict, "deny");
  policy(shipped);
  assert.equal((await place.run("/mkdir r4")).action.verdict, "allow");
});

test("one answer stands for what is like the action, and its card says so", async () => {
  policy(shipped.replace("reversible_without_asking = true", "reversible_without_asking = false"));
  for (const name of ["d/1", "d/2", "e/1"]) {
    fs.mkdirSync(path.join(place.workspace, path.dirname(name)), { recursive: true });
  }
  const quiet = shipped.replaceAll(
    /id = "scope-write"\neffect = "allow"/g,
    'id = "scope-write"\neffect = "ask"',
  );
  policy(quiet);
  const asked = await place.run("/write d/1 x && /write d/2 x && /write e/1 x", "--on-ask", "pend");
  assert.equal(asked.code, 4);
  const approval = asked.action.approval ?? "";
  const card = await place.ioi("approve", approval, "--show");
  assert.match(card.stdout, /alike {5}at most 20 like it in 30 minutes[^]*any name in scope:\/d/);
  const approved = ranOf(await place.ioi("approve", approval, "--alike", "--json"));
  assert.equal(approved.code, 4);
  assert.deepEqual(
    approved.view.actions.map(({ outcome }) => outcome?.status),
    ["confirmed", "confirmed", undefined],
  );
  await place.ioi("stop", asked.view.session);
});

test("a policy that is set holds from the next action, with a receipt, and an edit after it is said", async () => {
  const next = path.join(place.workspace, "../next.toml");
  const rule = `
[[rule]]
id = "no-reads"
effect = "deny"
target = ["fs::read"]
where.path = { glob = "scope:/**" }
`;
  fs.writeFileSync(next, `${shipped}${rule}`);
  assert.equal((await place.run("/read a.txt")).code, 0);
  // Nobody at the terminal: it is refused, and nothing is changed.
  assert.equal((await place.ioi("policy", "set", next)).code, 3);
  assert.equal((await place.run("/read a.txt")).code, 0);
  const waits = await place.ioi("policy", "set", next, "--on-ask", "pend", "--json");
  const { id } = JSON.parse(waits.stdout) as { readonly id: string };
  assert.deepEqual([waits.code, waits.stdout.includes("narrower fs::read")], [4, true]);
  assert.equal((await place.ioi("approve", id)).code, 0);
  assert.equal((await place.run("/read a.txt")).code, 3);
  const listed = await place.ioi("policy", "history", "--json");
  const { versions } = JSON.parse(listed.stdout) as {
    readonly versions: readonly { readonly before: string; readonly receipt: number }[];
  };
  assert.equal((await place.ioi("receipts", "verify")).code, 0);
  const old = await place.ioi("policy", "show", versions[0]?.before.slice(0, 12) ?? "");
  assert.equal(old.stdout.trimEnd(), shipped.trimEnd());
  assert.doesNotMatch((await place.ioi("status")).stdout, /EDITED BY HAND/);
  policy(shipped);
  assert.match((await place.ioi("status")).stdout, /EDITED BY HAND/);
  assert.equal((await place.run("/read a.txt")).code, 0);
});
