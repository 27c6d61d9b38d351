/** What every process of the kernel has in common: its configuration, its life, its end. */
// Left to npm test: it takes seconds.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import type net from "node:net";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  counter,
  descriptors,
  gauge,
  histogram,
  mergeMetrics,
  metricsText,
  processConfigBytesMax,
  startMetrics,
} from "@ioi/host/process";
import { cpuTicks, descendantsOf, pssKiB, startOf } from "@ioi/host/proc";
import { type Client, client, connect } from "@ioi/host/rpc";
import { pb } from "@ioi/wire";

const entry = fileURLToPath(new URL("process-child.ts", import.meta.url));
const canary = "kanarienvogel";

interface Started {
  readonly child: ChildProcess;
  readonly control: Client<typeof pb.Process>;
  readonly channel: ReturnType<typeof connect>;
  /** Exit code or signal, and what was said on standard error. */
  readonly ended: Promise<{ code: number | null; signal: string | null; said: string }>;
}

/** With the descriptors that a launcher gives; `config` as it is, or none at all. */
const start = (config: string | undefined): Started => {
  const stdio: ("ignore" | "pipe")[] = ["ignore", "ignore", "pipe"];
  for (let fd = 3; fd <= descriptors.config; fd++) stdio[fd] = "ignore";
  stdio[descriptors.process] = "pipe";
  if (config !== undefined) stdio[descriptors.config] = "pipe";
  const child: ChildProcess = spawn(process.execPath, ["--no-warnings", entry], { stdio });
  const pipes = child.stdio as unknown as readonly net.Socket[];
  const configPipe = pipes[descriptors.config];
  configPipe?.on("error", () => undefined);
  configPipe?.end(config ?? "");
  let said = "";
  child.stderr?.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  const channel = connect(pipes[descriptors.process] as net.Socket);
  return {
    child,
    channel,
    control: client(pb.Process, channel),
    ended: once(child, "close").then(([code, signal]: unknown[]) => ({
      code: code as number | null,
      signal: signal as string | null,
      said,
    })),
  };
};

const eventsOf = (said: string): Record<string, unknown>[] =>
  said
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

const lastOf = (said: string): Record<string, unknown> => eventsOf(said).at(-1) ?? {};

test("a process answers, shows its metrics, and drains to exit 0", async () => {
  const { control, ended } = start('{"name":"me"}');
  assert.equal((await control.hello({})).name, "me");
  assert.match((await control.metrics({})).prometheus, /process="test"/);
  await assert.rejects(control.registerInstance({}), { code: "E_RPC_UNKNOWN_METHOD" });
  await control.drain({});
  const { code, said } = await ended;
  assert.equal(code, 0);
  // What only informs is written with what comes a moment later, so the order is not told.
  assert.deepEqual(
    eventsOf(said)
      .map(({ event }) => String(event))
      .toSorted(),
    ["process.ready", "test.drained"],
  );
});

test("without a readable configuration it ends with 5 and says why, to the launcher too", async () => {
  const long = JSON.stringify({ name: "x".repeat(processConfigBytesMax) });
  for (const config of [undefined, "", "{", canary, long]) {
    const { control, ended } = start(config);
    await assert.rejects(control.hello({}), { code: "E_PROCESS_CONFIG" });
    const { code, said } = await ended;
    assert.equal(code, 5, said);
    const { event, code: failure } = lastOf(said);
    assert.deepEqual([event, failure], ["process.failed", "E_PROCESS_CONFIG"]);
    assert.doesNotMatch(said, new RegExp(canary));
  }
});

test("what the world fails with at start is named, exit 5; a bug is not, exit 1", async () => {
  const first = start('{"name":"x","start":"operation"}');
  const told = { code: "E_DATA_LOCKED", message: "taken by 42" };
  await assert.rejects(first.control.hello({}), told);
  const failed = await first.ended;
  assert.equal(failed.code, 5);
  const { event, code, message } = lastOf(failed.said);
  assert.deepEqual([event, code, message], ["process.failed", "E_DATA_LOCKED", "taken by 42"]);
  const second = start(JSON.stringify({ name: "x", start: "bug", secret: canary }));
  await assert.rejects(second.control.hello({}), (error: Error) => !error.message.includes(canary));
  const broken = await second.ended;
  assert.equal(broken.code, 1);
  const { code: none, name } = lastOf(broken.said);
  assert.deepEqual([none, name], ["bug", "TypeError"]);
  assert.doesNotMatch(broken.said, new RegExp(canary), "names of code, never values");
  assert.match(String(lastOf(broken.said)["stack"]), /process-child\.ts/);
});

test("a bug in a call, or beside it, ends the process with 1 and keeps its words at home", async () => {
  for (const hello of ["bug", "later-bug", "rejection"]) {
    const { control, ended } = start(JSON.stringify({ name: "x", hello, secret: canary }));
    await control.hello({}).catch((error: Error) => {
      assert.doesNotMatch(error.message, new RegExp(canary));
    });
    const { code, said } = await ended;
    assert.equal(code, 1, hello);
    assert.equal(lastOf(said)["event"], "process.bug");
    assert.doesNotMatch(said, new RegExp(canary), hello);
  }
});

test("when the launcher is gone the process is, with 0", async () => {
  const { control, channel, ended } = start('{"name":"me"}');
  await control.hello({});
  channel.close();
  assert.equal((await ended).code, 0);
});

test("the signals of a terminal do not end it, only the launcher does", async () => {
  const { child, control, ended } = start('{"name":"me"}');
  await control.hello({});
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) child.kill(signal);
  assert.equal((await control.hello({})).name, "me");
  await control.drain({});
  assert.deepEqual([(await ended).code, (await ended).signal], [0, null]);
});

