/**
 * The elements of one JSON array that comes in pieces, each as its own text, without holding the array.
 * Whether an element is JSON is found by whoever parses it; here only strings and brackets are followed.
 * Bound: `importElementCharsMax` characters of an element.
 */
import { OperationError } from "@ioi/base";
import { importElementCharsMax } from "../limits.ts";

export interface Element {
  /** From 1. */
  readonly number: number;
  /** Undefined: longer than the bound. */
  readonly text: string | undefined;
}

const foreign = (why: string): OperationError => new OperationError("E_SCS_IMPORT", why);

export class Elements {
  #state: "before" | "within" | "after" = "before";
  #depth = 0;
  #isInString = false;
  #isEscaped = false;
  #parts: string[] = [];
  #length = 0;
  #number = 1;

  push(text: string): readonly Element[] {
    const elements: Element[] = [];
    let from = 0;
    for (let at = 0; at < text.length; at++) {
      const char = text.charCodeAt(at);
      if (this.#isInString) this.#inString(char);
      else if (this.#state !== "within") this.#outside(text, at, () => (from = at + 1));
      else if (char === 0x22) this.#isInString = true;
      else if (char === 0x5b || char === 0x7b) this.#depth++;
      else if (this.#depth > 0 && (char === 0x5d || char === 0x7d)) this.#depth--;
      else if (this.#depth === 0 && (char === 0x2c || char === 0x5d)) {
        this.#take(text.slice(from, at));
        elements.push(...this.#element());
        from = at + 1;
        if (char === 0x5d) this.#state = "after";
      }
    }
    if (this.#state === "within") this.#take(text.slice(from));
    return elements;
  }

  end(): void {
    if (this.#state === "before") throw foreign("it is no JSON array");
    if (this.#state === "within") throw foreign("the JSON array has no end");
  }

  #inString(char: number): void {
    if (this.#isEscaped) this.#isEscaped = false;
    else if (char === 0x5c) this.#isEscaped = true;
    else if (char === 0x22) this.#isInString = false;
  }

  #outside(text: string, at: number, begin: () => void): void {
    const char = text.charCodeAt(at);
    if (this.#state === "before" && char === 0x5b) {
      this.#state = "within";
      begin();
    } else if (
      char !== 0x20 &&
      char !== 0x0a &&
      char !== 0x0d &&
      char !== 0x09 &&
      char !== 0xfeff
    ) {
      throw foreign(
        this.#state === "before" ? "it is no JSON array" : "something follows the array",
      );
    }
  }

  #take(part: string): void {
    this.#length += part.length;
    if (this.#length > importElementCharsMax) this.#parts = [];
    else this.#parts.push(part);
  }

  #element(): readonly Element[] {
    const isLong = this.#length > importElementCharsMax;
    const text = this.#parts.join("");
    this.#parts = [];
    this.#length = 0;
    if (!isLong && text.trim() === "") return [];
    return [{ number: this.#number++, text: isLong ? undefined : text }];
  }
}
