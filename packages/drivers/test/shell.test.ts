/** Terminals that stay: a real shell on a real pseudo-terminal, in its sandbox. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import fs from "node:fs";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { nodeCrypto } from "@ioi/host/crypto";
import { shellInputBytesMax, shellsMax, shellUnreadBytesMax } from "../src/limits.ts";
import { PlainText } from "../src/shell/plain.ts";
import { ShellDriver } from "../src/shell/driver.ts";
import { contentRef, Session, type SessionOptions, treeState } from "./support.ts";

const shellSession = (options: SessionOptions = {}): Session =>
  new Session({
    kind: "shell",
    driver: (engine, profile) => new ShellDriver(engine, profile, nodeCrypto.randomBytes(16)),
    ...options,
  });

type Ran = Awaited<ReturnType<Session["run"]>>;

const on = (s: Session, what: string, more: Record<string, number> = {}): Promise<Ran> =>
  s.run("sys::shell", { do: what, cwd: s.root, ...more }, { obligations: [{ type: "stage" }] });

const type = (s: Session, text: string, more: Record<string, number> = {}): Promise<Ran> => {
  const content = Buffer.from(text);
  const args = { do: "type", cwd: s.root, input: contentRef(content), ...more };
  return s.run("sys::shell", args, { content, obligations: [{ type: "stage" }] });
};

const textOf = (ran: Ran, name: string): string => {
  const value = ran.result[name];
  return typeof value === "string" ? value : "";
};

/** What a person reads of it, without what was typed. */
const said = (ran: Ran): readonly string[] => textOf(ran, "text").split("\n").slice(1, -1);

const stateOf = (ran: Ran): string => `${ran.outcome?.status} ${textOf(ran, "state")}`;

const runningWith = (marker: string): number =>
  fs.readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(marker);
    } catch {
      return false;
    }
  }).length;

test("a terminal keeps its folder and variables, and nothing is real before it is closed", async () => {
  await using s = shellSession();
  fs.writeFileSync(s.path("a.txt"), "old\n");
  const before = treeState(s.root);
  assert.equal(stateOf(await on(s, "open")), "confirmed ready");
  assert.deepEqual(said(await type(s, "tty >/dev/null 2>&1; test -t 0 && echo terminal\n")), [
    "terminal",
  ]);
  assert.deepEqual(said(await type(s, "mkdir d; cd d; X=kept; pwd\n")), [s.path("d")]);
  assert.deepEqual(said(await type(s, "echo $X; echo new > ../a.txt; cat ../a.txt\n")), [
    "kept",
    "new",
  ]);
  assert.deepEqual(treeState(s.root), before, "staged");
  const closed = await on(s, "close");
  assert.deepEqual([closed.errorCode, closed.outcome?.status], ["", "confirmed"]);
  assert.equal(closed.outcome?.reversible, true);
  assert.equal(fs.readFileSync(s.path("a.txt"), "utf8"), "new\n");
  assert.equal(fs.statSync(s.path("d")).isDirectory(), true);
  await using files = new Session({ base: s.base });
  const undone = await files.undo(closed.counter, closed.result["changed"] as readonly string[]);
  assert.deepEqual([undone.errorCode, undone.outcome?.status], ["", "confirmed"]);
  assert.deepEqual(treeState(s.root), before);
});

test("a shell that ends is told, and closing it still applies what it wrote", async () => {
  await using s = shellSession();
  await on(s, "open");
  const ended = await type(s, "echo x > f; exit 3\n");
  assert.equal(stateOf(ended), "confirmed ended");
  assert.equal(ended.outcome?.evidence["exitCode"], "3");
  assert.equal((await type(s, "echo\n")).errorCode, "E_SHELL_ENDED");
  assert.equal((await on(s, "close")).outcome?.status, "confirmed");
  assert.equal(fs.readFileSync(s.path("f"), "utf8"), "x\n");
});

test("a program that runs on is busy, takes keys, and is read again", async () => {
  await using s = shellSession();
  await on(s, "open");
  const started = await type(s, "echo first; sleep 600; echo second\n", { wait: 300 });
  assert.deepEqual([stateOf(started), said({ ...started })], ["confirmed busy", []]);
  const interrupted = await type(s, "\x03");
  assert.equal(stateOf(interrupted), "confirmed ready");
  assert.match(textOf(interrupted, "text"), /\^C/);
  await type(s, "(sleep 0.4; echo later) &\n");
  assert.match(textOf(await on(s, "read", { wait: 2000 }), "screen"), /\[1\]/);
});

