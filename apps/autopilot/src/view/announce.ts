/**
 * The live region's queue: what a screen reader says without being asked. Polite, since a card
 * waits and does not run away. Bounded by `announcementsMax`; the oldest go.
 */
import { useSyncExternalStore } from "react";
import { announcementsMax } from "../pure/limits.ts";

let texts: readonly { readonly id: number; readonly text: string }[] = [];
let nextId = 1;
const listeners = new Set<() => void>();

export const announce = (text: string): void => {
  texts = [...texts, { id: nextId++, text }].slice(-announcementsMax);
  for (const listener of listeners) listener();
};

export const useAnnouncements = (): typeof texts =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => texts,
  );
