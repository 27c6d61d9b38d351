/**
 * What end-to-end tests share: one kernel with a folder of its own, runs through the command line,
 * and whole pictures of a tree.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type CliResult, ioi, Scratch, TestKernel } from "../lib/kernel.ts";
import "./compile-cache.ts";
import { descendantsOf, isAlive, type ProcessId } from "../lib/processes.ts";
import * as shapes from "../report/shapes.ts";

export interface ReceiptView {
  readonly index: number;
  readonly leafHash: string;
}

export interface ActionView {
  readonly n: number;
  readonly target: string;
  readonly display: string;
  readonly verdict: string | null;
  readonly rule: string | null;
  readonly rules: readonly string[];
  readonly reason: string;
  readonly instead: string;
  readonly approval: string | null;
  readonly ticket: { readonly counter: number; readonly ttlMs: number } | null;
  readonly outcome: {
    readonly status: string;
    readonly content: string | null;
    readonly handle: string | null;
    readonly code: string | null;
    readonly reversible: boolean;
    readonly evidence: Readonly<Record<string, string>>;
    readonly receipt: ReceiptView | null;
  } | null;
  readonly receipt: ReceiptView | null;
}

export interface RunView {
  readonly session: string;
  readonly state: string;
  readonly actions: readonly ActionView[];
  readonly error: { readonly code: string; readonly message: string } | null;
}

export interface Ran {
  readonly code: number;
  readonly view: RunView;
  /** Its first action. */
  readonly action: ActionView;
  readonly stderr: string;
}

/** The answer of a command that prints `ioi.run/1` and nothing else on stdout. */
export const ranOf = ({ code, json, stdout, stderr }: CliResult): Ran => {
  assert.deepEqual(shapes.runReport(json, "$"), [], stdout + stderr);
  const view = json as RunView;
  return { code, view, action: view.actions[0] as ActionView, stderr };
};

/** Looks again until it is so; the test's own deadline is the bound. */
export const until = async <T>(look: () => T | undefined | Promise<T | undefined>): Promise<T> => {
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    await sleep(10);
  }
};

/**
 * Every name below a folder, itself included, with all that an undo must give back: kind, mode,
 * owner, modification time in nanoseconds, bytes, link target, number of names.
 */
export const treeOf = (folder: string): Readonly<Record<string, string>> => {
  const tree: Record<string, string> = {};
  const names = fs.readdirSync(folder, { recursive: true, encoding: "utf8" });
  for (const name of [".", ...names.toSorted()]) {
    const at = path.join(folder, name);
    const stat = fs.lstatSync(at, { bigint: true });
    const what = stat.isSymbolicLink()
      ? `-> ${fs.readlinkSync(at)}`
      : stat.isFile()
        ? `${createHash("sha256").update(fs.readFileSync(at)).digest("hex")} x${stat.nlink}`
        : "/";
    tree[name] = `${stat.mode.toString(8)} ${stat.uid}:${stat.gid} ${stat.mtimeNs} ${what}`;
  }
  return tree;
};

/** A kernel, its data folder `D`, a workspace `W`, and the command line on them. */
export class Place implements AsyncDisposable {
  readonly scratch: Scratch;
  readonly workspace: string;
  kernel: TestKernel;
  /** The kernel's own processes: what stands below the launcher when no session runs. */
  #own: readonly ProcessId[];

  private constructor(scratch: Scratch, kernel: TestKernel) {
    this.scratch = scratch;
    this.kernel = kernel;
    this.workspace = scratch.folder("W");
    this.#own = descendantsOf(kernel.pid);
  }

  static async open(): Promise<Place> {
    const scratch = new Scratch();
    const kernel = await TestKernel.start({ data: scratch.at("D") });
    return new Place(scratch, kernel);
  }

  get data(): string {
    return this.scratch.at("D");
  }

  ioi(...args: readonly string[]): Promise<CliResult> {
    return ioi([...args, "--data", this.data], { timeoutMs: 100_000 });
  }

  /** `ioi run --json` in the workspace. */
  async run(text: string, ...more: readonly string[]): Promise<Ran> {
    return await this.runIn(this.workspace, text, ...more);
  }

  async runIn(workspace: string, text: string, ...more: readonly string[]): Promise<Ran> {
    return ranOf(await this.ioi("run", "--workspace", workspace, "--json", ...more, text));
  }

  async show(session: string): Promise<RunView> {
    return ranOf(await this.ioi("sessions", "show", session, "--json")).view;
  }

  async undo(session: string, ...more: readonly string[]): Promise<Ran> {
    return ranOf(await this.ioi("undo", session, "--json", ...more));
  }

  /** Every receipt's leaf, as `receipts list` tells it. */
  async receipts(session: string): Promise<readonly { index: number; leaf: { type: string } }[]> {
    const { json } = await this.ioi("receipts", "list", "--session", session, "--json");
    return (json as { receipts: { index: number; leaf: { type: string } }[] }).receipts;
  }

  /** What runs below the launcher beside the kernel itself: drivers, commands. */
  extra(): readonly ProcessId[] {
    const own = new Set(this.#own.map(({ pid, started }) => `${pid} ${started}`));
    return descendantsOf(this.kernel.pid).filter(
      ({ pid, started }) => !own.has(`${pid} ${started}`),
    );
  }

  /** Waits until nothing of the sessions runs any more. */
  async quiet(): Promise<void> {
    await until(() => (this.extra().length === 0 ? true : undefined));
  }

  /** Ends the kernel and sees that nothing of it is left. */
  async end(how: "stop" | "kill"): Promise<void> {
    const before = descendantsOf(this.kernel.pid);
    assert.ok(before.length >= 3, "the launcher has no processes to be looked for afterwards");
    if (how === "kill") this.kernel.kill();
    else await this.kernel[Symbol.asyncDispose]();
    await this.kernel.exited;
    await until(() => (before.some(isAlive) ? undefined : true));
  }

  /** Another kernel on the folder. */
  async start(): Promise<void> {
    this.kernel = await TestKernel.start({ data: this.data });
    this.#own = descendantsOf(this.kernel.pid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.end("stop");
    } finally {
      this.scratch[Symbol.dispose]();
    }
  }
}
