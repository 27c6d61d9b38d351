/** A value that the page keeps for itself and several parts of it read. */
import { useSyncExternalStore } from "react";

export interface Store<T> {
  get(): T;
  set(next: T): void;
  use(): T;
}

export const makeStore = <T>(first: T, onSet: (value: T) => void = () => undefined): Store<T> => {
  let value = first;
  const listeners = new Set<() => void>();
  const get = (): T => value;
  return {
    get,
    set: (next) => {
      if (Object.is(next, value)) return;
      value = next;
      onSet(next);
      for (const listener of listeners) listener();
    },
    use: () =>
      useSyncExternalStore((listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      }, get),
  };
};

/** A word kept in the browser's storage, where there is one. */
export const kept = {
  read: (name: string): string | undefined => {
    try {
      return localStorage.getItem(`ioi.${name}`) ?? undefined;
    } catch {
      return undefined;
    }
  },
  write: (name: string, value: string): void => {
    try {
      localStorage.setItem(`ioi.${name}`, value);
    } catch {
      // Storage is off: it holds for this tab alone.
    }
  },
};
