/**
 * The small subset of Markdown in which an agent's text is shown: paragraphs, headings, lists,
 * quotes, fenced code, `code`, **strong**, *emphasis* and links. What comes out is data that the
 * page turns into elements; there is no HTML in it and none can come of it. A link shows its whole
 * address, and only http, https and mailto are links at all.
 *
 * Total and linear: each character is looked at a bounded number of times. Bounds:
 * `markdownCharsMax`.
 */
import { markdownCharsMax } from "./limits.ts";

export type Inline =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "code"; readonly text: string }
  | { readonly type: "strong"; readonly text: string }
  | { readonly type: "emphasis"; readonly text: string }
  | { readonly type: "link"; readonly text: string; readonly url: string };

export type Block =
  | { readonly type: "paragraph"; readonly parts: readonly Inline[] }
  | { readonly type: "heading"; readonly level: number; readonly parts: readonly Inline[] }
  | { readonly type: "quote"; readonly parts: readonly Inline[] }
  | { readonly type: "code"; readonly language: string; readonly text: string }
  | {
      readonly type: "list";
      readonly ordered: boolean;
      readonly items: readonly (readonly Inline[])[];
    }
  | { readonly type: "cut" };

/** Where the text between two marks ends; -1 where it does not, on this line of thought. */
const closing = (text: string, mark: string, from: number): number => {
  const at = text.indexOf(mark, from);
  return at <= from ? -1 : at;
};

interface Found {
  readonly part: Inline;
  /** First character after it. */
  readonly end: number;
}

const isUrl = (url: string): boolean => /^(?:https?:\/\/|mailto:)[^\s<>"\p{C}]+$/iu.test(url);

/** Only so far is the end of a link looked for. */
const linkCharsMax = 2048;

const linkAt = (whole: string, at: number): Found | undefined => {
  const text = whole.slice(at, at + linkCharsMax);
  const middle = text.indexOf("](");
  const end = middle === -1 ? -1 : text.indexOf(")", middle + 2);
  if (end === -1) return undefined;
  const label = text.slice(1, middle);
  const url = text.slice(middle + 2, end);
  if (label.includes("[") || !isUrl(url)) return undefined;
  return { part: { type: "link", text: label, url }, end: at + end + 1 };
};

const bareLinkAt = (text: string, at: number): Found | undefined => {
  const rest = text.slice(at, at + linkCharsMax);
  const url = /^https?:\/\/[^\s<>"'`]+/i.exec(rest)?.[0]?.replace(/[.,;:!?)\]]+$/, "");
  return url === undefined || !isUrl(url)
    ? undefined
    : { part: { type: "link", text: url, url }, end: at + url.length };
};

const marks = [
  ["`", "code"],
  ["**", "strong"],
  ["*", "emphasis"],
] as const;

/** Marks that were looked for in vain once are not looked for again: the rest has none. */
type Exhausted = Set<string>;

const markedAt = (text: string, at: number, exhausted: Exhausted): Found | undefined => {
  for (const [mark, type] of marks) {
    if (!text.startsWith(mark, at) || exhausted.has(mark)) continue;
    const from = at + mark.length;
    const end = closing(text, mark, from);
    if (end === -1) {
      if (text.indexOf(mark, from) === -1) exhausted.add(mark);
      continue;
    }
    const inner = text.slice(from, end);
    if (type !== "code" && (inner.startsWith(" ") || inner.endsWith(" "))) continue;
    return { part: { type, text: inner }, end: end + mark.length };
  }
  return undefined;
};

const findAt = (text: string, at: number, exhausted: Exhausted): Found | undefined => {
  const char = text.charAt(at);
  if (char === "`" || char === "*") return markedAt(text, at, exhausted);
  if (char === "[" && !exhausted.has("[")) {
    if (text.indexOf("](", at) === -1 || text.indexOf(")", at) === -1) exhausted.add("[");
    return linkAt(text, at);
  }
  if (char === "h" && text.startsWith("http", at)) return bareLinkAt(text, at);
  return undefined;
};

/** Marks within one stretch of text; they do not nest. */
export const parseInline = (text: string): readonly Inline[] => {
  const parts: Inline[] = [];
  const exhausted: Exhausted = new Set();
  let plain = 0;
  let at = 0;
  while (at < text.length) {
    const found = findAt(text, at, exhausted);
    if (found === undefined) {
      at++;
      continue;
    }
    if (at > plain) parts.push({ type: "text", text: text.slice(plain, at) });
    parts.push(found.part);
    at = found.end;
    plain = at;
  }
  if (plain < text.length) parts.push({ type: "text", text: text.slice(plain) });
  return parts;
};

const listItem = /^\s{0,8}(?:([-*+])|(\d{1,9})[.)])\s+(\S.*)$/;
const headingLine = /^(#{1,6})\s+(\S.*)$/;
const fenceLine = /^\s{0,3}```\s*([\w+-]{0,32})\s*$/;

/** Takes lines from `at` on as long as they match; at least one does. */
const takeList = (lines: readonly string[], at: number): { block: Block; next: number } => {
  const items: (readonly Inline[])[] = [];
  const ordered = listItem.exec(lines[at] ?? "")?.[2] !== undefined;
  let next = at;
  for (; next < lines.length; next++) {
    const match = listItem.exec(lines[next] ?? "");
    if (match === null || (match[2] !== undefined) !== ordered) break;
    items.push(parseInline(match[3] ?? ""));
  }
  return { block: { type: "list", ordered, items }, next };
};

const takeFence = (lines: readonly string[], at: number): { block: Block; next: number } => {
  const language = fenceLine.exec(lines[at] ?? "")?.[1] ?? "";
  let next = at + 1;
  while (next < lines.length && !/^\s{0,3}```\s*$/.test(lines[next] ?? "")) next++;
  const text = lines.slice(at + 1, next).join("\n");
  return { block: { type: "code", language, text }, next: Math.min(next + 1, lines.length) };
};

const isSpecial = (line: string): boolean =>
  line.trim() === "" ||
  line.startsWith(">") ||
  fenceLine.test(line) ||
  headingLine.test(line) ||
  listItem.test(line);

const takeBlock = (lines: readonly string[], at: number): { block: Block; next: number } => {
  const line = lines[at] ?? "";
  if (fenceLine.test(line)) return takeFence(lines, at);
  const heading = headingLine.exec(line);
  if (heading !== null) {
    const level = Math.min((heading[1] ?? "#").length, 3);
    return {
      block: { type: "heading", level, parts: parseInline(heading[2] ?? "") },
      next: at + 1,
    };
  }
  if (listItem.test(line)) return takeList(lines, at);
  const quoted = line.startsWith(">");
  let next = at + 1;
  while (
    next < lines.length &&
    (quoted ? (lines[next] ?? "").startsWith(">") : !isSpecial(lines[next] ?? ""))
  ) {
    next++;
  }
  const text = lines
    .slice(at, next)
    .map((each) => (quoted ? each.replace(/^>\s?/, "") : each))
    .join("\n");
  return { block: { type: quoted ? "quote" : "paragraph", parts: parseInline(text) }, next };
};

export const parseMarkdown = (text: string): readonly Block[] => {
  const lines = text.slice(0, markdownCharsMax).replaceAll(/\r\n?/g, "\n").split("\n");
  const blocks: Block[] = [];
  for (let at = 0; at < lines.length;) {
    if ((lines[at] ?? "").trim() === "") {
      at++;
      continue;
    }
    const { block, next } = takeBlock(lines, at);
    blocks.push(block);
    at = next;
  }
  return text.length > markdownCharsMax ? [...blocks, { type: "cut" }] : blocks;
};
