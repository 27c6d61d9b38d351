/**
 * One terminal: a shell in a sandbox of its own on a pseudo-terminal, its screen, and what it staged.
 *
 * Nothing is read from it beyond `shellUnreadBytesMax` until somebody asks, so that a flood stops by
 * itself. Its sandbox ends whole: by `end`, by the stage's or the life's bound, or with the shell.
 */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { OperationError } from "@ioi/base";
import { endSandbox, type SandboxSpec, spawnSandboxed } from "@ioi/host/sandbox";
import type { Stage } from "../exec/stage.ts";
import {
  outputStreamBytesMax,
  shellAnswerMs,
  shellColumns,
  shellLifeMsMax,
  shellLookMs,
  shellQuietMs,
  shellRows,
  shellStageCheckMs,
  shellUnreadBytesMax,
  stagedBytesMax,
} from "../limits.ts";
import { bytesBelow } from "../vault/vault.ts";
import { proxyEnvironment, type WayOut, type WayOutSum } from "../way-out/way-out.ts";
import { PlainText } from "./plain.ts";
import { Pty } from "./pty.ts";
import { Screen } from "./screen.ts";

/** The whole environment beside the sandbox's own; no start-up file is read, no history kept. */
const environment: Readonly<Record<string, string>> = {
  TERM: "xterm-256color",
  PS1: "$ ",
  PAGER: "cat",
  HISTFILE: "",
  GIT_OPTIONAL_LOCKS: "0",
};

export interface TerminalOptions {
  readonly spec: SandboxSpec;
  readonly stage: Stage;
  /** The shell, and how it is told to read no start-up file. */
  readonly shell: readonly string[];
  readonly cwd: string;
  /** Its network; absent: none. It ends with the terminal. */
  readonly wayOut?: WayOut;
  /** Beside what every terminal has. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Of its opening. */
  readonly signal: AbortSignal;
}

/** Where the message socket stands in the `stdio` of one with a way out. */
export const wayOutIndex = 3;

/** Why it ended, where it was not the shell's own end. */
export type Cut = "closed" | "staged too large" | "too old";

export interface Seen {
  /** Lines that came, as a person reads them. */
  readonly text: string;
  readonly bytes: number;
  readonly busy: boolean;
}

export class Terminal {
  readonly stage: Stage;
  readonly #pty: Pty;
  readonly #screen: Screen;
  readonly #child: ChildProcess;
  readonly #timers: readonly NodeJS.Timeout[];
  readonly #wayOut: WayOut | undefined;
  /** Nothing of it is left. */
  readonly ended: Promise<void>;
  #cut: Cut | undefined;
  #over = false;
  /** Came, and nobody was told. */
  #unread = 0;
  #bytes = 0;
  #lastMs = performance.now();
  /** When something was typed, or it was started, that nothing came after yet. */
  #askedMs: number | undefined = performance.now();
  #drawn: Promise<void> = Promise.resolve();
  #watch: ((bytes: Uint8Array) => void) | undefined;
  #change: (() => void) | undefined;

