/** What rules in the shadow would have done to the actions of the log, and what the draft would. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { type Checked, shadowQuery, type Worked } from "../../api/policy.ts";
import { count, exact } from "../../pure/format.ts";
import type { ShadowExample, ShadowView } from "../../pure/policy.ts";
import { visibleLine } from "../../pure/visible.ts";
import { VerdictMark } from "../../view/marks.tsx";
import { ProblemNote, Waiting } from "../../view/problem.tsx";

const Examples = ({ of }: { readonly of: readonly ShadowExample[] }): ReactElement => (
  <ul className="rows" aria-label="As for">
    {of.map(({ receipt, display, verdict, now }) => (
      <li key={receipt}>
        <Link to="/policy" search={{ tab: "explain", receipt }} className="row past-row" data-row>
          <VerdictMark verdict={verdict} />
          <span className="mono cut">{visibleLine(display)}</span>
          {now === undefined ? <span /> : <VerdictMark verdict={now} />}
        </Link>
      </li>
    ))}
  </ul>
);

const Rules = ({ rules }: Pick<ShadowView, "rules">): ReactElement => {
  if (rules.length === 0) {
    return (
      <p className="muted">
        No rule is in the shadow. With <code>shadow = true</code> a rule that asks or denies has no
        effect, and is counted here.
      </p>
    );
  }
  return (
    <>
      {rules.map(({ id, effect, fired, stopped, examples }) => (
        <section key={id} aria-label={`Rule ${id}`} className="shadow-rule">
          <h2 className="group">
            {effect} {visibleLine(id)}
          </h2>
          <p>
            Would have fired on <strong className="figure">{fired}</strong>, of which{" "}
            <strong className="figure">{stopped}</strong> had been allowed.
          </p>
          {examples.length === 0 ? null : <Examples of={examples} />}
        </section>
      ))}
    </>
  );
};

const Shown = ({
  shadow,
  changed,
}: {
  readonly shadow: ShadowView;
  readonly changed: boolean;
}): ReactElement => (
  <>
    <p className="muted">
      {shadow.actions === 0
        ? "There is no action in the log yet."
        : `Over the newest ${count(shadow.actions, "action")} of the log, from ${exact(shadow.fromMs)} on.`}
    </p>
    <Rules rules={shadow.rules} />
    <h2 className="group">{changed ? "This draft on the same actions" : "The policy as it is"}</h2>
    <p>
      {shadow.stricter + shadow.looser === 0
        ? "Each would be decided as it was."
        : `${count(shadow.stricter, "action")} would be judged more strictly, ${shadow.looser} less strictly, with the same answers of yours.`}
    </p>
    {shadow.examples.length === 0 ? null : <Examples of={shadow.examples} />}
  </>
);

export const ShadowPanel = ({
  work,
  checked,
}: {
  readonly work: Worked;
  readonly checked: Checked;
}): ReactElement => {
  const loads = checked.current && checked.lint?.errors === 0;
  const { data, error } = useQuery({ ...shadowQuery(work.text), enabled: loads });
  return (
    <div className="policy-part">
      {loads ? null : <p className="muted">The text must load first.</p>}
      {error === null ? null : <ProblemNote error={error} />}
      {loads && error === null && data === undefined ? (
        <Waiting what="Judging the log again" />
      ) : null}
      {loads && data !== undefined ? <Shown shadow={data} changed={work.changed} /> : null}
    </div>
  );
};
