/** One action, whole: why it was decided so, what it found, what is proved of it, and its undo. */
import { useInfiniteQuery, useMutation } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { api } from "../api/client.ts";
import { queryClient } from "../api/queries.ts";
import { byteCount, micros } from "../pure/format.ts";
import { diffLines } from "../pure/diff.ts";
import { contentPieceBytes } from "../pure/limits.ts";
import { type ModelReply, parseReply } from "../pure/reply.ts";
import type { Outcome, Receipt, RunAction } from "../pure/run.ts";
import { visibleLine, visibleText } from "../pure/visible.ts";
import { Hash, Labelled, VerdictMark } from "../view/marks.tsx";
import { ProblemNote } from "../view/problem.tsx";
import { Diff, Lines, Said } from "../view/text.tsx";
import { deciderOf, objectOf } from "./timeline.tsx";

const ReceiptLine = ({
  what,
  receipt,
}: {
  readonly what: string;
  readonly receipt: Receipt;
}): ReactElement => (
  <div>
    <dt>{what}</dt>
    <dd>
      <Link to="/receipts" search={{ open: receipt.index }} className="figure">
        #{receipt.index}
      </Link>{" "}
      <Hash hex={receipt.leafHash} />
    </dd>
  </div>
);

const timingNames: Readonly<Record<string, string>> = {
  gateUs: "gate, whole",
  prepareUs: "prepare",
  proposeUs: "propose",
  decideUs: "decide",
  syncUs: "write down",
  signUs: "sign",
};

const Facts = ({ action }: { readonly action: RunAction }): ReactElement => {
  const { outcome, receipt } = action;
  return (
    <dl className="detail-facts">
      {action.ticket === undefined ? null : (
        <div>
          <dt>Ticket</dt>
          <dd className="figure">{action.ticket}</dd>
        </div>
      )}
      {outcome === undefined ? null : (
        <div>
          <dt>Reported by</dt>
          <dd>{outcome.reportedBy}</dd>
        </div>
      )}
      {outcome?.evidence.map(([name, value]) => (
        <div key={name}>
          <dt>{visibleLine(name)}</dt>
          <dd className="figure">{visibleLine(value)}</dd>
        </div>
      ))}
      {receipt === undefined ? null : <ReceiptLine what="Verdict's receipt" receipt={receipt} />}
      {outcome?.receipt === undefined ? null : (
        <ReceiptLine what="Outcome's receipt" receipt={outcome.receipt} />
      )}
    </dl>
  );
};

const Timing = ({ action }: { readonly action: RunAction }): ReactElement | null => {
  const most = Math.max(1, ...action.timing.map(([, us]) => us));
  if (action.timing.length === 0) return null;
  return (
    <details className="timing">
      <summary>Where the time went</summary>
      <dl>
        {action.timing.map(([name, us]) => (
          <div key={name}>
            <dt>{timingNames[name] ?? name}</dt>
            <dd>
              <meter min={0} max={most} value={us} aria-label={timingNames[name] ?? name} />
              <span className="figure">{micros(us)}</span>
            </dd>
          </div>
        ))}
      </dl>
    </details>
  );
};

/** What did not fit into the session, in pieces. */
const More = ({ session, n }: { readonly session: string; readonly n: number }): ReactElement => {
  const { data, error, fetchNextPage, hasNextPage, isFetching } = useInfiniteQuery({
    queryKey: ["content", session, n],
    enabled: false,
    initialPageParam: 0n,
    queryFn: ({ pageParam, signal }) =>
      api.getContent(
        { session, action: n, offset: pageParam, length: contentPieceBytes },
        { signal },
      ),
    getNextPageParam: ({ total, bytes }, _all, offset) => {
      const next = offset + BigInt(bytes.length);
      return bytes.length > 0 && next < total ? next : undefined;
    },
  });
  const decoder = new TextDecoder();
  const text = data?.pages.map(({ bytes }) => decoder.decode(bytes, { stream: true })).join("");
  return (
    <>
      {text === undefined ? null : <Lines text={text} label={`Content of action ${n}`} />}
      {error === null ? null : <ProblemNote error={error} />}
      {data === undefined || hasNextPage ? (
        <button
          type="button"
          className="button"
          disabled={isFetching}
          onClick={() => void fetchNextPage()}
        >
          {data === undefined ? "Show the whole content" : "Show more"}
        </button>
      ) : null}
    </>
  );
};

/** A model's answer as a person reads it: what it says, and what it wants done. */
const Answer = ({ reply }: { readonly reply: ModelReply }): ReactElement => (
  <>
    {reply.text === "" ? null : <Said text={reply.text} />}
    {reply.calls.length === 0 ? null : (
      <ul className="wishes" aria-label="What it wants done">
        {reply.calls.map(({ name, arguments: given }, index) => (
          <li key={index}>
            <code>
              {visibleLine(name)} {visibleText(given)}
            </code>
          </li>
        ))}
      </ul>
    )}
  </>
);

