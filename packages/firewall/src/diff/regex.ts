/**
 * Regular expressions as machines, for comparing policies: literals, classes, groups, choices and
 * repetitions. What else RE2 knows is not read; two uses of one text still mean the same.
 */
import { regexStatesMax } from "../limits.ts";
import { Builder, type Machine } from "./machine.ts";

/** Not read; never leaves this module. */
class Unread extends Error {}

type Ranges = readonly (readonly [number, number])[];

const last = 0x10ffff;
const shorthand: Readonly<Record<string, Ranges>> = {
  d: [[0x30, 0x39]],
  w: [
    [0x30, 0x39],
    [0x41, 0x5a],
    [0x5f, 0x5f],
    [0x61, 0x7a],
  ],
};

const inverse = (ranges: Ranges): Ranges => {
  const out: (readonly [number, number])[] = [];
  let from = 0;
  for (const [low, high] of ranges.toSorted(([a], [b]) => a - b)) {
    if (low > from) out.push([from, low - 1]);
    from = Math.max(from, high + 1);
  }
  if (from <= last) out.push([from, last]);
  return out;
};

interface Piece {
  readonly from: number;
  readonly to: number;
}

class Reader {
  readonly #chars: readonly string[];
  readonly #into: Builder;
  #at = 0;

  constructor(text: string, into: Builder) {
    this.#chars = Array.from(text);
    this.#into = into;
  }

  get #next(): string | undefined {
    return this.#chars[this.#at];
  }

  #state(): number {
    if (this.#into.edges.length >= regexStatesMax) throw new Unread();
    return this.#into.state();
  }

  whole(): Piece {
    const piece = this.#choice();
    if (this.#next !== undefined) throw new Unread();
    return piece;
  }

  #choice(): Piece {
    const pieces = [this.#sequence()];
    while (this.#next === "|") {
      this.#at++;
      pieces.push(this.#sequence());
    }
    const [from, to] = [this.#state(), this.#state()];
    for (const piece of pieces) {
      this.#into.jump(from, piece.from);
      this.#into.jump(piece.to, to);
    }
    return { from, to };
  }

  #sequence(): Piece {
    const from = this.#state();
    let to = from;
    while (this.#next !== undefined && this.#next !== "|" && this.#next !== ")") {
      const began = this.#at;
      const once = this.#atom();
      const ended = this.#at;
      const [least, most] = this.#count();
      to = this.#repeat(to, once, least, most, began, ended);
    }
    return { from, to };
  }

  /** Copies are made by reading the same letters again. */
  #repeat(
    at: number,
    once: Piece,
    least: number,
    most: number | undefined,
    began: number,
    ended: number,
  ): number {
    const after = this.#at;
    let now = at;
    let piece: Piece | undefined = once;
    const again = (): Piece => {
      const have = piece;
      piece = undefined;
      if (have !== undefined) return have;
      this.#at = began;
      const made = this.#atom();
      if (this.#at !== ended) throw new Unread();
      return made;
    };
    for (let copy = 0; copy < least; copy++) {
      const { from, to } = again();
      this.#into.jump(now, from);
      now = to;
    }
    const end = this.#state();
    this.#into.jump(now, end);
    if (most === undefined) {
      const { from, to } = again();
      const loop = this.#state();
      this.#into.jump(now, loop);
      this.#into.jump(loop, from);
      this.#into.jump(to, loop);
      this.#into.jump(loop, end);
    } else {
      for (let copy = least; copy < most; copy++) {
        const { from, to } = again();
        this.#into.jump(now, from);
        this.#into.jump(to, end);
        now = to;
      }
    }
    this.#at = after;
    return end;
  }

  #count(): readonly [number, number | undefined] {
    const char = this.#next;
    let count: readonly [number, number | undefined] = [1, 1];
    if (char === "*") count = [0, undefined];
    else if (char === "+") count = [1, undefined];
    else if (char === "?") count = [0, 1];
    else if (char === "{") {
      const close = this.#chars.indexOf("}", this.#at);
      const inside = /^(\d{1,3})(,(\d{1,3})?)?$/.exec(
        this.#chars.slice(this.#at + 1, close).join(""),
      );
      if (close < 0 || inside === null) throw new Unread();
      const least = Number(inside[1]);
      const most =
        inside[2] === undefined ? least : inside[3] === undefined ? undefined : Number(inside[3]);
      if (most !== undefined && most < least) throw new Unread();
      count = [least, most];
      this.#at = close;
    } else return count;
    this.#at++;
    // A lazy repetition matches the same texts.
    if (this.#next === "?") this.#at++;
    if (this.#next !== undefined && "*+{".includes(this.#next)) throw new Unread();
    return count;
  }

  #atom(): Piece {
    const char = this.#next;
    this.#at++;
    if (char === undefined || "*+?{}^$]".includes(char)) throw new Unread();
    if (char === "(") {
      if (this.#next === "?") {
        if (this.#chars[this.#at + 1] !== ":") throw new Unread();
        this.#at += 2;
      }
      const inner = this.#choice();
      if (this.#next !== ")") throw new Unread();
      this.#at++;
      return inner;
    }
    if (char === ".") return this.#class(inverse([[0x0a, 0x0a]]));
    if (char === "[") return this.#class(this.#ranges());
    if (char === "\\") return this.#class(this.#escape());
    const point = char.codePointAt(0) ?? 0;
    return this.#class([[point, point]]);
  }

  #class(ranges: Ranges): Piece {
    const [from, to] = [this.#state(), this.#state()];
    for (const [low, high] of ranges) this.#into.cut(low, high);
    this.#into.edge(from, to, (char) => {
      const point = char.codePointAt(0) ?? 0;
      return ranges.some(([low, high]) => point >= low && point <= high);
    });
    return { from, to };
  }

  #escape(): Ranges {
    const char = this.#next;
    this.#at++;
    if (char === undefined) throw new Unread();
    const known = shorthand[char];
    if (known !== undefined) return known;
    const other = /[DW]/.test(char) ? shorthand[char.toLowerCase()] : undefined;
    if (other !== undefined) return inverse(other);
    if (!/[!-/:-@[-`{-~]/.test(char)) throw new Unread();
    const point = char.codePointAt(0) ?? 0;
    return [[point, point]];
  }

  #ranges(): Ranges {
    const negated = this.#next === "^";
    if (negated) this.#at++;
    const ranges: (readonly [number, number])[] = [];
    while (this.#next !== "]") {
      const char = this.#next;
      this.#at++;
      if (char === undefined || char === "[") throw new Unread();
      if (char === "\\") {
        ranges.push(...this.#escape());
        if (this.#next === "-" && this.#chars[this.#at + 1] !== "]") throw new Unread();
        continue;
      }
      const low = char.codePointAt(0) ?? 0;
      let high = low;
      if (this.#next === "-" && this.#chars[this.#at + 1] !== "]") {
        const end = this.#chars[this.#at + 1] ?? "[";
        if (end === "[" || end === "\\") throw new Unread();
        high = end.codePointAt(0) ?? 0;
        this.#at += 2;
      }
      if (high < low) throw new Unread();
      ranges.push([low, high]);
    }
    this.#at++;
    if (ranges.length === 0) throw new Unread();
    return negated ? inverse(ranges) : ranges;
  }
}

/** The texts that an expression matches whole; undefined where it is not read. */
export const regexMachine = (text: string): Machine | undefined => {
  const into = new Builder();
  try {
    const { from, to } = new Reader(text, into).whole();
    into.start.push(from);
    into.accepting.add(to);
    return into.build(false);
  } catch (error) {
    if (error instanceof Unread) return undefined;
    throw error;
  }
};
