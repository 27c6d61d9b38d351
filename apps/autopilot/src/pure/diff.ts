/**
 * Two texts, line by line: what stayed, what went, what came. Myers' O(ND) algorithm over the middle
 * that differs (E. Myers, An O(ND) Difference Algorithm and Its Variations, 1986), forward only.
 *
 * Bounds: `diffLinesMax` lines each; undefined beyond, and the caller shows both instead.
 */
import { diffLinesMax } from "./limits.ts";

export interface DiffLine {
  readonly type: "same" | "removed" | "added";
  readonly text: string;
  /** Line number in the old text, from 1; undefined of an added line. */
  readonly before: number | undefined;
  readonly after: number | undefined;
}

const linesOf = (text: string): readonly string[] =>
  text === "" ? [] : text.replace(/\n$/, "").split("\n");

/** Frontiers of each step: furthest x on every diagonal. */
const trace = (a: readonly string[], b: readonly string[]): readonly Int32Array[] => {
  const max = a.length + b.length;
  const frontier = new Int32Array(2 * max + 2);
  const steps: Int32Array[] = [];
  for (let d = 0; d <= max; d++) {
    steps.push(frontier.slice(max - d, max + d + 2));
    for (let k = -d; k <= d; k += 2) {
      const down =
        k === -d || (k !== d && (frontier[max + k - 1] ?? 0) < (frontier[max + k + 1] ?? 0));
      let x = down ? (frontier[max + k + 1] ?? 0) : (frontier[max + k - 1] ?? 0) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      frontier[max + k] = x;
      if (x >= a.length && x - k >= b.length) return steps;
    }
  }
  return steps;
};

type Move = "same" | "removed" | "added";

/** The moves from the start to the end, read from the frontiers backwards. */
const moves = (a: readonly string[], b: readonly string[]): readonly Move[] => {
  const steps = trace(a, b);
  const found: Move[] = [];
  let x = a.length;
  let y = b.length;
  for (let d = steps.length - 1; d >= 0; d--) {
    const step = steps[d] ?? new Int32Array();
    const at = (k: number): number => step[k + d] ?? 0;
    const k = x - y;
    const down = k === -d || (k !== d && at(k - 1) < at(k + 1));
    const from = down ? k + 1 : k - 1;
    const fromX = d === 0 ? 0 : at(from);
    const fromY = d === 0 ? 0 : fromX - from;
    while (x > fromX && y > fromY) {
      found.push("same");
      x--;
      y--;
    }
    if (d > 0) found.push(down ? "added" : "removed");
    x = fromX;
    y = fromY;
  }
  return found.toReversed();
};

/** Undefined where a text is too long to compare. */
export const diffLines = (before: string, after: string): readonly DiffLine[] | undefined => {
  const a = linesOf(before);
  const b = linesOf(after);
  if (a.length > diffLinesMax || b.length > diffLinesMax) return undefined;
  let from = 0;
  let to = 0;
  return moves(a, b).map((type): DiffLine => {
    if (type === "added") {
      to++;
      return { type, text: b[to - 1] ?? "", before: undefined, after: to };
    }
    from++;
    if (type === "removed") {
      return { type, text: a[from - 1] ?? "", before: from, after: undefined };
    }
    to++;
    return { type, text: a[from - 1] ?? "", before: from, after: to };
  });
};
