/** What every command is given. */
import type { Io, Output } from "./io.ts";

export interface CommandContext {
  readonly io: Io;
  readonly output: Output;
  /** Aborted by SIGINT and SIGTERM with a `SignalExit`. */
  readonly signal: AbortSignal;
  /** Absolute; from `--data`, else `./ioi-data`. It may not exist. */
  readonly dataFolder: string;
  /** `--data` as it was typed, for the commands that a hint names. */
  readonly dataGiven: string | undefined;
}

/** Options as commander parsed them; each command names its own. */
export interface Invocation<Options> {
  readonly args: readonly string[];
  readonly options: Options;
}

export type Handler<Options> = (
  context: CommandContext,
  invocation: Invocation<Options>,
) => Promise<number>;
