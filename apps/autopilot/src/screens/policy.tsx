/**
 * The policy: its text in an editor that is checked while it is written, and beside it what the draft
 * changes, does to tests, to an action made by hand, to what happened already. A text with an error
 * cannot be saved, and saving is signed by a device: this page only proposes.
 */
import { Tabs } from "@base-ui/react/tabs";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type ReactElement, type RefObject, useEffect, useRef } from "react";
import {
  type Checked,
  policyDraft,
  useChecked,
  usePolicy,
  workOn,
  type Worked,
} from "../api/policy.ts";
import { overviewQuery } from "../api/queries.ts";
import { count } from "../pure/format.ts";
import { isPolicyTab, type PolicyTab } from "../pure/policy-tabs.ts";
import { visibleText } from "../pure/visible.ts";
import { announce } from "../view/announce.ts";
import type { Editor } from "../view/codemirror.ts";
import { Icon } from "../view/icons.tsx";
import { Hash } from "../view/marks.tsx";
import { PolicyEditor } from "../view/policy-editor.tsx";
import { ProblemNote, Waiting } from "../view/problem.tsx";
import { ExplainPanel } from "./policy/explain.tsx";
import { HistoryPanel } from "./policy/history.tsx";
import { LearnPanel } from "./policy/learn.tsx";
import { ProblemsPanel } from "./policy/problems.tsx";
import { cannotSave, SavePanel, WaitingChanges } from "./policy/save.tsx";
import { ShadowPanel } from "./policy/shadow.tsx";
import { TestsPanel } from "./policy/tests.tsx";
import { TryPanel } from "./policy/try.tsx";

const origins: Readonly<Record<string, string>> = {
  first: "as it was found at the start",
  saved: "saved with a device's signature",
  edited: "edited by hand, and not saved with a signature since",
};

const tasksUnder = (open: number): string => {
  if (open === 0) return "";
  return open === 1
    ? "1 open task goes by it from its next action."
    : `${open} open tasks go by it from their next action.`;
};

const Standing = ({ work }: { readonly work: Worked }): ReactElement => {
  const { textHash, policyHash, error, origin } = work.policy;
  const { data } = useQuery(overviewQuery);
  return (
    <>
      <p className="muted policy-standing">
        In force: <Hash hex={textHash} />, {origins[origin] ?? origin}
        {policyHash === "" ? "" : ". "}
        {policyHash === "" ? null : (
          <>
            Receipts name it <Hash hex={policyHash} />
          </>
        )}
        {`. ${tasksUnder(data?.openSessions ?? 0)}`}
      </p>
      {error === "" ? null : (
        <div className="note note-bad" role="alert">
          <Icon name="bad" />
          <div>
            <strong>The text in force does not load, and everything is refused</strong>
            <p>{visibleText(error)}</p>
          </div>
        </div>
      )}
    </>
  );
};

/** A draft that was made over another text than the one in force. */
const Moved = ({ work }: { readonly work: Worked }): ReactElement | null =>
  work.moved ? (
    <div className="note note-ask" role="alert">
      <Icon name="waits" />
      <div>
        <strong>The policy was changed while this draft was made</strong>
        <p>What it says now would be replaced by the draft as it stands.</p>
      </div>
      <span className="actions">
        <button type="button" className="button" onClick={work.drop}>
          Take the present text
        </button>
        <button type="button" className="button" onClick={work.rebase}>
          Keep the draft, compare it anew
        </button>
      </span>
    </div>
  ) : null;

const Bar = ({
  work,
  checked,
  onReview,
}: {
  readonly work: Worked;
  readonly checked: Checked;
  readonly onReview: () => void;
}): ReactElement => {
  const why = cannotSave(work, checked);
  return (
    <div className="policy-bar">
      <button
        type="button"
        className="button primary"
        disabled={why !== undefined}
        aria-describedby="policy-why"
        onClick={onReview}
      >
        Review and save
      </button>
      <button type="button" className="button" disabled={!work.changed} onClick={work.drop}>
        Drop the draft
      </button>
      <span id="policy-why" className="muted">
        {why ?? "What it changes is shown before it is saved."}
      </span>
    </div>
  );
};

/** Said once when the number changes, not with every letter. */
const useSpokenProblems = ({ lint, current }: Checked): void => {
  const before = useRef(0);
  const errors = lint?.errors ?? 0;
  useEffect(() => {
    if (!current || errors === before.current) return;
    announce(errors === 0 ? "The policy loads" : `The policy has ${count(errors, "error")}`);
    before.current = errors;
  }, [current, errors]);
};

