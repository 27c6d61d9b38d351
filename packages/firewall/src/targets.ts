/**
 * The registry of targets: for each its arguments, what each argument is for, whether it changes
 * anything and whether that can be undone. One definition serves the canonicaliser, the policy
 * loader, the decision and the card.
 *
 * Roles of the native arguments: `path` and `program` must be constrained by what allows;
 * `destination`, `credential` and `selector` must be grounded in the person's words. No argument
 * of files or programs is a destination: what leaves the machine goes through `net` and `model`.
 */
import type { DriverKind, Obligation } from "@ioi/wire";
import { modelPriceMax } from "./limits.ts";

export type Role =
  | "destination"
  | "amount"
  | "credential"
  | "selector"
  | "program"
  | "path"
  | "content"
  | "flag";

interface ArgumentBase {
  readonly name: string;
  readonly role: Role;
  readonly optional?: true;
  /** Comes from the session, never from the model; an allow need not constrain it. */
  readonly fromSession?: true;
  /** For a person and for a model. */
  readonly what: string;
}

export type ArgumentSpec = ArgumentBase &
  (
    | { readonly type: "path" | "paths"; readonly use: "reads" | "writes" | "removes" | "works-in" }
    | { readonly type: "text"; readonly charsMax: number; readonly choices?: readonly string[] }
    | { readonly type: "integer"; readonly min: number; readonly max: number }
    | { readonly type: "content" }
    | { readonly type: "argv" }
    | { readonly type: "url" }
    /** `reads`: of a request without a body. */
    | { readonly type: "headers"; readonly use: "reads" | "sends" }
  );

export interface TargetSpec {
  readonly name: string;
  readonly group: string;
  readonly what: string;
  readonly arguments: readonly ArgumentSpec[];
  /** Changes something beyond what the agent knows. */
  readonly consequential: boolean;
  /** Leaves nothing to undo, or can be undone with its obligation kept. */
  readonly reversible: boolean;
  readonly obligation?: Obligation["type"];
  /** Which driver performs it; undefined where this version has none. */
  readonly driver: DriverKind | undefined;
}

const path = (
  what: string,
  use: "reads" | "writes" | "removes",
  name: "path" | "to" = "path",
): ArgumentSpec => ({ name, type: "path", role: "path", use, what });

const file = (
  name: string,
  what: string,
  given: readonly ArgumentSpec[],
  effect: Pick<TargetSpec, "consequential" | "obligation">,
): TargetSpec => ({
  name: `fs::${name}`,
  group: "fs",
  what,
  arguments: given,
  reversible: true,
  driver: "files",
  ...effect,
});

const reading = { consequential: false };
const undoable = { consequential: true, obligation: "snapshot" } as const;

const files: readonly TargetSpec[] = [
  file("stat", "look at a file's size, kind and times", [path("file or folder", "reads")], reading),
  file("list", "list a folder", [path("folder", "reads")], reading),
  file(
    "search",
    "search below a folder; names with a leading dot are passed over",
    [
      path("folder", "reads"),
      {
        name: "name",
        type: "text",
        role: "flag",
        charsMax: 256,
        optional: true,
        what: "pattern of the file's name, as in *.txt",
      },
      {
        name: "text",
        type: "text",
        role: "flag",
        charsMax: 1024,
        optional: true,
        what: "text inside the file, as it is",
      },
    ],
    reading,
  ),
  file(
    "read",
    "read a file",
    [
      path("file", "reads"),
      {
        name: "offset",
        type: "integer",
        role: "flag",
        min: 0,
        max: Number.MAX_SAFE_INTEGER,
        optional: true,
        what: "first byte",
      },
      {
        name: "length",
        type: "integer",
        role: "flag",
        min: 1,
        max: Number.MAX_SAFE_INTEGER,
        optional: true,
        what: "number of bytes",
      },
      {
        name: "as",
        type: "text",
        role: "flag",
        charsMax: 16,
        choices: ["text"],
        optional: true,
        what: "text: of a PDF, what it says",
      },
    ],
    reading,
  ),
  file(
    "write",
    "write a file",
    [
      path("file", "writes"),
      { name: "content", type: "content", role: "content", what: "what the file will hold" },
      {
        name: "create",
        type: "text",
        role: "flag",
        charsMax: 16,
        choices: ["new", "replace", "any"],
        what: "new: must not exist; replace: must exist; any",
      },
    ],
    undoable,
  ),
  file("mkdir", "make a folder", [path("folder", "writes")], { consequential: true }),
  file(
    "copy",
    "copy a file or folder",
    [path("from", "reads"), path("to", "writes", "to")],
    undoable,
  ),
  file(
    "move",
    "move or rename a file or folder",
    [path("from", "removes"), path("to", "writes", "to")],
    undoable,
  ),
  file("delete", "move a file or folder to the bin", [path("what", "removes")], undoable),
  file(
    "restore",
    "undo an earlier change",
    [
      {
        name: "counter",
        type: "integer",
        role: "flag",
        min: 1,
        max: Number.MAX_SAFE_INTEGER,
        what: "number of the change's ticket",
      },
      {
        name: "paths",
        type: "paths",
        role: "path",
        use: "writes",
        what: "what the change touched",
      },
    ],
    undoable,
  ),
];

