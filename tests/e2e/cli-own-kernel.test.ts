/** Commands that start a kernel for their own duration, and what they leave behind: nothing. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import type { Readable } from "node:stream";
import { after, before, describe, test, type TestContext } from "node:test";
import { ioi, projectRoot, Scratch } from "../lib/kernel.ts";
import "./compile-cache.ts";

let scratch: Scratch;
before(() => {
  scratch = new Scratch();
});
after(() => scratch[Symbol.dispose]());

/** Processes of this test: each has the scratch folder somewhere in its arguments or files. */
const processesNaming = (text: string): readonly number[] =>
  fs
    .readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => {
      try {
        return fs.readFileSync(`/proc/${name}/cmdline`, "utf8").includes(text);
      } catch {
        return false;
      }
    })
    .map(Number);

const workspaceOf = (name: string): string => {
  const folder = scratch.folder(name);
  fs.writeFileSync(path.join(folder, "a.txt"), "hi\n");
  return folder;
};

const main = path.join(projectRoot, "apps/cli/src/main.ts");

/** Resolves with what the stream said so far, once it fits; the end of the child is a failure. */
const untilSaid = (child: ChildProcess, stream: Readable, wanted: RegExp): Promise<string> =>
  new Promise((resolve, reject) => {
    let text = "";
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      if (wanted.test(text)) resolve(text);
    });
    child.once("exit", (code) => reject(new Error(`it ended with ${code}: ${text}`)));
  });

