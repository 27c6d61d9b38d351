/**
 * The `Spawn` port on Node: a program in a process group of its own, with exactly the environment
 * of the request. Its end is the end of the group: what it left running is killed, so that nobody
 * outlives the call or keeps it waiting by holding its output open.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import type { Signal, Spawn, SpawnRequest, SpawnResult } from "@ioi/base";
import { OperationError } from "@ioi/base";
import { errnoName } from "./files-errors.ts";
import { spawnDrainMs } from "./limits.ts";

/** Keeps the beginning, counts everything. */
class Output {
  readonly #bytesMax: number;
  readonly #parts: Uint8Array[] = [];
  #kept = 0;
  total = 0;

  constructor(stream: Readable, bytesMax: number) {
    this.#bytesMax = bytesMax;
    stream.on("data", (chunk: Uint8Array) => {
      this.total += chunk.length;
      const part = chunk.subarray(0, this.#bytesMax - this.#kept);
      if (part.length === 0) return;
      this.#parts.push(part);
      this.#kept += part.length;
    });
    stream.on("error", () => undefined);
  }

  bytes(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.#parts));
  }
}

const killGroup = (child: ChildProcess): void => {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch (error) {
    if (errnoName(error) !== "ESRCH" && errnoName(error) !== "EPERM") throw error;
  }
};

const spawnError = (error: Error, request: SpawnRequest): OperationError => {
  const name = errnoName(error) ?? "failed";
  const code = name === "ENOENT" || name === "ENOTDIR" ? "E_SPAWN_NOT_FOUND" : "E_SPAWN_FAILED";
  return new OperationError(code, `start ${request.program} in ${request.cwd}: ${name}`, {
    cause: error,
  });
};

const run = (request: SpawnRequest, signal: Signal): Promise<SpawnResult> =>
  new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const child = spawn(request.program, [...request.args], {
      cwd: request.cwd,
      env: { ...request.env },
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
    });
    const stdout = new Output(child.stdout, request.outputBytesMax);
    const stderr = new Output(child.stderr, request.outputBytesMax);
    child.stdin.on("error", () => undefined);
    child.stdin.end(request.stdin);

    let drain: NodeJS.Timeout | undefined;
    const onAbort = (): void => killGroup(child);
    signal.addEventListener("abort", onAbort, { once: true });
    const settle = (finish: () => void): void => {
      clearTimeout(drain);
      signal.removeEventListener("abort", onAbort);
      if (signal.aborted) reject(signal.reason);
      else finish();
    };
    child.once("error", (error) => settle(() => reject(spawnError(error, request))));
    child.once("exit", () => {
      killGroup(child);
      // A descendant that left the group may still hold the pipes.
      drain = setTimeout(() => {
        child.stdout.destroy();
        child.stderr.destroy();
      }, spawnDrainMs);
    });
    child.once("close", (code, exitSignal) =>
      settle(() =>
        resolve({
          exit: exitSignal === null ? { code: code ?? 0 } : { signal: exitSignal },
          stdout: stdout.bytes(),
          stderr: stderr.bytes(),
          stdoutBytes: stdout.total,
          stderrBytes: stderr.total,
        }),
      ),
    );
  });

export const systemSpawn: Spawn = { run };
