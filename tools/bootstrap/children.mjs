/**
 * Child processes of the bootstrap: quiet ones (npm, pnpm) that are watched for progress, and the
 * loud one, the program itself, that takes over the terminal.
 *
 * Nobody outlives their parent: signals are passed on, and a parent that disappears (npm killed by
 * SIGKILL tells nobody) is noticed by polling, because Linux gives orphans another parent.
 */
import { spawn } from "node:child_process";
import os from "node:os";
import { bootstrapStallMsMax, childStopMsMax, failureLinesMax, parentPollMs } from "./limits.mjs";

/** @typedef {import("node:child_process").ChildProcess} ChildProcess */

/** Lines that help nobody: blank ones, advice for another case, logs that are deleted again. */
const noise = /^(npm error)?\s*$|A complete log of this run|behind a proxy|network settings/;

const passedOn = /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"]);

/**
 * A signal that aborts when this process is told to end or has lost its parent.
 * @returns {AbortSignal} its reason is the exit code
 */
export const watchForEnd = () => {
  const controller = new AbortController();
  for (const name of passedOn) {
    process.once(name, () => controller.abort(128 + os.constants.signals[name]));
  }
  watchParent(() => controller.abort(128 + os.constants.signals.SIGTERM));
  return controller.signal;
};

/** @param {() => void} gone */
const watchParent = (gone) => {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    gone();
  }, parentPollMs);
  timer.unref();
};

/**
 * Asks a child to end, and ends it when it does not.
 * @param {ChildProcess} child
 */
const stop = (child) => {
  child.kill("SIGTERM");
  setTimeout(() => child.kill("SIGKILL"), childStopMsMax).unref();
};

/**
 * @typedef {object} QuietResult
 * @property {number | null} code
 * @property {string} output both streams, as they came
 * @property {readonly string[]} tail
 * @property {boolean} stalled
 */

/**
 * Runs a tool and collects what it says. `progress` returns a number that changes as long as the
 * work goes on; when neither it nor the output moves for too long, the tool is ended.
 * @param {string} file
 * @param {readonly string[]} args
 * @param {{ cwd: string, env: NodeJS.ProcessEnv, signal: AbortSignal, progress: () => number }} options
 * @returns {Promise<QuietResult>}
 */
export const runQuietly = (file, args, { cwd, env, signal, progress }) =>
  new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    let stalled = false;
    let seen = -1;
    let movedAt = performance.now();
    const collect = (/** @type {Buffer} */ chunk) => {
      output = (output + chunk.toString("utf8")).slice(-1_000_000);
      movedAt = performance.now();
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    const timer = setInterval(() => {
      const now = progress();
      if (now !== seen) movedAt = performance.now();
      seen = now;
      if (performance.now() - movedAt < bootstrapStallMsMax) return;
      stalled = true;
      stop(child);
    }, 1_000);
    const onAbort = () => stop(child);
    signal.addEventListener("abort", onAbort);
    const settle = () => {
      clearInterval(timer);
      signal.removeEventListener("abort", onAbort);
    };
    child.once("error", (error) => {
      settle();
      reject(error);
    });
    child.once("close", (code) => {
      settle();
      const lines = output.split("\n").filter((line) => !noise.test(line));
      const tail = lines.slice(-failureLinesMax);
      resolve({ code, output, tail, stalled });
    });
    if (signal.aborted) onAbort();
  });

/**
 * Runs the program with this terminal and returns its exit code; 128 + n when signal n ended it.
 *
 * A terminal sends Ctrl+C to the whole group, so the child has it already and is not told twice.
 * @param {string} file
 * @param {readonly string[]} args
 * @param {{ cwd: string, env: NodeJS.ProcessEnv, watchParent: boolean }} options
 * @returns {Promise<number>}
 */
export const runProgram = (file, args, { cwd, env, watchParent: watched }) =>
  new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd, env, stdio: "inherit" });
    const atTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
    for (const name of passedOn) {
      process.on(name, () => {
        if (name === "SIGINT" && atTerminal) return;
        child.kill(name);
      });
    }
    if (watched) watchParent(() => stop(child));
    child.once("error", reject);
    child.once("close", (code, name) => {
      resolve(code ?? 128 + (name === null ? 0 : os.constants.signals[name]));
    });
  });
