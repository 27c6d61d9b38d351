/** A task that rests: why, and going on, with more where a budget is used up. */
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, type ReactElement, useState } from "react";
import { api } from "../api/client.ts";
import { queryClient } from "../api/queries.ts";
import {
  mayResume,
  type ReachedBudget,
  reachedBudget,
  restWords,
  type RunView,
} from "../pure/run.ts";
import { announce } from "../view/announce.ts";
import { ProblemNote } from "../view/problem.tsx";

const names: Readonly<Record<ReachedBudget["what"], string>> = {
  actions: "Actions, at most",
  minutes: "Minutes, at most",
  tokens: "Tokens, at most",
  dollars: "Dollars, at most",
};

/** What a call of the console says of one budget; the others stay as they are. */
const raised = (what: ReachedBudget["what"] | undefined, most: number) => ({
  actions: what === "actions" ? Math.round(most) : 0,
  minutes: what === "minutes" ? Math.round(most) : 0,
  tokens: what === "tokens" ? BigInt(Math.round(most)) : 0n,
  microusd: what === "dollars" ? BigInt(Math.round(most * 1_000_000)) : 0n,
});

const MostField = ({
  what,
  most,
  change,
}: {
  readonly what: ReachedBudget["what"];
  readonly most: number;
  readonly change: (most: number) => void;
}): ReactElement => (
  <label className="field">
    <span className="field-name">{names[what]}</span>
    <input
      className="input figure"
      type="number"
      min="0"
      max="1000000000"
      step={what === "dollars" ? "0.01" : "1"}
      value={most}
      onChange={({ target }) => change(target.valueAsNumber || 0)}
    />
  </label>
);

const Form = ({ view }: { readonly view: RunView }): ReactElement => {
  const reached = reachedBudget(view);
  const [most, setMost] = useState(
    reached === undefined ? 0 : Math.max(reached.limit * 2, reached.what === "dollars" ? 0.1 : 1),
  );
  const resume = useMutation({
    mutationFn: () => api.resume({ session: view.session, ...raised(reached?.what, most) }),
    onSuccess: () => {
      announce("Goes on");
      return queryClient.invalidateQueries();
    },
  });
  const ready = !resume.isPending && (reached === undefined || most > reached.limit);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (ready) resume.mutate();
  };
  return (
    <form className="note note-ask rest" aria-label="This task rests" onSubmit={submit}>
      <p>
        <strong>{restWords(view)}</strong>
      </p>
      {reached === undefined ? null : (
        <MostField what={reached.what} most={most} change={setMost} />
      )}
      <button type="submit" className="button primary" disabled={!ready}>
        Go on
      </button>
      {resume.error === null ? null : <ProblemNote error={resume.error} />}
    </form>
  );
};

export const RestBar = ({ view }: { readonly view: RunView }): ReactElement | null =>
  // Another rest is another question.
  mayResume(view) ? <Form key={view.error?.message ?? ""} view={view} /> : null;
