/** People whom the task may address, added one by one; the Guardian says what is no address. */
import { type ReactElement, useId, useState } from "react";
import { visibleLine } from "../pure/visible.ts";
import { Icon } from "./icons.tsx";

/** As many as a task's scope may hold. */
const pickedMax = 32;

const summaryOf = (count: number): string => {
  if (count === 0) return "Add people";
  return count === 1 ? "1 person added" : `${count} people added`;
};

interface PersonsProps {
  readonly picked: readonly string[];
  readonly onChange: (next: readonly string[]) => void;
}

export const PersonsField = ({ picked, onChange }: PersonsProps): ReactElement => {
  const [typed, setTyped] = useState("");
  const hint = useId();
  const isFull = picked.length >= pickedMax;
  const add = (): void => {
    const person = typed.trim();
    if (person !== "" && !picked.includes(person)) onChange([...picked, person]);
    setTyped("");
  };
  return (
    <details className="files-field">
      <summary>{summaryOf(picked.length)}</summary>
      <div className="field-row">
        <label className="field grow">
          <span className="field-name">Mail address, telephone or account</span>
          <input
            className="input"
            value={typed}
            maxLength={320}
            spellCheck={false}
            autoComplete="off"
            disabled={isFull}
            aria-describedby={hint}
            onChange={({ target }) => setTyped(target.value)}
            onKeyDown={(event) => {
              if (event.key !== "Enter") return;
              // Here it adds somebody; it does not begin the task.
              event.preventDefault();
              add();
            }}
          />
        </label>
        <button
          type="button"
          className="button"
          disabled={isFull || typed.trim() === ""}
          onClick={add}
        >
          Add
        </button>
      </div>
      <ul className="files-list" aria-label="People">
        {picked.map((person) => (
          <li key={person} className="files-item mono">
            <button
              type="button"
              className="button ghost square"
              aria-label={`Remove ${visibleLine(person)}`}
              onClick={() => onChange(picked.filter((each) => each !== person))}
            >
              <Icon name="close" />
            </button>
            <span>{visibleLine(person)}</span>
          </li>
        ))}
      </ul>
      <p className="hint" id={hint} role="status">
        {isFull
          ? `At most ${pickedMax} people can be added`
          : "They stand on the card, and count as typed by you"}
      </p>
    </details>
  );
};
