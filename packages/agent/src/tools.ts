/**
 * The registry of tools: one definition gives the name, the JSON Schema for a model, the validator
 * of a call, the risk, what an undo would name, and which driver performs it.
 *
 * Source: the targets of the firewall; each target has exactly one canonicaliser there, and the
 * workload checks at its start that both lists name the same targets.
 * Invariants: a call is validated before anything else sees it; unknown arguments are refused.
 */
import { err, ok, type Rejection, type Result } from "@ioi/base";
import { type CanonicalValue, type DriverKind, parseJson } from "@ioi/wire";
import { undoPathsMax } from "./limits.ts";
import { memoryTools } from "./memory-tools.ts";

export type ArgumentType =
  | { readonly type: "path" }
  | { readonly type: "text"; readonly charsMax: number }
  /** Bytes that travel beside the arguments; the arguments hold their commitment. */
  | { readonly type: "content" }
  | { readonly type: "texts"; readonly itemsMax: number; readonly charsMax: number }
  /** Texts by name. */
  | { readonly type: "map"; readonly itemsMax: number; readonly charsMax: number }
  | { readonly type: "integer"; readonly min: number; readonly max: number }
  /** A JSON object, as text: numbers stay as they were written. */
  | { readonly type: "json" }
  | { readonly type: "choice"; readonly values: readonly string[] };

export interface Argument {
  readonly name: string;
  readonly of: ArgumentType;
  readonly required: boolean;
  readonly about: string;
}

export interface Tool {
  readonly target: string;
  readonly about: string;
  /** Which driver performs it; null where none does in this version. */
  readonly driver: DriverKind | null;
  /** `read` changes nothing, so that repeating it is harmless; `model` changes nothing and costs. */
  readonly risk: "read" | "change" | "run" | "remote" | "model";
  /** With the snapshot that its ticket obliges to. */
  readonly reversible: boolean;
  readonly arguments: readonly Argument[];
  /** Arguments whose paths an undo restores. */
  readonly undoes: readonly string[];
}

const path = (name: string, about: string): Argument => ({
  name,
  of: { type: "path" },
  required: true,
  about,
});
const text = (name: string, about: string, required = true): Argument => ({
  name,
  of: { type: "text", charsMax: 4096 },
  required,
  about,
});
const offset = { type: "integer", min: 0, max: Number.MAX_SAFE_INTEGER } as const;

const read = (target: string, about: string, args: readonly Argument[]): Tool => ({
  target,
  about,
  driver: "files",
  risk: "read",
  reversible: false,
  arguments: args,
  undoes: [],
});
const change = (
  target: string,
  about: string,
  args: readonly Argument[],
  undoes: readonly string[],
): Tool => ({
  target,
  about,
  driver: "files",
  risk: "change",
  reversible: undoes.length > 0,
  arguments: args,
  undoes,
});
const request = (target: string, about: string, args: readonly Argument[]): Tool => ({
  target,
  about,
  driver: "net",
  risk: target === "net::get" ? "read" : "remote",
  reversible: false,
  arguments: args,
  undoes: [],
});
const method = (values: readonly string[], required: boolean): Argument => ({
  name: "method",
  of: { type: "choice", values },
  required,
  about: required ? "What is done there." : "GET if absent.",
});
const requestArguments: readonly Argument[] = [
  text("url", "The whole URL, http or https."),
  {
    name: "headers",
    of: { type: "map", itemsMax: 32, charsMax: 4096 },
    required: false,
    about: "Headers by name; no credential, no cookie.",
  },
  {
    name: "secret",
    of: { type: "text", charsMax: 64 },
    required: false,
    about: "Name of a secret of the person that is bound to this address.",
  },
];
const absent = (target: string, about: string, args: readonly Argument[]): Tool => ({
  target,
  about,
  driver: null,
  risk: "remote",
  reversible: false,
  arguments: args,
  undoes: [],
});

/** How a model agent asks its model. */
export const inferTarget = "model::infer";

/** How an agent turns texts into vectors. */
export const embedTarget = "model::embed";

