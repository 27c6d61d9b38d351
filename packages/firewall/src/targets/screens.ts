/**
 * Targets of pages and windows. Everything is bound to the snapshot in which the agent saw it: the
 * element's role, name and bounds, or a point of its picture. The page or window that is acted on
 * comes from the session, and what allows says which all the same.
 */
import {
  type ArgumentSpec,
  content,
  integer,
  path,
  type TargetSpec,
  text,
  undriven,
} from "./spec.ts";

const page: ArgumentSpec = {
  name: "page",
  type: "url",
  role: "destination",
  fromSession: true,
  bounds: true,
  what: "address of the page that is acted on",
};

const element: ArgumentSpec = {
  name: "element",
  type: "element",
  role: "flag",
  what: "snapshot, role, name and bounds of what is acted on",
};

const url: ArgumentSpec = {
  name: "url",
  type: "url",
  role: "destination",
  what: "http or https URL",
};

const keys = text("keys", "keys as in Control+Enter", "flag", { charsMax: 128 });

const browser = (
  name: string,
  what: string,
  given: readonly ArgumentSpec[],
  effect?: "reads",
): TargetSpec => undriven(`browser::${name}`, what, given, effect);

const app: ArgumentSpec = {
  name: "app",
  type: "text",
  role: "program",
  charsMax: 256,
  fromSession: true,
  bounds: true,
  what: "program whose window is acted on",
};

const point = (name: string): ArgumentSpec => ({
  name,
  type: "point",
  role: "flag",
  what: "snapshot and pixel",
});

const gui = (
  name: string,
  what: string,
  given: readonly ArgumentSpec[],
  effect?: "reads",
): TargetSpec => undriven(`gui::${name}`, what, given, effect);

const tabDo = { choices: ["new", "switch", "close"] } as const;

export const screenTargets: readonly TargetSpec[] = [
  browser("open", "open a page", [url]),
  browser("back", "go back to the page before", [page]),
  browser("tab", "open, choose or close a tab", [
    text("do", "new, switch, close", "flag", tabDo),
    integer("tab", "number of the tab", 1, 1000, { optional: true }),
  ]),
  browser("read", "read a page", [page], "reads"),
  browser("click", "click on a page", [page, element]),
  browser("key", "press keys on a page", [page, keys]),
  browser("select", "choose from a list of a page", [
    page,
    element,
    text("option", "what is chosen", "content", { charsMax: 1024 }),
  ]),
  browser("fill", "fill a field of a page", [page, element, content("content", "what is typed")]),
  browser("upload", "give a file to a page", [page, element, path("file", "reads")]),
  browser("download", "save a file of a page", [page, url, path("file", "writes", "to")]),
  browser("evaluate", "run code inside a page", [page, content("code", "the code")]),
  gui("see", "look at a window", [app], "reads"),
  gui("click", "click in a window", [
    app,
    point("at"),
    { ...element, optional: true },
    text("button", "which button", "flag", {
      choices: ["left", "right", "middle"],
      optional: true,
    }),
    integer("count", "how often", 1, 3, { optional: true }),
  ]),
  gui("drag", "drag in a window", [app, point("from"), point("to")]),
  gui("type", "type into a window", [app, content("content", "what is typed")]),
  gui("key", "press keys in a window", [app, keys]),
  gui("scroll", "scroll a window", [
    app,
    point("at"),
    text("direction", "where to", "flag", { choices: ["up", "down", "left", "right"] }),
    integer("steps", "how far", 1, 100),
  ]),
  undriven("clipboard::read", "read the clipboard", [], "reads"),
  undriven("clipboard::write", "put text on the clipboard", [content("content", "the text")]),
];