test("a program that takes the whole screen is read as a person sees it", async () => {
  await using s = shellSession();
  await on(s, "open");
  const drawn = await type(
    s,
    String.raw`printf '\033[?1049h\033[2J\033[3;5Hhere\033[1;1Htop'` + "\n",
  );
  assert.match(textOf(drawn, "text"), /^top[^\n]*\n\n {4}here$/m);
  await type(s, String.raw`printf '\033[?1049l'` + "\n");
  assert.deepEqual(said(await type(s, "echo back\n")), ["back"]);
});

test("who watches it sees text, whatever is cut where", () => {
  const text = "\u001b[?2004h$ \u001b[31mré\u001b[0md\r\n\u001b]0;title\u0007x\u001b";
  const bytes = Buffer.from(text);
  for (let at = 0; at <= bytes.length; at++) {
    const plain = new PlainText();
    const parts = [plain.push(bytes.subarray(0, at)), plain.push(bytes.subarray(at))];
    assert.equal(Buffer.concat(parts).toString(), "$ réd\nx", String(at));
  }
});

test("a flood stops by itself until it is read, and is still read in order", async () => {
  await using s = shellSession();
  await on(s, "open");
  const first = await type(s, "yes\n", { wait: 20_000 });
  assert.equal(stateOf(first), "confirmed busy");
  const bytes = first.outcome?.bytes ?? 0;
  assert.ok(bytes >= shellUnreadBytesMax && bytes < 2 * shellUnreadBytesMax, `${bytes}`);
  assert.match(textOf(first, "text"), /^\[earlier lines left out\]\ny\ny\n/);
  const more = await on(s, "read", { wait: 20_000 });
  assert.ok((more.outcome?.bytes ?? 0) >= shellUnreadBytesMax);
  assert.equal(stateOf(await type(s, "\x03")), "confirmed ready");
});

test("background jobs die with the terminal, and so does what hides from it", async () => {
  await using s = shellSession();
  await on(s, "open");
  await type(s, "sleep 613.1 & (setsid nohup sleep 613.1 &) ; trap '' HUP TERM\n");
  assert.ok(runningWith("613.1") >= 2, "the control");
  await on(s, "close");
  assert.equal(runningWith("613.1"), 0);
});

test("a stop of an action ends the terminal and drops what it wrote", async () => {
  await using s = shellSession();
  await on(s, "open");
  const content = Buffer.from("echo x > f; sleep 614.1\n");
  const args = { do: "type", cwd: s.root, input: contentRef(content), wait: 60_000 };
  const made = await s.prepare("sys::shell", args);
  assert.ok(typeof made !== "string");
  const stop = new AbortController();
  const { nonce } = made.prepared;
  const acting = s.act(nonce, s.ticket(made), content, stop.signal);
  while (runningWith("614.1") === 0) await new Promise((go) => setTimeout(go, 20));
  await s.handlers.abort({ nonce }, { signal: stop.signal });
  const ended = await acting;
  assert.deepEqual([ended.errorCode, ended.outcome?.status], ["E_ABORTED", "no-effect"]);
  assert.equal(runningWith("614.1"), 0);
  assert.equal((await on(s, "close")).errorCode, "E_SHELL_NONE");
  assert.equal(fs.existsSync(s.path("f")), false);
});

test("what is protected is held back, the rest is applied", async () => {
  await using s = shellSession();
  fs.mkdirSync(s.path(".git/hooks"), { recursive: true });
  await on(s, "open");
  await type(s, "echo evil > .git/hooks/pre-commit; echo fine > b.txt\n");
  const closed = await on(s, "close");
  assert.deepEqual([closed.errorCode, closed.outcome?.status], ["E_EXEC_PROTECTED", "partial"]);
  assert.equal(fs.existsSync(s.path(".git/hooks/pre-commit")), false);
  assert.equal(fs.readFileSync(s.path("b.txt"), "utf8"), "fine\n");
});

