/** The parts beside the policy's text, as they stand in the address. */

export const policyTabs = [
  "problems",
  "changes",
  "try",
  "tests",
  "explain",
  "learn",
  "shadow",
  "history",
] as const;
export type PolicyTab = (typeof policyTabs)[number];

export const isPolicyTab = (value: unknown): value is PolicyTab =>
  policyTabs.some((each) => each === value);
