/** Home: what was asked for, what waits, and what to do where nothing was asked for yet. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { SessionLine } from "@ioi/wire/console";
import { type ReactElement, useState } from "react";
import { overviewQuery, sessionsQuery } from "../api/queries.ts";
import { shortPath } from "../pure/format.ts";
import { isRunning, toneOf } from "../pure/run.ts";
import { visibleLine } from "../pure/visible.ts";
import { openSpotlight } from "../view/dialogs.ts";
import { Icon } from "../view/icons.tsx";
import { Ago, Key, StateMark } from "../view/marks.tsx";
import { useNow } from "../view/now.ts";
import { Empty, ProblemNote, Waiting } from "../view/problem.tsx";
import { kept } from "../view/store.ts";
import { MachineStrip } from "./machine-strip.tsx";

const examples: readonly { readonly text: string; readonly what: string }[] = [
  { text: "/list", what: "List a folder. A direct command; no model takes part." },
  { text: "/find *.pdf", what: "Find files by their names." },
  { text: '/write notes.txt "first line"', what: "Write a file. It can be undone." },
];

const Row = ({
  line,
  home,
  now,
}: {
  readonly line: SessionLine;
  readonly home: string;
  readonly now: number;
}): ReactElement => (
  <li>
    <Link to="/task/$session" params={{ session: line.session }} className="row task-row" data-row>
      <StateMark state={line.state} />
      <span className="task-text">{visibleLine(line.text) || "(no words)"}</span>
      <span className="mono muted cut task-folder">
        {visibleLine(shortPath(line.workspace, home))}
      </span>
      <span className="figure">
        {line.actions} <span className="unit">{line.actions === 1 ? "action" : "actions"}</span>
      </span>
      <span className="figure task-undo">
        {line.undoable > 0 ? (
          <>
            {line.undoable} <span className="unit">to undo</span>
          </>
        ) : null}
      </span>
      <span className="figure muted">
        <Ago at={line.createdMs} now={now} />
      </span>
    </Link>
  </li>
);

const TaskList = ({
  title,
  lines,
  home,
}: {
  readonly title: string;
  readonly lines: readonly SessionLine[];
  readonly home: string;
}): ReactElement | null => {
  const now = useNow();
  if (lines.length === 0) return null;
  return (
    <section aria-label={title}>
      <h2 className="group">
        {title} <span className="muted figure">{lines.length}</span>
      </h2>
      <ul className="rows">
        {lines.map((line) => (
          <Row key={line.session} line={line} home={home} now={now} />
        ))}
      </ul>
    </section>
  );
};

const First = (): ReactElement => (
  <Empty title="Nothing was asked for yet">
    <p>
      Say what should be done. What it may touch is read back to you before anything happens; every
      step is judged by your policy, and leaves a receipt.
    </p>
    <p className="actions">
      <button type="button" className="button primary" onClick={() => openSpotlight()}>
        <Icon name="plus" />
        <span>New task</span>
      </button>
      <Link to="/tour" className="button">
        Two-minute tour
      </Link>
    </p>
    <h3 className="group">Or begin with one of these</h3>
    <ul className="rows examples">
      {examples.map(({ text, what }) => (
        <li key={text}>
          <button
            type="button"
            className="row example"
            onClick={() => openSpotlight(text)}
            data-row
          >
            <code>{text}</code>
            <span className="muted">{what}</span>
          </button>
        </li>
      ))}
    </ul>
  </Empty>
);

const TourOffer = (): ReactElement | null => {
  const [gone, setGone] = useState(kept.read("tour") !== undefined);
  if (gone) return null;
  const dismiss = (): void => {
    kept.write("tour", "not now");
    setGone(true);
  };
  return (
    <div className="note">
      <Icon name="shield" />
      <p>
        New here? <Link to="/tour">The tour</Link> takes two minutes: one action that is allowed,
        one that asks, one that is denied, one undone, one receipt verified.
      </p>
      <button type="button" className="button ghost square" onClick={dismiss} aria-label="Not now">
        <Icon name="close" />
      </button>
    </div>
  );
};

const waits = ({ state }: SessionLine): boolean => toneOf(state) === "waits";

export const Tasks = (): ReactElement => {
  const overview = useQuery(overviewQuery);
  const { data, error, refetch } = useQuery(sessionsQuery);
  const home = overview.data?.home ?? "";
  const running = data?.filter((line) => isRunning(line.state) && !waits(line)) ?? [];
  const rest = data?.filter((line) => !isRunning(line.state) && !waits(line)) ?? [];
  return (
    <div className="screen">
      <div className="screen-head">
        <h1>Tasks</h1>
        <MachineStrip />
      </div>
      {error === null ? null : <ProblemNote error={error} retry={() => void refetch()} />}
      {data === undefined && error === null ? <Waiting what="Reading the tasks" /> : null}
      {data?.length === 0 ? <First /> : null}
      {data === undefined || data.length === 0 ? null : (
        <>
          <button type="button" className="ask-bar" onClick={() => openSpotlight()}>
            <span className="grow">What should be done?</span>
            <span className="keys" aria-hidden="true">
              <Key>Ctrl</Key>
              <Key>K</Key>
            </span>
          </button>
          <TourOffer />
          <TaskList title="Waits for you" lines={data.filter(waits)} home={home} />
          <TaskList title="At work" lines={running} home={home} />
          <TaskList title="Earlier" lines={rest} home={home} />
        </>
      )}
    </div>
  );
};