test("terminals are apart, bounded in number, and refused where they are not open", async () => {
  await using s = shellSession();
  assert.equal((await type(s, "echo\n")).errorCode, "E_SHELL_NONE");
  for (let shell = 1; shell <= shellsMax; shell++) await on(s, "open", { shell });
  assert.equal((await on(s, "open", { shell: 1 })).errorCode, "E_SHELL_OPEN");
  assert.equal((await on(s, "open", { shell: shellsMax + 1 })).errorCode, "E_ARGUMENTS_INVALID");
  await type(s, "X=one; echo one > f\n", { shell: 1 });
  assert.deepEqual(said(await type(s, "echo [$X]; cat f\n", { shell: 2 })), [
    "[]",
    "cat: f: No such file or directory",
  ]);
  assert.equal(
    (await type(s, "x".repeat(shellInputBytesMax + 1))).errorCode,
    "E_ARGUMENTS_INVALID",
  );
  assert.equal((await on(s, "type")).errorCode, "E_ARGUMENTS_INVALID");
  const other = await s.run("sys::exec", { do: "read", cwd: s.root });
  assert.equal(other.errorCode, "E_TARGET_UNKNOWN");
});

test("a program that reads nothing takes no more than a bound", async () => {
  await using s = shellSession();
  await on(s, "open");
  await type(s, "stty -icanon -echo; sleep 600\n", { wait: 300 });
  let refused = "";
  for (let n = 0; n < 40 && refused === ""; n++) {
    refused = (await type(s, "x".repeat(shellInputBytesMax), { wait: 0 })).errorCode;
  }
  assert.equal(refused, "E_SHELL_BUSY");
});

/** Each prints `open` where it got out; run in the terminal, and where it may do it. */
const escapes: readonly (readonly [string, (outside: string, base: string) => string])[] = [
  ["read outside", (outside) => `cat ${outside}/secret >/dev/null 2>&1 && echo open`],
  ["write outside", (outside) => `echo x 2>/dev/null > ${outside}/made && echo open`],
  ["see the vault", (_, base) => `ls ${base}/vault/s1 >/dev/null 2>&1 && echo open`],
  ["another terminal", () => "ls /dev/pts/* >/dev/null 2>&1 && echo open"],
  ["the network", () => "(: </dev/tcp/127.0.0.1/9) 2>&1 | grep -q refused && echo open"],
  ["mounts", () => "unshare -Urm true 2>/dev/null && echo open"],
];

test("what is typed cannot get out of the sandbox; the control: outside of it, it does", async () => {
  await using s = shellSession();
  // Not below /tmp, where a terminal has a folder of its own.
  const outside = fs.mkdtempSync("/var/tmp/ioi-shell-");
  using _gone = { [Symbol.dispose]: () => fs.rmSync(outside, { recursive: true }) };
  fs.writeFileSync(`${outside}/secret`, "secret");
  for (const [at, [, script]] of escapes.entries()) {
    fs.writeFileSync(s.path(`${at}.sh`), script(outside, s.base));
  }
  await on(s, "open");
  for (const [at, [what, script]] of escapes.entries()) {
    const line = script(outside, s.base);
    assert.deepEqual(said(await type(s, `. ./${at}.sh\n`)), [], what);
    if (what === "another terminal" || what === "mounts") continue;
    const free = execFileSync("/bin/bash", ["-c", `${line}; true`], { encoding: "utf8" });
    assert.equal(free, "open\n", `the control: ${what}`);
  }
});

test("keys cannot be put into the terminal from inside by the kernel's back door", async () => {
  await using s = shellSession();
  fs.writeFileSync(s.path("put.py"), 'import fcntl\nfcntl.ioctl(0, 0x5412, b"x")\n');
  await on(s, "open");
  const ran = await type(s, "python3 put.py 2>&1 | tail -1\n");
  assert.match(said(ran).join(), /^PermissionError/);
});

test("a network is given where a terminal is opened, and only where the session has one", async () => {
  await using s = shellSession();
  const refusal = async (args: Record<string, string>): Promise<unknown> => {
    const ran = await s.run("sys::shell", { cwd: s.root, ...args });
    return ran.errorCode;
  };
  assert.equal(await refusal({ do: "read", network: "egress" }), "E_ARGUMENTS_INVALID");
  assert.equal(await refusal({ do: "open", network: "host" }), "E_ARGUMENTS_INVALID");
  assert.equal(await refusal({ do: "open", network: "egress" }), "E_SHELL_NOT_STARTED");
});
