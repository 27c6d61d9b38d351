/** The ports on Node pass the suites that their twins in `@ioi/sim` pass too. */
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import nodePath from "node:path";
import { test, type TestContext } from "node:test";
import type { TimedEffect } from "@ioi/base/compliance";
import {
  clockCases,
  filesCases,
  keyValueCases,
  logCases,
  randomCases,
  runnerCases,
  spawnCases,
  type LogLine,
  type RunnerScript,
  type SpawnFixture,
} from "@ioi/base/compliance";
import { neverAborted, SignalSource } from "@ioi/base";
import { SimClock } from "@ioi/sim";
import {
  createLog,
  MachineRunner,
  openFiles,
  openKeyValue,
  systemClock,
  systemRandom,
  systemSpawn,
} from "../src/ports/index.ts";

const temporary = (t: TestContext): string => {
  const path = fs.mkdtempSync(nodePath.join(fs.realpathSync(os.tmpdir()), "ioi-ports-"));
  t.after(() => fs.rmSync(path, { recursive: true, force: true }));
  return path;
};

for (const { name, run } of clockCases) {
  test(`Clock: ${name}`, () => run({ clock: systemClock, elapse: () => Promise.resolve() }));
}

for (const { name, run } of randomCases) {
  test(`Random: ${name}`, () => run({ random: systemRandom }));
}

for (const { name, run } of filesCases) {
  test(`Files: ${name}`, (t) => run({ files: openFiles(temporary(t)) }));
}

for (const { name, run } of keyValueCases) {
  test(`KeyValue: ${name}`, (t) => {
    const path = temporary(t);
    return run({ open: () => openKeyValue(path) });
  });
}

test("KeyValue: a second opening is refused", async (t) => {
  const path = temporary(t);
  await using store = await openKeyValue(path);
  await assert.rejects(openKeyValue(path), { code: "E_KEY_VALUE_LOCKED" });
  await store.write([]);
});

test("KeyValue: a place that cannot be", async (t) => {
  const path = nodePath.join(temporary(t), "file");
  fs.writeFileSync(path, "x");
  await assert.rejects(openKeyValue(path), { code: "E_KEY_VALUE_FAILED" });
});

const parseLine = (line: string): LogLine => {
  const { time, level, event, ...fields } = JSON.parse(line);
  assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.ok(line.endsWith("\n") && line.indexOf("\n") === line.length - 1, "one line");
  return { level, event, fields };
};

for (const { name, run } of logCases) {
  test(`Log: ${name}`, () => {
    const lines: string[] = [];
    const log = createLog({ level: "debug", write: (line) => void lines.push(line) });
    return run({ log, lines: () => lines.map(parseLine) });
  });
}

test("Log: lines below the level are not written; a reserved field is a bug", () => {
  const lines: string[] = [];
  const log = createLog({ fields: { process: "p" }, write: (line) => void lines.push(line) });
  log.log("debug", "quiet");
  log.log("info", "loud");
  assert.deepEqual(lines.map(parseLine), [
    { level: "info", event: "loud", fields: { process: "p" } },
  ]);
  assert.throws(() => log.log("info", "x", { time: "now" }), { name: "InvariantError" });
  assert.throws(() => log.child({ level: 1 }), { name: "InvariantError" });
});

test("Log: standard error by default, written before the process ends", async () => {
  const program = `import { createLog } from ${JSON.stringify(
    import.meta.resolve("../src/ports/index.ts"),
  )};
    createLog().log("warn", "it.happened", { n: 1 });
    process.kill(process.pid, "SIGKILL");`;
  const result = await systemSpawn.run(
    {
      program: process.execPath,
      args: ["--no-warnings", "--input-type=module", "-e", program],
      env: {},
      cwd: "/",
      outputBytesMax: 10_000,
    },
    neverAborted,
  );
  assert.deepEqual(parseLine(Buffer.from(result.stderr).toString()), {
    level: "warn",
    event: "it.happened",
    fields: { n: 1 },
  });
});

const sh = (script: string, ...args: readonly string[]) => ({
  program: "/bin/sh",
  args: ["-c", script, "sh", ...args],
});

/** Resolves when the file is there; its directory is watched, so nothing is polled or slept. */
const appearance = (path: string): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      if (!fs.existsSync(path)) return;
      watcher.close();
      resolve();
    };
    const watcher = fs.watch(nodePath.dirname(path), done);
    done();
  });

const spawnFixture = (t: TestContext): SpawnFixture => {
  const cwd = temporary(t);
  const flag = nodePath.join(temporary(t), "started");
  return {
    spawn: systemSpawn,
    cwd,
    programs: {
      print: (out, error, code) =>
        sh('printf %s "$1"; printf %s "$2" >&2; exit "$3"', out, error, String(code)),
      copy: { program: "/bin/cat", args: [] },
      flood: (bytes) => sh('head -c "$1" /dev/zero', String(bytes)),
      // The shell itself sets PWD and the like.
      surroundings: sh("PATH=/usr/bin:/bin; env | cut -d= -f1 | grep IOI_ | sort; pwd"),
      hang: sh(': > "$1"; while :; do /bin/sleep 1000; done', flag),
      started: () => appearance(flag),
      killed: sh("kill -KILL $$"),
      missing: { program: "/no/such/program", args: [] },
    },
  };
};

for (const { name, run } of spawnCases) {
  test(`Spawn: ${name}`, (t) => run(spawnFixture(t)));
}

