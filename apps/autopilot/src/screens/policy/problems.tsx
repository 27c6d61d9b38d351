/** What the loader and the linter say of the draft, each with the way to its line. */
import type { ReactElement } from "react";
import type { Checked } from "../../api/policy.ts";
import { count } from "../../pure/format.ts";
import type { Problem } from "../../pure/policy.ts";
import { visibleText } from "../../pure/visible.ts";
import { Icon } from "../../view/icons.tsx";
import { ProblemNote, Waiting } from "../../view/problem.tsx";

const severities = {
  error: ["bad", "tone-bad", "error"],
  warning: ["waits", "tone-waits", "warning"],
  note: ["none", "tone-quiet", "note"],
} as const;

const Row = ({
  problem,
  onGo,
}: {
  readonly problem: Problem;
  readonly onGo: (line: number, column: number) => void;
}): ReactElement => {
  const [icon, tone, word] = severities[problem.severity];
  return (
    <li>
      <button
        type="button"
        className="row problem-row"
        data-row
        onClick={() => onGo(problem.line, problem.column)}
      >
        <span className={`mark ${tone}`}>
          <Icon name={icon} />
          <span>{word}</span>
        </span>
        <span className="whole">{visibleText(problem.message)}</span>
        <span className="figure muted">
          line {problem.line}:{problem.column}
        </span>
      </button>
    </li>
  );
};

export const ProblemsPanel = ({
  checked,
  onGo,
}: {
  readonly checked: Checked;
  readonly onGo: (line: number, column: number) => void;
}): ReactElement => {
  const { lint, error } = checked;
  if (error !== null) return <ProblemNote error={error} />;
  if (lint === undefined) return <Waiting what="Checking the text" />;
  return (
    <div className="policy-part">
      {lint.errors + lint.warnings === 0 ? (
        <p className="mark tone-good">
          <Icon name="good" />
          <strong>It loads: {count(lint.rules, "rule")}, nothing to mend.</strong>
        </p>
      ) : null}
      {lint.problems.length === 0 ? null : (
        <ul className="rows" aria-label="Problems">
          {lint.problems.map((problem) => (
            <Row
              key={`${problem.line}:${problem.column} ${problem.code} ${problem.message}`}
              problem={problem}
              onGo={onGo}
            />
          ))}
        </ul>
      )}
    </div>
  );
};
