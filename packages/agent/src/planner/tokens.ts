/**
 * Words of a command line. Single quotes, double quotes and backslash; nothing is ever expanded:
 * no variable, no pattern, no home directory, no substitution.
 *
 * Rules: in single quotes every character stands for itself; in double quotes a backslash makes
 * `"` and `\` literal and otherwise stands for itself; outside quotes a backslash makes the next
 * character literal. `&&` outside quotes ends a command. A lone shell operator is refused rather
 * than taken for a word, so that nobody believes it worked.
 */
import { err, ok, type Rejection, type Result } from "@ioi/base";

export interface Word {
  readonly type: "word";
  readonly text: string;
  /** As it stands in the line, quotes and all. */
  readonly source: string;
  /** Whether any part was quoted or escaped. */
  readonly quoted: boolean;
  readonly line: number;
  readonly column: number;
}

export interface Join {
  readonly type: "join";
  readonly line: number;
  readonly column: number;
}

export type Token = Word | Join;

export type TokenError = Rejection<"E_COMMAND_SYNTAX">;

const refusedOperators: ReadonlySet<string> = new Set(["|", "||", ";", "&", ">", ">>", "<", "|&"]);

interface Place {
  line: number;
  column: number;
}

/** Walks code points and knows where it is; columns count code points, from 1. */
class Cursor {
  readonly #chars: readonly string[];
  #at = 0;
  #line = 1;
  #column = 1;

  constructor(text: string) {
    this.#chars = [...text];
  }

  peek(ahead = 0): string | undefined {
    return this.#chars[this.#at + ahead];
  }

  next(): string | undefined {
    const char = this.#chars[this.#at];
    if (char === undefined) return undefined;
    this.#at += 1;
    if (char === "\n") {
      this.#line += 1;
      this.#column = 1;
    } else this.#column += 1;
    return char;
  }

  get at(): number {
    return this.#at;
  }

  since(from: number): string {
    return this.#chars.slice(from, this.#at).join("");
  }

  place(): Place {
    return { line: this.#line, column: this.#column };
  }
}

const syntax = (place: Place, message: string): Result<never, TokenError> =>
  err({ code: "E_COMMAND_SYNTAX", message, at: { file: "command", ...place } });

const isSpace = (char: string): boolean =>
  char === " " || char === "\t" || char === "\n" || char === "\r";

const quotedPart = (cursor: Cursor, quote: string, opened: Place): Result<string, TokenError> => {
  const parts: string[] = [];
  for (;;) {
    const char = cursor.next();
    if (char === undefined) {
      return syntax(opened, `this ${quote === "'" ? "single" : "double"} quote is never closed`);
    }
    if (char === quote) return ok(parts.join(""));
    const following = cursor.peek();
    if (quote === '"' && char === "\\" && (following === '"' || following === "\\")) {
      parts.push(cursor.next() as string);
    } else parts.push(char);
  }
};

const readWord = (cursor: Cursor): Result<Word, TokenError> => {
  const place = cursor.place();
  const from = cursor.at;
  const parts: string[] = [];
  let quoted = false;
  for (;;) {
    const char = cursor.peek();
    if (char === undefined || isSpace(char)) break;
    if (char === "&" && cursor.peek(1) === "&") break;
    const here = cursor.place();
    cursor.next();
    if (char === "'" || char === '"') {
      const part = quotedPart(cursor, char, here);
      if (!part.ok) return part;
      quoted = true;
      parts.push(part.value);
    } else if (char === "\\") {
      const escaped = cursor.next();
      if (escaped === undefined) return syntax(here, "a backslash at the end escapes nothing");
      quoted = true;
      parts.push(escaped);
    } else parts.push(char);
  }
  const source = cursor.since(from);
  return ok({ type: "word", text: parts.join(""), source, quoted, ...place });
};

export const tokenize = (text: string): Result<readonly Token[], TokenError> => {
  const cursor = new Cursor(text);
  const tokens: Token[] = [];
  for (;;) {
    const char = cursor.peek();
    if (char === undefined) return ok(tokens);
    if (isSpace(char)) {
      cursor.next();
      continue;
    }
    const place = cursor.place();
    if (char === "&" && cursor.peek(1) === "&") {
      cursor.next();
      cursor.next();
      tokens.push({ type: "join", ...place });
      continue;
    }
    const word = readWord(cursor);
    if (!word.ok) return word;
    if (!word.value.quoted && refusedOperators.has(word.value.text)) {
      return syntax(place, `"${word.value.text}" is not supported; quote it to mean the character`);
    }
    tokens.push(word.value);
  }
};
