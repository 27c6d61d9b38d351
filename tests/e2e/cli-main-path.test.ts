/** The published path of the first release, as a user and a script walk it, on real processes. */
import assert from "node:assert/strict";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { after, before, test } from "node:test";
import { ioi, Scratch, TestKernel } from "../lib/kernel.ts";
import * as shapes from "../report/shapes.ts";

let scratch: Scratch;
let kernel: TestKernel;
let workspace: string;
before(async () => {
  scratch = new Scratch();
  workspace = scratch.folder("W");
  fs.writeFileSync(path.join(workspace, "a.txt"), "hi\n");
  kernel = await TestKernel.start({ data: scratch.at("D") });
});
after(async () => {
  await kernel[Symbol.asyncDispose]();
  scratch[Symbol.dispose]();
});

interface View {
  readonly session: string;
  readonly state: string;
  readonly actions: readonly {
    readonly verdict: string;
    readonly rule: string | null;
    readonly reason: string;
    readonly instead: string;
    readonly approval: string | null;
    readonly ticket: { readonly counter: number } | null;
    readonly outcome: { readonly status: string; readonly content: string | null } | null;
    readonly receipt: { readonly index: number; readonly leafHash: string } | null;
  }[];
  readonly error: { readonly code: string } | null;
}

const withData = (...args: readonly string[]) => ioi([...args, "--data", kernel.data]);

/** A run with `--json`: nothing but its view on stdout. */
const run = async (text: string, ...more: readonly string[]) => {
  const ran = await withData("run", "--workspace", workspace, "--json", ...more, text);
  assert.deepEqual(shapes.runReport(ran.json, "$"), [], ran.stdout + ran.stderr);
  return { exit: ran.code, view: ran.json as View, stderr: ran.stderr };
};

test("a permitted request: 0, with verdict, rule, ticket, outcome, receipt", async () => {
  const { exit, view } = await run("/read a.txt");
  assert.equal(exit, 0);
  const [action] = view.actions;
  assert.equal(action?.verdict, "allow");
  assert.notEqual(action?.rule, null);
  assert.ok((action?.ticket?.counter ?? 0) > 0);
  assert.deepEqual([action?.outcome?.status, action?.outcome?.content], ["confirmed", "hi\n"]);
  assert.match(action?.receipt?.leafHash ?? "", /^[0-9a-f]{64}$/);
});

test("a denied request: 3, with rule, reason and what would be allowed", async () => {
  const { exit, view } = await run("/read /etc/shadow");
  assert.equal(exit, 3);
  const [action] = view.actions;
  assert.equal(action?.verdict, "deny");
  assert.notEqual(action?.rule ?? "", "");
  assert.notEqual(action?.reason, "");
  assert.notEqual(action?.instead, "");
  assert.deepEqual([action?.ticket, action?.outcome], [null, null]);
});

test("what has no driver: 7; what is no command: 2", async () => {
  assert.equal((await run("/fetch http://localhost")).exit, 7);
  assert.equal((await run("/reed a.txt")).exit, 2);
});

test("pend: 4 and the approval's id; approve sees it through; show has the outcome", async () => {
  const { exit, view } = await run('/run sh -c "$X"', "--on-ask", "pend");
  assert.equal(exit, 4);
  const id = view.actions[0]?.approval ?? "";
  assert.notEqual(id, "");
  const waiting = await withData("status", "--json");
  assert.ok(
    (waiting.json as { approvals: { id: string }[] }).approvals.some((each) => each.id === id),
  );
  const approved = await withData("approve", id, "--json");
  assert.equal(approved.code, 0, approved.stderr);
  const shown = await withData("sessions", "show", view.session, "--json");
  assert.equal(shown.code, 0);
  assert.deepEqual(shapes.runReport(shown.json, "$"), []);
  assert.equal((shown.json as View).actions[0]?.outcome?.status, "confirmed");
  const again = await withData("approve", id);
  assert.equal(again.code, 2, again.stderr);
});

