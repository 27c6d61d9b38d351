/** A task that was read and waits for its one question to be answered. */
import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { api } from "../api/client.ts";
import { usePending } from "../api/pending.ts";
import { forgetPlan, type Plan } from "../api/plans.ts";
import { shortPath } from "../pure/format.ts";
import { visibleText } from "../pure/visible.ts";
import { openSpotlight } from "../view/dialogs.ts";
import { ProblemNote } from "../view/problem.tsx";

export const Planned = ({
  plan,
  home,
}: {
  readonly plan: Plan;
  readonly home: string;
}): ReactElement => {
  const { task, reply } = plan;
  const refused = usePending() === 0;
  const navigate = useNavigate();
  const drop = useMutation({
    mutationFn: () => api.stop({ session: reply.session }),
    onSettled: async () => {
      await navigate({ to: "/" });
      forgetPlan(reply.session);
    },
  });
  const change = (): void => {
    drop.mutate();
    openSpotlight(task.text, shortPath(task.folder, home));
  };
  return (
    <div className="screen">
      <div className="run-head">
        <div className="run-title">
          <h1>{visibleText(task.text)}</h1>
          <p className="muted">
            {refused
              ? "It was not started, and nothing has happened."
              : "Nothing has happened yet. This is what it may do once you start it on the card below; whatever leaves it will ask."}
          </p>
        </div>
        <div className="run-side">
          <div className="actions">
            <button type="button" className="button" onClick={change}>
              Change
            </button>
            <button type="button" className="button" onClick={() => drop.mutate()}>
              Drop it
            </button>
          </div>
        </div>
      </div>
      {drop.error === null ? null : <ProblemNote error={drop.error} />}
      <dl className="scope-lines">
        {reply.lines.map(({ what, detail }) => (
          <div key={`${what} ${detail}`}>
            <dt>{visibleText(what)}</dt>
            <dd>{visibleText(detail)}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
};
