/** What a decision obliges the holder of the bytes to look for. */
import type { ContentTest, Obligation } from "@ioi/wire";
import type { DeferredFiring, Judgement } from "../judge.ts";
import { contrary } from "./defer.ts";

type Rules = Pick<Judgement, "allows" | "deferredAllows" | "deferredDenies">;

/** Of several allowances that hang on the content it is enough that one holds. */
const wanted = ({ deferredAllows }: Rules): Obligation | undefined => {
  const [first] = deferredAllows;
  if (first === undefined) return undefined;
  const refuse = contrary({ type: "depends", on: deferredAllows.flatMap(({ on }) => on) });
  if (refuse.type !== "depends") return undefined;
  return obligation(first, refuse.on);
};

const obligation = (
  { rule }: DeferredFiring,
  refuse: readonly (readonly ContentTest[])[],
): Obligation => ({ type: "content", rule: rule.id, reason: rule.reason, refuse });

/** An allow fired, or will have where its obligation is kept. */
export const isAllowed = (rules: Rules): boolean =>
  rules.allows.length > 0 || wanted(rules) !== undefined;

export const deferredRules = (rules: Rules): readonly DeferredFiring[] => [
  ...rules.deferredDenies,
  ...(rules.allows.length > 0 || wanted(rules) === undefined ? [] : rules.deferredAllows),
];

export const contentObligations = (rules: Rules): readonly Obligation[] => {
  const allowing = rules.allows.length > 0 ? undefined : wanted(rules);
  return [
    ...rules.deferredDenies.map((firing) => obligation(firing, firing.on)),
    ...(allowing === undefined ? [] : [allowing]),
  ];
};
