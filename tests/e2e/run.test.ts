/** `ioi run`: what is permitted is done, what is not is refused with reasons, and only JSON is said. */
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";
import { errorReport } from "../report/shapes.ts";
import { Place } from "./support.ts";

let place: Place;
before(async () => {
  place = await Place.open();
  fs.writeFileSync(path.join(place.workspace, "a.txt"), "hi\n");
});
afterEach(async () => await place.quiet());
after(async () => await place[Symbol.asyncDispose]());

test("a permitted request: 0, with verdict, rule, ticket, outcome and two receipts", async () => {
  const { code, view, action } = await place.run("/read a.txt");
  assert.deepEqual([code, view.state, view.error], [0, "done", null]);
  assert.deepEqual([action.verdict, action.rule], ["allow", "scope-read"]);
  assert.ok((action.ticket?.counter ?? 0) > 0 && (action.ticket?.ttlMs ?? 0) > 0);
  assert.deepEqual([action.outcome?.status, action.outcome?.content], ["confirmed", "hi\n"]);
  assert.match(action.receipt?.leafHash ?? "", /^[0-9a-f]{64}$/);
  const listed = await place.receipts(view.session);
  assert.deepEqual(
    listed.map(({ leaf }) => leaf.type),
    ["session-open", "intent", "outcome", "revoke"],
  );
  assert.deepEqual(
    [action.receipt?.index, action.outcome?.receipt?.index],
    [listed[1]?.index, listed[2]?.index],
  );
});

test("a denied request: 3, with rule, reason, what would be allowed, and a receipt", async () => {
  const { code, view, action } = await place.run("/read /etc/shadow");
  assert.deepEqual([code, view.state, view.error?.code], [3, "failed", "E_ACTION_DENIED"]);
  assert.deepEqual([action.verdict, action.ticket, action.outcome], ["deny", null, null]);
  assert.match(action.rule ?? "", /outside/);
  assert.match(action.reason, /\/etc\/shadow/);
  assert.ok(action.instead.includes(place.workspace), action.instead);
  const intent = (await place.receipts(view.session)).find(({ leaf }) => leaf.type === "intent");
  assert.equal(action.receipt?.index, intent?.index);
});

test("every command does what it says", async () => {
  const at = (name: string): string => path.join(place.workspace, name);
  const { code, view, stderr } = await place.run(
    "/list && /stat a.txt && /mkdir d && /write d/b.txt two words && /copy d/b.txt d/c.txt" +
      " && /move d/c.txt e.txt && /find text words && /find *.txt in d && /read e.txt" +
      " && /delete d/b.txt && /run cat e.txt",
  );
  assert.equal(code, 0, stderr);
  assert.ok(view.actions.every(({ outcome }) => outcome?.status === "confirmed"));
  const said = (n: number): string => view.actions[n - 1]?.outcome?.content ?? "";
  assert.match(said(1), /^a\.txt$/m);
  assert.match(said(2), /file/);
  assert.match(said(7), /e\.txt/);
  assert.match(said(8), /b\.txt/);
  assert.deepEqual([said(9), said(11)], ["two words", "two words"]);
  assert.deepEqual(fs.readdirSync(at("d")), []);
  assert.equal(fs.readFileSync(at("e.txt"), "utf8"), "two words");
});

test("content of more than one piece comes back byte for byte", async () => {
  // Not UTF-8, and longer than one reply.
  const whole = Buffer.alloc(1_000_000, Buffer.from([0xff, 0x00, 0x1b, 0x0a, 0x41]));
  fs.writeFileSync(path.join(place.workspace, "big"), whole);
  const ran = await place.run("/read big && /run echo short");
  assert.equal(ran.code, 0, ran.stderr);
  const { session, actions } = ran.view;
  assert.deepEqual(
    actions.map(({ outcome }) => [outcome?.content, outcome?.handle]),
    [
      [null, `contents/${session}/1`],
      ["short\n", null],
    ],
  );
  const show = (n: string, ...more: string[]) =>
    place.ioi("sessions", "show", session, "--content", n, ...more);
  const found = await show("1", "--json");
  assert.equal(found.code, 0, found.stderr);
  const { offset, total, base64 } = found.json as Record<string, unknown>;
  assert.deepEqual([offset, total], [0, whole.length]);
  assert.ok(Buffer.from(String(base64), "base64").equals(whole));
  assert.equal((await show("2")).stdout, "short\n");
  assert.equal((await show("3")).code, 5);
});

test("a sequence ends where a command fails: what follows is not done", async () => {
  const before = fs.readdirSync(place.workspace);
  const { code, view } = await place.run("/read none.txt && /write after.txt x");
  assert.equal(code, 5);
  assert.equal(view.state, "failed");
  assert.deepEqual(fs.readdirSync(place.workspace), before);
});

