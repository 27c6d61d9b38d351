/**
 * One task, live: what was proposed, what the policy said and by which rule, what came of it and
 * what it cost; stop, undo, say. What is selected is shown beside the timeline, or below its row
 * where the window is narrow.
 */
import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import { plansStore } from "../api/plans.ts";
import { overviewQuery, sessionQuery, sessionsQuery } from "../api/queries.ts";
import { answerOf, earlierLook, mayResume, type RunAction, type RunView } from "../pure/run.ts";
import { visibleText } from "../pure/visible.ts";
import { runRoute } from "../router.tsx";
import { useMedia } from "../view/media.ts";
import { ProblemNote, Waiting } from "../view/problem.tsx";
import { Said } from "../view/text.tsx";
import { ActionDetail } from "./action-detail.tsx";
import { Planned } from "./planned.tsx";
import { RestBar } from "./rest-bar.tsx";
import { RunHead } from "./run-head.tsx";
import { SayBar } from "./say-bar.tsx";
import { Timeline } from "./timeline.tsx";

const ErrorNote = ({ view }: { readonly view: RunView }): ReactElement | null => {
  const { error } = view;
  // A card says what waits, also where it pauses the task; a rest has a note of its own.
  if (error === undefined || error.code === "E_APPROVAL_PENDING" || mayResume(view)) return null;
  return (
    <div className="note note-bad">
      <div>
        <strong>{visibleText(error.message)}</strong>
        {error.next === undefined ? null : (
          <p>{visibleText(error.next.replaceAll(/\bSESSION\b/g, view.session))}</p>
        )}
      </div>
      <code className="muted">{error.code}</code>
    </div>
  );
};

/** What the task ended with. */
const Answer = ({ view }: { readonly view: RunView }): ReactElement | null => {
  const answer = answerOf(view);
  return answer === undefined ? null : (
    <section className="says" aria-label="What the agent ended with">
      <Said text={answer.text} />
    </section>
  );
};

/** The action that is shown: the one that was chosen, else the newest that needs looking at. */
const shownOf = (view: RunView, chosen: number | undefined): RunAction | undefined =>
  view.actions.find(({ n }) => n === chosen) ??
  view.actions.findLast(({ verdict }) => verdict === "deny" || verdict === "ask") ??
  view.actions.at(-1);

/** From this width on there is room for the detail beside the timeline. */
const wideQuery = "(min-width: 88rem)";

const Body = ({
  view,
  home,
  isDirect,
}: {
  readonly view: RunView;
  readonly home: string;
  readonly isDirect: boolean;
}): ReactElement => {
  const wide = useMedia(wideQuery);
  const [chosen, setChosen] = useState<number>();
  const shown = wide ? shownOf(view, chosen) : view.actions.find(({ n }) => n === chosen);
  const detail =
    shown === undefined ? null : (
      <ActionDetail
        key={shown.n}
        session={view.session}
        action={shown}
        before={earlierLook(view, shown)}
      />
    );
  return (
    <div className={wide ? "run-body run-wide" : "run-body"}>
      <div className="run-main">
        <ErrorNote view={view} />
        <RestBar view={view} />
        <Answer view={view} />
        <Timeline
          view={view}
          home={home}
          shown={shown?.n}
          onChoose={(n) => setChosen(n === chosen && !wide ? undefined : n)}
          detail={wide ? undefined : detail}
        />
        <SayBar session={view.session} state={view.state} isDirect={isDirect} />
      </div>
      {wide && detail !== null ? (
        <aside className="inspector" aria-label="The chosen action">
          {detail}
        </aside>
      ) : null}
    </div>
  );
};

export const Run = (): ReactElement => {
  const { session } = runRoute.useParams();
  const overview = useQuery(overviewQuery);
  const planned = plansStore.use().get(session);
  const { data: lines } = useQuery(sessionsQuery);
  const { data, error, refetch } = useQuery({
    ...sessionQuery(session),
    enabled: planned === undefined || lines?.some((line) => line.session === session) === true,
  });
  const home = overview.data?.home ?? "";
  const line = lines?.find((each) => each.session === session);
  if (data === undefined && planned !== undefined) return <Planned plan={planned} home={home} />;
  return (
    <div className="screen">
      <RunHead session={session} line={line} view={data?.view} home={home} />
      {error === null ? null : <ProblemNote error={error} retry={() => void refetch()} />}
      {data === undefined && error === null ? <Waiting what="Reading the task" /> : null}
      {data === undefined ? null : (
        <Body view={data.view} home={home} isDirect={line?.text.startsWith("/") ?? false} />
      )}
    </div>
  );
};