const Found = ({
  content,
  n,
  reply,
}: {
  readonly content: string;
  readonly n: number;
  readonly reply: ModelReply | undefined;
}): ReactElement =>
  reply === undefined ? (
    <Lines text={content} label={`Content of action ${n}`} />
  ) : (
    <Answer reply={reply} />
  );

const Content = ({
  session,
  n,
  outcome,
  reply,
}: {
  readonly session: string;
  readonly n: number;
  readonly outcome: Outcome;
  readonly reply: ModelReply | undefined;
}): ReactElement => (
  <>
    {outcome.message === undefined ? null : <p>{visibleText(outcome.message)}</p>}
    {outcome.content === undefined || outcome.content === "" ? null : (
      <>
        <h3 className="group">
          What it found {/* A list or a look has no bytes of its own. */}
          {outcome.bytes === 0 ? null : (
            <span className="muted figure">{byteCount(outcome.bytes)}</span>
          )}
        </h3>
        <Found content={outcome.content} n={n} reply={reply} />
      </>
    )}
    {outcome.hasMore ? <More session={session} n={n} /> : null}
  </>
);

/** What changed since the task looked at the same thing before. */
const Since = ({
  before,
  action,
}: {
  readonly before: RunAction;
  readonly action: RunAction;
}): ReactElement | null => {
  const lines = diffLines(before.outcome?.content ?? "", action.outcome?.content ?? "");
  if (lines === undefined) return null;
  return (
    <>
      <h3 className="group">Since action {before.n}</h3>
      <Diff lines={lines} label={`What changed between actions ${before.n} and ${action.n}`} />
    </>
  );
};

/** Changed something that can be put back: reading is reversible only in the sense of harmless. */
const canUndo = ({ target, outcome }: RunAction): boolean =>
  outcome?.reversible === true &&
  target !== "fs::restore" &&
  outcome.evidence.some(([name, value]) => name === "filesChanged" && value !== "0");

const UndoButton = ({
  session,
  n,
}: {
  readonly session: string;
  readonly n: number;
}): ReactElement => {
  const navigate = useNavigate();
  const undo = useMutation({
    mutationFn: () => api.undo({ session, action: n }),
    onSuccess: async ({ session: own }) => {
      await queryClient.invalidateQueries();
      await navigate({ to: "/task/$session", params: { session: own } });
    },
  });
  return (
    <>
      <button
        type="button"
        className="button"
        disabled={undo.isPending}
        onClick={() => undo.mutate()}
      >
        <Labelled icon="undo">Undo this</Labelled>
      </button>
      {undo.error === null ? null : <ProblemNote error={undo.error} />}
    </>
  );
};

/** An outcome that nobody knows: a person looks and says. */
const Resolve = ({ session }: { readonly session: string }): ReactElement => {
  const resolve = useMutation({
    mutationFn: (resolution: string) => api.resolve({ session, resolution }),
    onSuccess: () => queryClient.invalidateQueries(),
  });
  return (
    <div className="note">
      <p>
        The kernel ended while this was at work, and nothing says whether it happened. Look, then
        say it.
      </p>
      <button type="button" className="button" onClick={() => resolve.mutate("happened")}>
        It happened
      </button>
      <button type="button" className="button" onClick={() => resolve.mutate("did-not-happen")}>
        It did not
      </button>
      {resolve.error === null ? null : <ProblemNote error={resolve.error} />}
    </div>
  );
};

export const ActionDetail = ({
  session,
  action,
  before,
}: {
  readonly session: string;
  readonly action: RunAction;
  /** Looked at the same thing earlier and found something else. */
  readonly before: RunAction | undefined;
}): ReactElement => {
  const { outcome, n } = action;
  const isModel = action.target.startsWith("model::");
  const reply = isModel ? parseReply(outcome?.content ?? "") : undefined;
  return (
    <div className="detail">
      <h2 className="detail-title">
        <span className="muted figure">{n}</span>{" "}
        <code>
          {visibleLine(action.target)} {visibleLine(objectOf(action))}
        </code>
      </h2>
      <p className="detail-verdict">
        <VerdictMark verdict={action.verdict} />
        <span className="muted">by {visibleLine(deciderOf(action)) || "nobody yet"}</span>
        {action.receipt === undefined ? null : (
          <Link to="/policy" search={{ tab: "explain", receipt: action.receipt.index }}>
            Why, rule by rule
          </Link>
        )}
      </p>
      {action.reason === "" ? null : <p>{visibleText(action.reason)}</p>}
      {action.verdict === "deny" && action.instead !== "" ? (
        <p>
          <strong>Allowed instead:</strong> {visibleText(action.instead)}
        </p>
      ) : null}
      {outcome?.status === "unknown" ? <Resolve session={session} /> : null}
      {outcome === undefined ? null : (
        <Content session={session} n={n} outcome={outcome} reply={reply} />
      )}
      {before === undefined ? null : <Since before={before} action={action} />}
      <Facts action={action} />
      <Timing action={action} />
      {canUndo(action) ? <UndoButton session={session} n={n} /> : null}
    </div>
  );
};
