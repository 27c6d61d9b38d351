/** The two-minute tour: one allow, one ask, one deny, one undo, one verification, all of them real. */
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import { api } from "../api/client.ts";
import { begin, plan } from "../api/plans.ts";
import { queryClient, sessionQuery, sessionsQuery } from "../api/queries.ts";
import { isRunning } from "../pure/run.ts";
import { type TourStep, tourSteps } from "../pure/tour.ts";
import { visibleText } from "../pure/visible.ts";
import { Icon } from "../view/icons.tsx";
import { StateMark, VerdictMark } from "../view/marks.tsx";
import { ProblemNote, Waiting } from "../view/problem.tsx";
import { kept } from "../view/store.ts";
import { VerifyPanel } from "./verify-panel.tsx";

/** Starts a direct command in the tour's folder; answers with its session. */
const play = async (text: string): Promise<string> => {
  const { path } = await api.tourFolder({});
  const made = await plan({
    text,
    typed: false,
    folder: path,
    access: "write",
    model: "",
    files: [],
    persons: [],
    dollarsMax: 0,
    minutesMax: 5,
  });
  if (made.reply.card === "") await begin(made);
  return made.reply.session;
};

/** What came of a step's session, as it stands. */
const Result = ({ session }: { readonly session: string }): ReactElement | null => {
  const { data } = useQuery(sessionQuery(session));
  if (data === undefined) return null;
  return (
    <ul className="tour-result">
      {data.view.actions.map((action) => (
        <li key={action.n}>
          <VerdictMark verdict={action.verdict} />
          <code>{visibleText(action.display)}</code>
          <span className="muted">{visibleText(action.reason)}</span>
        </li>
      ))}
      <li>
        <StateMark state={data.state} />
        <Link to="/task/$session" params={{ session }}>
          See it whole
        </Link>
      </li>
    </ul>
  );
};

/** The session rests: the step is over. */
const useIsOver = (session: string | undefined): boolean => {
  const { data } = useQuery({ ...sessionQuery(session ?? ""), enabled: session !== undefined });
  return data !== undefined && !isRunning(data.state);
};

const UndoPart = ({
  session,
  onDone,
}: {
  readonly session: string;
  readonly onDone: (undo: string) => void;
}): ReactElement => {
  const undo = useMutation({
    mutationFn: async () => (await api.undo({ session, action: 0 })).session,
    onSuccess: async (own) => {
      await queryClient.invalidateQueries();
      onDone(own);
    },
  });
  return (
    <>
      <button
        type="button"
        className="button primary"
        disabled={undo.isPending}
        onClick={() => undo.mutate()}
      >
        Undo it
      </button>
      {undo.error === null ? null : <ProblemNote error={undo.error} />}
    </>
  );
};

const CommandStep = ({
  step,
  onOver,
}: {
  readonly step: TourStep;
  readonly onOver: () => void;
}): ReactElement => {
  const [session, setSession] = useState<string>();
  const [undone, setUndone] = useState<string>();
  const run = useMutation({
    mutationFn: () => play(step.command),
    onSuccess: async (made) => {
      await queryClient.invalidateQueries({ queryKey: sessionsQuery.queryKey });
      setSession(made);
    },
  });
  const ran = useIsOver(session);
  const takenBack = useIsOver(undone);
  const over = step.id === "undo" ? takenBack : ran;
  return (
    <>
      <p>
        <code className="tour-command">{step.command}</code>
      </p>
      {session === undefined ? (
        <button
          type="button"
          className="button primary"
          disabled={run.isPending}
          onClick={() => run.mutate()}
        >
          Do it
        </button>
      ) : (
        <Result session={session} />
      )}
      {run.error === null ? null : <ProblemNote error={run.error} />}
      {session !== undefined && !ran ? (
        <Waiting
          what={step.id === "ask" ? "It waits for your answer on the card below" : "At work"}
        />
      ) : null}
      {step.id === "undo" && session !== undefined && ran && undone === undefined ? (
        <UndoPart session={session} onDone={setUndone} />
      ) : null}
      {undone === undefined ? null : <Result session={undone} />}
      {over ? (
        <div className="tour-next">
          <p>{step.after}</p>
          <button type="button" className="button primary" onClick={onOver}>
            Next
          </button>
        </div>
      ) : null}
    </>
  );
};

const VerifyStep = ({ onOver }: { readonly onOver: () => void }): ReactElement => (
  <>
    <VerifyPanel />
    <div className="tour-next">
      <button type="button" className="button" onClick={onOver}>
        That was the tour
      </button>
    </div>
  </>
);

export const Tour = (): ReactElement => {
  const [at, setAt] = useState(0);
  const next = (): void => {
    if (at + 1 >= tourSteps.length) kept.write("tour", "done");
    setAt(at + 1);
  };
  return (
    <div className="screen tour">
      <div className="screen-head">
        <h1>Two-minute tour</h1>
        <p className="muted">
          Five real steps in a folder made for it. It can be removed afterwards.
        </p>
      </div>
      <ol className="tour-steps">
        {tourSteps.map((step, index) => (
          <li key={step.id} aria-current={index === at ? "step" : undefined}>
            <h2>
              <span className="figure muted">{index + 1}</span> {step.title}
              {index < at ? <Icon name="good" /> : null}
            </h2>
            {index === at ? (
              <>
                <p>{step.before}</p>
                {step.id === "verify" ? (
                  <VerifyStep onOver={next} />
                ) : (
                  <CommandStep key={step.id} step={step} onOver={next} />
                )}
              </>
            ) : null}
          </li>
        ))}
      </ol>
      {at >= tourSteps.length ? (
        <p>
          Done. <Link to="/">To the tasks</Link>
        </p>
      ) : null}
    </div>
  );
};
