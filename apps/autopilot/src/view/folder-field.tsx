/** A folder, typed or picked: names complete as one types, folders of earlier tasks are offered. */
import { Autocomplete } from "@base-ui/react/autocomplete";
import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { foldersQuery, overviewQuery, sessionsQuery } from "../api/queries.ts";
import { shortPath } from "../pure/format.ts";
import { absolute, folderOf, isListed, join } from "../pure/paths.ts";
import { visibleLine } from "../pure/visible.ts";

/** Folders of earlier tasks that are offered before anything is typed. */
const recentMax = 6;

const useSuggestions = (typed: string, home: string): readonly string[] => {
  const path = absolute(typed, home);
  const parent = path.startsWith("/") ? folderOf(path) : home;
  const enabled = isListed(typed, home);
  const { data } = useQuery({ ...foldersQuery(parent), enabled, retry: false });
  const { data: sessions = [] } = useQuery(sessionsQuery);
  if (typed.trim() === "") {
    const recent = new Set(
      sessions.map(({ workspace }) => workspace).filter((each) => each !== ""),
    );
    const names = (data?.names ?? []).map((name) => join(data?.path ?? parent, name));
    return [...new Set([...[...recent].slice(0, recentMax), ...names])].map((each) =>
      shortPath(each, home),
    );
  }
  return (data?.names ?? []).map((name) => shortPath(join(data?.path ?? parent, name), home));
};

export const FolderField = ({
  value,
  onChange,
}: {
  readonly value: string;
  readonly onChange: (next: string) => void;
}): ReactElement => {
  const { data: overview } = useQuery(overviewQuery);
  const home = overview?.home ?? "";
  const items = useSuggestions(value, home);
  return (
    <Autocomplete.Root items={items} value={value} onValueChange={onChange} openOnInputClick>
      <label className="field grow">
        <span className="field-name">Folder</span>
        <Autocomplete.Input className="input mono" placeholder="~/Downloads" spellCheck={false} />
      </label>
      <Autocomplete.Portal>
        <Autocomplete.Positioner className="popup-place" sideOffset={4} align="start">
          <Autocomplete.Popup className="popup" aria-label="Folders">
            <Autocomplete.Empty>
              <p className="palette-empty">
                {isListed(value, home)
                  ? "No folder of that name here."
                  : "Not in your home, so its name is not completed. It can be used all the same."}
              </p>
            </Autocomplete.Empty>
            <Autocomplete.List className="popup-list">
              {(path: string) => (
                <Autocomplete.Item key={path} value={path} className="popup-item mono">
                  {visibleLine(path)}
                </Autocomplete.Item>
              )}
            </Autocomplete.List>
          </Autocomplete.Popup>
        </Autocomplete.Positioner>
      </Autocomplete.Portal>
    </Autocomplete.Root>
  );
};
