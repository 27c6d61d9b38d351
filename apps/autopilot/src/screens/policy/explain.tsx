/** Why a past action was decided so, and what the draft says of it with the same answers. */
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { api } from "../../api/client.ts";
import type { Worked } from "../../api/policy.ts";
import { receiptsQuery } from "../../api/queries.ts";
import { parsePast, type PastView } from "../../pure/policy.ts";
import { visibleLine } from "../../pure/visible.ts";
import { Ago, VerdictMark } from "../../view/marks.tsx";
import { useNow } from "../../view/now.ts";
import { Empty, ProblemNote, Waiting } from "../../view/problem.tsx";
import { Judged } from "./parts.tsx";

/** Verdicts that are offered, newest first. */
const offeredMax = 30;

const verdictOf = (said: string): "allow" | "ask" | "deny" | undefined =>
  said === "allow" || said === "ask" || said === "deny" ? said : undefined;

const Choice = (): ReactElement => {
  const navigate = useNavigate();
  const now = useNow();
  const { data, error } = useQuery(receiptsQuery("", undefined));
  if (error !== null) return <ProblemNote error={error} />;
  if (data === undefined) return <Waiting what="Reading the receipts" />;
  const verdicts = data.receipts.filter(({ type }) => type === "intent").slice(0, offeredMax);
  if (verdicts.length === 0) {
    return (
      <Empty title="Nothing to explain yet">
        <p>The first task's actions can be picked here, and why each was decided so is told.</p>
      </Empty>
    );
  }
  return (
    <ol className="rows" aria-label="Actions, newest first">
      {verdicts.map(({ index, display, target, verdict, atMs }) => (
        <li key={String(index)}>
          <button
            type="button"
            className="row past-row"
            data-row
            onClick={() =>
              void navigate({ to: "/policy", search: { tab: "explain", receipt: Number(index) } })
            }
          >
            <VerdictMark verdict={verdictOf(verdict)} />
            <span className="mono cut">{visibleLine(display || target)}</span>
            <span className="figure muted">
              <Ago at={atMs} now={now} />
            </span>
          </button>
        </li>
      ))}
    </ol>
  );
};

const Then = ({ past }: { readonly past: PastView }): ReactElement => (
  <dl className="facts-table" aria-label="Then">
    <div>
      <dt>Action</dt>
      <dd className="mono">{visibleLine(past.display)}</dd>
    </div>
    <div>
      <dt>Then</dt>
      <dd className="mark-line">
        <VerdictMark verdict={past.before.verdict} />
        <span>
          {past.before.rules.length === 0 ? "" : `by ${visibleLine(past.before.rules.join(", "))}`}
          {past.before.answered ? ", after a person's answer, which counts below too" : ""}
        </span>
      </dd>
    </div>
    <div>
      <dt>Receipt</dt>
      <dd>
        <Link to="/receipts" search={{ open: past.receipt }}>
          #{past.receipt}
        </Link>{" "}
        of{" "}
        <Link to="/task/$session" params={{ session: past.session }} className="mono">
          {past.session}
        </Link>
      </dd>
    </div>
  </dl>
);

const Explained = ({
  work,
  receipt,
  onGo,
  onAdd,
}: {
  readonly work: Worked;
  readonly receipt: number;
  readonly onGo: (line: number) => void;
  readonly onAdd: (toml: string) => void;
}): ReactElement => {
  const text = work.text;
  const { data, error } = useQuery({
    queryKey: ["policy-past", receipt, text],
    queryFn: async ({ signal }) => {
      const reply = await api.explainPolicy({ receipt: BigInt(receipt), text }, { signal });
      const past = parsePast(reply.json);
      if (past === undefined) throw new Error("the console's answer explains nothing");
      return past;
    },
    gcTime: 10_000,
  });
  if (error !== null) return <ProblemNote error={error} />;
  if (data === undefined) return <Waiting what="Judging it again" />;
  return (
    <>
      <Then past={data} />
      <h2 className="group">
        {work.changed ? "What this draft says of it" : "What the policy says of it now"}
      </h2>
      <Judged judged={data.now} onGo={onGo} onAdd={onAdd} />
    </>
  );
};

export const ExplainPanel = ({
  work,
  receipt,
  onGo,
  onAdd,
}: {
  readonly work: Worked;
  readonly receipt: number | undefined;
  readonly onGo: (line: number) => void;
  readonly onAdd: (toml: string) => void;
}): ReactElement => (
  <div className="policy-part">
    {receipt === undefined ? (
      <>
        <p className="muted">Pick an action: why it was decided so, rule by rule.</p>
        <Choice />
      </>
    ) : (
      <>
        <p>
          <Link to="/policy" search={{ tab: "explain" }}>
            Another action
          </Link>
        </p>
        <Explained work={work} receipt={receipt} onGo={onGo} onAdd={onAdd} />
      </>
    )}
  </div>
);
