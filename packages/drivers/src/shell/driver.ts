/**
 * The shell driver: `sys::shell {do, shell, input, wait, cwd, network?}`, terminals that stay. What is typed is
 * recorded and not judged: the sandbox bounds what it can do. It sees the session's folders, and of the
 * network nothing, or what the ticket of its opening names (`network`); what is written is staged, and
 * applied with copies for undo when the terminal is closed, whose outcome also says what went over.
 *
 * Until then nothing real has changed, so only `close` is an effect. A terminal whose driver ends, or
 * that is stopped, leaves nothing. A stop of an action on a terminal ends the terminal.
 */
import path from "node:path";
import { ok, OperationError, type Result, toHex } from "@ioi/base";
import { type CanonicalValue, contentRef, type ContentRef, type Profile, schema } from "@ioi/wire";
import {
  type ActContext,
  type ActReport,
  type Driver,
  type ObligationType,
  type Restricted,
  type PreparedAction,
  refused,
} from "../core/driver.ts";
import type { EffectEngine } from "../effects/engine.ts";
import { settle, type Settlement } from "../effects/settle.ts";
import type { ErrorCode } from "../errors.ts";
import { noOverlay } from "../exec/copy-stage.ts";
import { findProgram, type Program, recheckProgram } from "../exec/program.ts";
import { removeStage } from "../vault/leftovers.ts";
import {
  commandSpec,
  commitStage,
  type Committed,
  heldPaths,
  named,
  writableFolders,
} from "../exec/staged.ts";
import type { Stage } from "../exec/stage.ts";
import { decodeArguments } from "../files/arguments.ts";
import {
  type DriverRejection,
  factsOf,
  openSpot,
  recheck,
  reject,
  type Spot,
} from "../fs/roots.ts";
import { shellInputBytesMax, shellsMax, shellWaitMsDefault, shellWaitMsMax } from "../limits.ts";
import { Stages } from "./stages.ts";
import { trustOf, type WayOut, type WayOutSum, type WaysOut } from "../way-out/way-out.ts";
import { type Cut, type Seen, Terminal, wayOutIndex } from "./terminal.ts";

const shellArguments = schema.record({
  do: schema.oneOf("open", "type", "read", "close"),
  shell: schema.optional(schema.int(1, shellsMax)),
  input: schema.optional(contentRef),
  wait: schema.optional(schema.int(0, shellWaitMsMax)),
  cwd: schema.text(4096),
  network: schema.optional(schema.text(16)),
});

const target = "sys::shell";
const keeps: ReadonlySet<ObligationType> = new Set<ObligationType>([
  "snapshot",
  "stage",
  "sandbox",
]);

const keepsFlow: ReadonlySet<ObligationType> = new Set<ObligationType>([...keeps, "flow"]);

/** Nobody stands beside a terminal who could ask. */
const beyond = "a terminal reaches what the rule that opened it names, and nothing else";

/** What was hidden from a terminal when it was opened holds all that is to be hidden now. */
const covers = (then: Restricted | undefined, now: Restricted | undefined): boolean =>
  (now?.hidden ?? []).every((path) => then?.hidden.includes(path) === true);

/** No start-up file: what a terminal does is what is typed. */
const shells = [
  ["/bin/bash", "--noprofile", "--norc", "-i"],
  ["/bin/sh", "-i"],
] as const;

const cuts: Readonly<Record<Cut, { readonly code: ErrorCode; readonly message: string }>> = {
  closed: { code: "E_ABORTED", message: "the terminal was stopped" },
  "staged too large": {
    code: "E_EXEC_STAGED_TOO_LARGE",
    message: "more was written in the terminal than may be staged, and it was ended",
  },
  "too old": { code: "E_SHELL_OLD", message: "the terminal was open for too long and was ended" },
};

interface Opening {
  readonly cwd: Spot;
  readonly program: Program;
  readonly shell: readonly string[];
  readonly wait: number;
  /** It gets a way out. */
  readonly network: boolean;
}

interface Failure {
  readonly code: ErrorCode;
  readonly message: string;
}

const none = (number: number): DriverRejection => ({
  code: "E_SHELL_NONE",
  message: `no terminal ${number} is open`,
});

