/**
 * The exec driver: `sys::exec {argv, cwd, network?}`, one command, staged. It runs over overlays of the
 * session's writable folders; when all of it has ended, what it wrote is read from the overlays and
 * applied to the real folders like any other effect, so that it can be undone.
 *
 * A command that ends with a non-zero code, or by a signal from outside, has still happened: its
 * changes are applied, the outcome is `confirmed`, and code and signal stand in the evidence. One
 * whose sandbox could not be built, or ended before the program began, has not: whether it began is
 * what the sandbox itself says, never the exit code, which any program can choose. A command that was stopped, or ran over a
 * limit, has no effect: its staging area is dropped. A change of a protected path (hooks, manifests,
 * start-up files) asks each time, and a command did not: it is held back and named, the rest is
 * applied, and the outcome is `partial`.
 */
import path from "node:path";
import { assert, ok, type Result } from "@ioi/base";
import { interceptedPlaces } from "@ioi/firewall/net";
import { LaunchPool } from "@ioi/host/sandbox";
import { type CanonicalValue, type Profile, schema, stringList } from "@ioi/wire";
import {
  type ActContext,
  type ActReport,
  type Driver,
  type ObligationType,
  type PreparedAction,
  refused,
} from "../core/driver.ts";
import type { EffectEngine, EffectReport } from "../effects/engine.ts";
import { settle, type Settlement } from "../effects/settle.ts";
import type { ErrorCode } from "../errors.ts";
import { decodeArguments } from "../files/arguments.ts";
import {
  type DriverRejection,
  factsOf,
  openSpot,
  recheck,
  reject,
  type Spot,
} from "../fs/roots.ts";
import { argumentBytesMax, argumentsMax } from "../limits.ts";
import { trustOf, type WayOut, type WaysOut, wantTargets } from "../way-out/way-out.ts";
import type { HeldPath } from "./held.ts";
import { findProgram, type Program, recheckProgram } from "./program.ts";
import { type RunEnd, type RunResult, runCommand, wayOutIndex } from "./run.ts";
import { removeStage } from "../vault/leftovers.ts";
import { noOverlay, openCopyStage } from "./copy-stage.ts";
import { openStage, type Stage } from "./stage.ts";
import { commandSpec, commitStage, heldPaths, named, writableFolders } from "./staged.ts";

const execArguments = schema.record({
  argv: stringList,
  cwd: schema.text(4096),
  network: schema.optional(schema.text(16)),
  intercept: schema.optional(schema.text(2048)),
});

const keeps: ReadonlySet<ObligationType> = new Set<ObligationType>([
  "snapshot",
  "stage",
  "sandbox",
]);
const keepsFlow: ReadonlySet<ObligationType> = new Set<ObligationType>([...keeps, "flow"]);

const checkArgv = (argv: readonly string[]): Result<readonly string[], DriverRejection> => {
  const bytes = argv.reduce((sum, each) => sum + Buffer.byteLength(each) + 1, 0);
  if (argv.length === 0 || argv[0] === "") return reject("E_ARGUMENTS_INVALID", "argv is empty");
  if (argv.length > argumentsMax || bytes > argumentBytesMax) {
    return reject("E_ARGUMENTS_INVALID", "argv is larger than its bounds");
  }
  if (argv.some((each) => each.includes("\0"))) {
    return reject("E_ARGUMENTS_INVALID", "an argument holds NUL");
  }
  return ok(argv);
};

const stopped: Readonly<Record<string, { readonly code: ErrorCode; readonly message: string }>> = {
  stopped: { code: "E_ABORTED", message: "the command was stopped" },
  timeout: { code: "E_EXEC_TIMEOUT", message: "the command ran over its time and was ended" },
  "staged too large": {
    code: "E_EXEC_STAGED_TOO_LARGE",
    message: "the command wrote more than may be staged and was ended",
  },
};

const resultOf = (
  run: RunResult,
  end: RunEnd,
  changed: readonly string[],
): ActReport["result"] => ({
  exitCode: end.type === "exited" ? (end.code ?? -1) : -1,
  signal: end.type === "exited" ? (end.signal ?? "") : "SIGKILL",
  stdout: run.stdout.kept(),
  stderr: run.stderr.kept(),
  stdoutBytes: run.stdout.bytes,
  stderrBytes: run.stderr.bytes,
  changed: named(changed),
  ...(run.network === undefined ? {} : { network: run.network.entries }),
});

const sentSomething = ({ network }: RunResult): boolean =>
  network?.entries.some(({ bytesUp }) => bytesUp !== 0) === true;

