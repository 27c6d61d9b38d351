// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { type SandboxSpec, spawnSandboxed } from "@ioi/host/sandbox";
import { outcome as outcomeSchema, schema } from "@ioi/wire";
import { runCommand } from "../src/exec/run.ts";
import { execSession, sh, text } from "./exec-support.ts";
import { Session, treeState } from "./support.ts";

test("a command's changes are applied after it ended, and undone", async () => {
  await using s = execSession();
  fs.writeFileSync(s.path("a.txt"), "old");
  fs.writeFileSync(s.path("gone.txt"), "gone");
  fs.mkdirSync(s.path("d/e"), { recursive: true });
  fs.writeFileSync(s.path("d/e/f"), "f");
  fs.writeFileSync(s.path("kind"), "file first");
  fs.mkdirSync(s.path("opaque"));
  fs.writeFileSync(s.path("opaque/old"), "o");
  fs.symlinkSync("a.txt", s.path("link"));
  const before = treeState(s.root);
  const ran = await sh(
    s,
    `
    echo new > a.txt; rm gone.txt; mv d moved; mkdir n; echo x > n/x; chmod 700 n
    rm kind; mkdir kind; echo k > kind/k
    rm -r opaque; mkdir opaque; echo q > opaque/new
    ln -sf elsewhere link; echo out; echo err >&2; exit 3`,
  );
  assert.deepEqual([ran.errorCode, ran.message, ran.outcome?.status], ["", "", "confirmed"]);
  assert.equal(ran.result["exitCode"], 3);
  assert.equal(text(ran.result["stdout"]), "out\n");
  assert.equal(text(ran.result["stderr"]), "err\n");
  assert.equal(ran.outcome?.evidence["exitCode"], "3");
  // A path that is something else now counts once, or nobody could tell that all are named.
  const changed = ran.result["changed"] as readonly string[];
  assert.equal(ran.outcome?.evidence["filesChanged"], String(changed.length));
  assert.equal(fs.readFileSync(s.path("a.txt"), "utf8"), "new\n");
  assert.equal(fs.existsSync(s.path("gone.txt")), false);
  assert.equal(fs.readFileSync(s.path("moved/e/f"), "utf8"), "f");
  assert.equal(fs.readFileSync(s.path("kind/k"), "utf8"), "k\n");
  assert.deepEqual(fs.readdirSync(s.path("opaque")), ["new"]);
  assert.equal(fs.readlinkSync(s.path("link")), "elsewhere");
  assert.equal(fs.statSync(s.path("n")).mode & 0o777, 0o700);
  assert.equal(
    fs.existsSync(`${s.vaultPath}/exec/${String(ran.counter).padStart(20, "0")}/stage`),
    false,
  );
  await using files = new Session({ base: s.base });
  const undone = await files.undo(ran.counter, ran.result["changed"] as readonly string[]);
  assert.deepEqual(
    [undone.errorCode, undone.message, undone.outcome?.status],
    ["", "", "confirmed"],
  );
  assert.deepEqual(treeState(s.root), before);
});

const leftovers = (s: Session): string[] =>
  fs
    .readdirSync(s.base, { recursive: true, encoding: "utf8" })
    .filter((each) => /stage|\.ioi-|\.new$/.test(each));

const runningWith = (marker: string): number =>
  fs.readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(marker);
    } catch {
      return false;
    }
  }).length;

test("much output fills neither memory nor disk", async () => {
  await using s = execSession({ limits: { outputBytes: 100_000 } });
  const before = process.memoryUsage().rss;
  const ran = await sh(s, "head -c 150000000 /dev/zero | tr '\\0' x; echo end");
  assert.equal(ran.outcome?.status, "confirmed");
  assert.equal(ran.result["stdoutBytes"], 150_000_004);
  const kept = text(ran.result["stdout"]);
  assert.ok(kept.length < 101_000);
  assert.match(kept, /^x+\n\[149900004 bytes left out\]\nx+end\n$/);
  assert.ok(ran.output.length <= 100_000);
  assert.ok(process.memoryUsage().rss - before < 100_000_000);
  assert.deepEqual(leftovers(s), []);
});

test("a command over its time is ended with all it started, without an effect", async () => {
  await using s = execSession({ limits: { wallMs: 700 } });
  const ran = await sh(s, "echo x > f; (setsid sleep 611.7 &); trap '' TERM; sleep 611.7");
  assert.deepEqual([ran.outcome?.status, ran.errorCode], ["no-effect", "E_EXEC_TIMEOUT"]);
  assert.equal(fs.existsSync(s.path("f")), false);
  assert.equal(runningWith("611.7"), 0);
  assert.deepEqual(leftovers(s), []);
});