const exec: TargetSpec = {
  name: "sys::exec",
  group: "sys",
  what: "run a program in the sandbox",
  arguments: [
    { name: "argv", type: "argv", role: "program", what: "the program and its arguments" },
    {
      name: "cwd",
      type: "path",
      role: "path",
      use: "works-in",
      fromSession: true,
      what: "where it starts",
    },
  ],
  consequential: true,
  reversible: true,
  obligation: "stage",
  driver: "exec",
};

/** Where a model is reached comes from the Guardian's registry, never from the agent. */
const fromRegistry = (name: string, charsMax: number, what: string): ArgumentSpec => ({
  name,
  type: "text",
  role: "flag",
  charsMax,
  fromSession: true,
  what,
});

const price = (name: string, what: string): ArgumentSpec => ({
  name,
  type: "integer",
  role: "amount",
  min: 0,
  max: modelPriceMax,
  fromSession: true,
  what,
});

const confirmedModel: readonly ArgumentSpec[] = [
  { name: "model", type: "text", role: "flag", charsMax: 128, what: "which confirmed model" },
  fromRegistry("url", 2048, "base of its API"),
  fromRegistry("protocol", 16, "the protocol it speaks"),
  fromRegistry("name", 256, "the provider's name for it"),
  price("price_in", "micro-dollars for a million tokens that it is told"),
  price("price_out", "micro-dollars for a million tokens that it says"),
];

const embed: TargetSpec = {
  name: "model::embed",
  group: "model",
  what: "turn texts into vectors",
  arguments: [
    ...confirmedModel,
    { name: "input", type: "content", role: "content", what: "a JSON list of texts" },
  ],
  consequential: true,
  reversible: false,
  driver: "model",
};

const infer: TargetSpec = {
  name: "model::infer",
  group: "model",
  what: "ask a model",
  arguments: [
    ...confirmedModel,
    { name: "prompt", type: "content", role: "content", what: "what it is told" },
    {
      name: "max_tokens",
      type: "integer",
      role: "flag",
      min: 1,
      max: 1_000_000,
      what: "the longest answer",
    },
  ],
  consequential: true,
  reversible: false,
  driver: "model",
};

const request = (
  name: "get" | "post",
  what: string,
  methods: readonly string[],
  more: readonly ArgumentSpec[],
): TargetSpec => ({
  name: `net::${name}`,
  group: "net",
  what,
  arguments: [
    {
      name: "method",
      type: "text",
      role: "flag",
      charsMax: 16,
      choices: methods,
      ...(name === "get" ? { optional: true as const } : {}),
      what: methods.join(", "),
    },
    { name: "url", type: "url", role: "destination", what: "http or https URL" },
    {
      name: "headers",
      type: "headers",
      role: "content",
      use: name === "get" ? "reads" : "sends",
      optional: true,
      what: "headers of the request by name in small letters",
    },
    {
      name: "secret",
      type: "text",
      role: "credential",
      charsMax: 64,
      optional: true,
      what: "name of a secret that is bound to this address",
    },
    ...more,
  ],
  consequential: name === "post",
  reversible: false,
  ...(name === "get" ? { obligation: "flow" as const } : {}),
  driver: "net",
});

const requests: readonly TargetSpec[] = [
  request("get", "fetch from the web", ["GET", "HEAD", "OPTIONS"], []),
  request(
    "post",
    "send to the web",
    ["POST", "PUT", "PATCH", "DELETE"],
    [
      {
        name: "content",
        type: "content",
        role: "content",
        optional: true,
        what: "what is sent",
      },
    ],
  ),
];

/** Part of the language; no driver in this version. */
const others: readonly string[] = [
  "fs::chmod",
  "sys::shell",
  "sys::python",
  "job::wasm",
  ..."connect listen".split(" ").map((name) => `net::${name}`),
  ..."open back tab read click key select fill upload download evaluate"
    .split(" ")
    .map((name) => `browser::${name}`),
  ..."see click drag type key scroll".split(" ").map((name) => `gui::${name}`),
  "clipboard::read",
  "clipboard::write",
  "mail::send",
  "calendar::write",
  "wallet::sign",
  "wallet::send",
  "mcp::call",
  "model::local",
  ..."remember recall forget share".split(" ").map((name) => `memory::${name}`),
  "agent::delegate",
  "skill::run",
];

const withoutDriver = (name: string): TargetSpec => ({
  name,
  group: name.slice(0, name.indexOf("::")),
  what: "not available in this version",
  arguments: [],
  consequential: true,
  reversible: false,
  driver: undefined,
});

/** Every target of the language by name. */
export const targets: ReadonlyMap<string, TargetSpec> = new Map(
  [...files, exec, infer, embed, ...requests, ...others.map(withoutDriver)].map(
    (spec) => [spec.name, spec] as const,
  ),
);

const whole: ReadonlySet<string> = new Set(["fs::copy", "fs::move", "fs::delete"]);

/** The target takes what stands at `path` with all that is in it; its `to` gets all of it. */
export const takesWhole = (target: string): boolean => whole.has(target);

export const targetGroups: readonly string[] = [
  ...new Set([...targets.values()].map(({ group }) => group)),
];

export const argumentOf = (target: TargetSpec, name: string): ArgumentSpec | undefined =>
  target.arguments.find((argument) => argument.name === name);

/** What an allow must constrain. */
export const mustConstrain = ({ role, fromSession }: ArgumentSpec): boolean =>
  fromSession !== true && (role === "path" || role === "program" || role === "destination");
