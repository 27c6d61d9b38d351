import assert from "node:assert/strict";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { FakeKernel, runWith, type RunSettings, temporaryFolder } from "./support.ts";

const withKernel = async (
  use: (
    kernel: FakeKernel,
    ioi: (argv: readonly string[], settings?: RunSettings) => ReturnType<typeof runWith>,
  ) => Promise<void>,
): Promise<void> => {
  using folder = temporaryFolder();
  await using kernel = await FakeKernel.open(folder.path);
  await use(kernel, (argv, settings) =>
    runWith([...argv, "--data", kernel.data], { cwd: folder.path, ...settings }),
  );
};

test("run: with --json one JSON value and nothing else on stdout", () =>
  withKernel(async (_kernel, ioi) => {
    const { exit, out } = await ioi(["run", "--workspace", ".", "--json", "/read a.txt"]);
    assert.equal(exit, 0);
    const lines = out.split("\n");
    assert.deepEqual([lines.length, lines[1]], [2, ""]);
    const view = JSON.parse(out);
    assert.equal(view.schema, "ioi.run/1");
    assert.equal(view.actions[0].outcome.content, "hi\n");
  }));

test("run: a person sees action, verdict, rule, outcome and content", () =>
  withKernel(async (_kernel, ioi) => {
    const { exit, out } = await ioi(["run", "/read a.txt"]);
    assert.equal(exit, 0);
    assert.equal(
      out,
      [
        "1 read a.txt",
        "  allowed by scope-read",
        "  ticket 7; confirmed, 3 bytes; receipts 4 and 5",
        "  hi",
        "session s1: done, 1 action, 12 ms",
        "",
      ].join("\n"),
    );
  }));

test("run: denied is 3, with rule, reason and what would be allowed", () =>
  withKernel(async (_kernel, ioi) => {
    const { exit, out, err } = await ioi(["run", "/deny"]);
    assert.equal(exit, 3);
    assert.match(out, /DENIED by outside: outside the workspace\n/);
    assert.match(out, /Allowed instead: a file of the workspace\n/);
    assert.match(err, /^error\[E_ACTION_DENIED\]: action 1 was denied\. Next: /m);
    const json = await ioi(["run", "/deny", "--json"]);
    assert.equal(json.exit, 3);
    assert.equal(JSON.parse(json.out).error.code, "E_ACTION_DENIED");
  }));

test("what the person denied is said to be denied by the person", () =>
  withKernel(async (_kernel, ioi) => {
    const { exit, out } = await ioi(["run", "/refused"]);
    assert.equal(exit, 3);
    assert.match(out, /DENIED by you: not today\n/);
    assert.doesNotMatch(out, /Allowed instead/);
  }));

test("run: what has no driver is 7", () =>
  withKernel(async (_kernel, ioi) => {
    assert.equal((await ioi(["run", "/gone http://localhost"])).exit, 7);
  }));

test("run: without a terminal an ask is a denial; pend prints the id and exits 4", () =>
  withKernel(async (kernel, ioi) => {
    assert.equal((await ioi(["run", "/ask"])).exit, 3);
    assert.equal((await ioi(["run", "/ask", "--on-ask", "deny"])).exit, 3);
    const pending = await ioi(["run", "/ask", "--on-ask", "pend"]);
    assert.equal(pending.exit, 4);
    assert.match(pending.out, /^ap-s3$/m);
    assert.match(pending.err, /Next: \.\/ioi approve --data \S+\/D ap-s3/);
    const json = await ioi(["run", "/ask", "--on-ask", "pend", "--json"]);
    assert.equal(json.exit, 4);
    assert.equal(JSON.parse(json.out).actions[0].approval, "ap-s4");
    assert.deepEqual(kernel.statements, []);
    const prompt = await ioi(["run", "/ask", "--on-ask", "prompt"]);
    assert.equal(prompt.exit, 2);
  }));

