/** What a person's own words ask to have remembered, letter by letter. */
import { plan } from "./plan.ts";

/** The contents of the `/remember` commands of a text; none where it is no direct request. */
export const toRemember = (text: string): readonly Uint8Array[] => {
  const planned = plan(text);
  if (!planned.ok) return [];
  return planned.value.flatMap((step) =>
    step.type === "act" && step.target === "memory::remember" && step.content !== undefined
      ? [step.content]
      : [],
  );
};
