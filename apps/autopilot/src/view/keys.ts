/**
 * The page's keys. Those with Ctrl or Cmd work everywhere; single letters only where nothing is
 * being typed, and not at all for a person who switched them off (WCAG 2.1.4). No key approves
 * anything here: approvals are given on the cards' own page.
 */
import { dialogStore, openSpotlight } from "./dialogs.ts";
import { kept, makeStore, type Store } from "./store.ts";

export interface KeyHelp {
  readonly keys: readonly string[];
  readonly what: string;
}

/** What the help shows. */
export const keyHelp: readonly KeyHelp[] = [
  { keys: ["Ctrl", "K"], what: "New task (also Ctrl Space)" },
  { keys: ["Ctrl", "/"], what: "All commands" },
  { keys: ["?"], what: "This list" },
  { keys: ["g", "t"], what: "Tasks" },
  { keys: ["g", "m"], what: "Memory" },
  { keys: ["g", "p"], what: "Policy" },
  { keys: ["g", "r"], what: "Receipts" },
  { keys: ["g", "c"], what: "Connect" },
  { keys: ["g", "d"], what: "Doctor" },
  { keys: ["j"], what: "Next row" },
  { keys: ["k"], what: "Row before" },
  { keys: ["c"], what: "To the card that waits" },
  { keys: ["a", "s", "d", "e"], what: "On a card: once, this session, deny, explain" },
  { keys: ["Esc"], what: "Close" },
];

export const singleKeys: Store<boolean> = makeStore(kept.read("keys") !== "off", (on) =>
  kept.write("keys", on ? "on" : "off"),
);

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));

/** The rows of the screen that j and k walk through. */
const step = (by: 1 | -1): void => {
  const rows = [...document.querySelectorAll<HTMLElement>("[data-row]")];
  const at = rows.findIndex((row) => row === document.activeElement);
  const next = rows[at === -1 ? (by === 1 ? 0 : rows.length - 1) : at + by];
  next?.focus();
};

const focusCard = (): void => {
  document.querySelector<HTMLElement>("[data-cards]")?.focus();
};

const places: Readonly<Record<string, string>> = {
  t: "/",
  m: "/memory",
  p: "/policy",
  r: "/receipts",
  c: "/connect",
  d: "/doctor",
};

/** How long after `g` its second letter counts, in milliseconds. */
const secondKeyMs = 1200;

interface Going {
  readonly at: number;
}

const onSingle = (
  event: KeyboardEvent,
  going: Going | undefined,
  go: (path: string) => void,
): boolean => {
  const place = places[event.key];
  if (going !== undefined && event.timeStamp - going.at < secondKeyMs && place !== undefined) {
    go(place);
    return true;
  }
  switch (event.key) {
    case "?":
      dialogStore.set("help");
      return true;
    case "j":
      step(1);
      return true;
    case "k":
      step(-1);
      return true;
    case "c":
      focusCard();
      return true;
    default:
      return false;
  }
};

/** Listens until the signal says stop; `go` changes the screen. */
export const listenForKeys = (go: (path: string) => void, signal: AbortSignal): void => {
  let going: Going | undefined;
  const onKey = (event: KeyboardEvent): void => {
    if (event.defaultPrevented || event.isComposing) return;
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey) {
      if (event.key === "k" || event.code === "Space") openSpotlight();
      else if (event.key === "/") dialogStore.set("palette");
      else return;
      event.preventDefault();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    // The editor stands in a shadow root: outside of it the event only names its host.
    const target = event.composedPath()[0] ?? event.target;
    if (!singleKeys.get() || dialogStore.get() !== undefined || isTyping(target)) return;
    const before = going;
    going = event.key === "g" ? { at: event.timeStamp } : undefined;
    if (onSingle(event, before, go)) event.preventDefault();
  };
  addEventListener("keydown", onKey, { signal });
};