/** How an agent calls a tool of an MCP server. */
export const callTarget = "mcp::call";

/** Every tool, those without a driver included: they answer that they are not available. */
export const tools: readonly Tool[] = [
  read("fs::stat", "Describe a file or folder.", [path("path", "What to describe.")]),
  read("fs::list", "List a folder.", [path("path", "The folder.")]),
  read("fs::read", "Read a file.", [
    path("path", "The file."),
    { name: "offset", of: offset, required: false, about: "First byte; 0 if absent." },
    { name: "length", of: offset, required: false, about: "Bytes; to the end if absent." },
    {
      name: "as",
      of: { type: "choice", values: ["text"] },
      required: false,
      about: "text: of a PDF, what it says instead of its bytes.",
    },
  ]),
  read("fs::search", "Find files by name or by the text in them.", [
    path("path", "The folder to search below."),
    text("name", "A glob on the file's name.", false),
    text("text", "A literal text in the file.", false),
  ]),
  change(
    "fs::write",
    "Write a file, whole.",
    [
      path("path", "The file."),
      { name: "content", of: { type: "content" }, required: true, about: "The whole content." },
      {
        name: "create",
        of: { type: "choice", values: ["new", "replace", "any"] },
        required: true,
        about: "Whether the file must be new, must exist, or either.",
      },
    ],
    ["path"],
  ),
  change("fs::mkdir", "Make a folder.", [path("path", "The folder.")], ["path"]),
  change(
    "fs::copy",
    "Copy a file.",
    [path("path", "The file."), path("to", "The copy; it must not exist.")],
    ["to"],
  ),
  change(
    "fs::move",
    "Move or rename a file or folder.",
    [path("path", "What to move."), path("to", "Its new path; it must not exist.")],
    ["path", "to"],
  ),
  change("fs::delete", "Delete to a bin.", [path("path", "What to delete.")], ["path"]),
  change(
    "fs::restore",
    "Undo an earlier effect.",
    [
      { name: "counter", of: offset, required: true, about: "The counter of the effect's ticket." },
      {
        name: "paths",
        of: { type: "texts", itemsMax: undoPathsMax, charsMax: 4096 },
        required: true,
        about: "The paths of the effect.",
      },
    ],
    [],
  ),
  {
    target: "sys::exec",
    about: "Run a program in the sandbox, in the workspace; its writes are staged.",
    driver: "exec",
    risk: "run",
    reversible: true,
    arguments: [
      {
        name: "argv",
        of: { type: "texts", itemsMax: 4096, charsMax: 131_072 },
        required: true,
        about: "The program and its arguments; no shell reads them.",
      },
      {
        name: "network",
        of: { type: "choice", values: ["egress"] },
        required: false,
        about: "egress: it gets a network through a proxy; each host that it reaches is judged.",
      },
      {
        name: "intercept",
        of: { type: "text", charsMax: 2048 },
        required: false,
        about:
          "HOST:PORT, by spaces: encrypted connections to them are opened, each request judged.",
      },
    ],
    undoes: [],
  },
  {
    target: "sys::shell",
    about:
      "Use a terminal that stays open, in the sandbox. What it writes is staged until it is closed.",
    driver: "shell",
    risk: "run",
    reversible: true,
    arguments: [
      {
        name: "do",
        of: { type: "choice", values: ["open", "type", "read", "close"] },
        required: true,
        about: "Open it, type into it, read what came, or close it, which applies what it wrote.",
      },
      {
        name: "shell",
        of: { type: "integer", min: 1, max: 4 },
        required: false,
        about: "The terminal's number; 1 if absent.",
      },
      {
        name: "input",
        of: { type: "content" },
        required: false,
        about: "What is typed, keys and all: a line ends with a newline, U+0003 is Ctrl-C.",
      },
      {
        name: "wait",
        of: { type: "integer", min: 0, max: 120_000 },
        required: false,
        about: "Milliseconds to wait for it to come to rest; 5000 if absent.",
      },
      {
        name: "network",
        of: { type: "choice", values: ["egress"] },
        required: false,
        about: "On opening: a network, which reaches what the policy lists for terminals.",
      },
    ],
    undoes: [],
  },
  {
    target: inferTarget,
    about: "Ask a model. The agent's own means, not a tool of the model.",
    driver: "model",
    risk: "model",
    reversible: false,
    arguments: [
      text("model", "Which confirmed model."),
      { name: "prompt", of: { type: "content" }, required: true, about: "What it is told." },
      {
        name: "max_tokens",
        of: { type: "integer", min: 1, max: 1_000_000 },
        required: true,
        about: "The longest answer.",
      },
    ],
    undoes: [],
  },
  {
    target: embedTarget,
    about: "Turn texts into vectors. For programs; no tool of the model.",
    driver: "model",
    risk: "model",
    reversible: false,
    arguments: [
      text("model", "Which confirmed model."),
      { name: "input", of: { type: "content" }, required: true, about: "A JSON list of texts." },
    ],
    undoes: [],
  },
  request("net::get", "Fetch from the web. A redirect is not followed: it says where it leads.", [
    method(["GET", "HEAD", "OPTIONS"], false),
    ...requestArguments,
  ]),
  request("net::post", "Send to the web.", [
    method(["POST", "PUT", "PATCH", "DELETE"], true),
    ...requestArguments,
    { name: "content", of: { type: "content" }, required: false, about: "What is sent." },
  ]),
  absent("browser::open", "Open a page.", [text("url", "The URL.")]),
  absent("gui::click", "Click an element.", [text("element", "Its role and name.")]),
  absent("gui::type", "Type text.", [text("text", "The text.")]),
  ...memoryTools,
  {
    target: callTarget,
    about: "Call a tool of a confirmed MCP server.",
    driver: "mcp",
    risk: "remote",
    reversible: false,
    arguments: [
      { ...text("server", "Which server."), of: { type: "text", charsMax: 64 } },
      { ...text("tool", "Which of its tools."), of: { type: "text", charsMax: 128 } },
      { name: "arguments", of: { type: "json" }, required: true, about: "What the tool is given." },
    ],
    undoes: [],
  },
];

