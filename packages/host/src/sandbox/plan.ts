/**
 * What the confiner does, step by step. The parent decides everything; the confiner only performs,
 * so that it stays small and starts fast.
 */

export type MountStep =
  | { readonly type: "folder"; readonly path: string; readonly mode: number }
  | { readonly type: "link"; readonly path: string; readonly target: string }
  | { readonly type: "text"; readonly path: string; readonly text: string }
  | {
      readonly type: "tmpfs";
      readonly path: string;
      readonly bytes: number;
      readonly files: number;
      readonly mode: number;
    }
  | {
      readonly type: "bind";
      readonly path: string;
      /** What is shown there; absent: the same path outside. */
      readonly from?: string;
      readonly access: "read" | "write" | "device";
      /** A source that does not exist is passed over. */
      readonly optional: boolean;
    }
  | {
      readonly type: "proc";
      readonly path: string;
      readonly onlyProcesses: boolean;
      readonly access: "read" | "write";
      /** The bound of processes of this namespace; null for none. */
      readonly pids: number | null;
    }
  /** Terminals of its own: nobody outside can open one, and it can open nobody's. */
  | { readonly type: "terminals"; readonly path: string }
  /** A part of what is mounted already, for reading only. */
  | { readonly type: "freeze"; readonly path: string }
  | {
      readonly type: "overlay";
      readonly path: string;
      /** Where the folder is seen without mounts below it; `path` itself where that is missing. */
      readonly lower: string;
      readonly upper: string;
      readonly work: string;
      /**
       * The layers stand below the folder. The kernel refuses that, so the folder is first seen
       * through an overlay of its own, whose inodes are others.
       */
      readonly twice: boolean;
    }
  /** A shown folder once more, without what is mounted below it, for the overlays of an inner sandbox. */
  | { readonly type: "alias"; readonly path: string; readonly from: string }
  /** A folder mounted on itself, so that it keeps its name while something below it is masked. */
  | { readonly type: "pin"; readonly path: string }
  | { readonly type: "mask"; readonly path: string }
  | { readonly type: "seal" };

export interface LandlockPlan {
  /** Rights handled, as decimal strings of 64-bit masks. */
  readonly files: string;
  readonly network: string;
  readonly scoped: string;
  /** Bytes of the attribute structure that this kernel knows. */
  readonly attributeBytes: number;
  readonly rules: readonly { readonly path: string; readonly rights: string }[];
}

export interface ConfinerPlan {
  /** System call numbers by name. */
  readonly nr: Readonly<Record<string, number>>;
  readonly rootBytes: number;
  readonly mounts: readonly MountStep[];
  readonly hostname: string;
  readonly cwd: string;
  /** Descriptors that reach the program beside stdio and the IPC channel; all others are closed. */
  readonly descriptors: readonly number[];
  /** Takes `started`, or what failed as JSON; the program does not get it. */
  readonly status: number | null;
  readonly started: string;
  /**
   * The loopback device is brought up, and the socket that listens on this port of 127.0.0.1 goes out
   * over the descriptor with these words; the program gets neither.
   */
  readonly bridge: {
    readonly descriptor: number;
    readonly port: number;
    readonly words: string;
  } | null;
  /** The tool brought the loopback device up, and it goes down again. */
  readonly silent: boolean;
  /** [resource, value], soft and hard alike. */
  readonly limits: readonly (readonly [number, number])[];
  readonly landlock: LandlockPlan | null;
  /** The seccomp program, base64 of its instructions. */
  readonly filter: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** What the status descriptor says just before the program replaces the confiner. */
export const startedMark = "started";

/** The exit code of a chain whose set-up failed. */
export const setupFailedExit = 125;

/** The environment variable that carries the confiner, so that a list of processes stays short. */
export const sourceVariable = "IOI_SANDBOX_CONFINER";

/** Environment variables that carry the plan: IOI_SANDBOX_PLAN_0, ... */
export const planVariable = "IOI_SANDBOX_PLAN_";
