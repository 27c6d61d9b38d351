/**
 * Markdown by its headings: every memory begins with the headings that it stands under, so that a
 * sentence is found by what its section is about. Headings within fenced code are none. CommonMark's
 * ATX headings (`#`) and setext headings (underlined); everything else stays as it is written.
 */
import { type Line, Lines, tooLong } from "./lines.ts";
import { type Imported, type ItemReader, nameOf } from "./reader.ts";
import { Paragraphs } from "./text.ts";

const atx = /^ {0,3}(#{1,6})(?=[ \t]|$)/;
const setext = /^ {0,3}(=+|-+)[ \t]*$/;
const fence = /^ {0,3}(`{3,}|~{3,})/;

/** What stands behind the signs of a heading, without those that close it; in time of its length. */
const titleOf = (rest: string): string => {
  const title = rest.trim();
  let end = title.length;
  while (title[end - 1] === "#") end--;
  const isClosed = end === 0 || title[end - 1] === " " || title[end - 1] === "\t";
  return isClosed ? title.slice(0, end) : title;
};

export class MarkdownReader implements ItemReader {
  readonly #lines = new Lines();
  #paragraphs = new Paragraphs();
  /** Headings from the first level down; a level that was left out is empty. */
  #path: string[] = [];
  #fence: string | undefined;
  /** The last line, which the next one may make a heading. */
  #before: string | undefined;
  /** Whether the line before that one belongs to the same paragraph. */
  #isWithin = false;

  push(text: string): readonly Imported[] {
    return this.#lines.push(text).flatMap((line) => this.#line(line));
  }

  end(): readonly Imported[] {
    const last = this.#lines.end().flatMap((line) => this.#line(line));
    return [...last, ...this.#section()];
  }

  #line(line: Line): readonly Imported[] {
    const { text } = line;
    if (text === undefined) return [tooLong(line)];
    if (this.#fence !== undefined) {
      if (text.trim().startsWith(this.#fence) && fence.test(text)) this.#fence = undefined;
      return this.#keep(text);
    }
    const [signs, level] = atx.exec(text) ?? [];
    if (signs !== undefined && level !== undefined) {
      return this.#heading(level.length, titleOf(text.slice(signs.length)));
    }
    const underline = setext.exec(text)?.[1];
    const isTitle = this.#before !== undefined && this.#before.trim() !== "" && !this.#isWithin;
    if (underline !== undefined && isTitle) {
      const named = this.#before ?? "";
      this.#before = undefined;
      return this.#heading(underline.startsWith("=") ? 1 : 2, named);
    }
    this.#fence = fence.exec(text)?.[1];
    return this.#keep(text);
  }

  #keep(text: string): readonly Imported[] {
    const before = this.#before;
    this.#isWithin = before !== undefined && before.trim() !== "";
    this.#before = text;
    return before === undefined ? [] : this.#items(this.#paragraphs.line(before));
  }

  #heading(level: number, title: string): readonly Imported[] {
    const items = this.#section();
    const path = Array.from({ length: level - 1 }, (_, at) => this.#path[at] ?? "");
    this.#path = [...path, nameOf(title)];
    return items;
  }

  /** What stood under the headings until here. */
  #section(): readonly Imported[] {
    const last = this.#before === undefined ? [] : this.#paragraphs.line(this.#before);
    this.#before = undefined;
    this.#isWithin = false;
    return this.#items([...last, ...this.#paragraphs.flush()]);
  }

  #items(texts: readonly string[]): readonly Imported[] {
    const at = this.#path.filter((title) => title !== "").join(" > ");
    return texts.map((text) => ({
      type: "item",
      text: at === "" ? text : `${at}\n\n${text}`,
      mediaType: "text/markdown",
      at,
      tags: [],
    }));
  }
}
