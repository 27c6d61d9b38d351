/**
 * The actions of a task, one row each: what, the verdict and the rule that gave it, what came of it,
 * and how long the gate took. A row opens its detail.
 */
import type { ReactElement, ReactNode } from "react";
import { useOutput } from "../api/live.ts";
import { micros } from "../pure/format.ts";
import {
  gateMicros,
  outcomeWords,
  type RunAction,
  type RunView,
  saidAfter,
  type Saying,
} from "../pure/run.ts";
import { visibleLine } from "../pure/visible.ts";
import { Icon, iconOfTarget } from "../view/icons.tsx";
import { VerdictMark } from "../view/marks.tsx";
import { Lines, Said } from "../view/text.tsx";

/** The display begins with the target, which has a column of its own. */
export const objectOf = ({ target, display }: RunAction): string =>
  display.startsWith(`${target} `) ? display.slice(target.length + 1) : display;

/** Who decided: a rule, the default, or the person. */
export const deciderOf = ({ rule, verdict, approval }: RunAction): string => {
  if (verdict === undefined) return "";
  if (rule === "builtin:person") return "you";
  const by = rule ?? "default";
  return verdict === "allow" && approval !== undefined ? `${by}, and you` : by;
};

const OutcomeCell = ({ action }: { readonly action: RunAction }): ReactElement => {
  const { outcome, verdict } = action;
  if (outcome === undefined) {
    return <span className="muted">{verdict === "allow" ? "at work" : ""}</span>;
  }
  const good = outcome.status === "confirmed";
  return (
    <span className={`mark ${good ? "tone-good" : "tone-bad"}`}>
      <Icon name={good ? "good" : outcome.status === "unknown" ? "waits" : "bad"} />
      <span>{outcomeWords[outcome.status] ?? outcome.status}</span>
    </span>
  );
};

const Live = ({
  session,
  n,
}: {
  readonly session: string;
  readonly n: number;
}): ReactElement | null => {
  const text = useOutput(session, n);
  return text === "" ? null : <Lines text={text} label={`Live output of action ${n}`} />;
};

interface RowProps {
  readonly action: RunAction;
  readonly session: string;
  readonly home: string;
  readonly isShown: boolean;
  readonly onChoose: (n: number) => void;
}

const Row = ({ action, isShown, onChoose }: RowProps): ReactElement => {
  const gate = gateMicros(action);
  return (
    <button
      type="button"
      className={`row action-row verdict-row-${action.verdict ?? "none"}`}
      aria-expanded={isShown}
      onClick={() => onChoose(action.n)}
      data-row
    >
      <span className="figure muted action-n">{action.n}</span>
      <VerdictMark verdict={action.verdict} />
      <span className="mono action-target">
        <Icon name={iconOfTarget(action.target)} />
        {visibleLine(action.target)}
      </span>
      <span className="mono action-object">{visibleLine(objectOf(action))}</span>
      <span className="muted cut action-rule" title="The rule that decided">
        {visibleLine(deciderOf(action))}
      </span>
      <span className="action-outcome">
        <OutcomeCell action={action} />
      </span>
      <span className="figure muted action-gate" title="Time at the gate">
        {gate === 0 ? "" : micros(gate)}
      </span>
    </button>
  );
};

/** What the agent said between two actions. */
const Sayings = ({ says }: { readonly says: readonly Saying[] }): ReactElement | null =>
  says.length === 0 ? null : (
    <div className="saying">
      {says.map(({ text }, index) => (
        <Said key={index} text={text} />
      ))}
    </div>
  );

export const Timeline = ({
  view,
  home,
  shown,
  onChoose,
  detail,
}: {
  readonly view: RunView;
  readonly home: string;
  readonly shown: number | undefined;
  readonly onChoose: (n: number) => void;
  /** Below the shown row, where it is not beside the timeline. */
  readonly detail: ReactNode;
}): ReactElement => (
  <ol className="rows timeline" aria-label="Actions">
    {view.actions.length === 0 ? (
      <li className="muted timeline-empty">Nothing was proposed yet.</li>
    ) : null}
    {saidAfter(view, 0).length === 0 ? null : (
      <li>
        <Sayings says={saidAfter(view, 0)} />
      </li>
    )}
    {view.actions.map((action) => (
      <li key={action.n}>
        <Row
          action={action}
          session={view.session}
          home={home}
          isShown={action.n === shown}
          onChoose={onChoose}
        />
        {action.outcome === undefined ? <Live session={view.session} n={action.n} /> : null}
        {action.n === shown && detail !== undefined ? detail : null}
        <Sayings says={saidAfter(view, action.n)} />
      </li>
    ))}
  </ol>
);
