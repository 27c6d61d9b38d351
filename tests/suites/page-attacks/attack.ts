/** One attack on the page: what is tried, what must come of it, and the same without the wall. */
import type { SuiteCase } from "../suite.ts";

export interface Tried {
  /** What was expected to come, in words. */
  readonly expected: string;
  readonly refused: boolean;
  readonly actual: string;
  /** What is allowed, or the same with the protection off, works; absent where nothing is walled. */
  readonly control?: boolean;
}

export interface Attack<S> {
  readonly id: string;
  run(stage: S): Promise<Tried>;
}

export const judge = async <S>(attack: Attack<S>, stage: S): Promise<SuiteCase> => {
  try {
    const { expected, refused, actual, control } = await attack.run(stage);
    return {
      id: attack.id,
      outcome: refused ? "passed" : "failed",
      expected,
      actual: actual.slice(0, 800),
      ...(control === undefined ? {} : { control: control ? "harmed" : "harmless" }),
    };
  } catch (error) {
    const actual = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return {
      id: attack.id,
      outcome: "failed",
      expected: "an answer",
      actual: actual.slice(0, 800),
    };
  }
};
