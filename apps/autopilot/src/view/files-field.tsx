/** Files of the task's folder, picked by name: what the task is about. */
import { useQuery } from "@tanstack/react-query";
import { type ReactElement, useId, useState } from "react";
import { foldersQuery, overviewQuery } from "../api/queries.ts";
import { absolute, isListed, join, trimmed } from "../pure/paths.ts";
import { visibleLine } from "../pure/visible.ts";

/** As many as a task's scope may hold. */
const pickedMax = 32;
/** Names on screen at once; more of them are found by typing. */
const shownMax = 50;

const summaryOf = (count: number): string => {
  if (count === 0) return "Attach files of this folder";
  return count === 1 ? "1 file attached" : `${count} files attached`;
};

interface FilesProps {
  readonly folder: string;
  readonly picked: readonly string[];
  readonly onChange: (next: readonly string[]) => void;
}

export const FilesField = ({ folder, picked, onChange }: FilesProps): ReactElement | null => {
  const [wanted, setWanted] = useState("");
  // Nothing is listed while the folder is still being typed.
  const [isOpen, setOpen] = useState(false);
  const hint = useId();
  const { data: overview } = useQuery(overviewQuery);
  const home = overview?.home ?? "";
  const path = trimmed(absolute(folder, home));
  const isListable = path.startsWith("/") && isListed(path, home);
  const enabled = isListable && isOpen;
  const { data, isError } = useQuery({ ...foldersQuery(path), enabled, retry: false });
  if (!isListable) return null;
  const files = data?.files ?? [];
  const fitting = files.filter((name) => name.toLowerCase().includes(wanted.toLowerCase()));
  const isFull = picked.length >= pickedMax;
  return (
    <details className="files-field" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{summaryOf(picked.length)}</summary>
      <label className="field">
        <span className="field-name">Name contains</span>
        <input
          className="input"
          value={wanted}
          spellCheck={false}
          onChange={({ target }) => setWanted(target.value)}
          onKeyDown={(event) => {
            // Here it looks for a name; it does not begin the task.
            if (event.key === "Enter") event.preventDefault();
          }}
        />
      </label>
      <fieldset className="files-list" aria-describedby={hint}>
        <legend className="field-name">Files</legend>
        {fitting.slice(0, shownMax).map((name) => {
          const file = join(data?.path ?? path, name);
          const isPicked = picked.includes(file);
          return (
            <label key={file} className="files-item mono">
              <input
                type="checkbox"
                checked={isPicked}
                disabled={isFull && !isPicked}
                onChange={() =>
                  onChange(isPicked ? picked.filter((each) => each !== file) : [...picked, file])
                }
              />
              <span>{visibleLine(name)}</span>
            </label>
          );
        })}
      </fieldset>
      <p className="hint" id={hint} role="status">
        {isError
          ? "This folder cannot be read"
          : `${Math.min(fitting.length, shownMax)} of ${files.length} names`}
        {data?.truncated === true ? ", of a folder with more" : ""}
        {isFull ? `; at most ${pickedMax} can be attached` : ""}
      </p>
    </details>
  );
};