test("a denial is final: the session ends with it and does nothing", async () => {
  const { view } = await run('/run sh -c "$X"', "--on-ask", "pend");
  const id = view.actions[0]?.approval ?? "";
  const denied = await withData("deny", id, "--reason", "not today", "--json");
  assert.equal(denied.code, 0, denied.stderr);
  const shown = (await withData("sessions", "show", view.session, "--json")).json as View;
  assert.equal(shown.state, "failed");
  assert.deepEqual([shown.actions[0]?.verdict, shown.actions[0]?.outcome], ["deny", null]);
});

test("without a terminal an ask is a denial", async () => {
  assert.equal((await run('/run sh -c "$X"')).exit, 3);
});

/** What undo must give back: bytes, mode, times. */
const stateOf = (folder: string) =>
  fs
    .readdirSync(folder)
    .toSorted()
    .map((name) => {
      const file = path.join(folder, name);
      const { mode, mtimeNs } = fs.statSync(file, { bigint: true });
      return { name, bytes: fs.readFileSync(file, "utf8"), mode, mtimeNs };
    });

test("undo restores every byte, mode and time", async () => {
  const folder = scratch.folder("undo");
  fs.writeFileSync(path.join(folder, "kept.txt"), "before\n", { mode: 0o640 });
  fs.utimesSync(path.join(folder, "kept.txt"), 1_600_000_000, 1_600_000_000.5);
  fs.writeFileSync(path.join(folder, "moved.txt"), "moved\n", { mode: 0o600 });
  const was = stateOf(folder);
  const text = "/write kept.txt after && /move moved.txt elsewhere.txt && /write new.txt x";
  const changed = await withData("run", "--workspace", folder, "--json", text);
  assert.equal(changed.code, 0, changed.stderr);
  assert.notDeepEqual(stateOf(folder), was);
  const { session } = changed.json as View;
  const undone = await withData("undo", session, "--json");
  assert.equal(undone.code, 0, undone.stderr);
  assert.deepEqual(stateOf(folder), was);
});

test("receipts: verify, prove, and an export that verifies elsewhere with the key alone", async () => {
  const verified = await withData("receipts", "verify", "--json");
  assert.equal(verified.code, 0, verified.stdout);
  assert.deepEqual(shapes.verifyReport(verified.json, "$"), []);
  const elsewhere = scratch.folder("elsewhere");
  const bundle = path.join(elsewhere, "receipts.json");
  const key = path.join(elsewhere, "guardian.pub");
  assert.equal((await withData("receipts", "export", bundle)).code, 0);
  fs.copyFileSync(path.join(kernel.data, "identity/guardian.pub"), key);
  const checked = await ioi(["receipts", "verify", "--bundle", bundle, "--key", key, "--json"], {
    cwd: elsewhere,
  });
  assert.equal(checked.code, 0, checked.stdout);
  const { checked: count, size } = checked.json as { checked: number; size: number };
  assert.deepEqual([count, count > 10], [size, true]);
  const proof = await withData("receipts", "prove", "1", "--json");
  fs.writeFileSync(path.join(elsewhere, "proof.json"), proof.stdout);
  const proved = await ioi(["receipts", "verify", "--bundle", "proof.json", "--key", key], {
    cwd: elsewhere,
  });
  assert.equal(proved.code, 0, proved.stdout);
});

test("any changed byte of the log at rest: 6 and the index", async () => {
  const copy = scratch.folder("copy");
  fs.cpSync(kernel.data, copy, {
    recursive: true,
    filter: (from) => !from.endsWith(".sock") && !from.endsWith("kernel.json"),
  });
  const file = path.join(copy, "guardian/receipts.log");
  const bytes = fs.readFileSync(file);
  for (const share of [0, 0.2, 0.5, 0.8]) {
    const changed = Buffer.from(bytes);
    const at = Math.floor(share * bytes.length);
    changed[at] = (changed[at] ?? 0) ^ 1;
    fs.writeFileSync(file, changed);
    const { code, json } = await ioi(["receipts", "verify", "--data", copy, "--json"]);
    assert.equal(code, 6, `byte ${at}`);
    assert.ok(Number.isSafeInteger((json as { firstBad: { index: number } }).firstBad.index));
  }
});

