/** How the program ends. */
import type { ExitCode } from "@ioi/base";

export interface Outcome {
  readonly exit: ExitCode;
  readonly stdout?: string;
  readonly stderr?: string;
}

export const failed = (exit: ExitCode, why: string, next: string): Outcome => ({
  exit,
  stderr: `error: ${why}. Next: ${next}\n`,
});