const alive = (pid: number): boolean => {
  try {
    // A zombie that nobody has reaped yet does nothing more.
    return !/^State:\s+[ZX]/m.test(fs.readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
};

/** A killed process takes a moment to die; one that was not killed runs into the time limit. */
const death = async (t: TestContext, pid: number): Promise<void> => {
  while (alive(pid)) {
    t.signal.throwIfAborted();
    await new Promise((resolve) => setImmediate(resolve));
  }
};

const request = (cwd: string, script: string, ...args: readonly string[]) => ({
  ...sh(script, ...args),
  env: {},
  cwd,
  outputBytesMax: 1000,
});

test(
  "Spawn: the group ends with its first process, and does not keep the caller waiting",
  { timeout: 20_000 },
  async (t) => {
    const cwd = temporary(t);
    const result = await systemSpawn.run(request(cwd, "/bin/sleep 1000 & echo $!"), neverAborted);
    assert.deepEqual(result.exit, { code: 0 });
    const pid = Number(Buffer.from(result.stdout).toString());
    assert.ok(pid > 1);
    await death(t, pid);
  },
);

test("Spawn: aborting ends the children of the program too", { timeout: 20_000 }, async (t) => {
  const cwd = temporary(t);
  const file = nodePath.join(temporary(t), "pid");
  const source = new SignalSource();
  const run = systemSpawn.run(
    request(cwd, '/bin/sleep 1000 & echo $! > "$1.part"; mv "$1.part" "$1"; wait', file),
    source.signal,
  );
  await appearance(file);
  const pid = Number(fs.readFileSync(file, "utf8"));
  assert.ok(alive(pid), "the child runs");
  source.abort("stop");
  await assert.rejects(run, (reason) => reason === "stop");
  await death(t, pid);
});

test("Spawn: what cannot be started", async (t) => {
  const cwd = temporary(t);
  const file = nodePath.join(cwd, "data");
  fs.writeFileSync(file, "x", { mode: 0o600 });
  const base = { args: [], env: {}, outputBytesMax: 10 };
  await assert.rejects(systemSpawn.run({ ...base, program: file, cwd }, neverAborted), {
    code: "E_SPAWN_FAILED",
  });
  await assert.rejects(
    systemSpawn.run({ ...base, program: "/bin/cat", cwd: "/no/such/place" }, neverAborted),
    { code: "E_SPAWN_NOT_FOUND" },
  );
});

const runScript = async <Input, Effect>(
  clock: SimClock,
  script: RunnerScript<Input, Effect>,
): Promise<readonly TimedEffect<Effect>[]> => {
  const effects: TimedEffect<Effect>[] = [];
  const runner = new MachineRunner<Input, Effect>({
    machine: script.machine,
    tick: script.tick,
    clock,
    perform: (effect) => void effects.push({ at: clock.now(), effect }),
  });
  const end = new SignalSource();
  const running = runner.run(end.signal);
  for (const { at, input } of script.inputs) {
    if (at > script.until) break;
    await clock.advanceTo(at);
    assert.ok(runner.send(input));
  }
  await clock.advanceTo(script.until);
  end.abort("end");
  await running;
  return effects;
};

for (const { name, run } of runnerCases) {
  test(`MachineRunner: ${name}`, () => {
    const clock = new SimClock();
    return run({ start: clock.now(), run: (script) => runScript(clock, script) });
  });
}

const echo = { handle: (input: string) => [input], deadline: () => undefined };

test("MachineRunner: effects are performed one after the other, a promise awaited", async () => {
  const done: string[] = [];
  const runner = new MachineRunner({
    machine: { handle: (input: string) => [`${input} 1`, `${input} 2`], deadline: () => undefined },
    tick: "tick",
    clock: systemClock,
    perform: async (effect) => {
      done.push(`begin ${effect}`);
      await Promise.resolve();
      done.push(`end ${effect}`);
      if (effect === "b 2") end.abort("end");
    },
  });
  const end = new SignalSource();
  runner.send("a");
  runner.send("b");
  await runner.run(end.signal);
  assert.deepEqual(
    done,
    ["a 1", "a 2", "b 1", "b 2"].flatMap((it) => [`begin ${it}`, `end ${it}`]),
  );
});

test("MachineRunner: a full queue refuses, an ended runner too, and it runs once", async () => {
  const base = { machine: echo, tick: "tick", clock: systemClock };
  const runner = new MachineRunner({ ...base, perform: () => undefined, inputsMax: 2 });
  assert.deepEqual(
    ["a", "b", "c"].map((input) => runner.send(input)),
    [true, true, false],
  );
  const end = new SignalSource();
  const running = runner.run(end.signal);
  end.abort("end");
  await running;
  assert.equal(runner.send("d"), false);
  await assert.rejects(runner.run(neverAborted), { name: "InvariantError" });
});

test("MachineRunner: what performing throws ends the run", async () => {
  const failure = new Error("disk");
  const runner = new MachineRunner({
    machine: echo,
    tick: "tick",
    clock: systemClock,
    perform: () => Promise.reject(failure),
  });
  runner.send("a");
  await assert.rejects(runner.run(neverAborted), failure);
  assert.equal(runner.send("b"), false);
});

test("MachineRunner: a machine that keeps its deadline is a bug, not a busy loop", async () => {
  const clock = new SimClock();
  const at = clock.now();
  const runner = new MachineRunner({
    machine: { handle: () => [], deadline: () => at },
    tick: "tick",
    clock,
    perform: () => undefined,
  });
  await assert.rejects(runner.run(neverAborted), { name: "InvariantError" });
});