const evidenceOf = (
  run: RunResult,
  changed: readonly string[],
  skipped: number,
  held: number,
): ActReport["evidence"] => ({
  ...(run.end.type === "exited"
    ? { exitCode: String(run.end.code ?? -1), signal: run.end.signal ?? "" }
    : { ended: run.end.type }),
  filesChanged: String(changed.length),
  outputBytes: String(run.stdout.bytes + run.stderr.bytes),
  ...(skipped === 0 ? {} : { specialFilesSkipped: String(skipped) }),
  ...(held === 0 ? {} : { heldBack: String(held) }),
  ...run.network?.evidence,
});

interface Command {
  readonly argv: readonly string[];
  readonly cwd: Spot;
  readonly program: Program;
  /** It gets a way out. */
  readonly network: boolean;
}

export class ExecDriver implements Driver {
  readonly kind = "exec";
  readonly #engine: EffectEngine;
  readonly #profile: Profile;
  readonly #launchers = new LaunchPool();
  /** No overlay can be mounted over these folders on this machine. */
  #copies = false;
  readonly #waysOut: WaysOut | undefined;

  constructor(engine: EffectEngine, profile: Profile, waysOut?: WaysOut) {
    this.#engine = engine;
    this.#profile = profile;
    this.#waysOut = waysOut;
  }

  async prepare(
    target: string,
    args: { readonly [name: string]: CanonicalValue },
    signal: AbortSignal,
  ): Promise<Result<PreparedAction, DriverRejection>> {
    if (wantTargets.has(target) && this.#waysOut !== undefined) {
      return this.#waysOut.prepare(target, args);
    }
    if (target !== "sys::exec") {
      return reject("E_TARGET_UNKNOWN", `the exec driver does not perform ${target}`);
    }
    const decoded = decodeArguments(execArguments, args);
    if (!decoded.ok) return decoded;
    const argv = checkArgv(decoded.value.argv);
    if (!argv.ok) return argv;
    const { roots } = this.#engine;
    const place = roots.locate(decoded.value.cwd, "read");
    if (!place.ok) return place;
    const opened = openSpot(roots, place.value);
    if (!opened.ok) return opened;
    using held = new DisposableStack();
    const cwd = held.use(opened.value);
    if (cwd.stat?.isDirectory() !== true) {
      return reject("E_FS_NOT_A_DIRECTORY", `${decoded.value.cwd} is not a folder`);
    }
    const name = argv.value[0] ?? "";
    const program = await findProgram(roots, name, decoded.value.cwd, signal);
    if (!program.ok) return program;
    const network = decoded.value.network !== undefined;
    if (network && (decoded.value.network !== "egress" || this.#waysOut === undefined)) {
      return reject("E_ARGUMENTS_INVALID", "this driver has no network for programs");
    }
    const { intercept } = decoded.value;
    if (intercept !== undefined && (!network || interceptedPlaces(intercept) === undefined)) {
      const message = "intercept is HOST:PORT, with a space between, of a program with a network";
      return reject("E_ARGUMENTS_INVALID", message);
    }
    const command: Command = { argv: argv.value, cwd, program: program.value, network };
    const owned = held.move();
    return ok({
      facts: { program: program.value.facts, cwd: factsOf(cwd) },
      effect: true,
      content: undefined,
      keeps: network ? keepsFlow : keeps,
      act: (context: ActContext) => this.#act(command, context),
      [Symbol.dispose]: () => owned.dispose(),
    });
  }

  claim(counter: bigint): Disposable | undefined {
    return this.#engine.vault.claim(counter);
  }

  #wayOutOf({ network }: Command, context: ActContext): WayOut | undefined {
    return network ? this.#waysOut?.for(context, wayOutIndex) : undefined;
  }

  async refuse(counter: bigint, id: number, reason: string): Promise<void> {
    await this.#waysOut?.refuse(counter, id, reason);
  }

