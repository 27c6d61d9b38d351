/**
 * What goes into the engine and comes out of it.
 *
 * Effects are performed in their order, each after the one before is complete: what is persisted is
 * durable before anything that follows is signed or sent (R3).
 */
import type { Rejection } from "@ioi/base";
import type {
  CommitCert,
  ConsensusBlock,
  ConsensusMessage,
  DivergenceProof,
  Envelope,
  QuorumCert,
  TimeoutCert,
} from "@ioi/wire";
import type { Judge } from "../certificates.ts";
import type { Sanction, SanctionRule, TrustedSets } from "../divergence.ts";
import type { Strength } from "../grades.ts";
import type { GuardianRequest } from "../guardian.ts";
import type { GivenLeaders } from "../schedule.ts";
import type { Committed, Root } from "./tree.ts";

/** What the write-ahead log holds, and all that a restart needs above the committed root. */
export type WalRecord =
  | { readonly type: "block"; readonly block: ConsensusBlock }
  | { readonly type: "qc"; readonly qc: QuorumCert }
  | { readonly type: "tc"; readonly tc: TimeoutCert }
  | { readonly type: "envelope"; readonly envelope: Envelope };

export interface Payload {
  /** Zeros: there is none. */
  readonly payloadRoot: Uint8Array;
  /** Of the state at the height that was asked for. */
  readonly stateRoot: Uint8Array;
  readonly ends?: { readonly validators: Uint8Array; readonly leaseEnd: bigint };
}

export type EngineInput =
  /** From a peer, by the number under which the shell knows it. */
  | { readonly type: "message"; readonly from: number; readonly message: ConsensusMessage }
  | { readonly type: "signed"; readonly envelope: Envelope }
  /** The Guardian does not sign what it was asked for. */
  | { readonly type: "unsigned" }
  | ({ readonly type: "built"; readonly view: bigint; readonly parent: Uint8Array } & Payload)
  /** `held`: every batch is here, verified and durable, and the state is what the header says. */
  | { readonly type: "judged"; readonly digest: Uint8Array; readonly isHeld: boolean }
  /** Something waits to be proposed, or nothing does any more. */
  | { readonly type: "payload"; readonly waits: boolean }
  /** Grade S is wanted for the block at that height: it is asked about once it is committed. */
  | { readonly type: "guard"; readonly height: bigint }
  /** R8: what was kept of the Guardian of a recalled envelope, next to it. */
  | {
      readonly type: "recalled";
      readonly envelope: Envelope;
      readonly kept: readonly Envelope[];
    }
  | { readonly type: "tick" };

export type EngineEffect =
  | { readonly type: "persist"; readonly record: WalRecord }
  | { readonly type: "sign"; readonly request: GuardianRequest }
  | { readonly type: "broadcast"; readonly message: ConsensusMessage }
  | { readonly type: "send"; readonly to: number; readonly message: ConsensusMessage }
  /** A block that this machine does not hold any more, if the shell does. */
  | { readonly type: "lookup"; readonly to: number; readonly digest: Uint8Array }
  | {
      readonly type: "build";
      readonly view: bigint;
      readonly parent: Uint8Array;
      readonly height: bigint;
      /** Whose root the header must show. */
      readonly stateHeight: bigint;
      /** The epoch is over: no payload. */
      readonly isOver: boolean;
    }
  | {
      readonly type: "judge";
      readonly block: ConsensusBlock;
      readonly digest: Uint8Array;
      /** The epoch ended below it, so that it must not end. */
      readonly isOver: boolean;
    }
  | ({ readonly type: "commit" } & Committed)
  /** Of a block that was committed before: its strength rose. */
  | { readonly type: "strengthened"; readonly cert: CommitCert; readonly strength: Strength }
  /**
   * About a committed block, and so about all below it. `guarded` is grade S, and what it is worth stands
   * in `./guard.ts`; `conflict` shows who voted `against`; `unanswered`: power of a quorum did not say OK.
   */
  | {
      readonly type: "guarded";
      readonly height: bigint;
      readonly digest: Uint8Array;
      readonly verdict: "guarded" | "conflict" | "unanswered";
      /** Of those who said OK, itself included. */
      readonly power: bigint;
      readonly against: readonly Envelope[];
    }
  /** R8: into the evidence window. Nothing waits for it to be durable. */
  | { readonly type: "keep"; readonly envelope: Envelope }
  /** It is older than memory reaches: what was kept next to it is wanted. */
  | { readonly type: "recall"; readonly envelope: Envelope }
  /** K10: the engine signs nothing more but its freeze; or it goes on, and the offender is to pay. */
  | { readonly type: "divergence"; readonly proof: DivergenceProof; readonly sanction: Sanction }
  /** Nothing was changed; its sender is at fault, or late. */
  | { readonly type: "refused"; readonly from: number; readonly error: Rejection };

/** Rules that a test may take out of a host, to see what they are for. */
export type HostRule =
  | "R2-leader"
  | "R2-lock"
  | "R3-first"
  | "R4-own-vote"
  | "R5-known"
  | "R5-nack"
  | "R5-tenure"
  | "R6-distinct"
  | "R7-resend"
  | "GS2-votes"
  | "GS2-older"
  | "GS5-wait"
  | "E1-wait"
  | SanctionRule;

export interface EngineOptions {
  readonly judge: Judge;
  /** Of the schedule of leaders. */
  readonly seed: Uint8Array;
  /** Its own number in the set. */
  readonly me: number;
  /** Whose proofs of divergence are looked at. */
  readonly sets: TrustedSets;
  /** Longest that a message takes once the network works. */
  readonly deltaMs: number;
  /** At least 4 delta + 100 ms. */
  readonly baseMs: number;
  /** What a leader waits for more than a quorum. */
  readonly strongMs: number;
  /** 0: none, as alone. */
  readonly heartbeatMs: number;
  /** Signs by the host's own key; without it the host answers no question about grade S. */
  readonly speak?: (bytes: Uint8Array) => Uint8Array;
  /** Of which commits grade S is asked for: of those that an input names, or of every one besides. */
  readonly guards?: "asked" | "always";
  /** x of the F2 that an end of the epoch with another set waits for; `defaultBroken` if absent. */
  readonly endBroken?: bigint;
  readonly without?: ReadonlySet<HostRule>;
  /** In place of those of the seed. */
  readonly leaders?: GivenLeaders;
}

export interface EngineStart {
  readonly root: Root;
  /** The certificate of the root; none at the anchor. */
  readonly rootQc?: QuorumCert;
  /** In the order in which they were persisted. */
  readonly records: readonly WalRecord[];
  /** Of the evidence window, oldest first; the newest of each Guardian are enough. Not believed. */
  readonly kept?: Iterable<Envelope>;
  /**
   * Of a block that the shell stored as committed. Without it a host that starts again cannot tell which of
   * its votes lost, and holds all of them against whoever asks for grade S.
   */
  readonly heightOf?: (digest: Uint8Array) => bigint | undefined;
}
