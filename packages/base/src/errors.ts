/**
 * Errors that a person or a script meets. Every code stands in a package's `src/errors.ts` as an
 * {@link ErrorCatalogue}; `docs/errors.md` is generated from those catalogues.
 */

/** Exit codes of every command. Source: the contract with outsiders in docs/errors.md. */
export const exitCodes = {
  done: 0,
  bug: 1,
  usage: 2,
  denied: 3,
  waiting: 4,
  failed: 5,
  wrong: 6,
  unavailable: 7,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export interface ErrorEntry {
  /** What happened, for a person. */
  readonly what: string;
  readonly why: string;
  /** The next step; a command where there is one. */
  readonly next: string;
  readonly exit: ExitCode;
}

export type ErrorCatalogue = Readonly<Record<`E_${string}`, ErrorEntry>>;

/** A position in a text file, both from 1. */
export interface TextPosition {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** A rejection with a documented code. Frozen data, never thrown. */
export interface Rejection<C extends string = string> {
  readonly code: C;
  readonly message: string;
  readonly at?: TextPosition;
  /** Overrides the catalogue's next step where the instance knows better. */
  readonly next?: string;
}

/** The world failed: disk, process, peer. Thrown in shell and ported code only. */
export class OperationError extends Error {
  override readonly name = "OperationError";
  readonly code: `E_${string}`;
  readonly retryable: boolean;
  readonly next: string | undefined;
  readonly at: TextPosition | undefined;

  constructor(
    code: `E_${string}`,
    message: string,
    options: {
      readonly cause?: unknown;
      readonly retryable?: boolean;
      readonly next?: string;
      readonly at?: TextPosition;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.next = options.next;
    this.at = options.at;
  }
}
