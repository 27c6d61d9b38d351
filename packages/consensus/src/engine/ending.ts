/**
 * E1: an end of the epoch after which another set decides is given out once it has F2(x), or after
 * `endWaitMs`: no grade above it is ever better than its own. Meanwhile its host still votes for that pair.
 *
 * Bounds: one commit. Time is in milliseconds of the caller's clock.
 */
import { equalBytes } from "@ioi/base";
import type { CommitCert } from "@ioi/wire";
import { defaultBroken, gradeOf, type Strength, strengthOf } from "../grades.ts";
import { endWaitMs } from "../limits.ts";
import type { ValidatorSet } from "../validators.ts";
import type { EngineEffect, EngineOptions } from "./types.ts";

type Commit = Extract<EngineEffect, { type: "commit" }>;

const reaches = (set: ValidatorSet, strength: Strength, x: bigint): boolean => {
  const grade = gradeOf(set, strength);
  return x < 1n || (grade?.type === "F2" && grade.x >= x);
};

export class Ending {
  readonly #set: ValidatorSet;
  readonly #x: bigint;
  /** With every vote there is. */
  readonly #isReachable: boolean;
  #held: { readonly commit: Commit; readonly dueMs: number } | undefined;

  constructor({ judge: { set }, endBroken, without }: EngineOptions) {
    this.#set = set;
    this.#x = endBroken ?? defaultBroken(set);
    const all = set.entries.map((_, index) => index);
    const most = strengthOf(set, all);
    this.#isReachable = without?.has("E1-wait") !== true && reaches(set, most, this.#x);
  }

  get dueMs(): number | undefined {
    return this.#held?.dueMs;
  }

  /** True where it is kept back. */
  holds(commit: Commit, nowMs: number): boolean {
    const ends = commit.epochCert?.boundary.ends;
    const isChange = ends !== undefined && !equalBytes(ends.validators, this.#set.hash);
    if (!isChange || !this.#isReachable || reaches(this.#set, commit.strength, this.#x))
      return false;
    this.#held = { commit, dueMs: nowMs + endWaitMs };
    return true;
  }

  /** Votes arrived; true where they are for what is kept back. */
  strengthen(cert: CommitCert, strength: Strength): boolean {
    const held = this.#held;
    if (held === undefined) return false;
    const { epochCert } = held.commit;
    const commit: Commit = {
      ...held.commit,
      cert,
      strength,
      epochCert: epochCert === undefined ? undefined : { ...epochCert, commit: cert },
    };
    this.#held = { ...held, commit };
    return true;
  }

  /** What is given out now. */
  due(nowMs: number): Commit | undefined {
    const held = this.#held;
    if (held === undefined) return undefined;
    if (nowMs < held.dueMs && !reaches(this.#set, held.commit.strength, this.#x)) return undefined;
    this.#held = undefined;
    return held.commit;
  }
}
