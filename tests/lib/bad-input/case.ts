/** One line of bad input: what is fed, what must be answered. */
import type { CliResult } from "../kernel.ts";

export interface Verdict {
  readonly ok: boolean;
  readonly expected: string;
  readonly actual: string;
}

export interface BadInputCase {
  readonly id: string;
  run(signal: AbortSignal, quick: boolean): Promise<Verdict>;
}

export const judged = (expected: string, ok: boolean, actual: string): Verdict => ({
  ok,
  expected,
  actual: actual.slice(0, 800),
});

export const show = ({ code, stdout, stderr }: CliResult): string =>
  `exit ${code}; stdout ${JSON.stringify(stdout.slice(0, 300))}; stderr ${JSON.stringify(stderr.slice(-400))}`;

/** The exit code and every text, on either stream. */
export const answered = (
  result: CliResult,
  exit: number,
  ...texts: readonly (string | RegExp)[]
): Verdict => {
  const all = `${result.stdout}\n${result.stderr}`;
  const has = (text: string | RegExp): boolean =>
    typeof text === "string" ? all.includes(text) : text.test(all);
  return judged(
    `exit ${exit} and ${texts.map(String).join(", ")}`,
    result.code === exit && texts.every(has),
    show(result),
  );
};
