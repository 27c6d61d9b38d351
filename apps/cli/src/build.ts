/** What every definition of a command is made with: its data folder, its examples, its handler. */
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import type { CommandContext, Handler } from "./context.ts";
import { type Io, outputOf } from "./io.ts";

/** Where a finished command leaves its exit code. */
export interface Outcome {
  /** The command's own; of a program that it ran, that program's. */
  exit: number;
}

interface Common {
  readonly json?: boolean;
  readonly data?: string;
}

export interface Build {
  readonly io: Io;
  readonly signal: AbortSignal;
  readonly outcome: Outcome;
  /** Completion brings its own commands. */
  readonly completing: boolean;
}

export const exampleText = (lines: readonly string[]): string =>
  `\nExamples:\n${lines.map((line) => `  $ ./ioi ${line}`).join("\n")}`;

export const examples = (command: Command, lines: readonly string[]): Command =>
  command.addHelpText("after", exampleText(lines));

const defaultData = "./ioi-data";
export const data = (): Option =>
  new Option("--data <dir>", "the data folder").default(defaultData);

/** Adds what every command has and binds its handler. */
export const bind = <Options>(
  build: Build,
  command: Command,
  load: () => Promise<Handler<Options>>,
): Command =>
  command
    .option("--json", "print JSON, and nothing else, on stdout")
    .option("--debug", "print a stack trace with an error")
    .action(async () => {
      const options = command.opts<Options & Common>();
      const context: CommandContext = {
        io: build.io,
        output: outputOf(build.io, options.json === true),
        signal: build.signal,
        dataFolder: resolve(build.io.cwd, options.data ?? defaultData),
        dataGiven: options.data === defaultData ? undefined : options.data,
      };
      const handler = await load();
      build.outcome.exit = await handler(context, { args: command.args, options });
    });

/** A command that only has sub-commands. */
export const group = (program: Command, name: string, description: string): Command =>
  program.command(name).description(description);