test("background jobs die with the command", async () => {
  await using s = execSession();
  const ran = await sh(s, "setsid sleep 612.7 > /dev/null 2>&1 & echo done");
  assert.equal(ran.outcome?.status, "confirmed");
  assert.equal(runningWith("612.7"), 0);
});

test("a stop during a command ends it; it did run before", async () => {
  await using s = execSession();
  const argv = ["sh", "-c", "echo x > f; echo begun; sleep 613.7"];
  const looked = await s.prepare("sys::exec", { argv, cwd: s.root });
  assert.ok(typeof looked !== "string");
  const stop = new AbortController();
  const request = {
    nonce: looked.prepared.nonce,
    ticket: s.ticket(looked),
    content: new Uint8Array(0),
  };
  let ranBefore = 0;
  for await (const { event } of s.handlers.act(request, { signal: stop.signal })) {
    if (event.case !== "output") continue;
    ranBefore = runningWith("613.7");
    stop.abort();
  }
  assert.ok(ranBefore > 0);
  assert.equal(runningWith("613.7"), 0);
  assert.equal(fs.existsSync(s.path("f")), false);
  assert.deepEqual(leftovers(s), []);
});

test("what somebody else changed while the command ran is not overwritten", async () => {
  await using s = execSession();
  fs.writeFileSync(s.path("a"), "old");
  fs.writeFileSync(s.path("b"), "old");
  const argv = ["sh", "-c", "echo mine > a; echo mine > b; echo begun; sleep 0.3"];
  const looked = await s.prepare("sys::exec", { argv, cwd: s.root });
  assert.ok(typeof looked !== "string");
  const request = {
    nonce: looked.prepared.nonce,
    ticket: s.ticket(looked),
    content: new Uint8Array(0),
  };
  let message = "";
  const { signal } = new AbortController();
  for await (const { event } of s.handlers.act(request, { signal })) {
    if (event.case === "output") fs.writeFileSync(s.path("a"), "theirs");
    else if (event.case === "result") message = event.value.errorMessage;
  }
  assert.match(message, /changed by somebody else/);
  assert.equal(fs.readFileSync(s.path("a"), "utf8"), "theirs");
  assert.equal(fs.readFileSync(s.path("b"), "utf8"), "old");
  // Control: undisturbed it is applied.
  assert.equal((await sh(s, "echo mine > a")).outcome?.status, "confirmed");
  assert.equal(fs.readFileSync(s.path("a"), "utf8"), "mine\n");
});

test("the environment is rebuilt and there is no input", async () => {
  process.env["LD_PRELOAD_CANARY"] = "leak";
  await using s = execSession();
  const ran = await s.run("sys::exec", { argv: ["env"], cwd: s.root });
  const names = text(ran.result["stdout"])
    .trim()
    .split("\n")
    .map((line) => line.split("=")[0]);
  const allowed = new Set([
    "HOME",
    "LANG",
    "PATH",
    "TMPDIR",
    "TERM",
    "GIT_OPTIONAL_LOCKS",
    "PWD",
    "OLDPWD",
    "SHLVL",
    "_",
  ]);
  assert.deepEqual(
    names.filter((name) => !allowed.has(name ?? "")),
    [],
  );
  const cat = await s.run("sys::exec", { argv: ["cat"], cwd: s.root });
  assert.deepEqual([cat.result["exitCode"], cat.result["stdoutBytes"]], [0, 0]);
  delete process.env["LD_PRELOAD_CANARY"];
});

test("programs are found in the fixed path and identified by their bytes", async () => {
  await using s = execSession();
  const looked = await s.prepare("sys::exec", { argv: ["sh", "-c", "true"], cwd: s.root });
  assert.ok(typeof looked !== "string");
  const { program } = looked.action.facts;
  assert.equal(program?.realPath, fs.realpathSync("/bin/sh"));
  assert.equal(program?.sha256?.length, 32);
  for (const [argv, code] of [
    [["no-such-program"], "E_EXEC_PROGRAM"],
    [["../sh"], "E_EXEC_PROGRAM"],
    [["./a"], "E_EXEC_PROGRAM"],
    [[], "E_ARGUMENTS_INVALID"],
    [[""], "E_ARGUMENTS_INVALID"],
    [["sh", "a\0b"], "E_ARGUMENTS_INVALID"],
    [["sh", "x".repeat(200_000)], "E_ARGUMENTS_INVALID"],
  ] as const) {
    assert.equal(
      await s.prepare("sys::exec", { argv, cwd: s.root }),
      code,
      JSON.stringify(argv).slice(0, 40),
    );
  }
  // A link in the workspace leads to no program outside; a script in it runs.
  fs.symlinkSync("/bin/sh", s.path("link"));
  assert.equal(await s.prepare("sys::exec", { argv: ["./link"], cwd: s.root }), "E_EXEC_PROGRAM");
  fs.writeFileSync(s.path("script"), "#!/bin/sh\necho ran\n", { mode: 0o755 });
  const ran = await s.run("sys::exec", { argv: ["./script"], cwd: s.root });
  assert.equal(text(ran.result["stdout"]), "ran\n");
});