  private constructor(
    pty: Pty,
    screen: Screen,
    child: ChildProcess,
    { stage, wayOut }: Pick<TerminalOptions, "stage" | "wayOut">,
  ) {
    this.#wayOut = wayOut;
    this.#pty = pty;
    this.#screen = screen;
    this.#child = child;
    this.stage = stage;
    this.ended = once(child, "close").then(
      () => this.#end(),
      () => this.#end(),
    );
    pty.stream.on("data", (bytes: Buffer) => this.#arrived(bytes));
    this.#timers = [
      setTimeout(() => this.#stop("too old"), shellLifeMsMax).unref(),
      setInterval(() => {
        if (bytesBelow(stage.folder) > stagedBytesMax) this.#stop("staged too large");
      }, shellStageCheckMs).unref(),
    ];
  }

  /** Throws E_SHELL_NOT_STARTED, or why egress does not serve its way out. */
  static async open(options: TerminalOptions): Promise<Terminal> {
    const { spec, shell, cwd, wayOut, signal } = options;
    const pty = Pty.open({ columns: shellColumns, rows: shellRows });
    try {
      const screen = await Screen.open((text) => void pty.write(Buffer.from(text)));
      // The first process of a sandbox leads no session; whoever leads one gets the terminal.
      const { child, started } = spawnSandboxed(spec, {
        program: "/usr/bin/setsid",
        args: ["--ctty", "--wait", ...shell],
        env: {
          ...environment,
          ...(wayOut === undefined ? {} : proxyEnvironment),
          ...options.environment,
        },
        cwd,
        stdio: [
          pty.other,
          pty.other,
          pty.other,
          ...(wayOut === undefined ? [] : [wayOut.descriptor]),
        ],
        ...(wayOut === undefined ? {} : { bridge: wayOut.bridge }),
        detached: true,
      });
      pty.closeOther();
      const terminal = new Terminal(pty, screen, child, options);
      try {
        const ready = await started;
        if (!ready.ok) throw new OperationError("E_SHELL_NOT_STARTED", ready.error.message);
        await wayOut?.open(signal);
        return terminal;
      } catch (error) {
        await terminal.end();
        throw error;
      }
    } catch (error) {
      pty[Symbol.dispose]();
      throw error;
    }
  }

  get over(): boolean {
    return this.#over;
  }

  get cut(): Cut | undefined {
    return this.#cut;
  }

  get exitCode(): number | undefined {
    return this.#cut === undefined ? (this.#child.exitCode ?? undefined) : undefined;
  }

  #arrived(bytes: Buffer): void {
    this.#bytes += bytes.length;
    this.#unread += bytes.length;
    this.#lastMs = performance.now();
    this.#askedMs = undefined;
    this.#watch?.(bytes);
    const { stream } = this.#pty;
    stream.pause();
    this.#drawn = this.#screen.write(bytes).then(() => {
      if (this.#unread < shellUnreadBytesMax) stream.resume();
      this.#change?.();
    });
  }

  #end(): void {
    this.#over = true;
    // What went over it is known as long as the terminal is.
    void this.#wayOut?.close();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#pty[Symbol.dispose]();
    this.#change?.();
  }

  #stop(why: Cut): void {
    if (this.#over) return;
    this.#cut ??= why;
    void endSandbox(this.#child);
  }

  /** Ends everything in it; resolves when nothing is left. */
  async end(): Promise<void> {
    this.#stop("closed");
    await this.ended;
  }

  /** The same where somebody stopped it: first egress is told, which knows what it had under way. */
  async stop(): Promise<void> {
    await this.#wayOut?.cut();
    await this.end();
  }

  /** What went over its way out, once it has ended; undefined where it had none. */
  async network(): Promise<WayOutSum | undefined> {
    return await this.#wayOut?.close();
  }

  /** Types; false where so much is not taken yet that no more is. */
  type(bytes: Uint8Array): boolean {
    this.#askedMs = performance.now();
    return this.#pty.write(bytes);
  }

  /**
   * What comes until nothing does and the shell has the terminal again, the time is over, or it is
   * much; `output` gets it as it comes, as text.
   */
  async see(
    waitMs: number,
    signal: AbortSignal,
    output: (bytes: Uint8Array) => void,
  ): Promise<Seen> {
    const before = this.#bytes - this.#unread;
    const untilMs = performance.now() + waitMs;
    const plain = new PlainText();
    let streamed = 0;
    this.#watch = (bytes) => {
      const text = plain.push(bytes);
      const room = Math.min(text.length, outputStreamBytesMax - streamed);
      if (room > 0) output(text.subarray(0, room));
      streamed += Math.max(0, room);
    };
    if (!this.#over) this.#pty.stream.resume();
    try {
      for (;;) {
        signal.throwIfAborted();
        const now = performance.now();
        if (
          this.#over ||
          this.#isAtRest(now) ||
          now >= untilMs ||
          this.#unread >= shellUnreadBytesMax
        )
          break;
        await this.#changed(Math.min(shellLookMs, untilMs - now), signal);
      }
    } finally {
      this.#watch = undefined;
    }
    await this.#drawn;
    const text = this.#screen.told();
    this.#unread = 0;
    const busy = this.#pty.isBusy();
    return { text, bytes: this.#bytes - before, busy };
  }

  /** Typing without an echo is waited for a while, a program that runs as long as it runs. */
  #isAtRest(nowMs: number): boolean {
    if (this.#askedMs !== undefined && nowMs - this.#askedMs < shellAnswerMs) return false;
    return nowMs - this.#lastMs >= shellQuietMs && !this.#pty.isBusy();
  }

  screen(): string {
    return this.#screen.now();
  }

  /** Resolves at a change, after the time, or at the signal. */
  #changed(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        this.#change = undefined;
        resolve();
      };
      const timer = setTimeout(done, Math.max(1, ms));
      signal.addEventListener("abort", done, { once: true });
      this.#change = done;
    });
  }
}