test("status, keys, logs, policy: JSON and nothing else on stdout", async () => {
  for (const args of [
    ["status"],
    ["keys"],
    ["sessions", "list"],
    ["receipts", "list"],
    ["policy", "lint"],
  ]) {
    const { code, json, stdout } = await withData(...args, "--json");
    assert.equal(code, 0, args.join(" "));
    assert.notEqual(json, undefined, stdout);
  }
  const logs = await withData("logs", "--json", "--lines", "20");
  assert.equal(logs.code, 0);
  for (const line of logs.stdout.trim().split("\n")) JSON.parse(line);
});

test("doctor: tried, held, escaped, with gaps, and an exit code that says the same", async () => {
  const { code, json } = await withData("doctor", "--json");
  assert.deepEqual(shapes.doctorReport(json, "$"), []);
  const view = json as { ok: boolean; tried: number; escaped: number; processes: unknown[] };
  assert.equal(code === 0, view.ok);
  assert.equal(code === 6, view.escaped > 0);
  assert.ok(view.tried >= 60);
  assert.ok(view.processes.length >= 4);
});

test("a workspace that cannot be one: 2", async () => {
  for (const folder of [scratch.at("none"), "/etc", kernel.data]) {
    const { code, json } = await withData("run", "--workspace", folder, "--json", "/list .");
    assert.equal(code, 2, folder);
    assert.equal((json as { code: string }).code, "E_WORKSPACE_REFUSED", folder);
  }
});

test("stop ends what runs, everything below it, and the session says so", async () => {
  const running = withData("run", "--workspace", workspace, "--json", "/run sleep 600");
  const performing = async (): Promise<string> => {
    for (;;) {
      const { json } = await withData("sessions", "list", "--json");
      const found = (
        json as { sessions: { session: string; state: string; text: string }[] }
      ).sessions
        .filter(({ text }) => text === "/run sleep 600")
        .find(({ state }) => state === "performing");
      if (found !== undefined) return found.session;
    }
  };
  const session = await performing();
  const stopped = await withData("stop", session, "--json");
  assert.equal(stopped.code, 0, stopped.stderr);
  const { code, json } = await running;
  assert.equal(code, 5);
  assert.equal((json as View).state, "stopped");
  assert.equal((json as View).error?.code, "E_SESSION_STOPPED");
});

test("logs hold no content: a canary that was read and written is in no log line", async () => {
  const canary = "canary-4f1c9d";
  fs.writeFileSync(path.join(workspace, "canary.txt"), `${canary}\n`);
  const { view } = await run(`/read canary.txt && /write copy.txt ${canary}`);
  assert.equal(view.actions[0]?.outcome?.content, `${canary}\n`);
  for (const name of fs.readdirSync(path.join(kernel.data, "logs"))) {
    const text = fs.readFileSync(path.join(kernel.data, "logs", name), "utf8");
    assert.equal(text.includes(canary), false, name);
  }
});

test("a second kernel on the folder is refused by name of the first; a busy port is passed over", async () => {
  const second = await ioi(["start", "--data", kernel.data, "--port", "0", "--json"]);
  assert.equal(second.code, 5);
  assert.equal((second.json as { code: string }).code, "E_DATA_LOCKED");
  const server = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as net.AddressInfo;
  try {
    const given = ["--data", scratch.at("D2"), "--port", String(port), "--exit-when-ready"];
    const other = await ioi(["start", ...given]);
    assert.equal(other.code, 0, other.stderr);
    assert.match(other.stdout, /^ORCHESTRATION_RPC_LISTENING_ON_127\.0\.0\.1:\d+\n$/);
    assert.doesNotMatch(other.stdout, new RegExp(`:${port}\\n`));
    assert.match(other.stderr, new RegExp(`port ${port} is in use by process ${process.pid}`));
  } finally {
    server.close();
  }
});
