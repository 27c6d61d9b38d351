/**
 * What a write or a removal would change, for a person who decides: a unified diff of few lines, or in
 * words why there is none. Everything in it can be seen: controls, bidi and the like stand as numbers.
 *
 * What both texts begin and end with is set aside first, so that one line in a million is found as
 * quickly as one in ten; the middle goes to a library whose work is bounded. A line that is cut
 * is shown around the place where it differs.
 *
 * Bounds: `previewSourceBytesMax` of each content, `previewCompareLinesMax` and `previewEditsMax` of
 * the middle, `previewLinesMax` and `previewCharsMax` of the answer.
 */
import { utf8Decode } from "@ioi/base";
import { visible } from "@ioi/firewall/preview";
import {
  previewCharsMax,
  previewCompareLinesMax,
  previewCompareMsMax,
  previewEditsMax,
  previewLineCharsMax,
  previewLinesMax,
} from "../limits.ts";

/** Lines around a change that stay. */
const contextLines = 3;
/** Characters before the first difference of a line that is cut. */
const leadChars = 24;

/** The size alone: a content that is too large to be read for a preview. */
export type Side = Uint8Array | { readonly bytes: number };

interface Hunk {
  readonly oldStart: number;
  readonly oldLines: number;
  readonly newStart: number;
  readonly newLines: number;
  readonly lines: readonly string[];
}

/** The library's part: hunks of two texts, undefined beyond its bounds. */
export type CompareLines = (before: string, after: string) => readonly Hunk[] | undefined;

/** Loaded at the first preview: most drivers never make one. */
export const loadCompare = async (): Promise<CompareLines> => {
  const { structuredPatch } = await import("diff");
  return (before, after) =>
    structuredPatch("", "", before, after, undefined, undefined, {
      context: contextLines,
      maxEditLength: previewEditsMax,
      timeout: previewCompareMsMax,
    })?.hunks;
};

const lineCount = (text: string): number => {
  let count = text === "" || text.endsWith("\n") ? 0 : 1;
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) count++;
  return count;
};

/** Start of the line that holds `at`. */
const lineStart = (text: string, at: number): number =>
  at === 0 ? 0 : text.lastIndexOf("\n", at - 1) + 1;

interface Middle {
  readonly before: string;
  readonly after: string;
  /** Lines above it, the same in both. */
  readonly above: number;
}

