/** Plain text: paragraphs, joined to memories of a size that one question meets. */
import { importTextCharsMax } from "../limits.ts";
import { type Line, Lines, tooLong } from "./lines.ts";
import { type Imported, type ItemReader, partsOf } from "./reader.ts";

/** Joins paragraphs while they fit together; a longer one is cut. */
export class Paragraphs {
  #joined = "";
  #lines: string[] = [];
  #length = 0;

  /** Takes one line; gives the texts that are full. */
  line(text: string): readonly string[] {
    if (text.trim() === "") return this.#endParagraph();
    this.#lines.push(text);
    this.#length += text.length + 1;
    // A paragraph without end is given in parts as it comes.
    return this.#length > 2 * importTextCharsMax ? [...this.#endParagraph(), ...this.flush()] : [];
  }

  flush(): readonly string[] {
    const full = this.#endParagraph();
    const rest = this.#joined;
    this.#joined = "";
    return rest === "" ? full : [...full, rest];
  }

  #endParagraph(): readonly string[] {
    const full: string[] = [];
    for (const part of partsOf(this.#lines.join("\n"))) {
      if (this.#joined !== "" && this.#joined.length + part.length + 2 > importTextCharsMax) {
        full.push(this.#joined);
        this.#joined = "";
      }
      this.#joined = this.#joined === "" ? part : `${this.#joined}\n\n${part}`;
    }
    this.#lines = [];
    this.#length = 0;
    return full;
  }
}

export class TextReader implements ItemReader {
  readonly #lines = new Lines();
  readonly #paragraphs = new Paragraphs();
  #number = 0;

  push(text: string): readonly Imported[] {
    return this.#lines.push(text).flatMap((line) => this.#line(line));
  }

  end(): readonly Imported[] {
    const last = this.#lines.end().flatMap((line) => this.#line(line));
    return [...last, ...this.#items(this.#paragraphs.flush())];
  }

  #line(line: Line): readonly Imported[] {
    if (line.text === undefined) return [tooLong(line)];
    return this.#items(this.#paragraphs.line(line.text));
  }

  #items(texts: readonly string[]): readonly Imported[] {
    return texts.map((text) => ({
      type: "item",
      text,
      mediaType: "text/plain",
      at: `part ${++this.#number}`,
      tags: [],
    }));
  }
}
