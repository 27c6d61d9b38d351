/**
 * `agent.toml`: what an agent's folder says of itself. Read strictly: an unknown key, a missing one
 * or a wrong type is an error with its line and column. Bounds: those of TOML and of each field.
 *
 *     name = "sort-files"
 *     version = "1.0.0"
 *     entry = ["python3", "main.py"]
 *     tools = ["fs::list", "fs::mkdir", "fs::move"]
 *
 *     [budget]                 # optional: actions, minutes, step_seconds
 *     actions = 100
 */
import { err, ok, type Result } from "@ioi/base";
import { parseToml, type TomlEntry, type TomlNode, type TomlTable } from "@ioi/firewall";

export interface AgentManifest {
  readonly name: string;
  readonly version: string;
  /** A program (`python3`, `node`, or a path in the folder) and its arguments. */
  readonly entry: readonly string[];
  /** Targets that it may propose. */
  readonly tools: readonly string[];
  readonly actions: number | undefined;
  readonly minutes: number | undefined;
  readonly stepSeconds: number | undefined;
}

export const manifestName = "agent.toml";
/** Of the file, in bytes. */
export const manifestBytesMax = 65_536;

const entryWordsMax = 64;
const toolsMax = 64;
const stepSecondsMax = 600;

/** Internal signal of this module; never leaves it. */
class Wrong extends Error {
  readonly node: { readonly at: { readonly line: number; readonly column: number } };
  constructor(message: string, node: Wrong["node"]) {
    super(message);
    this.node = node;
  }
}

const onlyKnown = (table: TomlTable, known: readonly string[]): void => {
  for (const [key, entry] of table.entries) {
    if (!known.includes(key)) {
      throw new Wrong(`unknown key ${JSON.stringify(key)}; known: ${known.join(", ")}`, entry);
    }
  }
};

const need = (table: TomlTable, key: string): TomlEntry => {
  const entry = table.entries.get(key);
  if (entry === undefined) throw new Wrong(`${key} is missing`, table);
  return entry;
};

const textOf = (node: TomlNode, what: string, charsMax: number): string => {
  if (node.type !== "string") throw new Wrong(`${what} is text`, node);
  if (node.value === "" || node.value.length > charsMax || /\p{Cc}/u.test(node.value)) {
    throw new Wrong(`${what} has 1 to ${charsMax} characters and no control characters`, node);
  }
  return node.value;
};

const textsOf = ({ value }: TomlEntry, what: string, itemsMax: number): readonly string[] => {
  if (value.type !== "array" || value.items.length > itemsMax) {
    throw new Wrong(`${what} is a list of at most ${itemsMax} texts`, value);
  }
  return value.items.map((item) => textOf(item, `each of ${what}`, 1024));
};

const countOf = (table: TomlTable | undefined, key: string, max: number): number | undefined => {
  const node = table?.entries.get(key)?.value;
  if (node === undefined) return undefined;
  if (node.type !== "integer" || node.value < 1n || node.value > BigInt(max)) {
    throw new Wrong(`${key} is an integer from 1 to ${max}`, node);
  }
  return Number(node.value);
};

const budgetOf = (root: TomlTable): TomlTable | undefined => {
  const budget = root.entries.get("budget")?.value;
  if (budget === undefined) return undefined;
  if (budget.type !== "table") throw new Wrong("budget is a table", budget);
  onlyKnown(budget, ["actions", "minutes", "step_seconds"]);
  return budget;
};

const manifestOf = (root: TomlTable): AgentManifest => {
  onlyKnown(root, ["name", "version", "entry", "tools", "budget"]);
  const named = need(root, "name").value;
  const name = textOf(named, "name", 64);
  if (!/^[a-z0-9][a-z0-9._-]*$/.test(name)) {
    throw new Wrong("name is of small letters, digits, dots and hyphens", named);
  }
  const entryAt = need(root, "entry");
  const entry = textsOf(entryAt, "entry", entryWordsMax);
  if (entry.length === 0) throw new Wrong("entry names a program", entryAt);
  const budget = budgetOf(root);
  return {
    name,
    version: textOf(need(root, "version").value, "version", 64),
    entry,
    tools: textsOf(need(root, "tools"), "tools", toolsMax),
    actions: countOf(budget, "actions", 1_000_000),
    minutes: countOf(budget, "minutes", 100_000),
    stepSeconds: countOf(budget, "step_seconds", stepSecondsMax),
  };
};

/** The manifest, or what is wrong with it, beginning with where. */
export const readManifest = (text: string): Result<AgentManifest, string> => {
  const parsed = parseToml(manifestName, text);
  if (!parsed.ok) {
    const { at, message } = parsed.error;
    return err(`${manifestName}:${at.line}:${at.column}: ${message}`);
  }
  try {
    return ok(manifestOf(parsed.value));
  } catch (error) {
    if (!(error instanceof Wrong)) throw error;
    const { line, column } = error.node.at;
    return err(`${manifestName}:${line}:${column}: ${error.message}`);
  }
};
