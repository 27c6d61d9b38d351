/** The changes of the policy that the log has, newest last. Pure; bounded by `policyHistoryMax`. */
import type { Leaf } from "@ioi/wire";
import { policyHistoryMax } from "../limits.ts";

export type PolicyChangeLeaf = Extract<Leaf, { readonly type: "policy-change" }>;

export interface LoggedChange {
  readonly index: number;
  readonly leaf: PolicyChangeLeaf;
}

export class PolicyBook {
  readonly #changes: LoggedChange[] = [];

  apply(leaf: Leaf, index: number): void {
    if (leaf.type !== "policy-change") return;
    this.#changes.push({ index, leaf });
    if (this.#changes.length > policyHistoryMax) this.#changes.shift();
  }

  /** Oldest first. */
  get changes(): readonly LoggedChange[] {
    return this.#changes;
  }

  get last(): PolicyChangeLeaf | undefined {
    return this.#changes.at(-1)?.leaf;
  }
}
