/** Runs README's transcript again and writes it. `./ioi suite docs` compares. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot, readText } from "./lib/project.ts";
import { makeTranscript, withTranscript } from "./lib/transcript.ts";

const readme = withTranscript(
  readText(projectRoot, "README.md"),
  await makeTranscript(projectRoot),
);
writeFileSync(join(projectRoot, "README.md"), readme);
