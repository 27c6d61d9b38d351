/** The fourth wall: checks that no ready-made tool does, one file and one step each. */
import type { Step } from "../lib/steps.ts";
import { documentsStep } from "./documents.ts";
import { importsStep } from "./imports.ts";
import { linksStep } from "./links.ts";
import { licencesStep, pinsStep } from "./pins.ts";
import { roomsStep } from "./rooms.ts";
import { textStep } from "./text.ts";

export const tidySteps = (root: string): readonly Step[] => [
  roomsStep(root),
  importsStep(root),
  textStep(root),
  linksStep(root),
  documentsStep(root),
  pinsStep(root),
  licencesStep(root),
];
