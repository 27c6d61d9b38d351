/** Whether events reach this tab: shown, because a screen that stands still must say why. */
import { useSyncExternalStore } from "react";

export type Link = "connecting" | "live" | "retrying" | "closed";

let link: Link = "connecting";
const listeners = new Set<() => void>();

export const setLink = (next: Link): void => {
  if (next === link) return;
  link = next;
  for (const listener of listeners) listener();
};

export const useLink = (): Link =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => link,
  );