/** `start` once it is ready, `run` once its session is open; killed with the test. */
const started = async (
  t: TestContext,
  data: string,
  ...args: readonly string[]
): Promise<ChildProcess> => {
  const child = spawn(process.execPath, [main, ...args, "--data", data], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  t.after(() => child.kill("SIGKILL"));
  const stream = args[0] === "start" ? child.stdout : child.stderr;
  await untilSaid(child, stream, args[0] === "start" ? /LISTENING/ : /^session /m);
  return child;
};

const exitOf = (child: ChildProcess): Promise<number | string> =>
  new Promise((resolve) => {
    if (child.exitCode !== null) resolve(child.exitCode);
    child.once("exit", (code, signal) => resolve(code ?? signal ?? ""));
  });

/** Polls until no process names the folder; the test's own deadline is the bound. */
const untilGone = async (data: string): Promise<void> => {
  while (processesNaming(data).length > 0) {
    await new Promise((resolve) => setImmediate(resolve));
  }
};

// Each on a folder and kernels of its own.
describe("commands that start a kernel", { concurrency: 2 }, () => {
  test("start --exit-when-ready: the ready line once, 0, and no process left", async () => {
    const data = scratch.at("ready");
    const { code, stdout } = await ioi([
      "start",
      "--data",
      data,
      "--port",
      "0",
      "--exit-when-ready",
    ]);
    assert.equal(code, 0);
    assert.match(stdout, /^ORCHESTRATION_RPC_LISTENING_ON_[0-9.]+:[0-9]+\n$/);
    assert.deepEqual(processesNaming(data), []);
    assert.equal(fs.statSync(data).mode & 0o777, 0o700);
  });

  test("start whose kernel is asked to stop ends with 0; one that is killed is a failure", async (t) => {
    const data = scratch.at("asked");
    for (const [signal, exit, says] of [
      ["SIGTERM", 0, /the kernel was stopped/],
      ["SIGKILL", 5, /E_CLI_KERNEL_GONE/],
    ] as const) {
      const child = await started(t, data, "start", "--port", "0", "--no-page");
      let said = "";
      child.stderr?.setEncoding("utf8").on("data", (text: string) => (said += text));
      process.kill(Number.parseInt(fs.readFileSync(path.join(data, "lock"), "utf8"), 10), signal);
      assert.equal(await exitOf(child), exit, said);
      await untilGone(data);
      assert.match(said, says);
    }
  });

  test("run starts a kernel, does the work, and takes the kernel with it", async () => {
    const data = scratch.at("own");
    const workspace = workspaceOf("own-w");
    const args = ["run", "--data", data, "--workspace", workspace, "--json"];
    const read = await ioi([...args, "/read a.txt"]);
    assert.equal(read.code, 0, read.stderr);
    assert.deepEqual(processesNaming(data), []);
    const pending = await ioi([...args, "--on-ask", "pend", '/run sh -c "$X"']);
    assert.equal(pending.code, 4, pending.stderr);
    const [action] = (pending.json as { actions: { approval: string }[] }).actions;
    const approved = await ioi(["approve", action?.approval ?? "", "--data", data, "--json"]);
    assert.equal(approved.code, 0, approved.stderr);
    assert.equal((approved.json as { state: string }).state, "done");
    assert.deepEqual(processesNaming(data), []);
    assert.equal((await ioi(["receipts", "verify", "--data", data])).code, 0);
  });

  test("a second kernel on the folder is refused by name of the first; a busy port is passed over", async (t) => {
    const data = scratch.at("first");
    await started(t, data, "start", "--port", "0");
    const second = await ioi(["start", "--data", data, "--port", "0", "--json"]);
    assert.equal(second.code, 5);
    assert.equal((second.json as { code: string }).code, "E_DATA_LOCKED");
    const server = net.createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as net.AddressInfo;
    try {
      const given = ["--data", scratch.at("second"), "--port", String(port), "--exit-when-ready"];
      const other = await ioi(["start", ...given]);
      assert.equal(other.code, 0, other.stderr);
      assert.match(other.stdout, /^ORCHESTRATION_RPC_LISTENING_ON_127\.0\.0\.1:\d+\n$/);
      assert.doesNotMatch(other.stdout, new RegExp(`:${port}\\n`));
      assert.match(other.stderr, new RegExp(`port ${port} is in use by process ${process.pid}`));
    } finally {
      server.close();
    }
  });

  test("two runs at once on one folder both get their kernel", async () => {
    const data = scratch.at("both");
    const workspace = workspaceOf("both-w");
    const run = (text: string) =>
      ioi(["run", "--data", data, "--workspace", workspace, "--json", text]);
    const [first, second] = await Promise.all([run("/read a.txt"), run("/list .")]);
    assert.deepEqual([first.code, second.code], [0, 0], first.stderr + second.stderr);
    assert.deepEqual(processesNaming(data), []);
  });

  test("a data folder whose path is longer than a socket's may be", async () => {
    const data = path.join(scratch.path, "d".repeat(120), "D");
    fs.mkdirSync(path.dirname(data), { recursive: true });
    const workspace = workspaceOf("long-w");
    const ran = await ioi([
      "run",
      "--data",
      data,
      "--workspace",
      workspace,
      "--json",
      "/read a.txt",
    ]);
    assert.equal(ran.code, 0, ran.stderr);
  });

  test("SIGINT to start: 130; SIGTERM: 143; nothing is left", async (t) => {
    for (const [signal, exit] of [
      ["SIGINT", 130],
      ["SIGTERM", 143],
    ] as const) {
      const data = scratch.at(`signal-${exit}`);
      const child = await started(t, data, "start", "--port", "0");
      child.kill(signal);
      assert.equal(await exitOf(child), exit);
      assert.deepEqual(processesNaming(data), []);
    }
  });

  test("SIGKILL to start takes the kernel with it", { timeout: 30_000 }, async (t) => {
    const data = scratch.at("killed");
    const child = await started(t, data, "start", "--port", "0");
    child.kill("SIGKILL");
    assert.equal(await exitOf(child), "SIGKILL");
    await untilGone(data);
  });

  test("the end of the process named as parent ends start", { timeout: 30_000 }, async (t) => {
    const data = scratch.at("orphan");
    // The shell is the parent that dies; its exit leaves start with another one.
    const script = `IOI_PARENT_PID=$$ "${process.execPath}" "${main}" start --port 0 --data "${data}" & read line`;
    const shell = spawn("/bin/sh", ["-c", script], { stdio: ["pipe", "pipe", "ignore"] });
    t.after(() => shell.kill("SIGKILL"));
    await untilSaid(shell, shell.stdout, /LISTENING/);
    assert.ok(processesNaming(data).length > 0);
    shell.kill("SIGKILL");
    await untilGone(data);
  });

  test("a wrapper further up, named by an inherited variable, ends start only with itself", async (t) => {
    const data = scratch.at("inherited");
    const workspace = workspaceOf("inherited-w");
    const wrapper = spawn("/bin/sleep", ["600"], { stdio: "ignore" });
    t.after(() => wrapper.kill("SIGKILL"));
    const child = spawn(process.execPath, [main, "start", "--port", "0", "--data", data], {
      env: { ...process.env, IOI_PARENT_PID: String(wrapper.pid) },
      stdio: ["ignore", "pipe", "ignore"],
    });
    t.after(() => child.kill("SIGKILL"));
    await untilSaid(child, child.stdout, /LISTENING/);
    // Longer than the wrapper is looked at.
    const ran = await ioi(["run", "--data", data, "--workspace", workspace, "/read a.txt"]);
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal(child.exitCode, null);
    wrapper.kill("SIGKILL");
    assert.equal(await exitOf(child), 143);
    await untilGone(data);
  });

  test("SIGINT to run stops the session: 130, and nothing is left", async (t) => {
    const data = scratch.at("interrupted");
    const workspace = workspaceOf("interrupted-w");
    const child = await started(t, data, "run", "--workspace", workspace, "/run sleep 600");
    child.kill("SIGINT");
    assert.equal(await exitOf(child), 130);
    assert.deepEqual(processesNaming(data), []);
  });

  test("a launcher that is killed under a run: the run starts another and sees its session rest", async (t) => {
    const data = scratch.at("relaunched");
    const workspace = workspaceOf("relaunched-w");
    const child = await started(t, data, "run", "--workspace", workspace, "--json", "/run sleep 2");
    const { pid } = JSON.parse(fs.readFileSync(path.join(data, "run/kernel.json"), "utf8")) as {
      readonly pid: number;
    };
    let said = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (chunk: Buffer | string) => (said += String(chunk)));
    }
    process.kill(pid, "SIGKILL");
    const exit = await exitOf(child);
    // Done, or nobody knows whether it was and the person is asked.
    assert.ok(exit === 0 || exit === 4, `exit ${exit}: ${said}`);
    assert.deepEqual(processesNaming(data), []);
    assert.equal((await ioi(["receipts", "verify", "--data", data])).code, 0);
  });

  test("at a terminal: the card is shown, no key approves by itself, `a` does", async (t) => {
    if (!fs.existsSync("/usr/bin/script")) {
      t.skip("util-linux script is not installed");
      return;
    }
    const data = scratch.at("prompt");
    const workspace = workspaceOf("prompt-w");
    const quote = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;
    const command = [process.execPath, main, "run", '/run sh -c "$X"']
      .concat("--data", data, "--workspace", workspace)
      .map(quote)
      .join(" ");
    const child = spawn("/usr/bin/script", ["-qefc", command, "/dev/null"], {
      stdio: ["pipe", "pipe", "ignore"],
      env: { ...process.env, TERM: "dumb" },
    });
    t.after(() => child.kill("SIGKILL"));
    let seen = "";
    let keys: NodeJS.Timeout | undefined;
    child.stdin.on("error", () => undefined);
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      seen += text;
      // Keys are not taken at once: the same one is typed until it counts.
      if (keys === undefined && seen.includes("[a] once")) {
        keys = setInterval(() => child.stdin.write("a"), 100);
      }
    });
    const exit = await exitOf(child);
    clearInterval(keys);
    assert.equal(exit, 0, seen);
    assert.match(seen, /approval a-[0-9a-f]+/);
    assert.match(seen, /can run anything inside/);
    assert.match(seen, /confirmed/);
  });
});
