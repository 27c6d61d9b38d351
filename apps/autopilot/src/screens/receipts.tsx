/** The receipts: what happened, provably. Listed, inspected, verified here, taken along. */
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import type { ReceiptLine } from "@ioi/wire/console";
import { type ReactElement, useEffect, useRef, useState } from "react";
import { receiptsQuery } from "../api/queries.ts";
import { exact, grouped } from "../pure/format.ts";
import { visibleLine } from "../pure/visible.ts";
import { Icon, type IconName } from "../view/icons.tsx";
import { Ago, Hash } from "../view/marks.tsx";
import { useNow } from "../view/now.ts";
import { Empty, ProblemNote, Waiting } from "../view/problem.tsx";
import { Lines } from "../view/text.tsx";
import { VerifyPanel } from "./verify-panel.tsx";

const typeWords: Readonly<Record<string, string>> = {
  "session-open": "task opened",
  intent: "verdict",
  outcome: "outcome",
  decision: "decision",
  revoke: "ended",
  policy: "policy",
  "policy-change": "policy saved",
};

const tones: Readonly<Record<string, readonly [IconName, string]>> = {
  allow: ["allow", "verdict-allow"],
  approve: ["allow", "verdict-allow"],
  ask: ["ask", "verdict-ask"],
  deny: ["deny", "verdict-deny"],
  confirmed: ["good", "tone-good"],
  partial: ["waits", "tone-waits"],
  unknown: ["waits", "tone-waits"],
  refused: ["bad", "tone-bad"],
  "no-effect": ["none", "tone-quiet"],
};

const Said = ({ word }: { readonly word: string }): ReactElement => {
  if (word === "") return <span />;
  const [icon, tone] = tones[word] ?? ["none", "tone-quiet"];
  return (
    <span className={`mark ${tone}`}>
      <Icon name={icon} />
      <span>{word}</span>
    </span>
  );
};

const pretty = (json: string): string => {
  try {
    return JSON.stringify(JSON.parse(json), undefined, 2);
  } catch {
    return json;
  }
};

const Detail = ({ receipt }: { readonly receipt: ReceiptLine }): ReactElement => (
  <div className="detail">
    <dl className="detail-facts">
      <div>
        <dt>Leaf hash</dt>
        <dd>
          <code className="whole">{receipt.leafHash}</code>
        </dd>
      </div>
      <div>
        <dt>Written</dt>
        <dd className="figure">{exact(Number(receipt.atMs))}</dd>
      </div>
      {receipt.session === "" ? null : (
        <div>
          <dt>Task</dt>
          <dd>
            <Link to="/task/$session" params={{ session: receipt.session }} className="mono">
              {receipt.session}
            </Link>
          </dd>
        </div>
      )}
    </dl>
    <Lines text={pretty(receipt.json)} label={`Receipt ${receipt.index}`} />
  </div>
);

/** What it speaks of; of an outcome the log says only whose ticket it is. */
const aboutOf = ({ display, target, counter, session }: ReceiptLine): string =>
  display || target || (counter === "" || counter === "0" ? session : `ticket ${counter}`);

const Row = ({
  receipt,
  isOpen,
  onToggle,
}: {
  readonly receipt: ReceiptLine;
  readonly isOpen: boolean;
  readonly onToggle: () => void;
}): ReactElement => {
  const now = useNow();
  const ref = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (isOpen) ref.current?.scrollIntoView({ block: "nearest" });
  }, [isOpen]);
  return (
    <li ref={ref}>
      <button
        type="button"
        className="row receipt-row"
        aria-expanded={isOpen}
        onClick={onToggle}
        data-row
      >
        <span className="figure muted">{grouped(receipt.index)}</span>
        <span className="receipt-type">{typeWords[receipt.type] ?? receipt.type}</span>
        <Said word={receipt.verdict || receipt.status} />
        <span className="mono cut receipt-what">{visibleLine(aboutOf(receipt))}</span>
        <span className="receipt-hash">
          <Hash hex={receipt.leafHash} />
        </span>
        <span className="figure muted">
          <Ago at={receipt.atMs} now={now} />
        </span>
      </button>
      {isOpen ? <Detail receipt={receipt} /> : null}
    </li>
  );
};

