/** The model of signing: what its nodes may be, which guards can be taken away, and its steps. */
import { assert } from "@ioi/base";
import type { Action } from "./explore.ts";

/**
 * - `sound`: the Guardian keeps its rule, whatever its host asks for
 * - `broken`: it signs anything, in any order
 * - `unbound`: without the slot (T1)
 * - `lockless`: without the lock (T2)
 * - `resettable`: its host sets it back once (T3)
 * - `recovering`: it loses its state once, and takes a lock that peers tell it (T12)
 * - `liar`: its host may declare a false justView for a vote (T15)
 */
export type NodeKind =
  | "sound"
  | "broken"
  | "unbound"
  | "lockless"
  | "resettable"
  | "recovering"
  | "liar";

/**
 * What a block that does not extend QC(v-1) needs before honest hosts ask for votes:
 * - `nothing`: hosts decide nothing; the strongest reading
 * - `timeouts`: TC(v-1), whatever it shows (R1)
 * - `reports`: TC(v-1) whose locks are not above the parent, as protocols do whose Guardians hold none
 * - `any-reports`: the same of any view since the parent (T11)
 * - `accumulator`: the leader picks which reports it shows; one by a broken Guardian will do (T5)
 */
export type Opening = "nothing" | "timeouts" | "reports" | "any-reports" | "accumulator";

export interface SigningOptions {
  readonly nodes: readonly NodeKind[];
  readonly quorum: number;
  readonly views: number;
  /** Blocks that may be made for one view. */
  readonly blocks?: number;
  /** Blocks of one view are made in the order of their numbers: they differ by name only. */
  readonly isOrdered?: boolean;
  /** G1: a vote is not below the lock. */
  readonly lock?: boolean;
  /** V6: a vote counts only with the block's justView. */
  readonly countsLies?: boolean;
  readonly opening?: Opening;
  /** What must not happen beside a commit: another commit, or another certificate that is as new. */
  readonly rival?: "commit" | "certificate";
  /** Votes that both certificates of a commit have, for it to be promised anything. */
  readonly strength?: number;
  /**
   * Grade S: a GUARD may be sent, and sent again; what the newest one granted must hold. `partial`: it
   * does not wait for all (2 delta). `silent`: answers tell of no votes against it; `newer`: only of
   * those in views since the block's own; `locks`: also of a lock that is against it.
   */
  readonly guard?: "waits" | "partial" | "silent" | "newer" | "locks";
}

export type SigningStep =
  | { readonly type: "propose"; readonly block: number; readonly parent: number }
  | { readonly type: "vote" | "lie"; readonly node: number; readonly block: number }
  | { readonly type: "timeout"; readonly node: number; readonly view: number }
  | { readonly type: "reset" | "crash"; readonly node: number }
  | { readonly type: "recover"; readonly node: number; readonly lock: number }
  | { readonly type: "guard"; readonly block: number }
  | { readonly type: "answer"; readonly node: number };

const stepTypes = [
  "propose",
  "vote",
  "lie",
  "timeout",
  "reset",
  "crash",
  "recover",
  "guard",
  "answer",
] as const;

/** A step as a number. */
export const code = (type: (typeof stepTypes)[number], first: number, second = 0): Action =>
  (stepTypes.indexOf(type) << 16) | (first << 8) | second;

export const readStep = (action: Action): SigningStep => {
  const type = stepTypes[action >> 16];
  const [first, second] = [(action >> 8) & 255, action & 255];
  assert(type !== undefined, "a step of this model");
  switch (type) {
    case "propose":
      return { type, block: first, parent: second };
    case "vote":
    case "lie":
      return { type, node: first, block: second };
    case "timeout":
      return { type, node: first, view: second };
    case "reset":
    case "crash":
    case "answer":
      return { type, node: first };
    case "recover":
      return { type, node: first, lock: second };
    case "guard":
      return { type, block: first };
  }
};
