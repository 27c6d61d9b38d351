/** One run of the command line: parse, do, report. Returns the exit code and never throws. */
import { exitCodes, OperationError } from "@ioi/base";
import { type Command, CommanderError } from "commander";
import { type Io, outputOf } from "./io.ts";
import { buildProgram, visibleNames } from "./program.ts";
import { withProgram } from "./program-sessions.ts";
import type { Outcome } from "./build.ts";
import { failureOf, formatError, usage, withData } from "./report.ts";
import { resolve } from "node:path";

const optionsEnd = (argv: readonly string[]): readonly string[] => {
  const end = argv.indexOf("--");
  return end < 0 ? argv : argv.slice(0, end);
};

/** Commander's sentence as ours: `unknown command "x"; did you mean "y"?`. */
const misuse = (error: CommanderError, next: string): Error => {
  const text = error.message
    .replace(/^error: /, "")
    .replace(/\n?\(Did you mean (?:one of )?([^?)]+)\?\)$/, '; did you mean "$1"?')
    .replaceAll(/'([^']*)'/g, '"$1"');
  return usage(text, next);
};

/** The help of the command that was meant, as far as its words are known. */
const helpOf = (program: Command, argv: readonly string[]): string => {
  let command = program;
  let path = "./ioi";
  for (const word of argv) {
    const next = command.commands.find((each) => each.name() === word);
    if (next === undefined) break;
    command = next;
    path += ` ${word}`;
  }
  return `${path} --help`;
};

/** `--data` as it was typed, also where the rest of the line makes no sense. */
const dataOf = (argv: readonly string[]): string | undefined => {
  const flag = argv.findIndex((word) => word === "--data" || word.startsWith("--data="));
  const word = argv[flag];
  return word === "--data" ? argv[flag + 1] : word?.slice("--data=".length);
};

const parse = async (
  argv: readonly string[],
  io: Io,
  signal: AbortSignal,
  outcome: Outcome,
): Promise<void> => {
  const completing = argv[0] === "completion" || argv[0] === "complete";
  const program = buildProgram({ io, signal, outcome, completing });
  if (completing) await (await import("./commands/completion.ts")).addCompletion(program, io);
  try {
    await program.parseAsync(withProgram(argv), { from: "user" });
  } catch (error) {
    const help = helpOf(program, argv);
    if (error instanceof OperationError && error.code === "E_CLI_USAGE" && !error.next) {
      throw usage(error.message, help);
    }
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return;
    if (error.code !== "commander.help") throw misuse(error, help);
    const bare = program.commands.find((each) => each.name() === argv[0]);
    if (bare !== undefined) {
      const names = visibleNames(bare).join(", ");
      throw usage(`${bare.name()} needs one of: ${names}`, help);
    }
    program.outputHelp();
  }
};

export const runCli = async (
  argv: readonly string[],
  io: Io,
  signal: AbortSignal,
): Promise<number> => {
  const flags = optionsEnd(argv);
  const outcome: Outcome = { exit: exitCodes.done };
  try {
    await parse(argv, io, signal, outcome);
    return outcome.exit;
  } catch (caught) {
    // Whatever a cancelled command stumbled over, the signal is the reason.
    const error: unknown = signal.aborted ? signal.reason : caught;
    const failure = await failureOf(error);
    let { report } = failure;
    if (failure.bug) {
      const { writeBugReport } = await import("./bug-report.ts");
      const data = resolve(io.cwd, dataOf(flags) ?? "ioi-data");
      const file = writeBugReport(error, argv, data);
      const where = file === undefined ? "no report could be written" : `report: ${file}`;
      report = { ...report, message: `${report.message}; ${where}` };
    }
    report = withData(report, dataOf(flags));
    const output = outputOf(io, flags.includes("--json"));
    output.value(report);
    if (!output.json) io.err(`${formatError(report)}\n`);
    if (flags.includes("--debug") && error instanceof Error) io.err(`${error.stack ?? ""}\n`);
    return failure.exit;
  }
};
