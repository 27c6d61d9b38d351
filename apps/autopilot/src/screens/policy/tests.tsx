/** A file of tests against the draft: actions, each with the verdict that it must get. */
import { useMutation } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import { api } from "../../api/client.ts";
import type { Worked } from "../../api/policy.ts";
import { parseTests, type TestsView } from "../../pure/policy.ts";
import { visibleLine, visibleText } from "../../pure/visible.ts";
import { announce } from "../../view/announce.ts";
import { Icon } from "../../view/icons.tsx";
import { ProblemNote } from "../../view/problem.tsx";
import { kept } from "../../view/store.ts";

const keptName = "policy-tests";

const example = `version = 1

[[test]]
name = "notes may be read"
target = "fs::read"
args = { path = "scope:/notes/a.txt" }
verdict = "allow"

[[test]]
name = "keys stay where they are"
target = "fs::read"
args = { path = "~/.ssh/id_ed25519" }
verdict = "ask"
`;

const Results = ({ tests }: { readonly tests: TestsView }): ReactElement => (
  <>
    {tests.problems.map(({ line, column, message }) => (
      <p key={`${line}:${column} ${message}`} className="tone-bad">
        line {line}:{column}: {visibleText(message)}
      </p>
    ))}
    {tests.problems.length > 0 ? null : (
      <p className={`mark ${tests.passed === tests.total ? "tone-good" : "tone-bad"}`}>
        <Icon name={tests.passed === tests.total ? "good" : "bad"} />
        <strong>
          {tests.passed} of {tests.total} tests hold
        </strong>
      </p>
    )}
    <ul className="cards-list" aria-label="Tests">
      {tests.results.map(({ name, ok, expected, actual, reason, line }) => (
        <li key={`${line} ${name}`} className="rule-row">
          <span className={`mark ${ok ? "tone-good" : "tone-bad"}`}>
            <Icon name={ok ? "good" : "bad"} />
            <span>{ok ? "holds" : "fails"}</span>
          </span>
          <span>
            {visibleLine(name)}
            {ok ? null : (
              <span className="muted">
                {" "}
                is {actual}, not {expected}. {visibleText(reason)}
              </span>
            )}
          </span>
          <span className="figure muted">line {line}</span>
        </li>
      ))}
    </ul>
  </>
);

export const TestsPanel = ({ work }: { readonly work: Worked }): ReactElement => {
  const [tests, setTests] = useState(() => kept.read(keptName) ?? example);
  const run = useMutation({
    mutationFn: async () => {
      kept.write(keptName, tests);
      const found = parseTests((await api.testPolicy({ text: work.text, tests })).json);
      if (found === undefined) throw new Error("the console's answer is no result of tests");
      return found;
    },
    onSuccess: ({ passed, total }) => announce(`${passed} of ${total} tests hold`),
  });
  const open = async (file: File | undefined): Promise<void> => {
    if (file !== undefined) setTests(await file.text());
  };
  return (
    <div className="policy-part">
      <label className="field">
        <span>
          Tests <span className="muted">kept in this browser; the file is ./ioi policy test's</span>
        </span>
        <textarea
          className="input mono policy-tests"
          rows={12}
          value={tests}
          spellCheck={false}
          onChange={({ target }) => setTests(target.value)}
        />
      </label>
      <p className="actions">
        <button
          type="button"
          className="button primary"
          disabled={run.isPending}
          onClick={() => run.mutate()}
        >
          Run the tests
        </button>
        <label className="button file-button">
          Open a file
          <input
            type="file"
            accept=".toml"
            className="unseen"
            onChange={({ target }) => void open(target.files?.[0])}
          />
        </label>
      </p>
      {run.error === null ? null : <ProblemNote error={run.error} />}
      {run.data === undefined ? null : <Results tests={run.data} />}
    </div>
  );
};