const byTarget: ReadonlyMap<string, Tool> = new Map(tools.map((tool) => [tool.target, tool]));

export const toolOf = (target: string): Tool | undefined => byTarget.get(target);

/** The tool's name for a model, whose names may hold no colons. */
export const toolName = (tool: Tool): string => tool.target.replace("::", "_");

export type JsonSchema = Readonly<Record<string, unknown>>;

const typeSchema = (of: ArgumentType): JsonSchema => {
  switch (of.type) {
    case "path":
      return { type: "string", minLength: 1, maxLength: 4096 };
    case "text":
      return { type: "string", maxLength: of.charsMax };
    case "content":
      return { type: "string" };
    case "texts":
      return {
        type: "array",
        minItems: 1,
        maxItems: of.itemsMax,
        items: { type: "string", maxLength: of.charsMax },
      };
    case "map":
      return {
        type: "object",
        maxProperties: of.itemsMax,
        additionalProperties: { type: "string", maxLength: of.charsMax },
      };
    case "integer":
      return { type: "integer", minimum: of.min, maximum: of.max };
    case "json":
      return { type: "object" };
    case "choice":
      return { type: "string", enum: of.values };
  }
};

/** JSON Schema (2020-12) of the tool's arguments. */
export const toolSchema = (tool: Tool): JsonSchema => ({
  type: "object",
  additionalProperties: false,
  required: tool.arguments.filter((each) => each.required).map((each) => each.name),
  properties: Object.fromEntries(
    tool.arguments.map((each) => [each.name, { ...typeSchema(each.of), description: each.about }]),
  ),
});

const isTextMap = (
  value: CanonicalValue,
  { itemsMax, charsMax }: { readonly itemsMax: number; readonly charsMax: number },
): boolean =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  !(value instanceof Uint8Array) &&
  Object.keys(value).length <= itemsMax &&
  Object.values(value).every((each) => typeof each === "string" && each.length <= charsMax);