  /** What a former instance staged goes, whatever became of the command. */
  async settle(counter: bigint): Promise<Settlement> {
    const settlement = await settle(this.#engine, counter);
    // Without a record the command runs in another instance, and needs its stage.
    const { vault } = this.#engine;
    if (vault.readRecord(counter) !== undefined) removeStage(this.#stageFolder(counter));
    return settlement;
  }

  async #act(command: Command, context: ActContext): Promise<ActReport> {
    const checked = recheck(this.#engine.roots, command.cwd);
    if (!checked.ok) return refused(checked.error);
    const program = recheckProgram(command.program);
    if (!program.ok) return refused(program.error);
    const { vault } = this.#engine;
    const { counter, actionId } = context;
    vault.writeIntent({
      version: 1,
      counter,
      target: "sys::exec",
      actionId,
      phase: "running",
      atMs: this.#engine.wallMs(),
      reversible: false,
      changes: [],
      folders: [],
    });
    try {
      return await this.#runOnStage(command, context);
    } finally {
      removeStage(this.#stageFolder(counter));
    }
  }

  /** On an overlay; on a copy where this driver has seen that none can be mounted. */
  async #runOnStage(command: Command, context: ActContext): Promise<ActReport> {
    const folder = this.#stageFolder(context.counter);
    const written = writableFolders(this.#engine);
    if (!this.#copies) {
      const ran = await this.#runStaged(command, openStage(folder, written), context);
      if (ran !== "no overlay") return ran;
      // It did not start, so nothing of it happened.
      this.#copies = true;
      removeStage(folder);
    }
    const stage = await openCopyStage(folder, written, this.#engine.roots, context.signal);
    if (!stage.ok) {
      this.#nothing(context);
      return refused(stage.error);
    }
    const ran = await this.#runStaged(command, stage.value, context);
    assert(ran !== "no overlay", "a stage of copies has no overlay");
    return ran;
  }

  async #runStaged(
    command: Command,
    stage: Stage,
    context: ActContext,
  ): Promise<ActReport | "no overlay"> {
    await using wayOut = this.#wayOutOf(command, context);
    const { limits } = this.#profile;
    const trust = await trustOf(wayOut, stage.folder, context.signal);
    if (!trust.ok) {
      this.#nothing(context);
      return refused(trust.error);
    }
    const ran = await runCommand({
      spec: commandSpec(
        this.#engine,
        this.#profile,
        stage,
        command.network ? "own" : "none",
        context.restricted,
        trust.value.binds,
      ),
      program: command.program.path,
      args: command.argv.slice(1),
      cwd: command.cwd.place.path,
      wallMs: limits.wallMs,
      outputBytes: limits.outputBytes,
      staging: stage.folder,
      signal: context.signal,
      spawn: this.#launchers.spawn,
      output: (bytes, stream) => context.output(bytes, stream),
      ...(wayOut === undefined
        ? {}
        : { wayOut, input: context.input, environment: trust.value.environment }),
    });
    const network = await wayOut?.close();
    const run = network === undefined ? ran : { ...ran, network };
    const { end } = run;
    if (end.type === "no network") {
      const { code, message } = end;
      return this.#noEffect(run, context, { code: code as ErrorCode, message });
    }
    if (end.type === "not started") {
      if (stage.copies === undefined && noOverlay.test(end.why)) return "no overlay";
      return this.#noEffect(run, context, { code: "E_EXEC_NOT_STARTED", message: end.why });
    }
    if (end.type !== "exited") return this.#noEffect(run, context, stopped[end.type]);
    const committed = await commitStage(this.#engine, "sys::exec", stage, context);
    if (!committed.ok) return this.#noEffect(run, context, committed.error);
    const { effect, held, heldBack, skipped } = committed.value;
    if (effect === undefined) return this.#noEffect(run, context, heldBack, held);
    return this.#report(run, effect, skipped, held, heldBack);
  }

  #report(
    run: RunResult,
    effect: EffectReport,
    skipped: number,
    held: readonly HeldPath[],
    heldBack: { readonly code: ErrorCode; readonly message: string } | undefined,
  ): ActReport {
    const { status, changed, reversible } = effect;
    const error = effect.error ?? heldBack;
    return {
      // Not all of what the command did has happened.
      status: heldBack !== undefined && status === "confirmed" ? "partial" : status,
      ...(error === undefined ? {} : { code: error.code, message: error.message }),
      result: { ...resultOf(run, run.end, changed), held: heldPaths(held) },
      bytes: run.stdout.bytes + run.stderr.bytes,
      reversible,
      evidence: evidenceOf(run, changed, skipped, held.length),
    };
  }

  #noEffect(
    run: RunResult,
    context: ActContext,
    error: { readonly code: ErrorCode; readonly message: string } | undefined,
    held: readonly HeldPath[] = [],
  ): ActReport {
    this.#nothing(context);
    return {
      // What a stopped program has sent, it has sent.
      status: sentSomething(run) ? "partial" : "no-effect",
      ...(error === undefined ? {} : { code: error.code, message: error.message }),
      result: { ...resultOf(run, run.end, []), held: heldPaths(held) },
      bytes: run.stdout.bytes + run.stderr.bytes,
      reversible: false,
      evidence: evidenceOf(run, [], 0, held.length),
    };
  }

  #nothing({ counter, actionId }: ActContext): void {
    const { vault } = this.#engine;
    vault.writeNothing({ counter, target: "sys::exec", actionId }, this.#engine.wallMs());
  }

  #stageFolder(counter: bigint): string {
    return path.join(this.#engine.vault.folderOf(counter), "stage");
  }

  [Symbol.dispose](): void {
    this.#launchers[Symbol.dispose]();
    this.#engine.roots[Symbol.dispose]();
  }
}
