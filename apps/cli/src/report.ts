/**
 * The one place where a failure becomes text, JSON and an exit code.
 *
 * `error[E_X]: file:line:column: message. Next: step`, or with `--json`
 * `{code, message, at, next, cause[]}`. A bug (anything that is neither an OperationError nor the
 * system's refusal) goes to a redacted report file, exit 1; a stack trace only with `--debug`.
 */
import { type ErrorCatalogue, type ExitCode, OperationError, type Rejection } from "@ioi/base";
import { errors as cliErrors } from "./errors.ts";
import { causesMax } from "./limits.ts";

export interface ErrorReport {
  readonly code: string;
  readonly message: string;
  readonly at: { readonly file: string; readonly line: number; readonly column: number } | null;
  readonly next: string;
  readonly cause: readonly string[];
}

export interface Failure {
  readonly report: ErrorReport;
  readonly exit: number;
  /** The error was not expected: it needs a report file. */
  readonly bug: boolean;
}

/** Ends a command by a signal; the shell's convention is 128 + its number. */
export class SignalExit extends Error {
  override readonly name = "SignalExit";
  readonly signal: "SIGINT" | "SIGTERM";
  readonly exit: 130 | 143;
  constructor(signal: "SIGINT" | "SIGTERM") {
    super(signal === "SIGINT" ? "interrupted" : "terminated");
    this.signal = signal;
    this.exit = signal === "SIGINT" ? 130 : 143;
  }
}

/** Exit codes of failures of another program, which said them itself. */
const foreignExits: WeakMap<OperationError, ExitCode> = new WeakMap();

/** A rejection that ends the command. */
export const failWith = (
  rejection: Rejection & { readonly exit?: ExitCode },
  cause?: unknown,
): OperationError => {
  const error = new OperationError(rejection.code as `E_${string}`, rejection.message, {
    ...(cause === undefined ? {} : { cause }),
    ...(rejection.at === undefined ? {} : { at: rejection.at }),
    ...(rejection.next === undefined ? {} : { next: rejection.next }),
  });
  if (rejection.exit !== undefined) foreignExits.set(error, rejection.exit);
  return error;
};

export const usage = (message: string, next?: string): OperationError =>
  failWith({ code: "E_CLI_USAGE", message, ...(next === undefined ? {} : { next }) });

/** Packages that know codes: what they mean and no more, loaded when one must be explained. */
const CATALOGUES: readonly (() => Promise<{ readonly errors: ErrorCatalogue }>)[] = [
  () => import("@ioi/agent/errors"),
  () => import("@ioi/drivers/errors"),
  () => import("@ioi/firewall/errors"),
  () => import("@ioi/guardian/errors"),
  () => import("@ioi/guardian/verify-errors"),
  () => import("@ioi/host/errors"),
  () => import("@ioi/scs/errors"),
  () => import("@ioi/storage/errors"),
  () => import("@ioi/state/errors"),
  () => import("@ioi/validator/errors"),
  () => import("@ioi/consensus/errors"),
  () => import("@ioi/crypto/errors"),
  () => import("@ioi/wire/errors"),
];

const entryOf = async (code: string): Promise<ErrorCatalogue[`E_${string}`] | undefined> => {
  const own = (cliErrors as ErrorCatalogue)[code as `E_${string}`];
  if (own !== undefined) return own;
  for (const load of CATALOGUES) {
    const entry = (await load()).errors[code as `E_${string}`];
    if (entry !== undefined) return entry;
  }
  return undefined;
};

/** The exit code and the next step that a code stands for, whichever package owns it. */
export const explainCode = async (
  code: string,
): Promise<{ readonly exit: ExitCode; readonly next: string }> => {
  const entry = await entryOf(code);
  return { exit: entry?.exit ?? 5, next: entry?.next ?? "./ioi logs" };
};

const describe = (cause: unknown): string => {
  if (cause instanceof OperationError) return `${cause.code}: ${cause.message}`;
  if (cause instanceof Error) {
    const { code } = cause as NodeJS.ErrnoException;
    return code === undefined ? `${cause.name}: ${cause.message}` : cause.message;
  }
  return String(cause);
};

const causesOf = (error: Error): readonly string[] => {
  const causes: string[] = [];
  for (let at = error.cause; at !== undefined && causes.length < causesMax;) {
    causes.push(describe(at));
    at = at instanceof Error ? at.cause : undefined;
  }
  return causes;
};

const isSystemError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error &&
  typeof (error as NodeJS.ErrnoException).syscall === "string" &&
  typeof (error as NodeJS.ErrnoException).code === "string";

export const failureOf = async (error: unknown): Promise<Failure> => {
  if (error instanceof SignalExit) {
    return {
      report: { code: error.signal, message: error.message, at: null, next: "", cause: [] },
      exit: error.exit,
      bug: false,
    };
  }
  if (error instanceof OperationError) {
    const { exit, next } = await explainCode(error.code);
    return {
      report: {
        code: error.code,
        message: error.message,
        at: error.at ?? null,
        next: error.next ?? next,
        cause: causesOf(error),
      },
      exit: foreignExits.get(error) ?? exit,
      bug: false,
    };
  }
  if (isSystemError(error)) {
    const { exit, next } = cliErrors.E_CLI_SYSTEM;
    return {
      report: { code: "E_CLI_SYSTEM", message: error.message, at: null, next, cause: [] },
      exit,
      bug: false,
    };
  }
  return {
    report: {
      code: "E_CLI_BUG",
      message: "a bug of ioi ended the command",
      at: null,
      next: cliErrors.E_CLI_BUG.next,
      cause: [error instanceof Error ? error.name : typeof error],
    },
    exit: cliErrors.E_CLI_BUG.exit,
    bug: true,
  };
};

const sentence = (text: string): string => (/[.!?:]$/.test(text) ? text : `${text}.`);

/** One line for a person. */
export const formatError = (report: ErrorReport): string => {
  // Not a failure: somebody ended it.
  if (report.code === "SIGINT" || report.code === "SIGTERM") return report.message;
  const { at } = report;
  const where = at === null ? "" : `${at.file}:${at.line}:${at.column}: `;
  const next = report.next === "" ? "" : ` Next: ${report.next}`;
  return `error[${report.code}]: ${where}${sentence(report.message)}${next}`;
};

/** Commands that look into a data folder, with the sub-command where they have one. */
const onData =
  /\.\/ioi ((?:sessions|policy|receipts|chain|models|secrets|devices) [a-z]+|approve|deny|run|undo|stop|status|logs|keys|replay|start|doctor|open|backup)\b(?!.*--data)/g;

/** One word of a shell's, whatever is in it. */
export const asWord = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;

/** A hint is typed as it stands: its command names the data folder that this one was given. */
export const hint = (text: string, data: string | undefined): string => {
  if (data === undefined) return text;
  return text.replaceAll(onData, `./ioi $1 --data ${asWord(data)}`);
};

export const withData = (report: ErrorReport, data: string | undefined): ErrorReport => ({
  ...report,
  next: hint(report.next, data),
});
