/**
 * The command line's way to the world: two streams, an environment, a terminal or none.
 *
 * Invariant: with `--json`, only {@link Output.value} writes to stdout, one JSON value a line;
 * everything else goes to stderr.
 */

import { OperationError } from "@ioi/base";

export interface Io {
  out(text: string): void;
  /** Bytes as they are; only where standard output is no terminal. */
  outBytes(bytes: Uint8Array): void;
  err(text: string): void;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Somebody can read stderr and answer on stdin. */
  readonly interactive: boolean;
  readonly stdoutIsTerminal: boolean;
  readonly columns: number;
  /** The next key at the terminal; only where {@link interactive}. */
  readKey(signal: AbortSignal): Promise<string>;
  /** All of standard input as text; fails where it is longer. */
  readInput(bytesMax: number, signal: AbortSignal): Promise<string>;
  /** Standard input as it comes; ends with it, or with the signal. */
  input(signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** Hears standard input piece by piece, `undefined` at its end, until it is told to stop. */
  typed(take: (bytes: Uint8Array | undefined) => void): () => void;
  /** Milliseconds of a monotonic clock. */
  now(): number;
}

export type Paint = "bold" | "dim" | "red" | "green" | "yellow";

const CODES: Readonly<Record<Paint, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
};

export interface Output {
  readonly json: boolean;
  /** The answer, for a person; not printed with `--json`. */
  line(text?: string): void;
  /** The answer, for a program; not printed without `--json`. */
  value(value: unknown): void;
  /** How it goes, for a person; always stderr. */
  progress(text: string): void;
  /** Emphasis only: every painted word also says what it means. */
  paint(style: Paint, text: string): string;
}

/** `NO_COLOR` (any value but empty) and a dumb or absent terminal mean no colour. */
export const colourWanted = (io: Io): boolean =>
  (io.env["NO_COLOR"] ?? "") === "" && io.env["TERM"] !== "dumb" && io.stdoutIsTerminal;

/** Bytes, and 64-bit numbers beyond 2^53, as text. */
const replacer = (_key: string, value: unknown): unknown =>
  typeof value === "bigint"
    ? value <= BigInt(Number.MAX_SAFE_INTEGER)
      ? Number(value)
      : value.toString()
    : value;

export const toJson = (value: unknown): string => JSON.stringify(value, replacer);

export const outputOf = (io: Io, json: boolean): Output => {
  const colour = colourWanted(io) && !json;
  return {
    json,
    line: (text = "") => {
      if (!json) io.out(`${text}\n`);
    },
    value: (value) => {
      if (json) io.out(`${toJson(value)}\n`);
    },
    progress: (text) => io.err(`${text}\n`),
    paint: (style, text) =>
      colour ? `\u001B[${CODES[style][0]}m${text}\u001B[${CODES[style][1]}m` : text,
  };
};

/** One key in raw mode; Ctrl+C is the signal it would have been. */
const readKey = (signal: AbortSignal): Promise<string> =>
  new Promise((resolve, reject) => {
    const { stdin } = process;
    const finish = (end: () => void): void => {
      stdin.off("data", onData);
      signal.removeEventListener("abort", onAbort);
      stdin.setRawMode(false);
      stdin.pause();
      end();
    };
    const onData = (bytes: Buffer): void => {
      const key = bytes.toString("utf8");
      if (key === "\u0003") process.kill(process.pid, "SIGINT");
      else finish(() => resolve(key));
    };
    const onAbort = (): void => finish(() => reject(signal.reason));
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    stdin.setRawMode(true);
    stdin.resume();
    stdin.on("data", onData);
    signal.addEventListener("abort", onAbort, { once: true });
  });

const readInput = async (bytesMax: number, signal: AbortSignal): Promise<string> => {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of process.stdin as AsyncIterable<Buffer>) {
    signal.throwIfAborted();
    bytes += piece.length;
    if (bytes > bytesMax) {
      throw new OperationError("E_CLI_FILE", `standard input has more than ${bytesMax} bytes`);
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString("utf8");
};

async function* input(signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const stop = (): void => void process.stdin.destroy();
  signal.addEventListener("abort", stop, { once: true });
  try {
    for await (const piece of process.stdin as AsyncIterable<Uint8Array>) yield piece;
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  signal.throwIfAborted();
}

const typed = (take: (bytes: Uint8Array | undefined) => void): (() => void) => {
  const { stdin } = process;
  const onEnd = (): void => take(undefined);
  stdin.on("data", take);
  stdin.once("end", onEnd);
  stdin.resume();
  return () => {
    stdin.off("data", take);
    stdin.off("end", onEnd);
    stdin.pause();
  };
};

/** The process's own streams. */
export const nodeIo = (): Io => ({
  out: (text) => void process.stdout.write(text),
  outBytes: (bytes) => void process.stdout.write(bytes),
  err: (text) => void process.stderr.write(text),
  env: process.env,
  cwd: process.cwd(),
  interactive: process.stdin.isTTY === true && process.stderr.isTTY === true,
  stdoutIsTerminal: process.stdout.isTTY === true,
  columns: process.stdout.columns ?? 80,
  readKey,
  readInput,
  input,
  typed,
  now: () => performance.now(),
});

/**
 * Text from files, programs and the kernel, made safe for a terminal: control, bidi and zero-width
 * characters become visible escapes; newline and tab stay.
 */
export const visible = (text: string): string =>
  text.replaceAll(
    // oxlint-disable-next-line no-control-regex -- control characters are what this removes
    /[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u00AD\u061C\u200B-\u200F\u202A-\u202E\u2060-\u2064\u2066-\u206F\uFEFF\u{E0000}-\u{E007F}]/gu,
    (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`,
  );