const commonHead = (a: string, b: string): number => {
  const most = Math.min(a.length, b.length);
  let at = 0;
  while (at < most && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  return at;
};

/** What differs, with a few lines around it. */
const middleOf = (before: string, after: string): Middle => {
  const head = commonHead(before, after);
  let start = lineStart(before, head);
  for (let line = 0; line < contextLines && start > 0; line++) start = lineStart(before, start - 1);
  const most = Math.min(before.length, after.length) - head;
  let tail = 0;
  while (
    tail < most &&
    before.charCodeAt(before.length - 1 - tail) === after.charCodeAt(after.length - 1 - tail)
  ) {
    tail++;
  }
  let end = before.length - tail;
  // The first line that is whole in both, and a few more.
  for (let line = 0; line <= contextLines && end < before.length; line++) {
    const next = before.indexOf("\n", end);
    end = next === -1 ? before.length : next + 1;
  }
  return {
    before: before.slice(start, end),
    after: after.slice(start, after.length - (before.length - end)),
    above: lineCount(before.slice(0, start)),
  };
};

const counted = (count: number, one: string): string => `${count} ${one}${count === 1 ? "" : "s"}`;

const bytesOf = (side: Side): number => (side instanceof Uint8Array ? side.length : side.bytes);

const sizes = (before: Side | undefined, after: Side | undefined): string => {
  if (before === undefined)
    return `a new file of ${counted(bytesOf(after ?? new Uint8Array()), "byte")}`;
  const was = counted(bytesOf(before), "byte");
  return after === undefined ? `${was} go` : `${was} become ${bytesOf(after)}`;
};

/** A line as it is shown: whole, or the part from a little before `differs`. */
const shownLine = (line: string, differs: number): string => {
  if (line.length <= previewLineCharsMax) return visible(line);
  const from = Math.max(0, Math.min(differs - leadChars, line.length - previewLineCharsMax));
  const part = visible(line.slice(from, from + previewLineCharsMax).toWellFormed());
  return `${from === 0 ? "" : `(from character ${from + 1}) `}${part} (of ${line.length} characters)`;
};

/** For each removed line that an added one takes the place of, where the two begin to differ. */
const differences = (lines: readonly string[]): ReadonlyMap<number, number> => {
  const at = new Map<number, number>();
  for (let index = 0; index < lines.length;) {
    let removed = index;
    while (lines[removed]?.startsWith("-") === true) removed++;
    let added = removed;
    while (lines[added]?.startsWith("+") === true) added++;
    for (let pair = 0; pair < Math.min(removed - index, added - removed); pair++) {
      const [old = "", next = ""] = [lines[index + pair], lines[removed + pair]];
      const differs = commonHead(old.slice(1), next.slice(1));
      at.set(index + pair, differs);
      at.set(removed + pair, differs);
    }
    index = Math.max(added, index + 1);
  }
  return at;
};

/** Takes lines until the answer is full, and counts what had no room. */
class Page {
  readonly #lines: string[] = [];
  #chars = 0;
  #left = 0;

  add(line: string, changed: boolean): void {
    if (this.#lines.length < previewLinesMax && this.#chars + line.length <= previewCharsMax) {
      this.#lines.push(line);
      this.#chars += line.length + 1;
    } else {
      // Nothing after a gap: what is shown is a beginning.
      this.#chars = previewCharsMax;
      if (changed) this.#left++;
    }
  }

  /** Changed lines that are not even tried. */
  leave(changed: number): void {
    this.#left += changed;
  }

  text(): string {
    const left =
      this.#left === 0 ? [] : [`... ${counted(this.#left, "more changed line")}, not shown`];
    return `${[...this.#lines, ...left].join("\n")}\n`;
  }
}

const addHunk = (page: Page, hunk: Hunk, above: number): void => {
  const { oldStart, oldLines, newStart, newLines, lines } = hunk;
  // No lines of one side stand after the line before them.
  const range = (start: number, lines: number): string =>
    `${start + above - (lines === 0 ? 1 : 0)},${lines}`;
  page.add(`@@ -${range(oldStart, oldLines)} +${range(newStart, newLines)} @@`, false);
  const differs = differences(lines);
  for (const [index, line] of lines.entries()) {
    const mark = line[0] ?? " ";
    const changed = mark === "-" || mark === "+";
    const text = mark === "\\" ? line.slice(1) : shownLine(line.slice(1), differs.get(index) ?? 0);
    page.add(`${mark}${text}`, changed);
  }
};

const linesOf = (text: string): readonly string[] =>
  text === "" ? [] : text.replace(/\n$/, "").split("\n");

/** Beyond comparing: how what goes begins, and how what comes does. */
const addWhole = (page: Page, { before, after }: Middle): void => {
  page.add("too many differences to be set beside each other; they begin so:", false);
  const rooms = { "-": before, "+": after } as const;
  for (const mark of ["-", "+"] as const) {
    const lines = linesOf(rooms[mark]);
    for (const [index, line] of lines.entries()) {
      if (index < previewLinesMax / 2 - 2) page.add(`${mark}${shownLine(line, 0)}`, true);
      else page.leave(lines.length - index);
      if (index >= previewLinesMax / 2 - 2) break;
    }
  }
};

const firstByte = (a: Uint8Array, b: Uint8Array): number => {
  const most = Math.min(a.length, b.length);
  let at = 0;
  while (at < most && a[at] === b[at]) at++;
  return at;
};

/** The text of a preview; `undefined` is a side where no file is. */
export const previewText = (
  before: Side | undefined,
  after: Side | undefined,
  compare: CompareLines,
): string => {
  const head = sizes(before, after);
  const none = new Uint8Array(0);
  const [old = none, next = none] = [before, after];
  if (!(old instanceof Uint8Array) || !(next instanceof Uint8Array)) {
    return `${head}: too large to be shown\n`;
  }
  const [was, will] = [utf8Decode(old), utf8Decode(next)];
  if (was === undefined || will === undefined || was.includes("\0") || will.includes("\0")) {
    const differs = before !== undefined && after !== undefined;
    const where = differs ? `; they differ from byte ${firstByte(old, next) + 1} on` : "";
    return `${head}: not text${where}\n`;
  }
  const page = new Page();
  if (was === will) {
    const same = before !== undefined && after !== undefined;
    page.add(same ? `${head}: nothing changes` : head, false);
    return page.text();
  }
  page.add(head, false);
  const middle = middleOf(was, will);
  const lines = Math.max(lineCount(middle.before), lineCount(middle.after));
  const hunks = lines > previewCompareLinesMax ? undefined : compare(middle.before, middle.after);
  if (hunks === undefined) addWhole(page, middle);
  else for (const hunk of hunks) addHunk(page, hunk, middle.above);
  return page.text();
};
