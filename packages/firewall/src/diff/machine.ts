/**
 * Languages of patterns as machines, and words that are in some and not in others.
 *
 * Source: the subset construction over the product of the machines, made as it is walked. A path
 * below a root is read as `name/name/`, the root itself as the empty word. Letters are stand-ins:
 * one for each stretch of code points that no pattern tells apart. Bounds: `diffStatesMax` states of
 * one walk; beyond that the answer is "unknown".
 */
import type { Alternative, PathPattern, Segment, Token } from "../glob.ts";
import { matchesToken } from "../glob.ts";
import { diffStatesMax } from "../limits.ts";
import { foldCase } from "../paths.ts";

interface Edge {
  readonly accepts: (char: string) => boolean;
  readonly to: number;
  /** Not for a dot at the beginning of a name. */
  readonly noDot: boolean;
}

export interface Machine {
  readonly start: readonly number[];
  readonly edges: readonly (readonly Edge[])[];
  readonly jumps: readonly (readonly number[])[];
  readonly accepting: ReadonlySet<number>;
  /** Reads letters after `foldCase`. */
  readonly folds: boolean;
  /** Code points at which it begins to treat letters otherwise. */
  readonly cuts: ReadonlySet<number>;
}

/** Builds one machine; states are numbers. */
export class Builder {
  readonly edges: Edge[][] = [];
  readonly jumps: number[][] = [];
  readonly start: number[] = [];
  readonly accepting: Set<number> = new Set();
  readonly cuts: Set<number> = new Set();

  state(): number {
    this.edges.push([]);
    this.jumps.push([]);
    return this.edges.length - 1;
  }

  edge(from: number, to: number, accepts: (char: string) => boolean, noDot = false): void {
    this.edges[from]?.push({ accepts, to, noDot });
  }

  jump(from: number, to: number): void {
    this.jumps[from]?.push(to);
  }

  cut(from: number, to: number): void {
    this.cuts.add(from);
    this.cuts.add(to + 1);
  }

  /** One letter after the other from `at`; the state after them. */
  text(at: number, text: string, noDot = false): number {
    let now = at;
    for (const char of text) {
      const next = this.state();
      const point = char.codePointAt(0) ?? 0;
      this.cut(point, point);
      this.edge(now, next, (each) => each === char, noDot);
      now = next;
    }
    return now;
  }

  build(folds: boolean): Machine {
    const { start, edges, jumps, accepting, cuts } = this;
    return { start, edges, jumps, accepting, cuts, folds };
  }
}

const inName = (char: string): boolean => char !== "/";
const isSlash = (char: string): boolean => char === "/";

const addToken = (
  into: Builder,
  at: number,
  token: Token,
  folded: boolean,
  noDot: boolean,
): number => {
  if (token.type === "many") {
    const next = into.state();
    into.jump(at, next);
    into.edge(next, next, inName, noDot);
    return next;
  }
  if (token.type === "char") return into.text(at, token.char, noDot);
  if (token.type === "class") for (const [from, to] of token.ranges) into.cut(from, to);
  const next = into.state();
  into.edge(at, next, (char) => inName(char) && matchesToken(token, char, folded), noDot);
  return next;
};

const tokensOf = (segment: Segment): readonly Token[] => {
  const chars = (text: string): readonly Token[] =>
    Array.from(text, (char) => ({ type: "char" as const, char }));
  switch (segment.type) {
    case "literal":
      return chars(segment.text);
    case "affix":
      return [...chars(segment.prefix), { type: "many" }, ...chars(segment.suffix)];
    case "tokens":
      return segment.tokens;
    default:
      return [{ type: "many" }];
  }
};

/** One alternative of a pattern from `at` on; the state in which it has matched. */
const addAlternative = (
  into: Builder,
  { exact, folded: foldedSegments }: Alternative,
  folded: boolean,
  narrow: boolean,
): void => {
  let now = into.state();
  into.start.push(now);
  for (const segment of folded ? foldedSegments : exact) {
    if (segment.type === "deep") {
      const name = into.state();
      into.edge(now, name, inName, narrow);
      into.edge(name, name, inName);
      into.edge(name, now, isSlash);
      const next = into.state();
      into.jump(now, next);
      now = next;
      continue;
    }
    const tokens = tokensOf(segment);
    const noDot = narrow && tokens[0]?.type !== "char";
    for (const token of tokens) now = addToken(into, now, token, folded, noDot);
    const next = into.state();
    into.edge(now, next, isSlash);
    now = next;
  }
  into.accepting.add(now);
};

/** All that some of the patterns match below their root. */
export const pathMachine = (
  patterns: readonly PathPattern[],
  reading: { readonly folded: boolean; readonly folds: boolean; readonly narrow: boolean },
): Machine => {
  const into = new Builder();
  for (const { alternatives } of patterns) {
    for (const each of alternatives) addAlternative(into, each, reading.folded, reading.narrow);
  }
  return into.build(reading.folds);
};

const close = (machine: Machine, states: ReadonlySet<number>): ReadonlySet<number> => {
  const all = new Set(states);
  for (const at of all) for (const to of machine.jumps[at] ?? []) all.add(to);
  return all;
};