test("a program's own failure is told: 5, its exit code and its output", async () => {
  const { code, view, action } = await place.run('/run sh -c "echo said; exit 7"');
  assert.deepEqual([code, view.error?.code], [5, "E_PROGRAM_FAILED"]);
  assert.deepEqual(
    [action.outcome?.evidence["exitCode"], action.outcome?.content],
    ["7", "said\n"],
  );
});

test("what leads to this machine: 3; what is no command, or nothing: 2", async () => {
  const fetched = await place.run("/fetch http://localhost");
  assert.equal(fetched.code, 3);
  assert.deepEqual([fetched.action.verdict, fetched.action.outcome], ["deny", null]);
  for (const text of ["/reed a.txt", "/read a.txt |"]) {
    assert.equal((await place.ioi("run", "--json", text)).code, 2, text);
  }
  assert.equal((await place.ioi("run", "--json", "/help")).code, 0);
});

test("JSON and nothing else on stdout, also for errors; people get no JSON", async () => {
  const commands = ["status", "keys", "sessions list", "receipts list", "policy lint"];
  for (const args of commands.map((each) => each.split(" "))) {
    const { code, json, stdout } = await place.ioi(...args, "--json");
    assert.equal(code, 0, args.join(" "));
    assert.notEqual(json, undefined, stdout);
  }
  const failed = await place.ioi("sessions", "show", "s-000000000000", "--json");
  assert.equal(failed.code, 2);
  assert.deepEqual(errorReport(failed.json, "$"), [], failed.stdout);
  const human = await place.ioi("run", "--workspace", place.workspace, "/read a.txt");
  assert.equal(human.code, 0);
  assert.match(human.stdout, /allowed by scope-read/);
  // oxlint-disable-next-line no-control-regex -- that there is no escape sequence is the point
  assert.doesNotMatch(human.stdout, /\u001B|^\{/m);
});

test("a workspace that cannot be one: 2", async () => {
  for (const folder of [place.scratch.at("none"), "/etc", "/", place.data]) {
    const { code, json } = await place.ioi("run", "--workspace", folder, "--json", "/list .");
    assert.equal(code, 2, folder);
    assert.equal((json as { code: string }).code, "E_WORKSPACE_REFUSED", folder);
  }
});

test("a workspace that holds the data folder: it is hidden from every tool and program", async () => {
  const around = place.scratch.path;
  fs.mkdirSync(path.join(around, "normal"));
  fs.writeFileSync(path.join(around, "normal/policy.toml"), "visible\n");
  const key = fs.readFileSync(path.join(place.data, "guardian/keystore.key"), "utf8");

  const { view } = await place.runIn(
    around,
    "/list . && /list normal && /read normal/policy.toml && /find name policy.toml",
  );
  const [top, normal, read, found] = view.actions.map(({ outcome }) => outcome?.content ?? "");
  assert.match(top ?? "", /^normal\//m);
  assert.doesNotMatch(top ?? "", /^D\//m);
  assert.match(normal ?? "", /policy\.toml/);
  assert.match(read ?? "", /visible/);
  assert.match(found ?? "", /normal\/policy\.toml/);
  assert.doesNotMatch(found ?? "", /guardian\/policy\.toml/);

  const device = "D/device/terminal.key";
  const policy = "D/guardian/policy.toml";
  const closed = ["/list D", `/read ${policy}`, `/write ${policy} x`, "/move D E"];
  closed.push(`/copy ${device} stolen`);
  const refuse = async (text: string): Promise<void> => {
    const { code, action } = await place.runIn(around, text);
    assert.equal(code, 3, text);
    assert.match(action.rule ?? "", /product/, text);
  };
  await Promise.all(closed.map(refuse));

  const ran = await place.runIn(
    around,
    '/run sh -c "cat normal/policy.toml; cat D/guardian/keystore.key D/device/terminal.key;' +
      " find D -type f; ls -A D; mv D E; rm -rf D; echo x > D/guardian/policy.toml;" +
      ' cat /proc/1/root$PWD/D/guardian/keystore.key; true"',
    "--on-ask",
    "pend",
  );
  // A variable makes it ask; the person agrees, and still nothing of the folder is seen.
  assert.equal(ran.code, 4, ran.stderr);
  const approved = await place.ioi("approve", ran.action.approval ?? "", "--json");
  assert.equal(approved.code, 0, approved.stderr);
  const { content } = (await place.show(ran.view.session)).actions[0]?.outcome ?? {};
  assert.match(content ?? "", /visible/);
  assert.ok(!approved.stdout.includes(key.trim()));
  assert.doesNotMatch(content ?? "", /FORMAT|terminal\.key$/m);
  assert.equal(fs.readFileSync(path.join(place.data, "guardian/keystore.key"), "utf8"), key);
  assert.ok(!fs.existsSync(path.join(around, "E")));
  assert.ok(!fs.existsSync(path.join(around, "stolen")));
});
