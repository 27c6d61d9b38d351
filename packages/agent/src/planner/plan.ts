/**
 * The command planner: direct requests to steps, without any model and without guessing.
 *
 * Source: agent.md, section 1, in the project's design; `usage` below is its grammar.
 * Invariants: a function of the text; what is between quotes arrives byte for byte; an error names
 * line and column, and the usage line of the command it is about.
 * Bounds: `commandTextCharsMax`, `commandStepsMax`, `commandWordsMax`.
 */
import { err, ok, type Rejection, type Result, utf8Encode } from "@ioi/base";
import {
  actionContentBytesMax,
  commandStepsMax,
  commandTextCharsMax,
  commandWordsMax,
} from "../limits.ts";
import { callTarget, type RawArguments } from "../tools.ts";
import { nearest } from "./suggest.ts";
import { tokenize, type Word } from "./tokens.ts";

export type PlanErrorCode =
  | "E_COMMAND_SYNTAX"
  | "E_COMMAND_UNKNOWN"
  | "E_COMMAND_ARGUMENTS"
  | "E_COMMAND_TOO_LARGE"
  | "E_MODEL_UNAVAILABLE";

export type PlanError = Rejection<PlanErrorCode>;

export type Step =
  | {
      readonly type: "act";
      readonly target: string;
      readonly args: RawArguments;
      readonly content?: Uint8Array;
    }
  /** Undo what the session did before, newest first. */
  | { readonly type: "undo" }
  | { readonly type: "help" };

interface Command {
  readonly name: string;
  readonly usage: string;
  readonly about: string;
  /** undefined: the words do not fit the usage line. */
  readonly parse: (words: readonly Word[]) => Step | undefined;
}

const act = (target: string, args: RawArguments, content?: Uint8Array): Step =>
  content === undefined ? { type: "act", target, args } : { type: "act", target, args, content };

const joined = (words: readonly Word[]): string => words.map((word) => word.text).join(" ");

const texts = (words: readonly Word[]): readonly string[] => words.map((word) => word.text);

const one =
  (target: string, name: string) =>
  (words: readonly Word[]): Step | undefined => {
    const [first] = words;
    return first === undefined || words.length !== 1
      ? undefined
      : act(target, { [name]: first.text });
  };

const pair =
  (target: string) =>
  (words: readonly Word[]): Step | undefined => {
    const [from, to] = words;
    if (from === undefined || to === undefined || words.length !== 2) return undefined;
    return act(target, { path: from.text, to: to.text });
  };

const rest =
  (target: string, name: string) =>
  (words: readonly Word[]): Step | undefined =>
    words.length === 0 ? undefined : act(target, { [name]: joined(words) });

const isBare = (word: Word | undefined, text: string): boolean =>
  word !== undefined && !word.quoted && word.text === text;

/**
 * `/find PATTERN [in PATH]` or `/find name|text PATTERN [in PATH]`; which one follows from the
 * number of words. A pattern with `*` or `?` outside quotes is a name, any other is a text.
 */
const find = (words: readonly Word[]): Step | undefined => {
  const located = words.length > 2 && isBare(words[words.length - 2], "in");
  const path = located ? (words[words.length - 1] as Word).text : ".";
  const what = located ? words.slice(0, -2) : words;
  const [first, second] = what;
  if (first === undefined) return undefined;
  if (second === undefined) {
    const isName = !first.quoted && /[*?]/.test(first.text);
    return act("fs::search", isName ? { path, name: first.text } : { path, text: first.text });
  }
  if (what.length !== 2) return undefined;
  if (isBare(first, "name")) return act("fs::search", { path, name: second.text });
  if (isBare(first, "text")) return act("fs::search", { path, text: second.text });
  return undefined;
};

const write = (words: readonly Word[]): Step | undefined => {
  const [path, ...content] = words;
  if (path === undefined || content.length === 0) return undefined;
  return act("fs::write", { path: path.text, create: "any" }, utf8Encode(joined(content)));
};

const remember = (words: readonly Word[]): Step | undefined =>
  words.length === 0 ? undefined : act("memory::remember", {}, utf8Encode(joined(words)));

/** `/share 3,5 with KEY`: the key as `ioi scs agent-key` shows it. */
const share = (words: readonly Word[]): Step | undefined => {
  const [numbers, joint, key] = words;
  return numbers !== undefined && key !== undefined && words.length === 3 && isBare(joint, "with")
    ? act("memory::share", { memory: numbers.text }, utf8Encode(key.text))
    : undefined;
};

/** By its number, as an answer of `/recall` names it. */
const forget = (words: readonly Word[]): Step | undefined => {
  const [number] = words;
  return number !== undefined && words.length === 1 && /^\d{1,9}$/.test(number.text)
    ? act("memory::forget", { memory: Number(number.text) })
    : undefined;
};

