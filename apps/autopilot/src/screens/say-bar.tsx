/** A message to a task that runs. */
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, type ReactElement, useState } from "react";
import { api } from "../api/client.ts";
import { isRunning } from "../pure/run.ts";
import { announce } from "../view/announce.ts";
import { ProblemNote } from "../view/problem.tsx";

export const SayBar = ({
  session,
  state,
  isDirect,
}: {
  readonly session: string;
  readonly state: string;
  readonly isDirect: boolean;
}): ReactElement | null => {
  const [text, setText] = useState("");
  const say = useMutation({
    mutationFn: () => api.say({ session, text: text.trim() }),
    onSuccess: () => {
      setText("");
      announce("Said");
    },
  });
  // A row of direct commands has nobody who listens.
  if (isDirect || (!isRunning(state) && state !== "paused")) return null;
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (text.trim() !== "") say.mutate();
  };
  return (
    <form className="say" onSubmit={submit}>
      <input
        className="input grow"
        aria-label="Say something to the agent"
        placeholder="Say something to the agent"
        value={text}
        maxLength={10_000}
        onChange={({ target }) => setText(target.value)}
      />
      <button type="submit" className="button" disabled={text.trim() === "" || say.isPending}>
        Say
      </button>
      {say.error === null ? null : <ProblemNote error={say.error} />}
    </form>
  );
};
