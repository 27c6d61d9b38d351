/** What every `Spawn` promises. */
import type { Spawn, SpawnRequest } from "../ports.ts";
import { neverAborted, SignalSource } from "../signal.ts";
import { utf8Decode, utf8Encode } from "../text.ts";
import { check, checkEqual, checkFails, rejectionOf, type ComplianceCase } from "./harness.ts";

/** A program and its arguments, of the platform under test. */
export type Command = Pick<SpawnRequest, "program" | "args">;

export interface SpawnFixture {
  readonly spawn: Spawn;
  /** A directory that is there. */
  readonly cwd: string;
  readonly programs: {
    /** Writes `out` to standard output, `error` to standard error, exits with `code`. */
    readonly print: (out: string, error: string, code: number) => Command;
    /** Copies its standard input to its standard output. */
    readonly copy: Command;
    /** Writes this many bytes to standard output. */
    readonly flood: (bytes: number) => Command;
    /** Writes the sorted names of its environment, and its directory, one a line. */
    readonly surroundings: Command;
    /** Never ends by itself; once it runs, what `started` returns resolves. */
    readonly hang: Command;
    readonly started: () => Promise<void>;
    /** Ends by SIGKILL. */
    readonly killed: Command;
    readonly missing: Command;
  };
}

const request = (fixture: SpawnFixture, command: Command): SpawnRequest => ({
  ...command,
  env: {},
  cwd: fixture.cwd,
  outputBytesMax: 10_000,
});

export const spawnCases: readonly ComplianceCase<SpawnFixture>[] = [
  {
    name: "output and exit code",
    async run(fixture) {
      const { print } = fixture.programs;
      checkEqual(
        await fixture.spawn.run(request(fixture, print("out", "error", 7)), neverAborted),
        {
          exit: { code: 7 },
          stdout: utf8Encode("out"),
          stderr: utf8Encode("error"),
          stdoutBytes: 3,
          stderrBytes: 5,
        },
        "the result",
      );
    },
  },
  {
    name: "standard input, and its end",
    async run(fixture) {
      const base = request(fixture, fixture.programs.copy);
      const stdin = utf8Encode("in and out");
      const result = await fixture.spawn.run({ ...base, stdin }, neverAborted);
      checkEqual(result.stdout, stdin, "the copy");
      const none = await fixture.spawn.run(base, neverAborted);
      checkEqual(none.stdout, new Uint8Array(), "the copy of nothing");
    },
  },
  {
    name: "output beyond the bound is counted and dropped",
    async run(fixture) {
      const command = fixture.programs.flood(300_000);
      const result = await fixture.spawn.run(
        { ...request(fixture, command), outputBytesMax: 1234 },
        neverAborted,
      );
      checkEqual(result.stdout.length, 1234, "kept");
      checkEqual(result.stdoutBytes, 300_000, "counted");
      checkEqual(result.exit, { code: 0 }, "the exit");
    },
  },
  {
    name: "the environment and the directory are those of the request",
    async run(fixture) {
      const base = request(fixture, fixture.programs.surroundings);
      const env = { IOI_ONE: "1", IOI_TWO: "2" };
      const result = await fixture.spawn.run({ ...base, env }, neverAborted);
      const lines = (utf8Decode(result.stdout) ?? "").trim().split("\n");
      checkEqual(lines, ["IOI_ONE", "IOI_TWO", fixture.cwd], "names and directory");
    },
  },
  {
    name: "the end by a signal",
    async run(fixture) {
      const command = request(fixture, fixture.programs.killed);
      const result = await fixture.spawn.run(command, neverAborted);
      checkEqual(result.exit, { signal: "SIGKILL" }, "the exit");
    },
  },
  {
    name: "aborting ends the program and rejects with the reason",
    async run(fixture) {
      const source = new SignalSource();
      const reason = new Error("stop");
      const end = rejectionOf(
        fixture.spawn.run(request(fixture, fixture.programs.hang), source.signal),
        "an aborted run",
      );
      await fixture.programs.started();
      source.abort(reason);
      check((await end) === reason, "the rejection is the signal's reason");
    },
  },
  {
    name: "a signal that is aborted already starts nothing",
    async run(fixture) {
      const source = new SignalSource();
      source.abort("gone");
      const run = fixture.spawn.run(request(fixture, fixture.programs.hang), source.signal);
      checkEqual(await rejectionOf(run, "an aborted run"), "gone", "the reason");
    },
  },
  {
    name: "a missing program",
    async run(fixture) {
      const run = fixture.spawn.run(request(fixture, fixture.programs.missing), neverAborted);
      await checkFails(run, "E_SPAWN_NOT_FOUND", "a missing program");
    },
  },
];