/** `/call SERVER.TOOL {"json": "as it stands"}`; in single quotes it is one word like any other. */
const call = (words: readonly Word[]): Step | undefined => {
  const [name, ...args] = words;
  const dot = name?.text.indexOf(".") ?? -1;
  if (name === undefined || dot < 1 || dot === name.text.length - 1) return undefined;
  const [server, tool] = [name.text.slice(0, dot), name.text.slice(dot + 1)];
  const plain = args[0]?.source.startsWith("{") === true;
  const json = args.map(({ source, text }) => (plain ? source : text)).join(" ");
  return act(callTarget, { server, tool, arguments: json === "" ? "{}" : json });
};

/** `/fetch URL` or `/fetch URL with SECRET`, the name of a secret that is bound to that address. */
const fetch = (words: readonly Word[]): Step | undefined => {
  const [url, joint, secret] = words;
  if (url === undefined) return undefined;
  if (words.length === 1) return act("net::get", { url: url.text });
  return secret !== undefined && words.length === 3 && isBare(joint, "with")
    ? act("net::get", { url: url.text, secret: secret.text })
    : undefined;
};

/** Nobody reads the bytes of a PDF. */
const read = (words: readonly Word[]): Step | undefined => {
  const [path] = words;
  if (path === undefined || words.length !== 1) return undefined;
  const asText = /\.pdf$/i.test(path.text);
  return act("fs::read", asText ? { path: path.text, as: "text" } : { path: path.text });
};

const list = (words: readonly Word[]): Step | undefined =>
  words.length > 1 ? undefined : act("fs::list", { path: words[0]?.text ?? "." });

/**
 * `/run PROGRAM ...`, or `/run --network PROGRAM ...` for one whose every host is judged; with
 * `--intercept HOST:PORT`, as often as wanted, its connections there are opened and read.
 */
const run = (words: readonly Word[]): Step | undefined => {
  const network = isBare(words[0], "--network");
  if (!network) return words.length === 0 ? undefined : act("sys::exec", { argv: texts(words) });
  const opened: string[] = [];
  let at = 1;
  for (; isBare(words[at], "--intercept"); at += 2) opened.push(words[at + 1]?.text ?? "");
  const argv = texts(words.slice(at));
  if (argv.length === 0) return undefined;
  const intercept = opened.length === 0 ? {} : { intercept: opened.join(" ") };
  return act("sys::exec", { argv, network: "egress", ...intercept });
};

/** What `/shell` does, and the keys of its words; a number in front names the terminal. */
const shell = (words: readonly Word[]): Step | undefined => {
  const [first, ...more] = words;
  const numbered = first !== undefined && !first.quoted && /^[1-9]$/.test(first.text);
  const [verb, ...rest] = numbered ? more : words;
  if (verb === undefined || verb.quoted) return undefined;
  const which = numbered ? { shell: Number(first.text) } : {};
  if (verb.text === "open" && rest.length === 1 && isBare(rest[0], "--network")) {
    return act("sys::shell", { do: "open", ...which, network: "egress" });
  }
  const on = (what: string, typed?: string): Step =>
    act("sys::shell", { do: what, ...which }, typed === undefined ? undefined : utf8Encode(typed));
  if (verb.text === "type") return rest.length === 0 ? undefined : on("type", `${joined(rest)}\n`);
  if (rest.length > 0) return undefined;
  if (verb.text === "interrupt") return on("type", "\u0003");
  return ["open", "read", "close"].includes(verb.text) ? on(verb.text) : undefined;
};

const bare =
  (step: Step) =>
  (words: readonly Word[]): Step | undefined =>
    words.length === 0 ? step : undefined;

const command = (
  usage: string,
  about: string,
  parse: (words: readonly Word[]) => Step | undefined,
): Command => ({ name: usage.split(" ")[0] as string, usage, about, parse });

const commands: readonly Command[] = [
  command("/list [PATH]", "list a folder", list),
  command("/read PATH", "show a file; of a PDF, its text", read),
  command("/stat PATH", "describe a file or folder", one("fs::stat", "path")),
  command("/find [name|text] PATTERN [in PATH]", "find by name or text", find),
  command("/write PATH TEXT...", "write a file, whole", write),
  command("/mkdir PATH", "make a folder", one("fs::mkdir", "path")),
  command("/copy PATH TO", "copy a file", pair("fs::copy")),
  command("/move PATH TO", "move or rename", pair("fs::move")),
  command("/delete PATH", "delete to the bin", one("fs::delete", "path")),
  command(
    "/run [--network [--intercept HOST:PORT]...] PROGRAM [ARGUMENT...]",
    "run a program, without a shell",
    run,
  ),
  command(
    "/shell [N] open [--network]|type TEXT...|interrupt|read|close",
    "use a terminal that stays; closing it applies what it wrote",
    shell,
  ),
  command("/undo", "undo what the session did before it", bare({ type: "undo" })),
  command("/help", "show this list", bare({ type: "help" })),
  command("/fetch URL [with SECRET]", "fetch from the web", fetch),
  command("/open URL", "not available yet", one("browser::open", "url")),
  command("/click ELEMENT", "not available yet", rest("gui::click", "element")),
  command("/type TEXT...", "not available yet", rest("gui::type", "text")),
  command("/remember TEXT...", "keep a text for later", remember),
  command("/recall QUERY...", "find what was kept, with a proof", rest("memory::recall", "query")),
  command("/share NUMBER[,NUMBER]... with KEY", "seal memories to another agent's key", share),
  command("/forget NUMBER", "erase one memory for good", forget),
  command("/call SERVER.TOOL [JSON]", "call a tool of a confirmed MCP server", call),
];