const stepOnce = (
  machine: Machine,
  states: ReadonlySet<number>,
  char: string,
  leadingDot: boolean,
): ReadonlySet<number> => {
  const next = new Set<number>();
  for (const at of states) {
    for (const { accepts, to, noDot } of machine.edges[at] ?? []) {
      if (!(noDot && leadingDot) && accepts(char)) next.add(to);
    }
  }
  return close(machine, next);
};

const step = (
  machine: Machine,
  states: ReadonlySet<number>,
  char: string,
  atStart: boolean,
): ReadonlySet<number> => {
  const leadingDot = atStart && char === ".";
  if (!machine.folds) return stepOnce(machine, states, char, leadingDot);
  let now = states;
  for (const each of foldCase(char)) now = stepOnce(machine, now, each, leadingDot);
  return now;
};

const accepts = (machine: Machine, states: ReadonlySet<number>): boolean =>
  [...states].some((at) => machine.accepting.has(at));

const usable = (point: number): boolean =>
  point >= 0x20 &&
  point <= 0x10ffff &&
  !(point >= 0x7f && point <= 0x9f) &&
  !(point >= 0xd800 && point <= 0xdfff);

let originals: ReadonlyMap<string, readonly string[]> | undefined;

/** Letters of the basic plane by each letter of what they fold to. */
const originalsOf = (char: string): readonly string[] => {
  if (originals === undefined) {
    const made = new Map<string, string[]>();
    for (let point = 0x41; point <= 0xffff; point++) {
      if (!usable(point)) continue;
      const from = String.fromCodePoint(point);
      const to = foldCase(from);
      if (to === from) continue;
      for (const each of to) {
        const list = made.get(each);
        if (list === undefined) made.set(each, [from]);
        else list.push(from);
      }
    }
    originals = made;
  }
  return originals.get(char) ?? [];
};

/** Readable ones first: a word that is found is shown to a person. */
const lettersOf = (machines: readonly Machine[], isPath: boolean): readonly string[] => {
  const points = new Set<number>([0x61, 0x20, 0xa0, 0xe000, 0x30, 0x2e, 0x10ffff]);
  for (const { cuts } of machines) for (const point of cuts) points.add(point);
  const letters = new Set<string>();
  for (const point of points) if (usable(point)) letters.add(String.fromCodePoint(point));
  if (machines.some(({ folds }) => folds)) {
    for (const letter of Array.from(letters)) {
      for (const each of [foldCase(letter), ...originalsOf(letter)]) {
        for (const char of each) letters.add(char);
      }
    }
  }
  if (isPath) letters.add("/");
  const rank = (char: string): number =>
    /[a-z]/.test(char) ? 0 : /[A-Z0-9]/.test(char) ? 1 : /[!-~]/.test(char) ? 2 : 3;
  return [...letters].toSorted((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
};

/** Where a path's current name stands: a name is not empty, and neither `.` nor `..`. */
type Name = "start" | "dot" | "dots" | "name";

const nextName = (name: Name, char: string): Name | undefined => {
  if (char === "/") return name === "name" ? "start" : undefined;
  if (char !== ".") return "name";
  return name === "start" ? "dot" : name === "dot" ? "dots" : "name";
};

export type Found =
  | { readonly type: "word"; readonly word: string }
  | { readonly type: "none" }
  | { readonly type: "unknown" };

interface Walk {
  readonly sets: readonly ReadonlySet<number>[];
  readonly name: Name;
  readonly word: string;
}

const keyOf = ({ sets, name }: Walk): string =>
  `${name}|${sets.map((set) => [...set].toSorted((a, b) => a - b).join()).join("|")}`;

/** Letters that machines may still read; what comes after is unknown. */
export interface Work {
  left: number;
}

/** The shortest word that every `inside` accepts and no `outside` does. */
export const findWord = (
  inside: readonly Machine[],
  outside: readonly Machine[],
  isPath: boolean,
  work: Work,
): Found => {
  const machines = [...inside, ...outside];
  const letters = lettersOf(machines, isPath);
  const first: Walk = {
    sets: machines.map((machine) => close(machine, new Set(machine.start))),
    name: "start",
    word: "",
  };
  const seen = new Set([keyOf(first)]);
  const queue: Walk[] = [first];
  for (const walk of queue) {
    const whole = !isPath || walk.name === "start";
    const fits = machines.every(
      (machine, at) => accepts(machine, walk.sets[at] ?? new Set()) === at < inside.length,
    );
    if (whole && fits) return { type: "word", word: walk.word };
    for (const char of letters) {
      const name = isPath ? nextName(walk.name, char) : "name";
      if (name === undefined) continue;
      work.left -= machines.length;
      if (work.left < 0) return { type: "unknown" };
      const sets = machines.map((machine, at) =>
        step(machine, walk.sets[at] ?? new Set(), char, isPath && walk.name === "start"),
      );
      if (sets.slice(0, inside.length).some((set) => set.size === 0)) continue;
      const next = { sets, name, word: walk.word + char };
      const key = keyOf(next);
      if (seen.has(key)) continue;
      if (seen.size >= diffStatesMax) return { type: "unknown" };
      seen.add(key);
      queue.push(next);
    }
  }
  return { type: "none" };
};
