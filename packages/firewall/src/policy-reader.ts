/**
 * Helpers for reading a policy's tree: every complaint carries the position of the key or value it
 * speaks of, and reading goes on after it, so that one load reports all there is to mend.
 */
import type { TextPosition } from "@ioi/base";
import { policyErrorsMax } from "./limits.ts";
import { didYouMean } from "./names.ts";
import { hasControls } from "./paths.ts";
import type { TomlEntry, TomlNode, TomlTable } from "./toml.ts";
import type { PolicyError, PolicySource } from "./types.ts";

export class Complaints {
  readonly #all: PolicyError[] = [];

  add(code: PolicyError["code"], message: string, at: TextPosition, next?: string): void {
    if (this.#all.length >= policyErrorsMax) return;
    this.#all.push({ code, message, at, ...(next === undefined ? {} : { next }) });
  }

  get all(): readonly PolicyError[] {
    return this.#all;
  }

  get count(): number {
    return this.#all.length;
  }
}

/** What the readers of one file share. */
export interface Reading {
  readonly tier: PolicySource["tier"];
  readonly complaints: Complaints;
  /** Workspaces of all files and `scope`; patterns may begin with these or with `~`. */
  readonly roots: ReadonlySet<string>;
}

const names: Readonly<Record<TomlNode["type"], string>> = {
  table: "a table",
  array: "a list",
  string: "text",
  integer: "an integer",
  float: "a fraction",
  boolean: "true or false",
  time: "a time",
};

export const wrongType = (reading: Reading, node: TomlNode, expected: string): undefined => {
  const message = `expected ${expected}, found ${names[node.type]}`;
  reading.complaints.add("E_POLICY_VALUE", message, node.at);
  return undefined;
};

export const tableOf = (reading: Reading, node: TomlNode): TomlTable | undefined =>
  node.type === "table" ? node : wrongType(reading, node, "a table");

/** The entries of a table, after complaining about keys that are neither known nor tolerated. */
export const fieldsOf = (
  reading: Reading,
  table: TomlTable,
  known: readonly string[],
  tolerated: readonly string[] = [],
): ReadonlyMap<string, TomlEntry> => {
  for (const [key, { at }] of table.entries) {
    if (known.includes(key) || tolerated.includes(key)) continue;
    const shown = JSON.stringify(key.slice(0, 80));
    const message = `unknown key ${shown}${didYouMean(key, known)}`;
    reading.complaints.add("E_POLICY_UNKNOWN_KEY", message, at);
  }
  return table.entries;
};

export const textOf = (
  reading: Reading,
  node: TomlNode,
  what: string,
  charsMax: number,
): string | undefined => {
  if (node.type !== "string") return wrongType(reading, node, what);
  if (node.value.length > charsMax || hasControls(node.value)) {
    const message = `expected ${what} of at most ${charsMax} characters without control characters`;
    reading.complaints.add("E_POLICY_VALUE", message, node.at);
    return undefined;
  }
  return node.value;
};

export const choiceOf = <const C extends readonly string[]>(
  reading: Reading,
  node: TomlNode,
  choices: C,
): C[number] | undefined => {
  const list = choices.map((choice) => `"${choice}"`).join(", ");
  if (node.type !== "string") return wrongType(reading, node, `one of ${list}`);
  const found = choices.find((choice) => choice === node.value);
  if (found !== undefined) return found;
  const shown = JSON.stringify(node.value.slice(0, 80));
  const message = `expected one of ${list}, found ${shown}${didYouMean(node.value, choices)}`;
  reading.complaints.add("E_POLICY_VALUE", message, node.at);
  return undefined;
};

export const integerOf = (
  reading: Reading,
  node: TomlNode,
  min: number,
  max: number,
): number | undefined => {
  const expected = `an integer from ${min} to ${max}`;
  if (node.type !== "integer") return wrongType(reading, node, expected);
  if (node.value < BigInt(min) || node.value > BigInt(max)) {
    reading.complaints.add("E_POLICY_VALUE", `expected ${expected}`, node.at);
    return undefined;
  }
  return Number(node.value);
};

/** Dollars in millionths; what is below a millionth is left out. */
export const microusdOf = (reading: Reading, node: TomlNode, max: number): number | undefined => {
  const text =
    node.type === "string"
      ? node.value
      : node.type === "integer"
        ? node.value.toString()
        : node.type === "float"
          ? node.text.replaceAll("_", "")
          : "";
  const parts = /^(\d{1,12})(?:\.(\d{1,30}))?$/.exec(text);
  if (parts === null) return wrongType(reading, node, "an amount of dollars");
  const micro = Number(parts[1]) * 1_000_000 + Number((parts[2] ?? "").padEnd(6, "0").slice(0, 6));
  if (micro <= max) return micro;
  reading.complaints.add("E_POLICY_VALUE", `more than ${max / 1_000_000} dollars`, node.at);
  return undefined;
};

export const flagOf = (reading: Reading, node: TomlNode): boolean | undefined =>
  node.type === "boolean" ? node.value : wrongType(reading, node, "true or false");

/** A list; where `single` is given, one value stands for a list of one. */
export const listOf = (
  reading: Reading,
  node: TomlNode,
  itemsMax: number,
  single = false,
): readonly TomlNode[] | undefined => {
  if (node.type !== "array") return single ? [node] : wrongType(reading, node, "a list");
  if (node.items.length === 0) {
    reading.complaints.add("E_POLICY_VALUE", "an empty list", node.at);
    return undefined;
  }
  if (node.items.length > itemsMax) {
    reading.complaints.add("E_POLICY_TOO_LARGE", `more than ${itemsMax} values`, node.at);
    return undefined;
  }
  return node.items;
};