test("a program that is swapped between look and act does not run", async () => {
  await using s = execSession();
  fs.writeFileSync(s.path("script"), "#!/bin/sh\necho good\n", { mode: 0o755 });
  const looked = await s.prepare("sys::exec", { argv: ["./script"], cwd: s.root });
  assert.ok(typeof looked !== "string");
  fs.writeFileSync(s.path("script"), "#!/bin/sh\necho evil\n");
  const acted = await s.act(looked.prepared.nonce, s.ticket(looked));
  assert.deepEqual([acted.outcome?.status, acted.errorCode], ["refused", "E_FS_CHANGED"]);
});

test("a driver that died during a command settles it as without effect", async () => {
  await using s = execSession();
  fs.writeFileSync(s.path("a"), "old");
  const counter = 4_000_001n;
  {
    using claim = s.driver.claim(counter);
    assert.ok(claim !== undefined);
    s.engine.vault.writeIntent({
      version: 1,
      counter,
      target: "sys::exec",
      actionId: new Uint8Array(32),
      phase: "running",
      atMs: 0,
      reversible: false,
      changes: [],
      folders: [],
    });
    fs.mkdirSync(`${s.engine.vault.folderOf(counter)}/stage/0/upper`, { recursive: true });
  }
  assert.deepEqual(await s.settle(counter), { status: "no-effect", reversible: false });
  assert.deepEqual(leftovers(s), []);
});

test("special files that a command leaves are not taken over, and said so", async () => {
  await using s = execSession();
  const ran = await sh(s, "mkfifo pipe; echo x > f");
  assert.equal(ran.outcome?.status, "confirmed");
  assert.equal(ran.outcome?.evidence["specialFilesSkipped"], "1");
  assert.deepEqual(fs.readdirSync(s.root), ["f"]);
});

test("random commands undone backwards give the same tree", async () => {
  const name = fc.constantFrom("a", "b", "d", "d/x", "d/e", "d/e/y", "l");
  const command = fc.oneof(
    fc.tuple(name, fc.nat(9)).map(([at, n]) => `mkdir -p "$(dirname ${at})" && echo ${n} > ${at}`),
    name.map((at) => `rm -rf ${at}`),
    fc.tuple(name, name).map(([from, to]) => `mv -T ${from} ${to}`),
    name.map((at) => `mkdir -p ${at}`),
    fc.tuple(name, fc.constantFrom("700", "755", "750")).map(([at, mode]) => `chmod ${mode} ${at}`),
    name.map((at) => `ln -sf target ${at}`),
    name.map((at) => `touch -d @1234567890.25 ${at}`),
    fc.tuple(name, name).map(([from, to]) => `cp -a ${from} ${to}`),
  );
  const scripts = fc.array(fc.array(command, { minLength: 1, maxLength: 5 }), {
    minLength: 1,
    maxLength: 3,
  });
  await fc.assert(
    fc.asyncProperty(scripts, async (all) => {
      await using s = execSession();
      await using files = new Session({ base: s.base });
      fs.mkdirSync(s.path("d/e"), { recursive: true });
      for (const at of ["a", "d/x", "d/e/y"]) fs.writeFileSync(s.path(at), at);
      for (const at of ["d/e", "d"]) fs.utimesSync(s.path(at), 1e9, 1e9 + 0.5);
      const before = treeState(s.root);
      const done: { readonly counter: bigint; readonly changed: readonly string[] }[] = [];
      for (const script of all) {
        const ran = await sh(s, script.map((each) => `(${each}) 2>/dev/null`).join("\n"));
        assert.deepEqual([ran.outcome?.status, ran.errorCode, ran.message], ["confirmed", "", ""]);
        done.push({ counter: ran.counter, changed: ran.result["changed"] as readonly string[] });
      }
      for (const { counter, changed } of done.toReversed()) {
        const undone = await files.undo(counter, changed);
        assert.deepEqual(
          [undone.outcome?.status, undone.errorCode, undone.message],
          ["confirmed", "", ""],
        );
      }
      assert.deepEqual(treeState(s.root), before);
    }),
    { numRuns: 6 },
  );
});

