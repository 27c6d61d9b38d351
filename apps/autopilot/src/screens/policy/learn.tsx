/** Rules for exactly what chosen tasks did with the gate's leave, to be put into the draft. */
import { useMutation, useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import { api } from "../../api/client.ts";
import type { Worked } from "../../api/policy.ts";
import { sessionsQuery } from "../../api/queries.ts";
import { count } from "../../pure/format.ts";
import { type LearnedView, parseLearned } from "../../pure/policy.ts";
import { visibleLine, visibleText } from "../../pure/visible.ts";
import { announce } from "../../view/announce.ts";
import { Ago, Labelled } from "../../view/marks.tsx";
import { useNow } from "../../view/now.ts";
import { Empty, ProblemNote, Waiting } from "../../view/problem.tsx";
import { Lines } from "../../view/text.tsx";
import { Changes } from "./parts.tsx";

/** Tasks that rules are learned from at once. */
const chosenMax = 32;

const Learned = ({
  learned,
  onTake,
}: {
  readonly learned: LearnedView;
  readonly onTake: (text: string) => void;
}): ReactElement => (
  <>
    <p>
      {count(learned.steps, "step")}: {learned.already} went through without a question already,{" "}
      {learned.replayed} more do with {count(learned.rules, "new rule")}.
    </p>
    {learned.left.length === 0 ? null : (
      <>
        <h2 className="group">Not learned</h2>
        <ul className="plain-list">
          {learned.left.map(({ target, why }, index) => (
            <li key={index}>
              <strong className="mono">{target}</strong> {visibleText(why)}
            </li>
          ))}
        </ul>
      </>
    )}
    {learned.rules === 0 ? null : (
      <>
        <h2 className="group">Proposed</h2>
        <Lines text={learned.toml} label="Proposed rules" />
        <p className="actions">
          <button type="button" className="button primary" onClick={() => onTake(learned.text)}>
            <Labelled icon="plus">Put them into the draft</Labelled>
          </button>
        </p>
        <h2 className="group">What they change</h2>
        <Changes diff={learned.diff} />
      </>
    )}
  </>
);

export const LearnPanel = ({ work }: { readonly work: Worked }): ReactElement => {
  const now = useNow();
  const { data, error } = useQuery(sessionsQuery);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const learn = useMutation({
    mutationFn: async () => {
      const { json } = await api.learnPolicy({ text: work.text, sessions: [...chosen] });
      const learned = parseLearned(json);
      if (learned === undefined) throw new Error("the console's answer holds no rules");
      return learned;
    },
    onSuccess: ({ rules }) => announce(`${count(rules, "rule")} proposed`),
  });
  if (error !== null) return <ProblemNote error={error} />;
  if (data === undefined) return <Waiting what="Reading the tasks" />;
  const sessions = data.filter(({ actions }) => actions > 0).slice(0, 100);
  if (sessions.length === 0) {
    return (
      <Empty title="Nothing to learn from yet">
        <p>Let a task run; what you approved in it can become a rule here.</p>
      </Empty>
    );
  }
  const choose = (session: string, on: boolean): void => {
    const next = new Set(chosen);
    if (on) next.add(session);
    else next.delete(session);
    setChosen(next);
  };
  return (
    <div className="policy-part">
      <fieldset className="choices">
        <legend>Tasks whose actions become rules</legend>
        {sessions.map(({ session, text, actions, createdMs }) => (
          <label key={session} className="choice">
            <input
              type="checkbox"
              checked={chosen.has(session)}
              disabled={!chosen.has(session) && chosen.size >= chosenMax}
              onChange={({ target }) => choose(session, target.checked)}
            />
            <span className="cut">{visibleLine(text)}</span>
            <span className="figure muted">
              {count(actions, "action")}, <Ago at={createdMs} now={now} />
            </span>
          </label>
        ))}
      </fieldset>
      <p className="actions">
        <button
          type="button"
          className="button primary"
          disabled={chosen.size === 0 || learn.isPending}
          onClick={() => learn.mutate()}
        >
          {learn.isPending ? "Learning" : "Propose rules"}
        </button>
        <span className="muted">Only what was allowed or approved counts.</span>
      </p>
      {learn.error === null ? null : <ProblemNote error={learn.error} />}
      {learn.data === undefined ? null : <Learned learned={learn.data} onTake={work.setText} />}
    </div>
  );
};
