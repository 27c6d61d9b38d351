/**
 * A strict JSON reader for what a model, a person or a file hands in: one text has one meaning.
 *
 * Source: RFC 8259, with what RFC 7493 (I-JSON) asks: no duplicate keys (compared after unescaping),
 * no lone surrogates, no integers beyond 2^53 - 1, no numbers beyond a double, UTF-8 without a byte
 * order mark. Nothing is repaired: what does not fit is an error with its position.
 *
 * Objects have no prototype, so `__proto__` is a key like any other.
 * Bounds: `jsonBytesMax`, `jsonDepthMax` of `./limits.ts`. Linear in the text.
 */
import { err, ok, type Rejection, type Result, utf8Decode } from "@ioi/base";
import { jsonBytesMax, jsonDepthMax } from "./limits.ts";

export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

export interface JsonError extends Rejection<"E_JSON_INVALID"> {
  /** In UTF-16 units from the beginning, from 0. */
  readonly offset: number;
  /** Both from 1. */
  readonly line: number;
  readonly column: number;
}

/** Internal signal of the reader; never leaves this module. */
class Malformed extends Error {
  readonly offset: number;
  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

const jsonError = (message: string, text: string, offset: number): JsonError => {
  const before = text.slice(0, offset);
  const line = before.split("\n").length;
  const column = offset - before.lastIndexOf("\n");
  return {
    code: "E_JSON_INVALID",
    message: `${message} at line ${line}, column ${column}`,
    offset,
    line,
    column,
  };
};

const numberPattern = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
/** A run of characters that stand for themselves. */
const plainPattern = /[ !#-[\]-\uffff]*/y;
const hexPattern = /[0-9a-fA-F]{4}/y;
const spacePattern = /[ \t\n\r]*/y;

const escapes = new Map([
  ['"', '"'],
  ["\\", "\\"],
  ["/", "/"],
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
]);

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): JsonValue {
    this.#space();
    const value = this.#value(0);
    this.#space();
    if (this.#at !== this.#text.length) this.#fail("something follows the value");
    return value;
  }

  #fail(message: string, at = this.#at): never {
    throw new Malformed(message, at);
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match !== null) this.#at = pattern.lastIndex;
    return match;
  }

  #space(): void {
    this.#match(spacePattern);
  }

  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) this.#fail("expected a value");
    this.#at += word.length;
    return value;
  }

  #value(depth: number): JsonValue {
    switch (this.#text[this.#at]) {
      case "{":
        return this.#object(depth + 1);
      case "[":
        return this.#array(depth + 1);
      case '"':
        return this.#string();
      case "t":
        return this.#word("true", true);
      case "f":
        return this.#word("false", false);
      case "n":
        return this.#word("null", null);
      case undefined:
        return this.#fail("the text ends where a value must stand");
      default:
        return this.#number();
    }
  }

  #number(): number {
    const from = this.#at;
    const match = this.#match(numberPattern);
    if (match === null) this.#fail("expected a value");
    const [literal, fraction, exponent] = match;
    if (/[0-9.eE+-]/.test(this.#text[this.#at] ?? "")) this.#fail("malformed number", from);
    const value = Number(literal);
    if (fraction === undefined && exponent === undefined && !Number.isSafeInteger(value)) {
      this.#fail("an integer beyond 2^53 - 1", from);
    }
    if (!Number.isFinite(value)) this.#fail("a number beyond the range of a double", from);
    return value;
  }

  #string(): string {
    const from = this.#at++;
    let text = "";
    for (;;) {
      text += (this.#match(plainPattern) as RegExpExecArray)[0];
      if (this.#take('"')) break;
      if (this.#take("\\")) text += this.#escape();
      else if (this.#at === this.#text.length) this.#fail("unterminated string", from);
      else this.#fail("a control character in a string");
    }
    if (!text.isWellFormed()) this.#fail("a lone surrogate in a string", from);
    return text;
  }

  #escape(): string {
    const char = this.#text[this.#at] ?? "";
    const plain = escapes.get(char);
    if (plain === undefined && char !== "u") this.#fail("unknown escape", this.#at - 1);
    this.#at++;
    if (plain !== undefined) return plain;
    const hex = this.#match(hexPattern);
    if (hex === null) this.#fail("malformed \\u escape", this.#at - 2);
    return String.fromCharCode(Number.parseInt(hex[0], 16));
  }

  #array(depth: number): JsonValue[] {
    this.#enter(depth);
    const items: JsonValue[] = [];
    if (this.#take("]")) return items;
    for (;;) {
      items.push(this.#value(depth));
      this.#space();
      if (this.#take("]")) return items;
      if (!this.#take(",")) this.#fail('expected "," or "]"');
      this.#space();
    }
  }

  #object(depth: number): { readonly [key: string]: JsonValue } {
    this.#enter(depth);
    const members = Object.create(null) as Record<string, JsonValue>;
    if (this.#take("}")) return members;
    for (;;) {
      const keyAt = this.#at;
      if (this.#text[keyAt] !== '"') this.#fail("expected a key in quotes");
      const key = this.#string();
      if (Object.hasOwn(members, key)) {
        this.#fail(`the key ${JSON.stringify(key.slice(0, 64))} stands twice`, keyAt);
      }
      this.#space();
      if (!this.#take(":")) this.#fail('expected ":"');
      this.#space();
      members[key] = this.#value(depth);
      this.#space();
      if (this.#take("}")) return members;
      if (!this.#take(",")) this.#fail('expected "," or "}"');
      this.#space();
    }
  }

  /** Past an opening bracket. */
  #enter(depth: number): void {
    if (depth > jsonDepthMax) this.#fail(`deeper than ${jsonDepthMax} levels`);
    this.#at++;
    this.#space();
  }
}

const tooLarge = (): Result<never, JsonError> =>
  err({
    code: "E_JSON_INVALID",
    message: `more than ${jsonBytesMax} bytes`,
    offset: 0,
    line: 1,
    column: 1,
  });

/** The one value of a text or of UTF-8 bytes. A text counts by its UTF-16 units. */
export const parseJson = (input: string | Uint8Array): Result<JsonValue, JsonError> => {
  if (input.length > jsonBytesMax) return tooLarge();
  const text = typeof input === "string" ? input : utf8Decode(input);
  if (text === undefined) return err(jsonError("not UTF-8", "", 0));
  if (text.startsWith("\ufeff")) return err(jsonError("a byte order mark", text, 0));
  try {
    return ok(new Reader(text).whole());
  } catch (error) {
    if (error instanceof Malformed) return err(jsonError(error.message, text, error.offset));
    throw error;
  }
};
