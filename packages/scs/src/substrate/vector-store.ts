/**
 * The vectors of a file, and the index over them: read from its segments, loaded from a snapshot or made
 * anew. The index is a function of the log: of the memories that have a vector and are not forgotten, in
 * the order of their numbers.
 */
import { OperationError } from "@ioi/base";
import type { Place } from "../header.ts";
import type { MemoryFile } from "../file.ts";
import type { Kept, KeptSegment } from "../kept.ts";
import type { KernelSource } from "../kernel/exports.ts";
import { indexedOnOpeningMax, joinedBytesMax, vectorSegmentMemoriesMax } from "../limits.ts";
import { storedDimension } from "../quantise.ts";
import type { NewSegment } from "../segments.ts";
import {
  decodeVectors,
  encodeVectors,
  presenceBytes,
  presentIn,
  readVectors,
  type VectorRows,
} from "../vectors.ts";
import { isReadable } from "./recall.ts";
import type { Progress } from "./types.ts";
import { type NewNode, VectorIndex } from "./vector-index.ts";

const isDamage = (code: string): boolean => code === "E_SCS_DAMAGED";
const mending =
  "Have them made again from the memories: ./ioi scs doctor FILE --mend; words find memories meanwhile.";

/** Nodes that are added before others get their turn. */
const turnNodes = 256;
/** Nodes to add for which other threads are started. */
const threadedNodesMin = 2048;

const ofKind = (file: MemoryFile, kind: KeptSegment["kind"]): readonly KeptSegment[] =>
  file
    .segments()
    .filter((segment) => segment.kind === kind)
    .toSorted((a, b) => a.first - b.first || a.number - b.number);

/** Whether a memory was left out of answers before a commit. */
const isGoneBefore = ({ tombedIn, supersededIn }: Kept, commit: number): boolean =>
  (tombedIn !== undefined && tombedIn < commit) ||
  (supersededIn !== undefined && supersededIn < commit);

const keptOf = (file: MemoryFile, id: number): Kept | undefined => {
  const kept = file.kept(id);
  return kept?.forgotten === true ? undefined : kept;
};

export interface OpenedIndex {
  /** Undefined where it is to be made anew, or vectors are lost. */
  readonly index: VectorIndex | undefined;
  /** It is the one that the log makes. */
  readonly isExact: boolean;
  /** Why there is none, where vectors are damaged. */
  readonly lost: OperationError | undefined;
}

export class VectorStore {
  readonly #place: Place;
  readonly #file: MemoryFile;
  readonly #kernel: KernelSource;

  constructor(place: Place, file: MemoryFile, kernel: KernelSource) {
    this.#place = place;
    this.#file = file;
    this.#kernel = kernel;
  }