test("what a command sees is what the real folder becomes", async () => {
  await using s = execSession();
  fs.mkdirSync(s.path("d/e"), { recursive: true });
  fs.writeFileSync(s.path("d/e/f"), "f");
  const listing =
    "find . | sort; find . -type f | sort | xargs md5sum; find . ! -type l | sort | xargs stat -c '%n %a'";
  const ran = await sh(
    s,
    `mv d g; mkdir d; echo 1 > d/e; chmod 711 d; ln -s x g/l; rm g/e/f; echo 2 > g/e/h; ${listing}`,
  );
  const seen = text(ran.result["stdout"]);
  const again = await sh(s, listing);
  assert.equal(text(again.result["stdout"]), seen);
  assert.match(seen, /g\/e\/h/);
});

/** As the driver gives it, without overlays. */
const bareSpec: SandboxSpec = {
  name: "command",
  kind: "command",
  binds: [],
  masks: [],
  network: "none",
  mayCreateNamespaces: false,
  limits: {},
};

test("a sandbox that is ended before its program began is told from a program that ends", async () => {
  const run = (script: string, kill: boolean): ReturnType<typeof runCommand> =>
    runCommand({
      spec: bareSpec,
      program: "/bin/sh",
      args: ["-c", script],
      cwd: "/",
      wallMs: 10_000,
      outputBytes: 1000,
      staging: "/nonexistent",
      signal: new AbortController().signal,
      output: () => undefined,
      spawn: (...given) => {
        const sandboxed = spawnSandboxed(...given);
        if (kill) sandboxed.child.kill("SIGKILL");
        return sandboxed;
      },
    });
  const killed = await run("echo ran", true);
  assert.deepEqual([killed.end.type, killed.stdout.bytes], ["not started", 0]);
  // Controls: codes by which others say that they could not start are a program's own here.
  for (const code of [0, 1, 125, 126, 127, 137]) {
    const { end, stdout } = await run(`echo ran; exit ${code}`, false);
    assert.deepEqual([end, stdout.bytes], [{ type: "exited", code, signal: null }, 4]);
  }
});

test("a command that is killed from outside says by which signal", async () => {
  await using s = execSession();
  const argv = ["sh", "-c", "echo x > f; echo begun; sleep 614.7"];
  const looked = await s.prepare("sys::exec", { argv, cwd: s.root });
  assert.ok(typeof looked !== "string");
  const request = {
    nonce: looked.prepared.nonce,
    ticket: s.ticket(looked),
    content: new Uint8Array(0),
  };
  const { signal } = new AbortController();
  for await (const { event } of s.handlers.act(request, { signal })) {
    if (event.case === "output") {
      const children = fs.readFileSync(`/proc/self/task/${process.pid}/children`, "utf8");
      for (const pid of children.trim().split(" ")) process.kill(Number(pid), "SIGKILL");
      continue;
    }
    assert.ok(event.case === "result");
    const outcome = schema.decode(outcomeSchema, event.value.outcome);
    assert.ok(outcome.ok);
    const { status, evidence } = outcome.value;
    assert.deepEqual(
      [status, evidence["exitCode"], evidence["signal"]],
      ["confirmed", "-1", "SIGKILL"],
    );
  }
  assert.equal(runningWith("614.7"), 0);
  // Control: one that ends by itself names none.
  const ran = await sh(s, "exit 137");
  assert.deepEqual(
    [ran.outcome?.evidence["exitCode"], ran.outcome?.evidence["signal"]],
    ["137", ""],
  );
});

test("a command whose sandbox cannot be built does not run", async () => {
  // Below /dev nothing is shown in a sandbox.
  const base = fs.mkdtempSync("/dev/shm/ioi-drivers-");
  try {
    await using s = execSession({ base });
    const ran = await sh(s, "echo x > f");
    assert.deepEqual([ran.outcome?.status, ran.errorCode], ["no-effect", "E_EXEC_NOT_STARTED"]);
    assert.equal(ran.outcome?.evidence["ended"], "not started");
    assert.deepEqual([fs.readdirSync(s.root), leftovers(s)], [[], []]);
  } finally {
    fs.rmSync(base, { recursive: true });
  }
  // Control: elsewhere it runs.
  await using other = execSession();
  assert.equal((await sh(other, "echo x > f")).outcome?.status, "confirmed");
});

test("a command does not see the vault, even below its own folder", async () => {
  await using outer = execSession();
  const roots = [{ name: "all", path: outer.base, access: "write" as const }];
  await using s = execSession({ base: outer.base, roots });
  const argv = ["sh", "-c", "ls vault; echo x > work/f"];
  const ran = await s.run("sys::exec", { argv, cwd: outer.base });
  assert.deepEqual([ran.outcome?.status, ran.result["stdoutBytes"]], ["confirmed", 0]);
  assert.equal(fs.readFileSync(s.path("f"), "utf8"), "x\n");
  assert.deepEqual(leftovers(s), []);
});