test("approve: the card is shown, its statement signed, the session seen through", () =>
  withKernel(async (kernel, ioi) => {
    await ioi(["run", "/ask", "--on-ask", "pend"]);
    const approved = await ioi(["approve", "ap-s1", "--json"]);
    assert.equal(approved.exit, 0);
    assert.equal(JSON.parse(approved.out).state, "done");
    assert.match(approved.err, /read a\.txt\n {2}in the workspace/);
    assert.match(approved.err, /asks because no rule allows it/);
    assert.deepEqual(
      kernel.statements.map(({ approval, decision, scope, discharges }) => ({
        approval,
        decision,
        scope,
        discharges,
      })),
      [
        {
          approval: "ap-s1",
          decision: "approve",
          scope: "once",
          discharges: [{ kind: "default", id: "default" }],
        },
      ],
    );
    const again = await ioi(["approve", "ap-s1"]);
    assert.equal(again.exit, 2);
    assert.match(again.err, /error\[E_APPROVAL_UNKNOWN\]/);
  }));

test("deny: signed, with the reason, exit 0", () =>
  withKernel(async (kernel, ioi) => {
    await ioi(["run", "/ask", "--on-ask", "pend"]);
    const denied = await ioi(["deny", "ap-s", "--reason", "not now"]);
    assert.equal(denied.exit, 0);
    assert.ok(kernel.calls.includes("deny ap-s1 not now"));
  }));

test("a card whose text is not the one named is never signed", () =>
  withKernel(async (kernel, ioi) => {
    await ioi(["run", "/ask", "--on-ask", "pend"]);
    kernel.cardHash = new Uint8Array(32);
    const refused = await ioi(["approve", "ap-s1"]);
    assert.equal(refused.exit, 5);
    assert.match(refused.err, /error\[E_CLI_CARD_MISMATCH\]/);
    assert.deepEqual(kernel.statements, []);
  }));

test("a device key that others can read is refused", () =>
  withKernel(async (kernel, ioi) => {
    await ioi(["run", "/ask", "--on-ask", "pend"]);
    const file = join(kernel.data, "device/terminal.key");
    chmodSync(file, 0o644);
    assert.match((await ioi(["approve", "ap-s1"])).err, /E_CLI_DEVICE_KEY.*read by others/);
    chmodSync(file, 0o600);
    const { publicKey } = JSON.parse(readFileSync(file, "utf8"));
    writeFileSync(file, JSON.stringify({ publicKey, seed: "00".repeat(32) }));
    assert.match((await ioi(["approve", "ap-s1"])).err, /E_CLI_DEVICE_KEY.*does not belong/);
    assert.deepEqual(kernel.statements, []);
  }));

test("prompt: a key answers, and one typed before the card was read counts for nothing", () =>
  withKernel(async (kernel, ioi) => {
    const early = await ioi(["run", "/ask"], {
      terminal: true,
      keys: [
        ["a", 10],
        ["a", 500],
      ],
    });
    assert.equal(early.exit, 1);
    assert.deepEqual(kernel.statements, []);
    const approved = await ioi(["run", "/ask"], {
      terminal: true,
      keys: [
        ["d", 10],
        ["x", 700],
        ["e", 10],
        ["a", 10],
      ],
    });
    assert.equal(approved.exit, 0);
    assert.match(approved.err, /approval ap-s2\n {2}read a\.txt/);
    assert.match(approved.err, /\[a\] once {2}\[s\] this session {2}\[d\] deny {2}\[e\] explain/);
    assert.match(approved.err, /asks because no rule allows it/);
    const forSession = await ioi(["run", "/ask"], { terminal: true, keys: [["s", 700]] });
    assert.equal(forSession.exit, 0);
    const denied = await ioi(["run", "/ask"], { terminal: true, keys: [["d", 700]] });
    assert.equal(denied.exit, 3);
    assert.deepEqual(
      kernel.statements.map(({ decision, scope }) => [decision, scope]),
      [
        ["approve", "once"],
        ["approve", "session"],
        ["deny", "once"],
      ],
    );
  }));

test("a kernel that restarts under a run is followed again, and nothing runs twice", () =>
  withKernel(async (kernel, ioi) => {
    const dropped = await ioi(["run", "/drop", "--json"]);
    assert.equal(dropped.exit, 0);
    assert.equal(JSON.parse(dropped.out).state, "done");
    assert.equal(kernel.calls.filter((call) => call.startsWith("utter")).length, 1);
    assert.deepEqual(
      kernel.calls.filter((call) => !call.startsWith("utter")),
      ["start s1 deny", "follow s1"],
    );
  }));

