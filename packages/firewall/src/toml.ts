/**
 * TOML 1.0 as a tree in which every key and value knows its line and column.
 *
 * Source: toml.io/en/v1.0.0, read by `toml-eslint-parser`. Tables are maps, so that no key is
 * special. Bounds: `policyBytesMax`, `tomlDepthMax` (checked before the parser recurses),
 * `tomlKeyPartsMax`.
 */
import { err, ok, type Result, type TextPosition } from "@ioi/base";
import type { CanonicalValue } from "@ioi/wire";
import { type AST, ParseError, parseTOML } from "toml-eslint-parser";
import { policyBytesMax, tomlDepthMax, tomlKeyPartsMax } from "./limits.ts";
import { fitsBytes } from "./paths.ts";
import type { PolicyError } from "./types.ts";

export interface TomlEntry {
  /** Where the key stands. */
  readonly at: TextPosition;
  readonly value: TomlNode;
}

export interface TomlTable {
  readonly type: "table";
  readonly at: TextPosition;
  readonly entries: Map<string, TomlEntry>;
}

export type TomlNode =
  | TomlTable
  | { readonly type: "array"; readonly at: TextPosition; readonly items: TomlNode[] }
  | { readonly type: "string"; readonly at: TextPosition; readonly value: string }
  | { readonly type: "integer"; readonly at: TextPosition; readonly value: bigint }
  | { readonly type: "float"; readonly at: TextPosition; readonly text: string }
  | { readonly type: "boolean"; readonly at: TextPosition; readonly value: boolean }
  | { readonly type: "time"; readonly at: TextPosition; readonly text: string };

/** Internal signal of this module; never leaves it. */
class Refused extends Error {
  readonly code: PolicyError["code"];
  readonly line: number;
  readonly column: number;
  constructor(code: PolicyError["code"], message: string, line: number, column: number) {
    super(message);
    this.code = code;
    this.line = line;
    this.column = column;
  }
}

/** Skips a string that opens at `at`; the index after it, or the end of the text. */
const skipString = (text: string, at: number): number => {
  const quote = text[at] as string;
  const triple = text.startsWith(quote.repeat(3), at);
  const end = triple ? quote.repeat(3) : quote;
  for (let i = at + end.length; i < text.length; i++) {
    if (quote === '"' && text[i] === "\\") i++;
    else if (text.startsWith(end, i)) return i + end.length;
    else if (!triple && text[i] === "\n") return i;
  }
  return text.length;
};

/** Refuses brackets nested so deeply that a recursive reader could run out of stack. */
const checkDepth = (text: string): void => {
  let depth = 0;
  let line = 1;
  let lineStart = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i] as string;
    if (char === "\n") {
      line++;
      lineStart = i + 1;
    } else if (char === '"' || char === "'") {
      const end = skipString(text, i);
      for (let j = i; j < end; j++) {
        if (text[j] === "\n") {
          line++;
          lineStart = j + 1;
        }
      }
      i = end - 1;
    } else if (char === "#") {
      const end = text.indexOf("\n", i);
      i = (end < 0 ? text.length : end) - 1;
    } else if (char === "[" || char === "{") {
      if (++depth > tomlDepthMax) {
        throw new Refused("E_POLICY_TOO_LARGE", "nested too deeply", line, i - lineStart + 1);
      }
    } else if (char === "]" || char === "}") depth = Math.max(0, depth - 1);
  }
};

const positionOf = (file: string, node: AST.TOMLNode): TextPosition => ({
  file,
  line: node.loc.start.line,
  column: node.loc.start.column + 1,
});

const keyText = (key: AST.TOMLBare | AST.TOMLQuoted): string =>
  key.type === "TOMLBare" ? key.name : key.value;

class Builder {
  readonly #file: string;
  constructor(file: string) {
    this.#file = file;
  }