  /** Of stored vectors. */
  get dimension(): number {
    return storedDimension(this.#file.info.parameters.index.dimension);
  }

  empty(nodes: number): VectorIndex {
    const { m, efConstruction, quantiserSeed: salt } = this.#file.info.parameters.index;
    const parameters = { dimension: this.dimension, m, efConstruction, salt };
    return new VectorIndex(this.#place.provider, this.#kernel, parameters, nodes);
  }

  /** Vectors that hold, without reading them. */
  get count(): number {
    let count = 0;
    for (const segment of ofKind(this.#file, "vector")) {
      for (let id = segment.first; id < segment.first + segment.count; id++) {
        if (keptOf(this.#file, id) !== undefined) count++;
      }
    }
    return count;
  }

  /**
   * Memories that can be read and have no vector, or none that can be read, by number. `looked`: at the
   * whole of each segment, where it is known that one is damaged; else at its beginning.
   */
  async missing(looked: "whole" | "beginning"): Promise<readonly number[]> {
    const held = new Set<number>();
    for (const segment of ofKind(this.#file, "vector")) {
      const { first, count } = segment;
      const due = looked === "whole" ? undefined : presenceBytes(count);
      const bytes = await this.#file.readSegment(segment, due);
      const isLost = looked === "whole" && this.#rowsOf(segment, bytes) === undefined;
      const places = isLost ? undefined : bytes && presentIn(count, bytes);
      if (places === undefined) await this.#checkDamaged(segment);
      for (const place of places ?? []) held.add(first + place);
    }
    const missing: number[] = [];
    for (let id = 0; id < this.#file.memories; id++) {
      if (!held.has(id) && isReadable(this.#file, id)) missing.push(id);
    }
    return missing;
  }

  #rowsOf({ count }: KeptSegment, bytes: Uint8Array | undefined): VectorRows | undefined {
    return bytes && decodeVectors(this.dimension, count, bytes);
  }

  /** Segments that hold these vectors too, and those that they replace, what is damaged among them. */
  async withMore(
    more: ReadonlyMap<number, Int16Array>,
  ): Promise<{ readonly segments: readonly NewSegment[]; readonly drop: readonly number[] }> {
    const left = new Map([...more].toSorted(([a], [b]) => a - b));
    const segments: NewSegment[] = [];
    const drop: number[] = [];
    const hold = (first: number, rows: readonly (Int16Array | undefined)[]): void => {
      const bytes = encodeVectors(this.dimension, rows);
      segments.push({ kind: "vector", first, count: rows.length, bytes });
    };
    for (const segment of ofKind(this.#file, "vector")) {
      const { first, count, number } = segment;
      const own = [...left].filter(([id]) => id >= first && id < first + count);
      if (own.length === 0) continue;
      const held = this.#rowsOf(segment, await this.#file.readSegment(segment));
      if (held === undefined) await this.#checkDamaged(segment);
      const rows = held?.slice() ?? Array.from({ length: count }, () => undefined);
      for (const [id, components] of own) {
        rows[id - first] = components;
        left.delete(id);
      }
      hold(first, rows);
      drop.push(number);
    }
    let run: Int16Array[] = [];
    for (const [id, components] of left) {
      run.push(components);
      if (left.has(id + 1)) continue;
      hold(id + 1 - run.length, run);
      run = [];
    }
    return { segments, drop };
  }

  async #unreadable({ first, count }: KeptSegment): Promise<OperationError> {
    const what = `the segment of vectors ${first} to ${first + count - 1}`;
    const { code, message } = await this.#file.unreadable(what);
    return new OperationError(code, message, isDamage(code) ? { next: mending } : {});
  }

  /** An error where a segment does not open for another reason than damage. */
  async #checkDamaged(segment: KeptSegment): Promise<void> {
    const error = await this.#unreadable(segment);
    if (!isDamage(error.code)) throw error;
  }

  /** What the index has to have, in order. */
  async nodes(): Promise<readonly NewNode[]> {
    const nodes: NewNode[] = [];
    const row = new Int16Array(this.dimension);
    for (const segment of ofKind(this.#file, "vector")) {
      const bytes = await this.#file.readSegment(segment);
      const rows = bytes && readVectors(this.dimension, segment.count, bytes, row);
      if (rows === undefined) throw await this.#unreadable(segment);
      for (const [i, components] of rows.entries()) {
        const memory = segment.first + i;
        if (components === undefined || keptOf(this.#file, memory) === undefined) continue;
        nodes.push({ memory, components, leaf: this.#file.leafOf(memory) });
      }
    }
    return nodes;
  }

  /** The index of a file that was opened: loaded, or made where that takes no minutes. */
  async open(progress: Progress): Promise<OpenedIndex> {
    const nodes = await this.#nodesOrLoss();
    if (nodes instanceof OperationError) return { index: undefined, isExact: false, lost: nodes };
    const committed = this.#file.lastCommit?.body.indexRoot;
    const loaded = await this.load(nodes, indexedOnOpeningMax, progress);
    const fits = loaded !== undefined && (committed === undefined || loaded.isOf(committed));
    if (fits) return { index: loaded, isExact: true, lost: undefined };
    const isExact = nodes.length <= indexedOnOpeningMax;
    const index = isExact ? await this.build(nodes, progress) : undefined;
    return { index, isExact, lost: undefined };
  }

  /** Words go on where vectors are damaged. */
  async #nodesOrLoss(): Promise<readonly NewNode[] | OperationError> {
    try {
      return await this.nodes();
    } catch (error) {
      if (error instanceof OperationError && isDamage(error.code)) return error;
      throw error;
    }
  }

  /** Makes the index from its nodes. */
  async build(nodes: readonly NewNode[], progress?: Progress): Promise<VectorIndex> {
    const index = this.empty(nodes.length);
    await this.#extend(index, nodes, progress);
    this.buryAll(index, nodes);
    return index;
  }

  async #extend(
    index: VectorIndex,
    nodes: readonly NewNode[],
    progress: Progress | undefined,
  ): Promise<void> {
    if (nodes.length >= threadedNodesMin) await index.employ();
    try {
      for (let from = 0; from < nodes.length; from += turnNodes) {
        const piece = nodes.slice(from, from + turnNodes);
        index.add(piece);
        await progress?.(from + piece.length, nodes.length);
      }
    } finally {
      index.dismiss();
    }
  }

  /** Leaves out of answers what is left out of them by now. */
  buryAll(index: VectorIndex, nodes: readonly NewNode[]): void {
    for (const { memory } of nodes) {
      const kept = this.#file.kept(memory);
      if (kept !== undefined && isGoneBefore(kept, Number.POSITIVE_INFINITY)) index.bury(memory);
    }
  }

  /**
   * The index from its newest snapshot and what came after; undefined: there is none that holds, or
   * more than `most` nodes are to be added to it.
   */
  async load(
    nodes: readonly NewNode[],
    most: number,
    progress?: Progress,
  ): Promise<VectorIndex | undefined> {
    const segment = ofKind(this.#file, "index").at(-1);
    const bytes = segment && (await this.#file.readSegment(segment));
    if (segment === undefined || bytes === undefined) return undefined;
    const covered = nodes.filter(({ memory }) => memory < segment.count);
    if (nodes.length - covered.length > most) return undefined;
    const index = this.empty(nodes.length);
    const wasGone = (memory: number): boolean => {
      const kept = this.#file.kept(memory);
      return kept !== undefined && isGoneBefore(kept, segment.commit);
    };
    if (!index.restore(bytes, covered, wasGone)) return undefined;
    await this.#extend(index, nodes.slice(covered.length), progress);
    this.buryAll(index, nodes);
    return index;
  }

  /** The segment of a snapshot, and those that it replaces. */
  snapshot(index: VectorIndex): { readonly segment: NewSegment; readonly drop: readonly number[] } {
    const segment = {
      kind: "index",
      first: 0,
      count: this.#file.memories,
      bytes: index.snapshot(),
    } as const;
    return { segment, drop: ofKind(this.#file, "index").map(({ number }) => number) };
  }

  /** Small segments of vectors that follow each other, joined, so that opening reads few. */
  async joined(): Promise<{ readonly segments: NewSegment[]; readonly drop: number[] }> {
    const segments: NewSegment[] = [];
    const drop: number[] = [];
    let joinedBytes = 0;
    for (const run of runsOf(ofKind(this.#file, "vector"))) {
      if (joinedBytes > joinedBytesMax) break;
      const [first] = run;
      const last = run.at(-1);
      if (first === undefined || last === undefined) continue;
      const count = last.first + last.count - first.first;
      const rows: (Int16Array | undefined)[] = Array.from({ length: count }, () => undefined);
      for (const each of run) {
        const bytes = await this.#file.readSegment(each);
        const held = bytes && decodeVectors(this.dimension, each.count, bytes);
        if (held === undefined) return { segments: [], drop: [] };
        for (const [i, row] of held.entries()) rows[each.first - first.first + i] = row;
      }
      const bytes = encodeVectors(this.dimension, rows);
      joinedBytes += bytes.length;
      segments.push({ kind: "vector", first: first.first, count, bytes });
      drop.push(...run.map(({ number }) => number));
    }
    return { segments, drop };
  }
}

/** Runs of segments that together have at most `vectorSegmentMemoriesMax` memories; those of one left out. */
const runsOf = (segments: readonly KeptSegment[]): readonly (readonly KeptSegment[])[] => {
  const runs: KeptSegment[][] = [];
  let run: KeptSegment[] = [];
  for (const segment of segments) {
    // What is large enough stays where it is.
    if (segment.count >= vectorSegmentMemoriesMax / 8) {
      runs.push(run);
      run = [];
      continue;
    }
    const from = run[0]?.first ?? segment.first;
    if (segment.first + segment.count - from > vectorSegmentMemoriesMax) {
      runs.push(run);
      run = [];
    }
    run.push(segment);
  }
  runs.push(run);
  return runs.filter(({ length }) => length > 1);
};
