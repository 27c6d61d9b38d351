/** The head of a task: its words, how it stands, what it cost, and stop and undo. */
import { useMutation } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import type { SessionLine } from "@ioi/wire/console";
import type { ReactElement } from "react";
import { api } from "../api/client.ts";
import { queryClient } from "../api/queries.ts";
import { dollars, duration, grouped, shortPath } from "../pure/format.ts";
import { isResting, isRunning, type RunView } from "../pure/run.ts";
import { visibleLine, visibleText } from "../pure/visible.ts";
import { announce } from "../view/announce.ts";
import { Ago, Labelled, StateMark } from "../view/marks.tsx";
import { useNow } from "../view/now.ts";
import { ProblemNote } from "../view/problem.tsx";

const Figures = ({ view }: { readonly view: RunView }): ReactElement => {
  const { cost } = view;
  const figures: readonly (readonly [string, string, string])[] = [
    ["Actions", grouped(cost.actions), ""],
    ["Time", duration(cost.wallMs), ""],
    ...(cost.tokens > 0 ? [["Tokens", grouped(cost.tokens), ""] as const] : []),
    ...(view.model === undefined ? [] : [["Cost", dollars(cost.usd), ""] as const]),
  ];
  return (
    <dl className="figures">
      {figures.map(([name, value, unit]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd className="figure">
            {value}
            {unit === "" ? null : <span className="unit"> {unit}</span>}
          </dd>
        </div>
      ))}
    </dl>
  );
};

interface HeadProps {
  readonly session: string;
  readonly line: SessionLine | undefined;
  readonly view: RunView | undefined;
  readonly home: string;
}

/** What can be done with the task as it stands. */
const Buttons = ({ session, line, view }: HeadProps): ReactElement => {
  const navigate = useNavigate();
  const stop = useMutation({
    mutationFn: () => api.stop({ session }),
    onSuccess: ({ sent }) => {
      announce(sent.length === 0 ? "Stopped" : `Stopped. Already sent: ${sent.join("; ")}`);
      return queryClient.invalidateQueries();
    },
  });
  const undo = useMutation({
    mutationFn: () => api.undo({ session, action: 0 }),
    onSuccess: async ({ session: own }) => {
      await queryClient.invalidateQueries();
      await navigate({ to: "/task/$session", params: { session: own } });
    },
  });
  const pause = useMutation({
    mutationFn: () => api.pause({ session }),
    onSuccess: () => announce("It rests after the action under way"),
  });
  const state = view?.state ?? line?.state ?? "";
  const running = isRunning(state);
  const open = running || isResting(state);
  const undoable = line?.undoable ?? 0;
  const failure = stop.error ?? undo.error ?? pause.error;
  return (
    <>
      <div className="actions">
        {running ? (
          <button
            type="button"
            className="button"
            disabled={pause.isPending}
            onClick={() => pause.mutate()}
          >
            <Labelled icon="pause">Pause</Labelled>
          </button>
        ) : null}
        {open ? (
          <button
            type="button"
            className="button danger"
            disabled={stop.isPending}
            onClick={() => stop.mutate()}
          >
            <Labelled icon="stop">{stop.isPending ? "Stopping" : "Stop"}</Labelled>
          </button>
        ) : null}
        {!open && undoable > 0 ? (
          <button
            type="button"
            className="button"
            disabled={undo.isPending}
            onClick={() => undo.mutate()}
          >
            <Labelled icon="undo">{`Undo ${undoable === 1 ? "1 change" : `${undoable} changes`}`}</Labelled>
          </button>
        ) : null}
        <Link to="/receipts" search={{ session }} className="button">
          <Labelled icon="receipt">Receipts</Labelled>
        </Link>
      </div>
      {failure === null ? null : <ProblemNote error={failure} />}
    </>
  );
};

export const RunHead = (props: HeadProps): ReactElement => {
  const { session, line, view, home } = props;
  const now = useNow();
  const state = view?.state ?? line?.state;
  return (
    <div className="run-head">
      <div className="run-title">
        <h1>{visibleText(line?.text ?? session)}</h1>
        <ul className="facts">
          {state === undefined ? null : (
            <li>
              <StateMark state={state} />
            </li>
          )}
          {line === undefined || line.workspace === "" ? null : (
            <li className="mono">{visibleLine(shortPath(line.workspace, home))}</li>
          )}
          <li>{view?.model === undefined ? "no model" : visibleLine(view.model)}</li>
          {line === undefined ? null : (
            <li>
              <Ago at={line.createdMs} now={now} />
            </li>
          )}
          <li className="mono muted" title="The session's id: logs and receipts carry it">
            {session}
          </li>
        </ul>
      </div>
      <div className="run-side">
        {view === undefined ? null : <Figures view={view} />}
        <Buttons {...props} />
      </div>
    </div>
  );
};
