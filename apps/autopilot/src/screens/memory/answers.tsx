/** What was recalled, from its proof alone: the text, where it came from, and the way to forget it. */
import { useMutation } from "@tanstack/react-query";
import type { RecallVerdict } from "@ioi/verifier";
import type { ReactElement } from "react";
import { actionOf, request } from "../../api/memory.ts";
import { exact } from "../../pure/format.ts";
import { forgetCommand, originWords } from "../../pure/memory.ts";
import { visibleText } from "../../pure/visible.ts";
import { announce } from "../../view/announce.ts";
import { Ago } from "../../view/marks.tsx";
import { useNow } from "../../view/now.ts";
import { ProblemNote } from "../../view/problem.tsx";

type Proved = Extract<RecallVerdict, { readonly ok: true }>;
type Answer = Proved["answers"][number];

/** A card is open for minutes. */
const forgetMs = 15 * 60_000;

const Forget = ({
  memory,
  signal,
  onForgotten,
}: {
  readonly memory: number;
  readonly signal: () => AbortSignal;
  readonly onForgotten: () => void;
}): ReactElement => {
  const forget = useMutation({
    mutationFn: async () => {
      const limit = AbortSignal.any([signal(), AbortSignal.timeout(forgetMs)]);
      const onAsk = (): void => announce("A card asks whether to forget it for good");
      return actionOf(await request(forgetCommand(memory), limit, onAsk));
    },
    onSuccess: () => {
      announce(`Memory ${memory} is forgotten`);
      onForgotten();
    },
  });
  return (
    <div className="memory-forget">
      <button
        type="button"
        className="button"
        disabled={forget.isPending}
        aria-label={`Forget memory ${memory}`}
        onClick={() => forget.mutate()}
      >
        Forget
      </button>
      {forget.isPending ? (
        <p className="hint" role="status">
          The card below asks once: it cannot be undone.
        </p>
      ) : null}
      {forget.error === null ? null : <ProblemNote error={forget.error} />}
    </div>
  );
};

const Row = ({
  answer,
  at,
  signal,
  onForgotten,
}: {
  readonly answer: Answer;
  readonly at: number;
  readonly signal: () => AbortSignal;
  readonly onForgotten: () => void;
}): ReactElement => {
  const now = useNow();
  const { memory, content } = answer;
  const { text, origin, source, atMs, saidMs, tags } = content;
  return (
    <li className="memory-answer">
      <span className="figure muted">{at + 1}</span>
      <div className="stack">
        <p className="memory-text">{visibleText(text)}</p>
        <dl className="memory-facts">
          <div>
            <dt>Memory</dt>
            <dd className="figure">{memory}</dd>
          </div>
          <div>
            <dt>From</dt>
            <dd>{visibleText(originWords(origin))}</dd>
          </div>
          <div>
            <dt>Source</dt>
            <dd className="whole">{visibleText(source) || "none"}</dd>
          </div>
          <div>
            <dt>Kept</dt>
            <dd>
              <Ago at={BigInt(Math.trunc(atMs))} now={now} />
            </dd>
          </div>
          {saidMs === undefined ? null : (
            <div>
              <dt>Said</dt>
              <dd>{exact(saidMs)}</dd>
            </div>
          )}
          {tags.length === 0 ? null : (
            <div>
              <dt>Tags</dt>
              <dd className="whole">{visibleText(tags.join(", "))}</dd>
            </div>
          )}
        </dl>
      </div>
      <Forget memory={memory} signal={signal} onForgotten={onForgotten} />
    </li>
  );
};

export const Answers = ({
  query,
  verdict,
  signal,
  onForgotten,
}: {
  readonly query: string;
  readonly verdict: Proved;
  readonly signal: () => AbortSignal;
  readonly onForgotten: () => void;
}): ReactElement => (
  <section aria-label="What was recalled">
    <h2 className="group">
      For “{visibleText(query)}” <span className="muted figure">{verdict.answers.length}</span>
    </h2>
    {verdict.answers.length === 0 ? (
      <p className="muted">Nothing that was remembered fits.</p>
    ) : (
      <ol className="rows memory-answers" aria-label="Memories, best first">
        {verdict.answers.map((answer, at) => (
          <Row
            key={answer.memory}
            answer={answer}
            at={at}
            signal={signal}
            onForgotten={onForgotten}
          />
        ))}
      </ol>
    )}
  </section>
);