const report = (
  status: ActReport["status"],
  result: ActReport["result"],
  evidence: ActReport["evidence"],
  failure?: Failure,
): ActReport => ({
  status,
  ...(failure === undefined ? {} : { code: failure.code, message: failure.message }),
  result,
  bytes: 0,
  reversible: false,
  evidence,
});

/** What went over it, whatever came of the files. */
const withNetwork = (made: ActReport, network: WayOutSum | undefined): ActReport => {
  if (network === undefined) return made;
  const { entries, evidence } = network;
  const sent = entries.some(({ bytesUp }) => bytesUp !== 0);
  // What has been sent has been sent.
  const status = made.code === undefined ? "confirmed" : "partial";
  return {
    ...made,
    status: sent && made.status === "no-effect" ? status : made.status,
    result: { ...made.result, network: entries },
    evidence: { ...made.evidence, ...evidence },
  };
};

export class ShellDriver implements Driver {
  readonly kind = "shell";
  readonly #engine: EffectEngine;
  readonly #profile: Profile;
  readonly #stages: Stages;
  readonly #waysOut: WaysOut | undefined;
  readonly #terminals = new Map<number, Terminal>();
  /** What was kept from each when it was opened. */
  readonly #restricted = new Map<number, Restricted | undefined>();
  readonly #opening = new Set<number>();
  #stageCount = 0;
  /** No overlay can be mounted here. */
  #copies = false;

  constructor(engine: EffectEngine, profile: Profile, instanceId: Uint8Array, waysOut?: WaysOut) {
    this.#engine = engine;
    this.#waysOut = waysOut;
    this.#profile = profile;
    this.#stages = new Stages(path.join(engine.vault.path, "shell"), toHex(instanceId));
  }

  async prepare(
    asked: string,
    args: { readonly [name: string]: CanonicalValue },
    signal: AbortSignal,
  ): Promise<Result<PreparedAction, DriverRejection>> {
    if (asked !== target) {
      return reject("E_TARGET_UNKNOWN", `the shell driver does not perform ${asked}`);
    }
    const decoded = decodeArguments(shellArguments, args);
    if (!decoded.ok) return decoded;
    const { do: what, shell: number = 1, input, wait = shellWaitMsDefault, cwd } = decoded.value;
    if ((input !== undefined) !== (what === "type")) {
      return reject(
        "E_ARGUMENTS_INVALID",
        "input is given where something is typed, and only there",
      );
    }
    if ((input?.length ?? 0) > shellInputBytesMax) {
      return reject("E_ARGUMENTS_INVALID", `more than ${shellInputBytesMax} bytes to type`);
    }
    const network = decoded.value.network === "egress";
    if (decoded.value.network !== undefined && (!network || what !== "open")) {
      const message = "network is egress, and is given where a terminal is opened";
      return reject("E_ARGUMENTS_INVALID", message);
    }
    if (what === "open") return this.#prepareOpen(number, cwd, { wait, network }, signal);
    if (!this.#terminals.has(number)) return reject("E_SHELL_NONE", none(number).message);
    return this.#prepareOn(number, cwd, what, wait, input);
  }

  #place(cwd: string): Result<Spot, DriverRejection> {
    const { roots } = this.#engine;
    const place = roots.locate(cwd, "read");
    if (!place.ok) return place;
    const opened = openSpot(roots, place.value);
    if (!opened.ok) return opened;
    if (opened.value.stat?.isDirectory() === true) return opened;
    opened.value[Symbol.dispose]();
    return reject("E_FS_NOT_A_DIRECTORY", `${cwd} is not a folder`);
  }

