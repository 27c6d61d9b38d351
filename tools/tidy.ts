/** Runs the tidy checks alone: `node tools/tidy.ts`. Exit 0, or 6 when something was found. */
import { projectRoot } from "./lib/project.ts";
import { formatStep, runSteps } from "./lib/steps.ts";
import { tidySteps } from "./tidy/index.ts";

const results = await runSteps(tidySteps(projectRoot), (result) => {
  process.stdout.write(`${formatStep(result)}\n`);
});
process.exitCode = results.every(({ findings }) => findings.length === 0) ? 0 : 6;