test("descendants are found through any program name, and nobody else is", async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "ioi-tree-"));
  const odd = path.join(folder, "a) S 1 (b");
  fs.copyFileSync("/bin/sleep", odd);
  fs.chmodSync(odd, 0o700);
  const script = `"$0" 1000 & "$0" 1000 & echo $!; read x; kill $! %1`;
  const tree = spawn("/bin/sh", ["-c", script, odd], { stdio: ["pipe", "pipe", "ignore"] });
  const other = spawn("/bin/sleep", ["1000"]);
  try {
    const [chunk] = (await once(tree.stdout, "data")) as [Buffer];
    const all = descendantsOf(tree.pid ?? 0);
    assert.equal(all[0], tree.pid, "itself first");
    assert.equal(all.length, 3);
    assert.ok(all.includes(Number(chunk.toString())));
    assert.ok(!all.includes(other.pid ?? 0));
    const mine = descendantsOf(process.pid);
    for (const pid of [...all, other.pid ?? 0]) assert.ok(mine.includes(pid), "of its parent too");
  } finally {
    for (const pid of descendantsOf(tree.pid ?? 0).toReversed()) process.kill(pid, "SIGKILL");
    other.kill("SIGKILL");
    await Promise.all([once(tree, "close"), once(other, "close")]);
    fs.rmSync(folder, { recursive: true });
  }
  assert.deepEqual(descendantsOf(tree.pid ?? 0), [tree.pid], "nothing below who is gone");
});

test("memory and time of a process; undefined for one that is not there", () => {
  const gone = 4_194_304;
  assert.ok((pssKiB(process.pid) ?? 0) > 1000);
  assert.ok((cpuTicks(process.pid) ?? 0) > 0);
  assert.deepEqual([pssKiB(gone), cpuTicks(gone)], [undefined, undefined]);
});

test("a process is told from a later one of its number, and from one that only waits to be buried", async () => {
  const own = startOf(process.pid);
  assert.match(`${own}`, /^[0-9a-f-]{36} \d+$/);
  assert.equal(startOf(process.pid), own);
  assert.notEqual(startOf(1), own);
  assert.equal(startOf(4_194_304), undefined);
  // The shell becomes a program that never asks how its child ended.
  const parent = spawn("/bin/sh", ["-c", "sleep 0 & echo $!; exec sleep 60"]);
  try {
    const [chunk] = (await once(parent.stdout, "data")) as [Buffer];
    const child = Number(chunk.toString());
    while (startOf(child) !== undefined) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(fs.existsSync(`/proc/${child}`), "the control: its number is still taken");
  } finally {
    parent.kill("SIGKILL");
    await once(parent, "close");
  }
});

test("metrics are Prometheus text, each series with the name of the process", async () => {
  startMetrics("first");
  startMetrics("second");
  counter("ioi_test_total", "Counted.", ["kind"]).inc({ kind: "a" }, 3);
  gauge("ioi_test_now", "Measured.").set(7);
  histogram("ioi_test_seconds", "Spread.", [1, 2]).observe(1.5);
  const lines = (await metricsText()).split("\n");
  for (const line of [
    "# HELP ioi_test_total Counted.",
    "# TYPE ioi_test_total counter",
    'ioi_test_total{kind="a",process="second"} 3',
    'ioi_test_now{process="second"} 7',
    'ioi_test_seconds_bucket{le="1",process="second"} 0',
    'ioi_test_seconds_bucket{le="2",process="second"} 1',
    'ioi_test_seconds_count{process="second"} 1',
  ]) {
    assert.ok(lines.includes(line), line);
  }
  const series = lines.filter((line) => line !== "" && !line.startsWith("#"));
  assert.ok(series.length > 20);
  for (const line of series) {
    assert.match(line, /^ioi_/);
    assert.match(line, /process="second"/);
  }
});

test("metrics of several processes become one text: a metric's samples in one group", () => {
  const one = '# HELP a_total A.\n# TYPE a_total counter\na_total{p="1"} 1\n';
  const two =
    '# HELP b B.\n# TYPE b histogram\nb_bucket{le="1"} 2\nb_count 2\n\n' +
    '# HELP a_total Other words.\n# TYPE a_total counter\na_total{p="2"} 3\n';
  assert.equal(
    mergeMetrics([one, "", two]),
    '# HELP a_total A.\n# TYPE a_total counter\na_total{p="1"} 1\na_total{p="2"} 3\n\n' +
      '# HELP b B.\n# TYPE b histogram\nb_bucket{le="1"} 2\nb_count 2\n',
  );
});

test("what only informs is written with what follows or at the end, an error at once", async () => {
  const logModule = new URL("../src/ports/log.ts", import.meta.url).href;
  const said = async (last: string): Promise<readonly string[]> => {
    const code = `import { createLog } from ${JSON.stringify(logModule)};
      const log = createLog(); log.log("info", "a.one"); log.log("info", "a.two"); ${last}`;
    const child = spawn(process.execPath, ["--no-warnings", "--input-type=module", "-e", code], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let text = "";
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    await once(child, "close");
    const lines = text.split("\n").filter((line) => line !== "");
    return lines.map((line) => (JSON.parse(line) as { event: string }).event);
  };
  const killed = "process.kill(process.pid, 'SIGKILL');";
  assert.deepEqual(await said(""), ["a.one", "a.two"]);
  assert.deepEqual(await said("process.exit(0);"), ["a.one", "a.two"]);
  assert.deepEqual(await said(`log.log("error", "a.bad"); ${killed}`), ["a.one", "a.two", "a.bad"]);
  // The control: they did wait.
  assert.deepEqual(await said(killed), []);
});
