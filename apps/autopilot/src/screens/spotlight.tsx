/**
 * Spotlight: a goal, where it may play, with which model, for how much. Enter reads it back: the
 * Guardian says what it understood, and what leaves the folder will ask.
 */
import { Dialog } from "@base-ui/react/dialog";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import {
  type FormEvent,
  type KeyboardEvent,
  type ReactElement,
  type RefObject,
  useRef,
  useState,
} from "react";
import { begin, plan, type Task } from "../api/plans.ts";
import { modelsQuery, overviewQuery } from "../api/queries.ts";
import { absolute, trimmed } from "../pure/paths.ts";
import { isContent, typedAfter } from "../pure/typed.ts";
import { dialogStore, draftStore } from "../view/dialogs.ts";
import { FilesField } from "../view/files-field.tsx";
import { FolderField } from "../view/folder-field.tsx";
import { Icon } from "../view/icons.tsx";
import { Key } from "../view/marks.tsx";
import { ProblemNote } from "../view/problem.tsx";
import { PersonsField } from "../view/persons-field.tsx";
import { kept } from "../view/store.ts";

const defaults = { dollarsMax: 0.5, minutesMax: 20 } as const;

const firstTask = (): Draft => {
  const { text, folder } = draftStore.get();
  return {
    text,
    typed: text === "",
    folder: folder === "" ? (kept.read("folder") ?? "") : folder,
    files: [],
    persons: [],
    model: "",
    ...defaults,
  };
};

const accesses = [
  ["read", "read only"],
  ["organise", "read, sort, rename"],
  ["write", "read and write"],
] as const;

/** What is typed: the access is the person's choice, or what fits the words. */
type Draft = Omit<Task, "access"> & { readonly access?: Task["access"] };

interface FieldProps {
  readonly task: Draft;
  readonly change: (part: Partial<Draft>) => void;
}

const isCommand = (text: string): boolean => text.trimStart().startsWith("/");

/** Who types a command means it; plain words are let do less until it is said. */
const accessOf = ({ access, text }: Draft): Task["access"] =>
  access ?? (isCommand(text) ? "write" : "organise");