const byName: ReadonlyMap<string, Command> = new Map(commands.map((each) => [each.name, each]));
const names: readonly string[] = commands.map((each) => each.name);

/** What `/help` says. */
export const helpText = (): string => {
  const width = commands.reduce((widest, each) => Math.max(widest, each.usage.length), 0);
  const lines = commands.map((each) => `  ${each.usage.padEnd(width)}  ${each.about}`);
  return [
    "Commands, joined by && where one should follow another only if it succeeded:",
    ...lines,
    "'single' and \"double\" quotes and \\ keep spaces together; nothing is expanded.",
  ].join("\n");
};

const reject = (
  code: PlanErrorCode,
  message: string,
  place: { readonly line: number; readonly column: number },
): Result<never, PlanError> =>
  err({ code, message, at: { file: "command", line: place.line, column: place.column } });

const unknown = (first: Word): Result<never, PlanError> => {
  const slashed = first.text.startsWith("/") ? first.text : `/${first.text}`;
  const guess = byName.has(slashed) ? slashed : nearest(slashed, names);
  const hint = guess === undefined ? "" : `; did you mean "${guess}"?`;
  if (!first.text.startsWith("/")) {
    const message = `a goal in free words needs a model, and there is none${hint}`;
    return reject("E_MODEL_UNAVAILABLE", message, first);
  }
  const shown = first.text.length > 64 ? `${first.text.slice(0, 64)}...` : first.text;
  return reject("E_COMMAND_UNKNOWN", `unknown command "${shown}"${hint}`, first);
};

const parseCommand = (words: readonly Word[]): Result<Step, PlanError> => {
  const [first, ...args] = words as readonly [Word, ...Word[]];
  const known = first.quoted ? undefined : byName.get(first.text);
  if (known === undefined) return unknown(first);
  if (args.length > commandWordsMax) {
    return reject("E_COMMAND_TOO_LARGE", `more than ${commandWordsMax} words`, first);
  }
  const step = known.parse(args);
  if (step === undefined) {
    const message = `"${known.name}" does not take these words; usage: ${known.usage}`;
    return reject("E_COMMAND_ARGUMENTS", message, args[0] ?? first);
  }
  if (step.type === "act" && (step.content?.length ?? 0) > actionContentBytesMax) {
    return reject(
      "E_COMMAND_TOO_LARGE",
      `content of more than ${actionContentBytesMax} bytes`,
      first,
    );
  }
  return ok(step);
};

/** The steps of one or more commands joined by `&&`. */
export const plan = (text: string): Result<readonly Step[], PlanError> => {
  const start = { line: 1, column: 1 };
  if (text.length > commandTextCharsMax) {
    return reject("E_COMMAND_TOO_LARGE", `more than ${commandTextCharsMax} characters`, start);
  }
  if (!text.isWellFormed()) return reject("E_COMMAND_SYNTAX", "the text is not Unicode", start);
  const tokens = tokenize(text);
  if (!tokens.ok) return tokens;
  if (tokens.value.length === 0) return reject("E_COMMAND_SYNTAX", "there is no command", start);
  const steps: Step[] = [];
  let words: Word[] = [];
  for (const token of tokens.value) {
    if (token.type === "word") {
      words.push(token);
      continue;
    }
    if (words.length === 0) return reject("E_COMMAND_SYNTAX", "no command before &&", token);
    const step = parseCommand(words);
    if (!step.ok) return step;
    steps.push(step.value);
    words = [];
    if (steps.length >= commandStepsMax) {
      return reject("E_COMMAND_TOO_LARGE", `more than ${commandStepsMax} commands`, token);
    }
  }
  if (words.length === 0) {
    return reject("E_COMMAND_SYNTAX", "no command after the last &&", tokens.value.at(-1) ?? start);
  }
  const last = parseCommand(words);
  if (!last.ok) return last;
  steps.push(last.value);
  return ok(steps);
};
