/** What every `Log` promises. */
import type { Log, LogLevel } from "../ports.ts";
import { checkEqual, type ComplianceCase } from "./harness.ts";

export interface LogLine {
  readonly level: string;
  readonly event: string;
  readonly fields: Readonly<Record<string, string | number | boolean>>;
}

export interface LogFixture {
  /** Writes every level. */
  readonly log: Log;
  /** What was written so far. */
  readonly lines: () => readonly LogLine[];
}

export const logCases: readonly ComplianceCase<LogFixture>[] = [
  {
    name: "one line a call, in order, at its level",
    async run({ log, lines }) {
      const levels: readonly LogLevel[] = ["debug", "info", "warn", "error"];
      for (const level of levels) log.log(level, `event.${level}`);
      checkEqual(
        lines(),
        levels.map((level) => ({ level, event: `event.${level}`, fields: {} })),
        "the lines",
      );
    },
  },
  {
    name: "fields keep their types; those without a value are left out",
    async run({ log, lines }) {
      log.log("info", "it", {
        text: 'a "quoted"\nline',
        number: 1.5,
        flag: false,
        none: undefined,
      });
      checkEqual(
        lines(),
        [
          {
            level: "info",
            event: "it",
            fields: { text: 'a "quoted"\nline', number: 1.5, flag: false },
          },
        ],
        "the line",
      );
    },
  },
  {
    name: "a child carries its fields and its parents'; the nearest wins",
    async run({ log, lines }) {
      const session = log.child({ session: "s1", who: "parent" });
      const action = session.child({ action: 3, who: "child" });
      action.log("info", "one", { extra: true });
      action.log("info", "two", { who: "call" });
      session.log("info", "three");
      log.log("info", "four");
      checkEqual(
        lines().map(({ fields }) => fields),
        [
          { session: "s1", who: "child", action: 3, extra: true },
          { session: "s1", who: "call", action: 3 },
          { session: "s1", who: "parent" },
          {},
        ],
        "the fields",
      );
    },
  },
  {
    name: "a long text is cut",
    async run({ log, lines }) {
      log.log("info", "long", { text: "x".repeat(100_000) });
      const text = lines()[0]?.fields["text"];
      checkEqual(typeof text === "string" && text.length < 1000, true, "shorter than a thousand");
    },
  },
];
