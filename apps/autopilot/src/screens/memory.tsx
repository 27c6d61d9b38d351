/**
 * Memories: kept, found with a proof that this browser checks, and forgotten for good. Everything here
 * is a direct request through the gate, and stands among the tasks and the receipts.
 */
import { useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type FormEvent, type ReactElement, useEffect, useRef, useState } from "react";
import { actionOf, recallHere, request } from "../api/memory.ts";
import { ownWordsCharsMax } from "../pure/limits.ts";
import { recallCommand, rememberCommand } from "../pure/memory.ts";
import { visibleText } from "../pure/visible.ts";
import { announce } from "../view/announce.ts";
import { Labelled } from "../view/marks.tsx";
import { Empty, ProblemNote, Waiting } from "../view/problem.tsx";
import { Answers } from "./memory/answers.tsx";
import { Path } from "./memory/path.tsx";
import { ProofPanel } from "./memory/proof.tsx";

/** How long a request may take, in milliseconds. */
const requestMs = 60_000;

/** Ends what still waits when the screen is left. */
const useLeaving = (): (() => AbortSignal) => {
  const leaving = useRef(new AbortController());
  useEffect(() => {
    const current = new AbortController();
    leaving.current = current;
    return () => current.abort(new Error("the screen was left"));
  }, []);
  return () => leaving.current.signal;
};

const Search = ({
  busy,
  onSearch,
}: {
  readonly busy: boolean;
  readonly onSearch: (query: string) => void;
}): ReactElement => {
  const [query, setQuery] = useState("");
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (query.trim() !== "" && !busy) onSearch(query.trim());
  };
  return (
    <form className="memory-form" onSubmit={submit} role="search">
      <input
        className="input grow"
        type="search"
        aria-label="What is looked for"
        placeholder="What is looked for"
        value={query}
        maxLength={4000}
        onChange={({ target }) => setQuery(target.value)}
      />
      <button type="submit" className="button primary" disabled={query.trim() === "" || busy}>
        <Labelled icon="memory">Recall</Labelled>
      </button>
    </form>
  );
};

const Remember = ({ signal }: { readonly signal: () => AbortSignal }): ReactElement => {
  const [text, setText] = useState("");
  const keep = useMutation({
    mutationFn: async (given: string) => {
      const limit = AbortSignal.any([signal(), AbortSignal.timeout(requestMs)]);
      return actionOf(await request(rememberCommand(given), limit));
    },
    onSuccess: ({ outcome }) => {
      setText("");
      announce(outcome?.content ?? "Kept");
    },
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (text.trim() !== "" && !keep.isPending) keep.mutate(text);
  };
  const said = keep.data?.outcome?.content;
  return (
    <section aria-label="Keep something">
      <h2 className="group">Keep something</h2>
      <form className="memory-form" onSubmit={submit}>
        <input
          className="input grow"
          aria-label="What is kept"
          placeholder="The key is under the mat."
          value={text}
          maxLength={ownWordsCharsMax}
          onChange={({ target }) => setText(target.value)}
        />
        <button type="submit" className="button" disabled={text.trim() === "" || keep.isPending}>
          Remember
        </button>
      </form>
      <p className="hint" role="status">
        {said === undefined
          ? "Kept as your own words. What an agent wants to keep asks you first."
          : visibleText(said)}
      </p>
      {keep.error === null ? null : <ProblemNote error={keep.error} />}
    </section>
  );
};

export const MemoryScreen = (): ReactElement => {
  const signal = useLeaving();
  const recall = useMutation({
    mutationFn: async (query: string) => {
      const limit = AbortSignal.any([signal(), AbortSignal.timeout(requestMs)]);
      return await recallHere(query, recallCommand(query), limit);
    },
    onSuccess: ({ proved }) =>
      announce(
        proved?.verdict.ok === true
          ? `${proved.verdict.answers.length} memories found, and verified in this browser`
          : proved === undefined
            ? "Nothing was ever remembered"
            : "The proof does not hold",
      ),
  });
  const { data } = recall;
  const verdict = data?.proved?.verdict;
  return (
    <div className="screen">
      <div className="screen-head">
        <h1>Memory</h1>
        <p className="muted">
          One file of this machine that agents keep and find things in, through the gate. Each
          answer comes with a proof; each memory keeps where it came from.
        </p>
      </div>
      <Search busy={recall.isPending} onSearch={(query) => recall.mutate(query)} />
      {recall.isPending ? <Waiting what="Looking, and verifying" /> : null}
      {recall.error === null ? null : <ProblemNote error={recall.error} />}
      {data !== undefined && data.proved === undefined ? (
        <Empty title="Nothing was ever remembered">
          <p>Keep something below, or let an agent keep what it learns: it asks you first.</p>
        </Empty>
      ) : null}
      {data === undefined || data.proved === undefined || recall.isPending ? null : (
        <div className="memory-found" data-recalled={verdict?.ok === true}>
          {verdict?.ok === true ? (
            <Answers
              query={data.query}
              verdict={verdict}
              signal={signal}
              onForgotten={() => recall.mutate(data.query)}
            />
          ) : null}
          {data.foundBy === undefined ? null : <p className="muted">{visibleText(data.foundBy)}</p>}
          <ProofPanel proved={data.proved} receipt={data.receipt} />
          {verdict?.ok === true && verdict.search !== undefined ? (
            <Path verdict={verdict} search={verdict.search} />
          ) : null}
          <p className="muted">
            Asked as{" "}
            <Link to="/task/$session" params={{ session: data.session }}>
              a task
            </Link>{" "}
            of its own, like everything here.
          </p>
        </div>
      )}
      <Remember signal={signal} />
    </div>
  );
};
