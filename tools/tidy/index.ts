/** Checks that no ready-made tool does; each is one file and one step. */
import type { Step } from "../lib/steps.ts";

export const tidySteps = (_root: string): readonly Step[] => [];
