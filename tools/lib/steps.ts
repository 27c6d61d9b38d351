/** A check as a list of named steps; each returns what it found wrong. */

export interface Finding {
  /** A path relative to the project, with `:line` where there is one. */
  readonly at: string;
  readonly text: string;
}

export interface Step {
  readonly name: string;
  run(): Promise<readonly Finding[]>;
}

export interface StepResult {
  readonly name: string;
  readonly findings: readonly Finding[];
  readonly ms: number;
}

/** Runs steps one after another; a step that throws is a finding of that step. */
export const runSteps = async (
  steps: readonly Step[],
  onEnd: (result: StepResult) => void,
): Promise<readonly StepResult[]> => {
  const results: StepResult[] = [];
  for (const step of steps) {
    const started = performance.now();
    let findings: readonly Finding[];
    try {
      findings = await step.run();
    } catch (error) {
      findings = [{ at: step.name, text: error instanceof Error ? error.message : String(error) }];
    }
    const result = { name: step.name, findings, ms: performance.now() - started };
    results.push(result);
    onEnd(result);
  }
  return results;
};

const shownMax = 40;

/** One step for a person: its name, time, and what it found. */
export const formatStep = ({ name, findings, ms }: StepResult): string => {
  const word = findings.length === 0 ? "ok" : `${findings.length} found`;
  const lines = findings.slice(0, shownMax).map(({ at, text }) => `    ${at}: ${text}`);
  if (findings.length > shownMax) lines.push(`    and ${findings.length - shownMax} more`);
  return [`  ${name.padEnd(16)} ${word} (${(ms / 1000).toFixed(1)} s)`, ...lines].join("\n");
};