/** A change that was saved, here or elsewhere, is said. */
const useSpokenSave = (hash: string): void => {
  const before = useRef(hash);
  useEffect(() => {
    if (before.current !== hash) announce("Another text of the policy is in force");
    before.current = hash;
  }, [hash]);
};

interface Part {
  readonly value: PolicyTab;
  readonly name: string;
}

const parts: readonly Part[] = [
  { value: "problems", name: "Problems" },
  { value: "changes", name: "Changes" },
  { value: "try", name: "Try" },
  { value: "tests", name: "Tests" },
  { value: "explain", name: "Explain" },
  { value: "learn", name: "Learn" },
  { value: "shadow", name: "Shadow" },
  { value: "history", name: "History" },
];

const Panels = ({
  work,
  checked,
  editor,
}: {
  readonly work: Worked;
  readonly checked: Checked;
  readonly editor: RefObject<Editor | undefined>;
}): ReactElement => {
  const { tab = "problems", receipt } = useSearch({ from: "/policy" });
  const navigate = useNavigate();
  const onGo = (line: number, column = 1): void => editor.current?.goTo(line, column);
  const onAdd = (toml: string): void => {
    work.setText(`${work.text.trimEnd()}\n\n${toml}`);
    announce("The rule is in the draft");
  };
  const problems = (checked.lint?.errors ?? 0) + (checked.lint?.warnings ?? 0);
  return (
    <Tabs.Root
      className="policy-side"
      value={tab}
      onValueChange={(next: unknown) => {
        if (isPolicyTab(next)) {
          void navigate({ to: "/policy", search: { tab: next }, replace: true });
        }
      }}
    >
      <Tabs.List className="tabs policy-tabs" aria-label="About the draft">
        {parts.map(({ value, name }) => (
          <Tabs.Tab key={value} value={value} className="tab">
            <span>{name}</span>
            {value === "problems" && problems > 0 ? (
              <span className="badge">{problems}</span>
            ) : null}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      <Tabs.Panel value="problems" className="panel">
        <ProblemsPanel checked={checked} onGo={onGo} />
      </Tabs.Panel>
      <Tabs.Panel value="changes" className="panel">
        <SavePanel work={work} checked={checked} />
      </Tabs.Panel>
      <Tabs.Panel value="try" className="panel">
        <TryPanel work={work} onGo={onGo} onAdd={onAdd} />
      </Tabs.Panel>
      <Tabs.Panel value="tests" className="panel">
        <TestsPanel work={work} />
      </Tabs.Panel>
      <Tabs.Panel value="explain" className="panel">
        <ExplainPanel work={work} receipt={receipt} onGo={onGo} onAdd={onAdd} />
      </Tabs.Panel>
      <Tabs.Panel value="learn" className="panel">
        <LearnPanel work={work} />
      </Tabs.Panel>
      <Tabs.Panel value="shadow" className="panel">
        <ShadowPanel work={work} checked={checked} />
      </Tabs.Panel>
      <Tabs.Panel value="history" className="panel">
        <HistoryPanel work={work} />
      </Tabs.Panel>
    </Tabs.Root>
  );
};

const Workbench = ({ work }: { readonly work: Worked }): ReactElement => {
  const editor = useRef<Editor>(undefined);
  const navigate = useNavigate();
  const checked = useChecked(work.text);
  useSpokenProblems(checked);
  useSpokenSave(work.policy.textHash);
  const review = (): void => void navigate({ to: "/policy", search: { tab: "changes" } });
  return (
    <>
      <Standing work={work} />
      <Moved work={work} />
      <WaitingChanges work={work} />
      <div className="policy-bench">
        <section className="policy-text" aria-label="Text">
          <Bar work={work} checked={checked} onReview={review} />
          <PolicyEditor
            text={work.text}
            words={work.policy.words}
            problems={checked.current ? (checked.lint?.problems ?? []) : []}
            onChange={work.setText}
            onSave={review}
            handle={editor}
          />
        </section>
        <Panels work={work} checked={checked} editor={editor} />
      </div>
    </>
  );
};

export const Policy = (): ReactElement => {
  const { data, error, refetch } = usePolicy();
  const draft = policyDraft.use();
  return (
    <div className="screen policy-screen">
      <div className="screen-head">
        <h1>Policy</h1>
        <p className="muted">What agents may do on this machine, decided before it happens.</p>
      </div>
      {error === null ? null : <ProblemNote error={error} retry={() => void refetch()} />}
      {data === undefined && error === null ? <Waiting what="Reading the policy" /> : null}
      {data === undefined ? null : <Workbench work={workOn(data, draft)} />}
    </div>
  );
};
