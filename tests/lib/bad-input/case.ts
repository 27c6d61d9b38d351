/** One line of bad input: what is fed, what must be answered. */
import type { CliOptions, CliResult } from "../kernel.ts";

export interface Verdict {
  readonly ok: boolean;
  readonly expected: string;
  readonly actual: string;
}

/** What a case is played with. */
export interface Means {
  readonly signal: AbortSignal;
  readonly quick: boolean;
  /** The command line: in the short form inside this process, in the full form one for each time. */
  readonly ioi: (args: readonly string[], options?: CliOptions) => Promise<CliResult>;
}

export interface BadInputCase {
  readonly id: string;
  /** Left out of the short form, which plays another one of its kind. */
  readonly slow?: true;
  run(means: Means): Promise<Verdict>;
}

/** The full form alone plays it: the short one has another of its kind. */
export const fullOnly = (one: BadInputCase): BadInputCase => ({ ...one, slow: true });

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