  at(node: AST.TOMLNode): TextPosition {
    return positionOf(this.#file, node);
  }

  table(node: AST.TOMLNode): TomlTable {
    return { type: "table", at: this.at(node), entries: new Map() };
  }

  /** The table under `keys`; the last element of an array of tables stands for it. */
  descend(from: TomlTable, keys: readonly (AST.TOMLBare | AST.TOMLQuoted)[]): TomlTable {
    let table = from;
    for (const key of keys) {
      const name = keyText(key);
      const entry = table.entries.get(name);
      const value = entry?.value.type === "array" ? entry.value.items.at(-1) : entry?.value;
      if (value?.type === "table") table = value;
      else {
        const made = this.table(key);
        table.entries.set(name, { at: this.at(key), value: made });
        table = made;
      }
    }
    return table;
  }

  pairs(table: TomlTable, body: readonly AST.TOMLKeyValue[]): void {
    for (const pair of body) {
      const keys = this.keys(pair.key);
      const last = keys.at(-1) as AST.TOMLBare | AST.TOMLQuoted;
      const holder = this.descend(table, keys.slice(0, -1));
      holder.entries.set(keyText(last), { at: this.at(last), value: this.value(pair.value) });
    }
  }

  keys(key: AST.TOMLKey): readonly (AST.TOMLBare | AST.TOMLQuoted)[] {
    if (key.keys.length > tomlKeyPartsMax) {
      const { line, column } = this.at(key);
      throw new Refused("E_POLICY_TOO_LARGE", "a key of too many parts", line, column);
    }
    return key.keys;
  }

  value(node: AST.TOMLContentNode): TomlNode {
    const at = this.at(node);
    if (node.type === "TOMLArray") {
      return { type: "array", at, items: node.elements.map((item) => this.value(item)) };
    }
    if (node.type === "TOMLInlineTable") {
      const table = this.table(node);
      this.pairs(table, node.body);
      return table;
    }
    switch (node.kind) {
      case "string":
        return { type: "string", at, value: node.value };
      case "integer":
        return { type: "integer", at, value: node.bigint };
      case "float":
        return { type: "float", at, text: node.number };
      case "boolean":
        return { type: "boolean", at, value: node.value };
      default:
        return { type: "time", at, text: node.datetime };
    }
  }

  document(top: AST.TOMLTopLevelTable): TomlTable {
    const root = this.table(top);
    for (const node of top.body) {
      if (node.type === "TOMLKeyValue") {
        this.pairs(root, [node]);
        continue;
      }
      const keys = this.keys(node.key);
      if (node.kind === "standard") {
        this.pairs(this.descend(root, keys), node.body);
        continue;
      }
      const last = keys.at(-1) as AST.TOMLBare | AST.TOMLQuoted;
      const holder = this.descend(root, keys.slice(0, -1));
      const name = keyText(last);
      const entry = holder.entries.get(name);
      const element = this.table(node);
      if (entry?.value.type === "array") entry.value.items.push(element);
      else {
        const value: TomlNode = { type: "array", at: this.at(last), items: [element] };
        holder.entries.set(name, { at: this.at(last), value });
      }
      this.pairs(element, node.body);
    }
    return root;
  }
}

export const parseToml = (file: string, text: string): Result<TomlTable, PolicyError> => {
  const refuse = (
    code: PolicyError["code"],
    message: string,
    line: number,
    column: number,
  ): Result<TomlTable, PolicyError> => err({ code, message, at: { file, line, column } });
  if (!fitsBytes(text, policyBytesMax)) {
    return refuse("E_POLICY_TOO_LARGE", `more than ${policyBytesMax} bytes`, 1, 1);
  }
  if (!text.isWellFormed()) return refuse("E_POLICY_TOML", "the file is not UTF-8", 1, 1);
  try {
    checkDepth(text);
    const program = parseTOML(text, { tomlVersion: "1.0" });
    return ok(new Builder(file).document(program.body[0]));
  } catch (error) {
    if (error instanceof Refused) {
      return refuse(error.code, error.message, error.line, error.column);
    }
    if (error instanceof ParseError) {
      const message = error.message.charAt(0).toLowerCase() + error.message.slice(1);
      return refuse("E_POLICY_TOML", message, error.lineNumber, error.column + 1);
    }
    throw error;
  }
};

/** The tree as a canonical value: what is hashed. Positions and comments are not part of it. */
export const canonicalToml = (node: TomlNode): CanonicalValue => {
  switch (node.type) {
    case "table":
      return Object.fromEntries(
        [...node.entries].map(([key, { value }]) => [key, canonicalToml(value)] as const),
      );
    case "array":
      return node.items.map(canonicalToml);
    case "string":
    case "boolean":
    case "integer":
      return node.value;
    default:
      return { [node.type]: node.text };
  }
};
