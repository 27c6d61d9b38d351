/** The compiled form of a policy: rules by target, patterns and expressions ready. */
import type { TextPosition } from "@ioi/base";
import type { Hashing } from "@ioi/crypto";
import type { FlowHost } from "@ioi/wire";
import type { Condition } from "./predicate.ts";
import type { RuleIndex } from "./rule-index.ts";
import type { Effect, Tier } from "./types.ts";
import type { TimeWindow } from "./window.ts";

export interface CompiledRule {
  /** Unique over the policy; below the user's tier it begins with the tier, `project/name`. */
  readonly id: string;
  readonly tier: Tier;
  readonly effect: Effect;
  readonly targets: readonly string[];
  /** A condition speaks of what content holds, which is known where the bytes are. */
  readonly deferred?: true;
  /** Counts at these times only; absent: always. */
  readonly window?: TimeWindow;
  /** All must hold. */
  readonly conditions: readonly Condition[];
  /** Of an allow of programs: what they may reach; absent: nothing, for they have no network. */
  readonly network?: readonly FlowHost[];
  readonly reason: string;
  readonly instead: string;
  readonly at: TextPosition;
  /** Judged and reported, without effect: what it would have refused or asked about. */
  readonly shadow?: true;
}

export interface RulesOfTarget {
  readonly denies: RuleIndex;
  readonly asks: RuleIndex;
  readonly allows: RuleIndex;
}

export interface Engine {
  readonly rules: readonly CompiledRule[];
  readonly byTarget: ReadonlyMap<string, RulesOfTarget>;
  /** Rules in the shadow, by target; most policies have none. */
  readonly shadows: ReadonlyMap<string, RulesOfTarget>;
  /** For the identity of an action that `once` grants are compared with. */
  readonly hashing: Hashing;
}