test("an interrupt stops the session itself and exits 130", () =>
  withKernel(async (kernel, ioi) => {
    const { SignalExit } = await import("../src/report.ts");
    const controller = new AbortController();
    const interrupted = await ioi(["run", "/wait"], {
      controller,
      onErr: (all) => {
        if (all.includes("session s1")) controller.abort(new SignalExit("SIGINT"));
      },
    });
    assert.equal(interrupted.exit, 130);
    assert.deepEqual(kernel.calls.slice(-1), ["stop s1"]);
    assert.match(interrupted.err, /session s1 is stopped\ninterrupted\n$/);
  }));

test("stop: launcher, Guardian and workload are all told", () =>
  withKernel(async (kernel, ioi) => {
    await ioi(["run", "/ask", "--on-ask", "pend"]);
    const stopped = await ioi(["stop", "--json"]);
    assert.equal(stopped.exit, 0);
    const sent = [{ method: "GET", url: "https://a.example/x", bytes: 120, ticket: "7" }];
    assert.deepEqual(JSON.parse(stopped.out).stopped, [{ session: "s1", killed: 2, sent }]);
    assert.deepEqual(kernel.calls.slice(-3).toSorted(), ["kill s1", "revoke s1", "stop s1"]);
    kernel.gates.add("s9");
    const both = await ioi(["stop", "s"]);
    assert.deepEqual([both.exit, /begins 2 sessions/.test(both.err)], [2, true]);
    assert.equal((await ioi(["stop", "s9"])).exit, 0);
    assert.deepEqual(kernel.calls.slice(-3).toSorted(), ["kill s9", "revoke s9", "stop gate s9"]);
    assert.equal((await ioi(["stop"])).out, "nothing ran\n");
  }));

test("undo: a session of its own, for the newest or the named one", () =>
  withKernel(async (kernel, ioi) => {
    const nothing = await ioi(["undo"]);
    assert.equal(nothing.exit, 5);
    assert.match(nothing.err, /error\[E_NOTHING_TO_UNDO\]/);
    for (let n = 1; n <= 3; n++) await ioi(["run", "/read a"]);
    kernel.undoable.set("s1", 2).set("s2", 1);
    const undone = await ioi(["undo", "--action", "2"]);
    assert.equal(undone.exit, 0);
    assert.ok(kernel.calls.includes("undo s2 2 in s4"));
    kernel.undoable.delete("s2");
    await ioi(["undo"]);
    assert.ok(kernel.calls.includes("undo s1 0 in s5"));
    // Named, it is the kernel that says whether anything is left.
    await ioi(["undo", "s3"]);
    assert.ok(kernel.calls.includes("undo s3 0 in s6"));
    assert.equal((await ioi(["undo", "zz"])).exit, 2);
  }));

test("sessions: list, show by the beginning of an id, resolve", () =>
  withKernel(async (kernel, ioi) => {
    await ioi(["run", "/ask", "--on-ask", "pend"]);
    await ioi(["run", "/read a"]);
    const listed = JSON.parse((await ioi(["sessions", "list", "--json"])).out);
    assert.deepEqual(
      listed.sessions.map(({ session, state, approvals }: Record<string, unknown>) => ({
        session,
        state,
        approvals: (approvals as { id: string }[]).map(({ id }) => id),
      })),
      [
        { session: "s2", state: "done", approvals: [] },
        { session: "s1", state: "waiting-approval", approvals: ["ap-s1"] },
      ],
    );
    assert.match((await ioi(["sessions", "list"])).out, /waits for you: approval ap-s1/);
    const shown = await ioi(["sessions", "show", "s2", "--json"]);
    assert.equal(JSON.parse(shown.out).state, "done");
    const unclear = await ioi(["sessions", "show", "s"]);
    assert.equal(unclear.exit, 2);
    const resolved = await ioi(["sessions", "resolve", "s2", "happened"]);
    assert.equal(resolved.exit, 0);
    assert.ok(kernel.calls.includes("resolve s2 happened"));
    assert.equal((await ioi(["sessions", "resolve", "s2", "maybe"])).exit, 2);
  }));

