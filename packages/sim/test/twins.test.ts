/** The twins pass the suites that the ports on Node pass too. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { addMs, instant, neverAborted, utf8Decode, utf8Encode } from "@ioi/base";
import {
  clockCases,
  filesCases,
  keyValueCases,
  logCases,
  randomCases,
  runnerCases,
  spawnCases,
  type SpawnFixture,
} from "@ioi/base/compliance";
import {
  runMachine,
  SimClock,
  SimFiles,
  SimKeyValueDisk,
  SimLog,
  SimRandom,
  SimSpawn,
  type SimProgram,
} from "../src/index.ts";

for (const { name, run } of clockCases) {
  test(`SimClock: ${name}`, () => {
    const clock = new SimClock();
    return run({ clock, elapse: (ms) => clock.advance(ms) });
  });
}

for (const { name, run } of randomCases) {
  test(`SimRandom: ${name}`, () => run({ random: new SimRandom("seed") }));
}

for (const sectorBytes of [512, 4096] as const) {
  for (const { name, run } of filesCases) {
    test(`SimFiles, sectors of ${sectorBytes}: ${name}`, () =>
      run({ files: new SimFiles({ seed: "seed", sectorBytes }) }));
  }
}

const spawnFixture = (): SpawnFixture => {
  const text = utf8Encode;
  const programs: Record<string, SimProgram> = {
    print: ({ args: [out, error, code] }) => ({
      exit: { code: Number(code) },
      stdout: text(out ?? ""),
      stderr: text(error ?? ""),
    }),
    copy: ({ stdin }) => ({ stdout: stdin ?? new Uint8Array() }),
    flood: ({ args: [bytes] }) => ({ stdout: new Uint8Array(Number(bytes)) }),
    surroundings: ({ env, cwd }) => ({
      stdout: text([...Object.keys(env).toSorted(), cwd, ""].join("\n")),
    }),
    hang: () => "never",
    killed: () => ({ exit: { signal: "SIGKILL" } }),
  };
  const command = (program: string, ...args: readonly string[]) => ({ program, args });
  return {
    spawn: new SimSpawn(new Map(Object.entries(programs))),
    cwd: "/somewhere",
    programs: {
      print: (out, error, code) => command("print", out, error, String(code)),
      copy: command("copy"),
      flood: (bytes) => command("flood", String(bytes)),
      surroundings: command("surroundings"),
      hang: command("hang"),
      started: () => Promise.resolve(),
      killed: command("killed"),
      missing: command("missing"),
    },
  };
};

for (const { name, run } of spawnCases) {
  test(`SimSpawn: ${name}`, () => run(spawnFixture()));
}

for (const { name, run } of logCases) {
  test(`SimLog: ${name}`, () => {
    const log = new SimLog();
    return run({ log, lines: () => log.lines });
  });
}

for (const { name, run } of keyValueCases) {
  test(`SimKeyValue: ${name}`, () => {
    const disk = new SimKeyValueDisk();
    return run({ open: async () => disk.open() });
  });
}

for (const { name, run } of runnerCases) {
  test(`runMachine: ${name}`, () =>
    run({ start: instant(7n), run: async (script) => runMachine(script) }));
}

test("SimClock: the wall jumps, the monotonic clock does not", async () => {
  const clock = new SimClock();
  const [now, wall] = [clock.now(), clock.wall()];
  clock.jumpWall(-3_600_000);
  assert.equal(clock.now(), now);
  assert.equal(clock.wall(), wall - 3_600_000);
  await clock.advance(250);
  assert.equal(clock.now(), addMs(now, 250));
  assert.equal(clock.wall(), wall - 3_600_000 + 250);
});

test("SimClock: a sleeper that sleeps again wakes at each of its times", async () => {
  const clock = new SimClock();
  const start = clock.now();
  const woken: bigint[] = [];
  const walk = async (): Promise<void> => {
    for (const ms of [1, 2, 5]) {
      await clock.sleepUntil(addMs(start, ms), neverAborted);
      woken.push(clock.now() - start);
    }
  };
  const end = walk();
  assert.equal(clock.next(), addMs(start, 1));
  await clock.advance(10);
  await end;
  assert.deepEqual(woken, [1_000_000n, 2_000_000n, 5_000_000n]);
  assert.equal(clock.now(), addMs(start, 10));
  assert.equal(clock.next(), undefined);
});

test("SimSpawn: a program takes its virtual time", async () => {
  const clock = new SimClock();
  const spawn = new SimSpawn(
    new Map([["slow", () => ({ ms: 50, stdout: utf8Encode("x") })]]),
    clock,
  );
  const request = { program: "slow", args: [], env: {}, cwd: "/", outputBytesMax: 10 };
  const start = clock.now();
  const run = spawn
    .run(request, neverAborted)
    .then((result) => [utf8Decode(result.stdout), clock.now() - start]);
  await clock.advance(100);
  assert.deepEqual(await run, ["x", 50_000_000n]);
  assert.deepEqual(spawn.requests, [request]);
});

test("SimKeyValue: a failing write changes nothing; a second opening is refused", async () => {
  const disk = new SimKeyValueDisk();
  const store = disk.open();
  const put = { type: "put", key: utf8Encode("k"), value: utf8Encode("v") } as const;
  disk.failNextWrite = true;
  await assert.rejects(store.write([put]), { code: "E_KEY_VALUE_FAILED" });
  assert.equal(await store.get(utf8Encode("k")), undefined);
  await store.write([put]);
  assert.deepEqual(await store.get(utf8Encode("k")), utf8Encode("v"));
  assert.throws(() => disk.open(), { code: "E_KEY_VALUE_LOCKED" });
});

test("runMachine: answers of the world come as inputs, and a stuck machine is a bug", () => {
  const echo = {
    handle: (input: number) => [input],
    deadline: () => undefined,
  };
  const effects = runMachine({
    machine: echo,
    tick: -1,
    inputs: [{ at: instant(1n), input: 1 }],
    until: instant(50n),
    respond: (effect, at) => [{ at: instant(at * 2n), input: effect + 1 }],
  });
  assert.deepEqual(
    effects.map(({ at, effect }) => [at, effect]),
    [1n, 2n, 4n, 8n, 16n, 32n].map((at, i) => [at, i + 1]),
  );
  const stuck = { handle: () => [], deadline: () => 5n };
  const run = { machine: stuck, tick: 0, inputs: [], until: instant(9n) };
  assert.throws(() => runMachine(run), { name: "InvariantError" });
});
