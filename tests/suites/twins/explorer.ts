/**
 * What a thread of an exploration does: worlds are taken up again by their schedules, and played one round
 * further in every way; or two that were merged are compared by all that follows from them.
 *
 * Loaded once the engine is open (`./explorer-thread.ts`).
 */
import { hash } from "node:crypto";
import type { GuardianRule, HostRule } from "@ioi/consensus";
import { twinOf } from "@ioi/consensus/testing";
import { nodeCrypto } from "@ioi/host/crypto";
import { canonical } from "./canonical.ts";
import { roundsOf } from "./rounds.ts";
import { type Round, type Snapshot, World } from "./world.ts";

export interface Kind {
  readonly nodes: number;
  readonly views: number;
  /** Rules that the Guardian with two hosts lacks, and that every host lacks. */
  readonly guardian: readonly GuardianRule[];
  readonly hosts: readonly HostRule[];
}

export type Schedule = readonly Round[];

export type Task = { readonly kind: Kind } & (
  | { readonly type: "expand"; readonly schedules: readonly Schedule[] }
  | { readonly type: "compare"; readonly pairs: readonly (readonly [Schedule, Schedule])[] }
);

/** Of one schedule with one more round, in the order of `roundsOf`. */
export interface Child {
  /** Of the text of the world. */
  readonly print: string;
  readonly complaint: string | undefined;
  readonly isForked: boolean;
}

export interface Answer {
  readonly children: readonly (readonly Child[])[];
  /** Pairs from which different worlds follow. */
  readonly different: readonly (readonly [Schedule, Schedule])[];
  readonly inputs: number;
}

const provider = twinOf(nodeCrypto);

class Explorer {
  readonly world: World;
  readonly #start: Snapshot;
  readonly #rounds: readonly Round[];

  constructor({ nodes, guardian, hosts }: Kind) {
    this.world = new World(nodes, provider, { guardian, hosts });
    this.#name();
    this.#start = this.world.save();
    this.#rounds = roundsOf(nodes);
  }

  expand(schedule: Schedule): readonly Child[] {
    this.world.load(this.#start);
    for (const round of schedule) {
      this.world.play(round);
      this.#name();
    }
    const before = this.world.save();
    return this.#rounds.map((round) => {
      this.world.load(before);
      this.world.play(round);
      const print = hash("sha256", this.#name(), "hex");
      const { complaint, fork } = this.world;
      return { print, complaint, isForked: fork !== undefined };
    });
  }

  /** Hosts act in the order of the canonical world, so that names decide nothing. */
  #name(): string {
    const { text, order } = canonical(this.world);
    this.world.order = order;
    return text;
  }
}

const sorted = (children: readonly Child[]): string =>
  children
    .map(({ print }) => print)
    .toSorted()
    .join();

export const runTask = (task: Task): Answer => {
  const explorer = new Explorer(task.kind);
  const children =
    task.type === "expand" ? task.schedules.map((each) => explorer.expand(each)) : [];
  const different =
    task.type === "compare"
      ? task.pairs.filter(([a, b]) => sorted(explorer.expand(a)) !== sorted(explorer.expand(b)))
      : [];
  return { children, different, inputs: explorer.world.inputs };
};
