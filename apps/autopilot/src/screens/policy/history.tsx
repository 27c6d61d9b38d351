/** The changes of the policy that have a receipt, and the texts that are kept. */
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { PolicyVersionLine } from "@ioi/wire/console";
import type { ReactElement } from "react";
import { api } from "../../api/client.ts";
import { policyHistoryQuery, type Worked } from "../../api/policy.ts";
import { visibleLine } from "../../pure/visible.ts";
import { announce } from "../../view/announce.ts";
import { Ago, Hash } from "../../view/marks.tsx";
import { useNow } from "../../view/now.ts";
import { Empty, ProblemNote, Waiting } from "../../view/problem.tsx";

const Row = ({
  version,
  work,
}: {
  readonly version: PolicyVersionLine;
  readonly work: Worked;
}): ReactElement => {
  const now = useNow();
  const load = useMutation({
    mutationFn: async () => await api.getPolicy({ textHash: version.before }),
    onSuccess: ({ text }) => {
      work.setText(text);
      announce("The earlier text is the draft now");
    },
  });
  return (
    <li className="history-row">
      <span>
        <Hash hex={version.before} /> → <Hash hex={version.after} />
      </span>
      <span>
        by {visibleLine(version.device)}, <Ago at={version.atMs} now={now} />,{" "}
        <Link to="/receipts" search={{ open: Number(version.receiptIndex) }}>
          receipt #{String(version.receiptIndex)}
        </Link>
      </span>
      {version.kept ? (
        <button
          type="button"
          className="button small"
          disabled={load.isPending}
          aria-label={`Take the text before this change, ${version.before.slice(0, 12)}, as the draft`}
          onClick={() => load.mutate()}
        >
          Text before
        </button>
      ) : (
        <span className="muted">not kept</span>
      )}
      {load.error === null ? null : <ProblemNote error={load.error} />}
    </li>
  );
};

export const HistoryPanel = ({ work }: { readonly work: Worked }): ReactElement => {
  const { data, error } = useQuery(policyHistoryQuery);
  if (error !== null) return <ProblemNote error={error} />;
  if (data === undefined) return <Waiting what="Reading the history" />;
  if (data.length === 0) {
    return (
      <Empty title="No change yet">
        <p>
          Each text that is saved here or with ./ioi policy set leaves a receipt, and the text
          before it is kept.
        </p>
      </Empty>
    );
  }
  return (
    <ul className="cards-list" aria-label="Changes, newest first">
      {data.map((version) => (
        <Row key={String(version.receiptIndex)} version={version} work={work} />
      ))}
    </ul>
  );
};
