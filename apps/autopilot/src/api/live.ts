/**
 * Text that actions and models produce while they run, kept for the screen only. A store outside
 * the query cache: it changes many times a second.
 *
 * Bounds: `liveCharsMax` for each action; an action's text goes when its session rests.
 */
import { useSyncExternalStore } from "react";
import { liveCharsMax } from "../pure/limits.ts";

const texts = new Map<string, string>();
const listeners = new Set<() => void>();

const keyOf = (session: string, action: number): string => `${session} ${action}`;

const tell = (): void => {
  for (const listener of listeners) listener();
};

export const addOutput = (session: string, action: number, text: string): void => {
  const key = keyOf(session, action);
  texts.set(key, `${texts.get(key) ?? ""}${text}`.slice(-liveCharsMax));
  tell();
};

export const forgetOutput = (session: string): void => {
  for (const key of texts.keys()) if (key.startsWith(`${session} `)) texts.delete(key);
  tell();
};

const subscribe = (listener: () => void): (() => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

/** Live text of an action; empty where there is none. */
export const useOutput = (session: string, action: number): string =>
  useSyncExternalStore(subscribe, () => texts.get(keyOf(session, action)) ?? "");