  async #prepareOpen(
    number: number,
    cwd: string,
    { wait, network }: Pick<Opening, "wait" | "network">,
    signal: AbortSignal,
  ): Promise<Result<PreparedAction, DriverRejection>> {
    if (this.#terminals.has(number)) {
      return reject("E_SHELL_OPEN", `terminal ${number} is open already`);
    }
    const spot = this.#place(cwd);
    if (!spot.ok) return spot;
    using held = new DisposableStack();
    held.use(spot.value);
    let program: Result<Program, DriverRejection> = reject("E_EXEC_PROGRAM", "there is no shell");
    let shell: readonly string[] = [];
    for (const each of shells) {
      shell = each;
      program = await findProgram(this.#engine.roots, each[0], cwd, signal);
      if (program.ok) break;
    }
    if (!program.ok) return program;
    const opening = { cwd: spot.value, program: program.value, shell, wait, network };
    const owned = held.move();
    return ok({
      facts: { cwd: factsOf(spot.value) },
      effect: false,
      content: undefined,
      keeps: network ? keepsFlow : keeps,
      act: (context) => this.#open(number, opening, context),
      [Symbol.dispose]: () => owned.dispose(),
    });
  }

  #prepareOn(
    number: number,
    cwd: string,
    what: "type" | "read" | "close",
    wait: number,
    input: ContentRef | undefined,
  ): Result<PreparedAction, DriverRejection> {
    const spot = this.#place(cwd);
    if (!spot.ok) return spot;
    using place = spot.value;
    return ok({
      facts: { cwd: factsOf(place) },
      effect: what === "close",
      content: input,
      keeps,
      act: (context) =>
        what === "close" ? this.#close(number, context) : this.#on(number, wait, context),
      [Symbol.dispose]: () => undefined,
    });
  }

  async #open(number: number, opening: Opening, context: ActContext): Promise<ActReport> {
    const checked = recheck(this.#engine.roots, opening.cwd);
    if (!checked.ok) return refused(checked.error);
    const known = recheckProgram(opening.program);
    if (!known.ok) return refused(known.error);
    if (this.#terminals.has(number) || this.#opening.has(number)) {
      return refused({ code: "E_SHELL_OPEN", message: `terminal ${number} is open already` });
    }
    this.#opening.add(number);
    try {
      const opened = await this.#begin(opening, context);
      if (!opened.ok) return refused(opened.error);
      this.#restricted.set(number, context.restricted);
      this.#terminals.set(number, opened.value);
    } finally {
      this.#opening.delete(number);
    }
    return this.#on(number, opening.wait, context);
  }

  /** On an overlay; on a copy where this driver has seen that none can be mounted. */
  async #begin(opening: Opening, context: ActContext): Promise<Result<Terminal, DriverRejection>> {
    const written = writableFolders(this.#engine);
    const name = (): string => String(this.#stageCount++);
    if (!this.#copies) {
      try {
        return ok(await this.#beginOn(this.#stages.open(name(), written), opening, context));
      } catch (error) {
        if (!(error instanceof OperationError && noOverlay.test(error.message))) throw error;
        this.#copies = true;
      }
    }
    const { roots } = this.#engine;
    const stage = await this.#stages.openCopy(name(), written, roots, context.signal);
    return stage.ok ? ok(await this.#beginOn(stage.value, opening, context)) : stage;
  }

  #wayOutOf({ network }: Opening, context: ActContext): WayOut | undefined {
    if (!network) return undefined;
    if (this.#waysOut === undefined) {
      throw new OperationError("E_SHELL_NOT_STARTED", "this session's terminals have no network");
    }
    return this.#waysOut.alone(context, wayOutIndex, beyond);
  }

  async #beginOn(stage: Stage, opening: Opening, context: ActContext): Promise<Terminal> {
    const { restricted, signal } = context;
    const { cwd, shell, network } = opening;
    const wayOut = this.#wayOutOf(opening, context);
    try {
      const trust = await trustOf(wayOut, stage.folder, signal);
      if (!trust.ok) throw new OperationError(trust.error.code, trust.error.message);
      const { binds, environment } = trust.value;
      const net = network ? "own" : "none";
      const plain = commandSpec(this.#engine, this.#profile, stage, net, restricted, binds);
      const spec = { ...plain, name: "terminal" };
      const more = wayOut === undefined ? {} : { wayOut, environment };
      return await Terminal.open({ spec, stage, shell, cwd: cwd.place.path, signal, ...more });
    } catch (error) {
      await wayOut?.close();
      removeStage(stage.folder);
      throw error;
    }
  }

  /** Types what there is to type, and tells what comes of it. */
  async #on(number: number, waitMs: number, context: ActContext): Promise<ActReport> {
    const terminal = this.#terminals.get(number);
    if (terminal === undefined) return refused(none(number));
    if (context.content.length > 0) {
      if (!covers(this.#restricted.get(number), context.restricted)) {
        const message = `the policy hides more than when terminal ${number} was opened; close it`;
        return refused({ code: "E_OBLIGATION_UNKEPT", message });
      }
      if (terminal.over) {
        return refused({ code: "E_SHELL_ENDED", message: `terminal ${number} has ended` });
      }
      if (!terminal.type(context.content)) {
        const message = "what was typed before is not taken yet";
        return refused({ code: "E_SHELL_BUSY", message });
      }
    }
    try {
      const seen = await terminal.see(waitMs, context.signal, (bytes) => context.output(bytes));
      return this.#told(number, terminal, seen);
    } catch (error) {
      if (!context.signal.aborted) throw error;
      await this.#drop(number, terminal);
      throw error;
    }
  }

  #told(number: number, terminal: Terminal, seen: Seen): ActReport {
    const state = terminal.over ? "ended" : seen.busy ? "busy" : "ready";
    const { exitCode, cut } = terminal;
    const evidence = {
      terminal: String(number),
      state,
      // Nothing of it is real before the terminal is closed.
      filesChanged: "0",
      outputBytes: String(seen.bytes),
      ...(exitCode === undefined ? {} : { exitCode: String(exitCode) }),
    };
    return {
      ...report("confirmed", { text: seen.text, screen: terminal.screen(), state }, evidence),
      ...(cut === undefined ? {} : cuts[cut]),
      bytes: seen.bytes,
    };
  }

  async #drop(number: number, terminal: Terminal): Promise<void> {
    this.#terminals.delete(number);
    await terminal.stop();
    removeStage(terminal.stage.folder);
  }

  async #close(number: number, context: ActContext): Promise<ActReport> {
    const terminal = this.#terminals.get(number);
    if (terminal === undefined) return refused(none(number));
    const { vault } = this.#engine;
    const { counter, actionId } = context;
    vault.writeIntent({
      version: 1,
      counter,
      target,
      actionId,
      phase: "running",
      atMs: this.#engine.wallMs(),
      reversible: false,
      changes: [],
      folders: [],
    });
    // Whatever comes of it, it is not there for a second close.
    this.#terminals.delete(number);
    const cut = terminal.cut;
    await terminal.end();
    const network = await terminal.network();
    const told = (made: ActReport): ActReport => withNetwork(made, network);
    try {
      if (cut !== undefined) return told(this.#nothing(number, context, cuts[cut]));
      const committed = await commitStage(this.#engine, target, terminal.stage, context);
      if (!committed.ok) return told(this.#nothing(number, context, committed.error));
      return told(this.#closed(number, context, committed.value));
    } finally {
      removeStage(terminal.stage.folder);
    }
  }

  #closed(
    number: number,
    context: ActContext,
    { effect, held, heldBack, skipped }: Committed,
  ): ActReport {
    if (effect === undefined) return this.#nothing(number, context, heldBack, heldPaths(held));
    const { status, changed, reversible } = effect;
    const failure = effect.error ?? heldBack;
    const evidence = {
      terminal: String(number),
      filesChanged: String(changed.length),
      ...(skipped === 0 ? {} : { specialFilesSkipped: String(skipped) }),
      ...(held.length === 0 ? {} : { heldBack: String(held.length) }),
    };
    const result = { changed: named(changed), held: heldPaths(held) };
    const partial = heldBack !== undefined && status === "confirmed";
    return { ...report(partial ? "partial" : status, result, evidence, failure), reversible };
  }

  #nothing(
    number: number,
    { counter, actionId }: ActContext,
    failure: Failure | undefined,
    held: readonly string[] = [],
  ): ActReport {
    this.#engine.vault.writeNothing({ counter, target, actionId }, this.#engine.wallMs());
    const evidence = {
      terminal: String(number),
      filesChanged: "0",
      ...(held.length === 0 ? {} : { heldBack: String(held.length) }),
    };
    return report("no-effect", { changed: [], held }, evidence, failure);
  }

  claim(counter: bigint): Disposable | undefined {
    return this.#engine.vault.claim(counter);
  }

  async settle(counter: bigint): Promise<Settlement> {
    return await settle(this.#engine, counter);
  }

  [Symbol.dispose](): void {
    for (const terminal of this.#terminals.values()) void terminal.end();
    this.#terminals.clear();
    this.#stages[Symbol.dispose]();
    this.#engine.roots[Symbol.dispose]();
  }
}
