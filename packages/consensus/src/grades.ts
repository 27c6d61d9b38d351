/**
 * What a commit survives. A strength is the smaller power of the two certificates of a 2-chain; the
 * promise is made for each commit by its grade, never for the chain as a whole.
 *
 * - `local`: one validator; nobody else can contradict it
 * - `F0`: any asynchrony, any number of malicious hosts, no broken Guardian
 * - `F2`: the same, and broken Guardians of power up to x = s + q - W - 1
 *
 * Grade S is none of these: no certificate shows it. It is what a host was told when it asked who voted
 * against a commit (`engine/guard.ts`): with every link in time, it survives f validators that are broken in
 * all. That is argued, and explored in models of three and four validators with one of them broken; alone S
 * is `local`.
 *
 * F2 counts the power of Guardians that are isolated and cannot be set back, and of no others.
 */
import { isAnchored, type ValidatorSet } from "./validators.ts";

export interface Strength {
  readonly power: bigint;
  /** Of it, by Guardians that count for F2. */
  readonly anchored: bigint;
}

export type Grade =
  | { readonly type: "local" }
  | { readonly type: "F0" }
  | { readonly type: "F2"; readonly x: bigint };

export const strengthOf = (set: ValidatorSet, voters: readonly number[]): Strength => ({
  power: set.power(voters),
  anchored: set.power(voters, isAnchored),
});

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const most = (a: bigint, b: bigint): bigint => (a > b ? a : b);

export const weaker = (a: Strength, b: Strength): Strength => ({
  power: least(a.power, b.power),
  anchored: least(a.anchored, b.anchored),
});

/** Of two 2-chains above one block: each of them holds, so the better of each kind does. */
export const stronger = (a: Strength, b: Strength): Strength => ({
  power: most(a.power, b.power),
  anchored: most(a.anchored, b.anchored),
});

/** Undefined below a quorum: not a commit. */
export const gradeOf = (set: ValidatorSet, { power, anchored }: Strength): Grade | undefined => {
  if (power < set.quorum) return undefined;
  if (set.size === 1) return { type: "local" };
  const x = anchored + set.quorum - set.total - 1n;
  return x >= 1n ? { type: "F2", x } : { type: "F0" };
};

export const gradeText = (grade: Grade): string =>
  grade.type === "F2" ? `F2(${grade.x})` : grade.type;

/** What value that leaves the chain waits for, where genesis says nothing else. */
export const defaultBroken = (set: ValidatorSet): bigint =>
  least((set.total + 5n) / 6n, set.quorum - 1n);

/** For whoever shows a grade: how much of the power one vendor's hardware holds. */
export const powerByVendor = (
  set: ValidatorSet,
  voters: readonly number[],
): readonly { readonly vendor: string; readonly power: bigint }[] => {
  const powers = new Map<string, bigint>();
  for (const voter of voters) {
    const { vendor, power } = set.entry(voter);
    powers.set(vendor, (powers.get(vendor) ?? 0n) + power);
  }
  return [...powers]
    .map(([vendor, power]) => ({ vendor, power }))
    .toSorted((a, b) => (a.vendor < b.vendor ? -1 : a.vendor > b.vendor ? 1 : 0));
};
