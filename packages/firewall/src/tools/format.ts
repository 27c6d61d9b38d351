/**
 * `ioi policy fmt` and `import`: policies as text. Comments stay where they are and values as they
 * are written; only the space around them changes, and the result means the same to the byte of its
 * canonical encoding.
 */
import { equalBytes, err, InvariantError, ok, type Result } from "@ioi/base";
import { encodeCanonical } from "@ioi/wire";
import { canonicalToml, parseToml } from "../toml.ts";
import type { PolicyError } from "../types.ts";

interface Line {
  readonly text: string;
  /** It begins outside strings, lists and inline tables. */
  readonly free: boolean;
}

/** Where a string that opens at `at` ends in `text`; the length of the text where it does not. */
const stringEnd = (text: string, at: number): number => {
  const quote = text[at] as string;
  const long = text.startsWith(quote.repeat(3), at);
  const close = long ? quote.repeat(3) : quote;
  for (let i = at + close.length; i < text.length; i++) {
    if (text[i] === "\\" && quote === '"') i++;
    else if (text.startsWith(close, i)) {
      // A long string may end in up to two quotes of its own.
      let end = i + close.length;
      while (long && end < i + 5 && text[end] === quote) end++;
      return end;
    }
  }
  return text.length;
};

const linesOf = (text: string): readonly Line[] => {
  const inside = new Set<number>();
  let line = 0;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string;
    if (char === "\n") {
      line++;
      if (depth > 0) inside.add(line);
    } else if (char === "#") {
      const end = text.indexOf("\n", at);
      at = (end < 0 ? text.length : end) - 1;
    } else if (char === '"' || char === "'") {
      const end = stringEnd(text, at);
      for (const each of text.slice(at, end)) if (each === "\n") inside.add(++line);
      at = end - 1;
    } else if (char === "[" || char === "{") depth++;
    else if (char === "]" || char === "}") depth--;
  }
  return text.split("\n").map((each, at) => ({ text: each, free: !inside.has(at) }));
};

const tidyLine = (text: string): string => {
  const header = /^\s*(\[\[?)\s*([\w.-]+)\s*(\]\]?)(\s*#.*)?\s*$/.exec(text);
  if (header !== null) return `${header[1]}${header[2]}${header[3]}${header[4]?.trimEnd() ?? ""}`;
  const pair = /^\s*([\w-]+(?:\.[\w-]+)*)\s*=\s*(.*)$/.exec(text);
  if (pair !== null) return `${pair[1]} = ${pair[2]?.trimEnd() ?? ""}`;
  return /^\s*#/.test(text) ? text.trim() : text.trimEnd();
};

const meaning = (file: string, text: string): Result<Uint8Array, PolicyError> => {
  const tree = parseToml(file, text);
  return tree.ok ? ok(encodeCanonical(canonicalToml(tree.value))) : tree;
};

/** The same policy in one shape; the first complaint where it is not TOML. */
export const formatPolicy = (file: string, given: string): Result<string, PolicyError> => {
  const before = meaning(file, given);
  if (!before.ok) return before;
  const out: string[] = [];
  const lines = linesOf(given.replaceAll("\r\n", "\n"));
  for (const [at, { text, free }] of lines.entries()) {
    if (!free) {
      out.push(text);
      continue;
    }
    // What a string goes on with after the line's end belongs to it.
    const goesOn = lines[at + 1]?.free === false;
    const tidy = tidyLine(text) + (goesOn ? (/\s*$/.exec(text)?.[0] ?? "") : "");
    const last = out.at(-1);
    if (tidy === "" && (last === "" || last === undefined)) continue;
    const opens = tidy.startsWith("[");
    if (opens && last !== undefined && last !== "" && !last.startsWith("#")) out.push("");
    out.push(tidy);
  }
  while (out.at(-1) === "") out.pop();
  const made = `${out.join("\n")}\n`;
  const after = meaning(file, made);
  if (!after.ok || !equalBytes(before.value, after.value)) {
    throw new InvariantError(`formatting changed what ${file} says`);
  }
  return ok(made);
};

interface Block {
  readonly name: string;
  readonly lines: readonly string[];
}

/** A file's tables as they are written, each with the comments above it. */
const blocksOf = (text: string): readonly Block[] => {
  const blocks: { name: string; lines: string[] }[] = [{ name: "", lines: [] }];
  let above: string[] = [];
  for (const { text: line, free } of linesOf(text)) {
    const name = free ? /^\s*\[\[?\s*([\w.-]+)\s*\]/.exec(line)?.[1] : undefined;
    if (name !== undefined) {
      blocks.push({ name, lines: [...above, line] });
      above = [];
    } else if (free && /^\s*#/.test(line)) above.push(line);
    else {
      blocks.at(-1)?.lines.push(...above, line);
      above = [];
    }
  }
  blocks.at(-1)?.lines.push(...above);
  return blocks;
};

const idLine = /^(\s*id\s*=\s*")([^"]*)(".*)$/;

/** Ids of the rules of a file, as they are written there. */
const idsOf = (text: string): ReadonlySet<string> =>
  new Set(
    blocksOf(text)
      .filter(({ name }) => name === "rule")
      .flatMap(({ lines }) => lines.flatMap((line) => idLine.exec(line)?.[2] ?? [])),
  );

export interface Imported {
  readonly text: string;
  readonly rules: number;
  /** Rules that got another name, since theirs was taken. */
  readonly renamed: readonly { readonly from: string; readonly to: string }[];
}

/** A policy with the rules and workspaces of another file put after its own. */
export const importPolicy = (
  own: string,
  file: string,
  other: string,
): Result<Imported, PolicyError> => {
  for (const [name, text] of [["policy.toml", own] as const, [file, other] as const]) {
    const tree = parseToml(name, text);
    if (!tree.ok) return err(tree.error);
  }
  const taken = new Set(idsOf(own));
  const workspaces = new Set(blocksOf(own).map(({ name }) => name));
  const renamed: { from: string; to: string }[] = [];
  const out: string[] = [];
  let rules = 0;
  for (const { name, lines } of blocksOf(other)) {
    const isRule = name === "rule";
    const kept = isRule || name.startsWith("rule.") || name.startsWith("workspace.");
    if (!kept || (name.startsWith("workspace.") && workspaces.has(name))) continue;
    rules += Number(isRule);
    const shown = lines.map((line) => {
      const id = isRule ? idLine.exec(line) : null;
      if (id === null) return line;
      const from = id[2] ?? "";
      let to = from;
      for (let number = 2; taken.has(to); number++) to = `${from}-${number}`;
      taken.add(to);
      if (to !== from) renamed.push({ from, to });
      return `${id[1]}${to}${id[3]}`;
    });
    out.push(shown.join("\n").trim(), "");
  }
  const shownFile = file.replaceAll(/[^ -~]/g, "?");
  const text = `${own.trimEnd()}\n\n# From ${shownFile}\n\n${out.join("\n").trim()}\n`;
  return ok({ text, rules, renamed });
};
