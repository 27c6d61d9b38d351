/**
 * `npm run check`: the inner loop. Format, lint, types, tidiness, licences, pins, generated files
 * and unit tests; each step says what it found. Exit 0, or 6 when something was found.
 */
import { staticSteps, unitStep } from "./lib/check-steps.ts";
import { projectRoot } from "./lib/project.ts";
import { formatStep, runSteps, type StepResult } from "./lib/steps.ts";

const args = process.argv.slice(2);
const json = args.includes("--json");
const unknown = args.filter((arg) => arg !== "--json");
if (unknown.length > 0) {
  process.stderr.write(`unknown argument ${unknown.join(" ")}\nusage: npm run check [-- --json]\n`);
  process.exit(2);
}
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.on(name, () => process.exit(name === "SIGINT" ? 130 : 143));
}

const started = performance.now();
const print = json ? process.stderr : process.stdout;
const tell = (result: StepResult): boolean => print.write(`${formatStep(result)}\n`);
// The unit tests take longest and wait for processes now and then: the rest goes on beside them.
const ended = await Promise.all([
  runSteps(staticSteps(projectRoot), tell),
  runSteps([unitStep(projectRoot)], tell),
]);
const results = ended.flat();
const found = results.reduce((sum, { findings }) => sum + findings.length, 0);
const durationMs = Math.round(performance.now() - started);
const seconds = (durationMs / 1000).toFixed(1);
print.write(
  found === 0 ? `check: all well (${seconds} s)\n` : `check: ${found} found (${seconds} s)\n`,
);
if (json) {
  const steps = results.map(({ name, findings, ms }) => ({
    name,
    durationMs: Math.round(ms),
    findings,
  }));
  process.stdout.write(
    `${JSON.stringify({ schema: "ioi.check/1", ok: found === 0, found, durationMs, steps })}\n`,
  );
}
process.exitCode = found === 0 ? 0 : 6;
