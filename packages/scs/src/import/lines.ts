/** Lines of a text that comes in pieces. Bound: `importLineCharsMax` characters of a line. */
import { importLineCharsMax } from "../limits.ts";

export interface Line {
  /** From 1. */
  readonly number: number;
  /** Without its end; undefined: longer than the bound. */
  readonly text: string | undefined;
}

export class Lines {
  #parts: string[] = [];
  #length = 0;
  #number = 1;

  push(text: string): readonly Line[] {
    const lines: Line[] = [];
    let from = 0;
    for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", from)) {
      this.#take(text.slice(from, at));
      lines.push(this.#line());
      from = at + 1;
    }
    this.#take(text.slice(from));
    return lines;
  }

  end(): readonly Line[] {
    return this.#length === 0 ? [] : [this.#line()];
  }

  #take(part: string): void {
    this.#length += part.length;
    if (this.#length > importLineCharsMax) this.#parts = [];
    else this.#parts.push(part);
  }

  #line(): Line {
    const text = this.#length > importLineCharsMax ? undefined : this.#parts.join("");
    const number = this.#number++;
    this.#parts = [];
    this.#length = 0;
    return { number, text: text?.endsWith("\r") === true ? text.slice(0, -1) : text };
  }
}

export const tooLong = ({ number }: Line): { type: "passed over"; at: string; why: string } => ({
  type: "passed over",
  at: `line ${number}`,
  why: `longer than ${importLineCharsMax} characters`,
});
