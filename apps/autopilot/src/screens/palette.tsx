/** All commands by name: every screen and every task, reached by typing. */
import { Autocomplete } from "@base-ui/react/autocomplete";
import { Dialog } from "@base-ui/react/dialog";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { api } from "../api/client.ts";
import { sessionsQuery } from "../api/queries.ts";
import { visibleLine } from "../pure/visible.ts";
import { announce } from "../view/announce.ts";
import { dialogStore, openSpotlight } from "../view/dialogs.ts";
import { Icon, type IconName } from "../view/icons.tsx";
import { nextTheme } from "../view/theme.ts";

interface Command {
  readonly value: string;
  readonly label: string;
  readonly icon: IconName;
  readonly run: () => void;
}

/** Tasks that are offered by name. */
const tasksMax = 20;

const stopAll = async (): Promise<void> => {
  try {
    const { stopped } = await api.stop({ session: "" });
    announce(stopped.length === 0 ? "Nothing was running" : `Stopped ${stopped.length}`);
  } catch {
    announce("Stopping did not work");
  }
};

const useCommands = (): readonly Command[] => {
  const navigate = useNavigate();
  const { data = [] } = useQuery(sessionsQuery);
  const go = (to: string) => () => void navigate({ to });
  const own: readonly Command[] = [
    { value: "new", label: "New task", icon: "plus", run: () => openSpotlight() },
    { value: "tasks", label: "Tasks", icon: "task", run: go("/") },
    {
      value: "memory",
      label: "Memory: search, provenance, forget",
      icon: "memory",
      run: go("/memory"),
    },
    {
      value: "policy",
      label: "Policy: rules, tests, what a change allows",
      icon: "rules",
      run: go("/policy"),
    },
    {
      value: "receipts",
      label: "Receipts: list, verify, export",
      icon: "receipt",
      run: go("/receipts"),
    },
    {
      value: "connect",
      label: "Connect: models, secrets, devices",
      icon: "connect",
      run: go("/connect"),
    },
    {
      value: "doctor",
      label: "Doctor: what holds on this machine",
      icon: "shield",
      run: go("/doctor"),
    },
    { value: "tour", label: "Two-minute tour", icon: "task", run: go("/tour") },
    { value: "theme", label: "Change the theme", icon: "moon", run: nextTheme },
    { value: "keys", label: "Keys", icon: "keyboard", run: () => dialogStore.set("help") },
    { value: "stop", label: "Stop every task", icon: "stop", run: () => void stopAll() },
  ];
  const tasks = data.slice(0, tasksMax).map(({ session, text }): Command => ({
    value: session,
    label: visibleLine(text),
    icon: "task",
    run: () => void navigate({ to: "/task/$session", params: { session } }),
  }));
  return [...own, ...tasks];
};

const List = (): ReactElement => {
  const commands = useCommands();
  return (
    <Autocomplete.Root
      open
      inline
      items={commands}
      itemToStringValue={(command: Command) => command.label}
      autoHighlight="always"
      keepHighlight
    >
      <Autocomplete.Input
        className="palette-input"
        aria-label="Command"
        placeholder="Type a command or a task"
      />
      <Autocomplete.Empty>
        <p className="palette-empty">No command or task of that name.</p>
      </Autocomplete.Empty>
      <Autocomplete.List className="palette-list">
        {(command: Command) => (
          <Autocomplete.Item
            key={command.value}
            value={command}
            className="palette-item"
            onClick={() => {
              dialogStore.set(undefined);
              command.run();
            }}
          >
            <Icon name={command.icon} />
            <span className="cut">{command.label}</span>
          </Autocomplete.Item>
        )}
      </Autocomplete.List>
    </Autocomplete.Root>
  );
};

export const Palette = (): ReactElement => {
  const open = dialogStore.use() === "palette";
  return (
    <Dialog.Root
      open={open}
      onOpenChange={(next) => {
        if (!next && dialogStore.get() === "palette") dialogStore.set(undefined);
      }}
    >
      <Dialog.Portal>
        <Dialog.Backdrop className="backdrop" />
        <Dialog.Popup className="dialog palette" aria-label="Commands">
          <List />
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
};