/** An object, or text of one where it holds fractions, which canonical values have not. */
const jsonComplaint = (value: CanonicalValue): string | undefined => {
  const isObject = typeof value === "object" && value !== null && !(value instanceof Uint8Array);
  if (isObject && !Array.isArray(value)) return undefined;
  if (typeof value !== "string") return "must be a JSON object";
  const parsed = parseJson(value);
  if (!parsed.ok) return `is no JSON: ${parsed.error.message}`;
  const json = parsed.value;
  return typeof json === "object" && json !== null && !Array.isArray(json)
    ? undefined
    : "must be a JSON object";
};

const complaint = (of: ArgumentType, value: CanonicalValue): string | undefined => {
  switch (of.type) {
    case "path":
      return typeof value === "string" && value.length > 0 && value.length <= 4096
        ? undefined
        : "must be a path of 1 to 4096 characters";
    case "text":
      return typeof value === "string" && value.length <= of.charsMax
        ? undefined
        : `must be text of at most ${of.charsMax} characters`;
    case "content":
      return "is not an argument: content travels beside the arguments";
    case "texts":
      return Array.isArray(value) &&
        value.length > 0 &&
        value.length <= of.itemsMax &&
        value.every((each) => typeof each === "string" && each.length <= of.charsMax)
        ? undefined
        : `must be 1 to ${of.itemsMax} texts of at most ${of.charsMax} characters each`;
    case "json":
      return jsonComplaint(value);
    case "map":
      return isTextMap(value, of)
        ? undefined
        : `must be at most ${of.itemsMax} texts of at most ${of.charsMax} characters by name`;
    case "integer":
      return Number.isSafeInteger(value) && Number(value) >= of.min && Number(value) <= of.max
        ? undefined
        : `must be an integer from ${of.min} to ${of.max}`;
    case "choice":
      return typeof value === "string" && of.values.includes(value)
        ? undefined
        : `must be one of ${of.values.join(", ")}`;
  }
};

/** Raw arguments as an agent gives them: not canonical, content apart. */
export type RawArguments = { readonly [name: string]: CanonicalValue };

export type CallError = Rejection<"E_AGENT_CALL_INVALID" | "E_TARGET_UNAVAILABLE">;

/** The tool of a call that matches its schema and has a driver. */
export const validateCall = (
  target: string,
  args: RawArguments,
  hasContent: boolean,
): Result<Tool, CallError> => {
  const invalid = (message: string): Result<Tool, CallError> =>
    err({ code: "E_AGENT_CALL_INVALID", message: `${target}: ${message}` });
  const tool = byTarget.get(target);
  if (tool === undefined)
    return err({ code: "E_AGENT_CALL_INVALID", message: `no tool ${target}` });
  const carried = tool.arguments.find((each) => each.of.type === "content");
  for (const name of Object.keys(args)) {
    if (!tool.arguments.some((each) => each.name === name)) return invalid(`no argument ${name}`);
  }
  for (const each of tool.arguments) {
    const value = args[each.name];
    if (each.of.type === "content" && value === undefined) continue;
    if (value === undefined) {
      if (each.required) return invalid(`${each.name} is missing`);
      continue;
    }
    const wrong = complaint(each.of, value);
    if (wrong !== undefined) return invalid(`${each.name} ${wrong}`);
  }
  if (hasContent && carried === undefined) return invalid("takes no content");
  if (!hasContent && carried?.required === true) return invalid("content is missing");
  if (tool.driver === null) {
    return err({
      code: "E_TARGET_UNAVAILABLE",
      message: `${target} is not available: no driver performs it in this version`,
    });
  }
  return ok(tool);
};

/** The paths that an undo of this action restores; `changed` is what a program's run reported. */
export const undoPaths = (
  tool: Tool,
  args: RawArguments,
  changed: readonly string[],
): readonly string[] => {
  const named = tool.undoes.flatMap((name) => {
    const value = args[name];
    return typeof value === "string" ? [value] : [];
  });
  return tool.risk === "run" ? changed : named;
};
