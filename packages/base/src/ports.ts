/**
 * The ports through which ported code reaches the world. `@ioi/host` implements them on Node,
 * `@ioi/sim` as deterministic twins; `@ioi/base/compliance` is the suite that both pass.
 */
import type { Instant, WallMs } from "./time.ts";

/** What ported code needs of a cancellation; every platform's AbortSignal is one. */
export interface Signal {
  readonly aborted: boolean;
  readonly reason: unknown;
  throwIfAborted(): void;
  addEventListener(
    type: "abort",
    listener: () => void,
    options?: { readonly once?: boolean },
  ): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

export interface Clock {
  /** Monotonic. Never goes back, whatever the wall clock does. */
  now(): Instant;
  wall(): WallMs;
  /** Resolves at or after `at`; rejects with the signal's reason. */
  sleepUntil(at: Instant, signal: Signal): Promise<void>;
}

export interface Random {
  /** Fills with bytes nobody else can predict (in `sim`: from the seed). */
  fill(bytes: Uint8Array): Uint8Array;
}

/** Codes a `Files` operation fails with; every one arrives as an `OperationError`'s code. */
export type FilesErrorCode =
  | "E_FILES_NOT_FOUND"
  | "E_FILES_EXISTS"
  | "E_FILES_NOT_EMPTY"
  | "E_FILES_NOT_A_DIRECTORY"
  | "E_FILES_IS_A_DIRECTORY"
  | "E_FILES_FULL"
  | "E_FILES_READ_ONLY"
  | "E_FILES_DENIED"
  | "E_FILES_SYNC_FAILED"
  | "E_FILES_IO"
  | "E_FILES_LOCKED";

export interface FileHandle extends AsyncDisposable {
  /** Bytes actually read; fewer than asked only at the end of the file. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Writes all of `bytes` at `offset` or throws; after a throw any prefix may be there. */
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** Write and make durable with as few hops as the platform allows; the hot path of a log. */
  writeDurable(offset: number, bytes: Uint8Array): Promise<void>;
  /** Durable data after this. After one failure every later sync of this handle fails (fsyncgate). */
  sync(): Promise<void>;
  truncate(length: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

export interface FileInfo {
  readonly kind: "file" | "directory" | "symlink" | "other";
  readonly size: number;
  /** Permission bits, as in chmod. */
  readonly mode: number;
}

/**
 * A directory tree under one root. Paths are relative, `/`-separated, without `.` or `..`
 * segments, "" being the root; anything else is an InvariantError. Links are not followed
 * (E_FILES_DENIED). What was not synced may be lost, torn or reordered by a crash; a created or
 * renamed name is durable only after `syncDirectory` of its parent (of both, for a move).
 */
export interface Files {
  /** "read" and "write" (which also reads) want a file that is there, "create" one that is not. */
  open(path: string, mode: "read" | "write" | "create"): Promise<FileHandle>;
  /** Whole file, at most `bytesMax`; larger is E_FILES_IO. */
  readFile(path: string, bytesMax: number): Promise<Uint8Array>;
  /** Temporary file, sync, rename, directory sync: old or new content after any crash, durable on return. */
  replaceFile(path: string, bytes: Uint8Array, mode?: number): Promise<void>;
  stat(path: string): Promise<FileInfo | undefined>;
  /** Names in code point order, without what an interrupted `replaceFile` left behind. */
  list(path: string): Promise<readonly string[]>;
  makeDirectory(path: string, mode?: number): Promise<void>;
  /** Atomic; replaces a file (or an empty directory) at `to`. */
  rename(from: string, to: string): Promise<void>;
  /** A file, a link or an empty directory. */
  remove(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
  /** Exclusive lock on a file, held until disposed or the process ends; E_FILES_LOCKED if taken. */
  lock(path: string): Promise<AsyncDisposable>;
}

export interface SpawnRequest {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Kept of stdout and of stderr; the rest is counted and dropped. */
  readonly outputBytesMax: number;
  readonly stdin?: Uint8Array;
}

export interface SpawnResult {
  readonly exit: { readonly code: number } | { readonly signal: string };
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly stdoutBytes: number;
  readonly stderrBytes: number;
}

export interface Spawn {
  /** Runs to its end; aborting kills the whole process group and rejects with the reason. */
  run(request: SpawnRequest, signal: Signal): Promise<SpawnResult>;
}

export type LogLevel = "debug" | "info" | "warn" | "error";

/** Structured, without content: names, numbers, ids. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface Log {
  log(level: LogLevel, event: string, fields?: LogFields): void;
  /** A log whose every line carries these fields (session, action, ticket, trace). */
  child(fields: LogFields): Log;
}

export type KeyValueOp =
  | { readonly type: "put"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: "delete"; readonly key: Uint8Array };

export interface KeyValue extends AsyncDisposable {
  get(key: Uint8Array): Promise<Uint8Array | undefined>;
  /** All or nothing, and durable on return. */
  write(ops: readonly KeyValueOp[]): Promise<void>;
  /** Keys >= `from` and < `to` (bytewise), in order. */
  scan(
    from: Uint8Array,
    to: Uint8Array,
    limit: number,
  ): Promise<readonly { readonly key: Uint8Array; readonly value: Uint8Array }[]>;
}
