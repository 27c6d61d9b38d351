/**
 * Memories as the page asks for them and draws them: the direct commands, the roots that a receipt
 * names, and where each step of a search stands in its picture. Bounds: `memoryStepsMax`.
 */
import { memoryStepsMax } from "./limits.ts";

/** One word of a command, whatever it holds: a direct request expands nothing in double quotes. */
const quoted = (text: string): string =>
  `"${text
    .replaceAll(/\s+/g, " ")
    .trim()
    .replaceAll(/["\\]/g, (each) => `\\${each}`)}"`;

export const recallCommand = (query: string): string => `/recall ${quoted(query)}`;
export const rememberCommand = (text: string): string => `/remember ${quoted(text)}`;
export const forgetCommand = (memory: number): string => `/forget ${memory}`;

type Evidence = readonly (readonly [string, string])[];

/** What a receipt says that the memory file committed to. */
export interface Roots {
  readonly store: string;
  readonly logRoot: string;
  readonly indexRoot: string | undefined;
  readonly logSize: string;
}

const isHash = (text: string | undefined): text is string => /^[0-9a-f]{64}$/.test(text ?? "");

export const rootsOf = (evidence: Evidence): Roots | undefined => {
  const said = new Map(evidence);
  const [logRoot, indexRoot] = [said.get("log_root"), said.get("index_root")];
  if (!isHash(logRoot)) return undefined;
  return {
    store: said.get("store") ?? "",
    logRoot,
    indexRoot: isHash(indexRoot) ? indexRoot : undefined,
    logSize: said.get("log_size") ?? "",
  };
};

/** What a receipt says that memories were found by; undefined where no model was chosen for them. */
export const foundBy = (evidence: Evidence): string | undefined => {
  const said = new Map(evidence);
  const [by, why, waiting] = ["found_by", "no_vectors", "without_vectors"].map((name) =>
    said.get(name),
  );
  if (by === undefined) return undefined;
  const reason = why === undefined ? "" : ` (no vectors: ${why})`;
  const left = waiting === undefined ? "" : ` ${waiting} memories wait for their vectors.`;
  return `Found by ${by}${reason}.${left}`;
};

/** A list that a search read: the node, its layer, and whose list named it; -1: the entry. */
export type Step = readonly [node: number, layer: number, from: number];

export interface Dot {
  readonly node: number;
  /** From 1, in the order in which it was read. */
  readonly at: number;
  readonly layer: number;
  readonly x: number;
  readonly y: number;
  readonly from: { readonly x: number; readonly y: number } | undefined;
}

const [stepX, stepY] = [64, 24] as const;

export interface Picture {
  readonly dots: readonly Dot[];
  readonly width: number;
  readonly height: number;
  /** Steps that the picture leaves out. */
  readonly more: number;
}

/** Every node where it was read first: a column for each hop from the entry, a row for each in it. */
export const pictureOf = (steps: readonly Step[]): Picture => {
  const places = new Map<number, Dot & { readonly hop: number }>();
  const rows: number[] = [];
  const first = new Map<number, Step>();
  for (const step of steps) if (!first.has(step[0])) first.set(step[0], step);
  const shown = [...first.values()].slice(0, memoryStepsMax);
  for (const [index, [node, layer, from]] of shown.entries()) {
    const before = places.get(from);
    const hop = before === undefined ? 0 : before.hop + 1;
    const row = rows[hop] ?? 0;
    rows[hop] = row + 1;
    const [x, y] = [stepX / 2 + hop * stepX, stepY / 2 + row * stepY];
    places.set(node, { node, at: index + 1, layer, x, y, from: before, hop });
  }
  return {
    dots: [...places.values()],
    width: Math.max(1, rows.length) * stepX,
    height: Math.max(1, ...rows) * stepY,
    more: Math.max(0, first.size - memoryStepsMax),
  };
};

/** Where a memory comes from, in words; what is not the person's own is content, for life. */
export const originWords = ({
  kind,
  from,
}: {
  readonly kind: string;
  readonly from: string;
}): string => (kind === "user" ? "typed by you" : `${kind} of ${from}`);
