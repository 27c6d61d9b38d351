/** What a simulated network is made of, what happens in it, and what passes between its hosts. */
import type {
  EndedEpoch,
  EngineInput,
  EngineOptions,
  GuardianRule,
  HostRule,
  RollbackProtection,
} from "@ioi/consensus";
import type { Member, TestProvider } from "@ioi/consensus/testing";
import type { ConsensusMessage, SyncChunk } from "@ioi/wire";
import type { DiskFaults } from "./journal.ts";
import type { Part } from "./take-over.ts";

export interface Faults {
  readonly delayMs: number;
  readonly jitterMs: number;
  /** In a thousand. */
  readonly lost: number;
  readonly doubled: number;
  /** In ten thousand, before each effect. */
  readonly crashes: number;
}

export const calm: Faults = { delayMs: 15, jitterMs: 5, lost: 0, doubled: 0, crashes: 0 };

export interface NetworkOptions {
  /** Their powers are in their entries. */
  readonly members: readonly Member[];
  readonly seed: string;
  readonly faults?: Faults;
  readonly engine?: Partial<EngineOptions>;
  /** Rules that the host of a number lacks. */
  readonly without?: ReadonlyMap<number, readonly HostRule[]>;
  /** Rules that the Guardian of a number lacks. */
  readonly broken?: ReadonlyMap<number, readonly GuardianRule[]>;
  /** Validators with a second host; those are numbered from the size of the set on. */
  readonly twins?: readonly number[];
  /** A second host has a copy of the Guardian in place of the Guardian itself. */
  readonly areClones?: boolean;
  /** Logs on a disk; in memory if absent. */
  readonly disk?: DiskFaults;
  /** Clocks differ by so much at most. */
  readonly driftMsMax?: number;
  /** Sessions after a Guardian's first one. */
  readonly makeKey?: (name: string) => Member["key"];
  readonly provider?: TestProvider;
  /** Blocks of an epoch, whose end hosts pass with production's own synchronisation; one epoch if absent. */
  readonly epochBlocks?: number;
  /** What the anchors of sound Guardians can tell; bare ones without anchors if absent. */
  readonly protection?: RollbackProtection;
  /** Hosts whose validators are not in the first set, and may join; numbered after all others. */
  readonly joiners?: readonly Member[];
  /** Each host checks every signature itself, in place of once for all. */
  readonly areJudgesOwn?: boolean;
  /** For controls: a host that starts again has nothing of its window of evidence (R8). */
  readonly areForgetful?: boolean;
  /** Sees every line of the trace. */
  readonly onLine?: (atMs: number, node: number, line: string) => void;
}

/** Between hosts, beside the engines' own messages. */
export type Wired =
  | { readonly type: "batch"; readonly bytes: Uint8Array }
  | { readonly type: "want"; readonly payloadRoot: Uint8Array }
  | { readonly type: "ended"; readonly end: EndedEpoch }
  | { readonly type: "ask"; readonly height: bigint }
  | { readonly type: "chunk"; readonly height: bigint; readonly chunk: SyncChunk }
  | { readonly type: "askPart"; readonly height: bigint; readonly part: number | undefined }
  | ({ readonly type: "part" } & Part);

export type NetworkEvent =
  | {
      readonly type: "input";
      readonly to: number;
      readonly life: number;
      readonly input: EngineInput;
    }
  | {
      readonly type: "message";
      readonly to: number;
      readonly from: number;
      readonly message: ConsensusMessage;
    }
  | { readonly type: "wired"; readonly to: number; readonly from: number; readonly what: Wired }
  | { readonly type: "restart"; readonly to: number }
  | { readonly type: "boot"; readonly to: number; readonly life: number }
  | { readonly type: "call"; readonly run: () => void };

/** What an adversary does with a message of the host of that number. */
export type Mangle = (
  from: number,
  to: number,
  message: ConsensusMessage,
) => ConsensusMessage | undefined;

/** What a lying host answers in place of blocks that it was asked for; undefined: nothing. */
export type Lie = (from: number, to: number, chunk: SyncChunk) => SyncChunk | undefined;

/** And of a state; undefined: that it is not here. */
export type PartLie = (from: number, to: number, bytes: Uint8Array) => Uint8Array | undefined;