const matches = (receipt: ReceiptLine, words: string, type: string): boolean =>
  (type === "" || receipt.type === type) &&
  (words === "" ||
    `${receipt.display} ${receipt.target} ${receipt.verdict} ${receipt.status} ${receipt.session}`
      .toLowerCase()
      .includes(words.toLowerCase()));

const Filters = ({
  words,
  type,
  onWords,
  onType,
}: {
  readonly words: string;
  readonly type: string;
  readonly onWords: (next: string) => void;
  readonly onType: (next: string) => void;
}): ReactElement => (
  <div className="filters">
    <input
      className="input grow"
      type="search"
      aria-label="Filter by words"
      placeholder="Filter"
      value={words}
      onChange={({ target }) => onWords(target.value)}
    />
    <select
      className="input"
      aria-label="Kind of receipt"
      value={type}
      onChange={({ target }) => onType(target.value)}
    >
      <option value="">every kind</option>
      {Object.entries(typeWords).map(([value, text]) => (
        <option key={value} value={value}>
          {text}
        </option>
      ))}
    </select>
  </div>
);

const List = ({
  session,
  opened,
}: {
  readonly session: string;
  readonly opened: number | undefined;
}): ReactElement => {
  const navigate = useNavigate();
  const [words, setWords] = useState("");
  const [type, setType] = useState("");
  // What was linked to is on the page that ends behind it.
  const [before, setBefore] = useState<bigint | undefined>(
    opened === undefined ? undefined : BigInt(opened + 50),
  );
  const { data, error, refetch } = useQuery(receiptsQuery(session, before));
  if (error !== null) return <ProblemNote error={error} retry={() => void refetch()} />;
  if (data === undefined) return <Waiting what="Reading the receipts" />;
  if (data.size === 0n) {
    return (
      <Empty title="No receipts yet">
        <p>The first task writes the first one.</p>
      </Empty>
    );
  }
  const toggle = (index: bigint): void => {
    const open = Number(index) === opened ? {} : { open: Number(index) };
    void navigate({
      to: "/receipts",
      search: { ...(session === "" ? {} : { session }), ...open },
      replace: true,
    });
  };
  const shown = data.receipts.filter((receipt) => matches(receipt, words, type));
  return (
    <>
      <Filters words={words} type={type} onWords={setWords} onType={setType} />
      <ol className="rows" aria-label="Receipts, newest first">
        {shown.map((receipt) => (
          <Row
            key={String(receipt.index)}
            receipt={receipt}
            isOpen={Number(receipt.index) === opened}
            onToggle={() => toggle(receipt.index)}
          />
        ))}
      </ol>
      {shown.length === 0 ? <p className="muted timeline-empty">None of these fits.</p> : null}
      <p className="pager">
        <span className="muted figure">
          {grouped(data.from)} to {grouped(data.to)} of {grouped(data.size)}
        </span>
        {data.to < data.size ? (
          <button type="button" className="button" onClick={() => setBefore(undefined)}>
            Newest
          </button>
        ) : null}
        {data.from > 0n ? (
          <button type="button" className="button" onClick={() => setBefore(data.from)}>
            Earlier
          </button>
        ) : null}
      </p>
    </>
  );
};

export const Receipts = (): ReactElement => {
  const { session = "", open } = useSearch({ from: "/receipts" });
  return (
    <div className="screen">
      <div className="screen-head">
        <h1>Receipts</h1>
        <p className="muted">
          {session === "" ? "Every verdict and every outcome, signed by the Guardian." : null}
          {session === "" ? null : (
            <>
              Of task <span className="mono">{session}</span>.{" "}
              <Link to="/receipts">All of them</Link>
            </>
          )}
        </p>
      </div>
      <VerifyPanel />
      <List key={session} session={session} opened={open} />
    </div>
  );
};