test("sessions show --content: all of it, byte for byte; visible at a terminal; base64 as JSON", () =>
  withKernel(async (kernel, ioi) => {
    await ioi(["run", "/read a"]);
    const whole = Uint8Array.from([
      0x68, 0x69, 0x0a, 0xff, 0x00, 0x1b, 0x5b, 0x32, 0x4a, 0x21, 0x0a,
    ]);
    kernel.contents.set(1, whole);
    kernel.contents.set(2, new Uint8Array(0));
    const command = ["sessions", "show", "s1", "--content"];
    const raw = await ioi([...command, "1"]);
    assert.deepEqual([raw.exit, raw.out, [...raw.bytes]], [0, "", [...whole]]);
    const json = await ioi([...command, "1", "--json"]);
    assert.equal(json.bytes.length, 0);
    assert.deepEqual(JSON.parse(json.out), {
      schema: "ioi.content/1",
      session: "s1",
      action: 1,
      offset: 0,
      total: whole.length,
      base64: Buffer.from(whole).toString("base64"),
    });
    const shown = await ioi([...command, "1"], { terminal: true });
    assert.deepEqual(
      [shown.bytes.length, shown.out],
      [
        0,
        String.raw`hi|\uFFFD\u{0}\u{1b}[2J!|`
          .replaceAll("|", "\n")
          .replace(String.raw`\uFFFD`, "\uFFFD"),
      ],
    );
    assert.equal((await ioi([...command, "2"])).bytes.length, 0);
    const none = await ioi([...command, "3"]);
    assert.deepEqual([none.exit, none.out], [5, ""]);
    assert.match(none.err, /error\[E_CONTENT_NONE\]/);
    assert.equal((await ioi([...command, "x"])).exit, 2);
    assert.equal((await ioi([...command, "4294967296"])).exit, 2);
  }));

test("status: what runs, what waits, what was receipted", () =>
  withKernel(async (_kernel, ioi) => {
    await ioi(["run", "/ask", "--on-ask", "pend"]);
    const status = JSON.parse((await ioi(["status", "--json"])).out);
    assert.equal(status.schema, "ioi.status/1");
    assert.deepEqual(status.processes, [
      { name: "guardian", pid: 1, uid: 0, state: "ready", pssMiB: 2, sandbox: ["seccomp"] },
    ]);
    assert.equal(status.receipts.size, 12);
    assert.equal(status.approvals[0].id, "ap-s1");
    const text = (await ioi(["status"])).out;
    assert.match(text, /guardian {2}ready {2}pid 1 {2}uid 0 +2\.0 MiB {2}seccomp/);
    assert.match(text, /anchor: software \(no rollback protection\)/);
  }));

test("status --watch prints until interrupted", () =>
  withKernel(async (_kernel, ioi) => {
    const { SignalExit } = await import("../src/report.ts");
    const controller = new AbortController();
    const watched = await ioi(["status", "--watch", "--json"], {
      controller,
      onOut: () => controller.abort(new SignalExit("SIGTERM")),
    });
    assert.equal(watched.exit, 143);
    const [status, end] = watched.out.trim().split("\n");
    assert.equal(JSON.parse(status ?? "").schema, "ioi.status/1");
    assert.equal(JSON.parse(end ?? "").code, "SIGTERM");
  }));

test("a bug in the kernel is an error with a code, not a stack", () =>
  withKernel(async (kernel, ioi) => {
    const { exit, err, out } = await ioi(["run", "/surprise", "--json"]);
    assert.equal(exit, 5);
    assert.equal(JSON.parse(out).code, "E_RPC_INTERNAL");
    assert.doesNotMatch(out + err, /secret detail/);
    assert.ok(kernel.calls.some((call) => call.startsWith("bug:")));
  }));

test("commands on a folder that is none, and status where no kernel runs", async () => {
  using folder = temporaryFolder();
  for (const argv of [["sessions", "list"], ["approve", "x"], ["undo"], ["stop"], ["status"]]) {
    const { exit, err } = await runWith([...argv, "--data", join(folder.path, "none")]);
    assert.equal(exit, 5, argv.join(" "));
    assert.match(err, /error\[E_CLI_NO_DATA\]/);
  }
  writeFileSync(join(folder.path, "FORMAT"), '{"format":1}\n');
  const { exit, err } = await runWith(["status", "--data", folder.path]);
  assert.equal(exit, 5);
  assert.match(err, /error\[E_CLI_NO_KERNEL\].*Next: \.\/ioi start --data/);
});