const ScopeFields = ({ task, change }: FieldProps): ReactElement => (
  <div className="field-row">
    <FolderField value={task.folder} onChange={(folder) => change({ folder, files: [] })} />
    <label className="field">
      <span className="field-name">It may</span>
      <select
        className="input"
        value={accessOf(task)}
        onChange={({ target }) => change({ access: target.value as Task["access"] })}
      >
        {accesses.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </label>
  </div>
);

const ModelFields = ({ task, change }: FieldProps): ReactElement => {
  const { data } = useQuery({ ...modelsQuery, refetchOnMount: "always" });
  const models = data?.models.filter(({ confirmed }) => confirmed) ?? [];
  return (
    <div className="field-row">
      <label className="field grow">
        <span className="field-name">Model</span>
        <select
          className="input"
          value={task.model}
          onChange={({ target }) => change({ model: target.value })}
          disabled={models.length === 0}
        >
          <option value="">{models.length === 0 ? "none: direct commands" : "the default"}</option>
          {models.map(({ id }) => (
            <option key={id} value={id}>
              {id}
            </option>
          ))}
        </select>
      </label>
      <label className="field field-short">
        <span className="field-name">At most, $</span>
        <input
          className="input figure"
          type="number"
          min="0"
          max="1000"
          step="0.1"
          value={task.dollarsMax}
          onChange={({ target }) => change({ dollarsMax: target.valueAsNumber || 0 })}
        />
      </label>
      <label className="field field-short">
        <span className="field-name">Minutes</span>
        <input
          className="input figure"
          type="number"
          min="1"
          max="1440"
          value={task.minutesMax}
          onChange={({ target }) => change({ minutesMax: target.valueAsNumber || 1 })}
        />
      </label>
    </div>
  );
};

const useStart = () => {
  const navigate = useNavigate();
  const { data: overview } = useQuery(overviewQuery);
  return useMutation({
    mutationFn: async (task: Draft) => {
      const folder = trimmed(absolute(task.folder, overview?.home ?? ""));
      const made = await plan({
        ...task,
        text: task.text.trim(),
        folder,
        files: isCommand(task.text) ? [] : task.files,
        persons: isCommand(task.text) ? [] : task.persons,
        access: accessOf(task),
      });
      if (made.reply.card === "") await begin(made);
      return made;
    },
    onSuccess: async ({ task, reply }) => {
      kept.write("folder", task.folder);
      dialogStore.set(undefined);
      await navigate({ to: "/task/$session", params: { session: reply.session } });
    },
  });
};

const hintOf = (task: Draft, hasModel: boolean): string => {
  if (task.text.trim() === "") return "Plain words for a model, or a direct command such as /list.";
  if (isCommand(task.text))
    return "A direct command: no model takes part. It works in the folder below.";
  return hasModel
    ? "A model will propose the steps; each is judged before it happens."
    : "Plain words need a model, and none is confirmed yet. Direct commands begin with /.";
};

const SpotlightForm = ({
  goal,
}: {
  readonly goal: RefObject<HTMLTextAreaElement | null>;
}): ReactElement => {
  const [task, setTask] = useState(firstTask);
  // A model may have been confirmed elsewhere since the page looked.
  const { data: overview } = useQuery({ ...overviewQuery, refetchOnMount: "always" });
  const start = useStart();
  const change = (part: Partial<Draft>): void => setTask((before) => ({ ...before, ...part }));
  const hasModel = (overview?.defaultModel ?? "") !== "";
  const ready = task.text.trim() !== "" && (isCommand(task.text) || hasModel) && !start.isPending;
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (ready) start.mutate(task);
  };
  const onKey = (event: KeyboardEvent<HTMLTextAreaElement>): void => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    if (ready) start.mutate(task);
  };
  return (
    <form className="spotlight-form" onSubmit={submit}>
      <textarea
        ref={goal}
        className="goal"
        aria-label="What should be done?"
        placeholder="What should be done?"
        rows={2}
        value={task.text}
        onChange={({ target }) =>
          change({ text: target.value, typed: typedAfter(task.typed, target.value) })
        }
        onPaste={({ clipboardData }) => {
          if (isContent(clipboardData.getData("text"))) change({ typed: false });
        }}
        onDrop={() => change({ typed: false })}
        onKeyDown={onKey}
        maxLength={100_000}
      />
      <p className="hint" role="status">
        {hintOf(task, hasModel)}
      </p>
      <ScopeFields task={task} change={change} />
      {isCommand(task.text) ? null : (
        <>
          <FilesField
            folder={task.folder}
            picked={task.files}
            onChange={(files) => change({ files })}
          />
          <PersonsField picked={task.persons} onChange={(persons) => change({ persons })} />
          <ModelFields task={task} change={change} />
        </>
      )}
      {start.error === null ? null : <ProblemNote error={start.error} />}
      <div className="dialog-foot">
        <span className="muted">
          {isCommand(task.text)
            ? "Each step is judged before it happens."
            : "Nothing happens before it is read back to you."}
        </span>
        <button type="submit" className="button primary" disabled={!ready}>
          <span>{start.isPending ? "Reading" : "Go"}</span>
          <Key>Enter</Key>
        </button>
      </div>
    </form>
  );
};

export const Spotlight = (): ReactElement => {
  const open = dialogStore.use() === "spotlight";
  const goal = useRef<HTMLTextAreaElement>(null);
  return (
    <Dialog.Root
      open={open}
      onOpenChange={(next) => {
        if (!next && dialogStore.get() === "spotlight") dialogStore.set(undefined);
      }}
    >
      <Dialog.Portal>
        <Dialog.Backdrop className="backdrop" />
        <Dialog.Popup className="dialog spotlight" initialFocus={goal}>
          <div className="dialog-head">
            <Dialog.Title>New task</Dialog.Title>
            <Dialog.Close className="button ghost square" aria-label="Close">
              <Icon name="close" />
            </Dialog.Close>
          </div>
          <SpotlightForm goal={goal} />
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
};
