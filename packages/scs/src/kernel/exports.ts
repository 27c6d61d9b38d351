/** What a kernel offers, and where kernels and threads come from: the engine is given. */

/** Of a kernel, what turns vectors; it may be used beside a graph. */
export interface RotationExports {
  readonly memory: { readonly buffer: ArrayBufferLike };
  layRotation(dimension: number): void;
  givenAt(): number;
  signsAt(): number;
  componentsAt(): number;
  /** 0: no direction. */
  rotate(scale: number): number;
}

/** Offsets in the kernel's memory are signed numbers of 32 bits. Sources: `kernel/` of this package. */
export interface KernelExports extends RotationExports {
  init(...layout: Layout): void;
  upperAt(id: number): number;
  lowerAt(id: number): number;
  codeAt(id: number): number;
  /** Where numbers of nodes are written, at most `gatherMax`, whose codes `gather` lays together. */
  gatheredAt(): number;
  gather(count: number): number;
  wholeQuery(): number;
  answersAt(): number;
  scoresAt(): number;
  touchedAt(): number;
  touched(): number;
  dirtyAt(): number;
  trailAt(): number;
  trailed(): number;
  passedAt(): number;
  passedOver(): number;
  liveAt(): number;
  lived(): number;
  finals(): number;
  entryNode(): number;
  topLevel(): number;
  nodes(): number;
  batchStartNode(): number;
  levelAt(id: number): number;
  setLevel(id: number, level: number): void;
  goneAt(id: number): number;
  bury(id: number): void;
  listAt(id: number, layer: number): number;
  stoodAt(id: number, layer: number): number;
  preimage(id: number, layer: number): number;
  preimageAt(): number;
  add(): number;
  build(until: number): void;
  restore(): number;
  dismiss(): void;
  work(): void;
  search(ef: number, rerank: number, final: number, k: number): number;
}

/** Dimension, m, efConstruction, nodes at most, nodes above the bottom at most, threads, which of them. */
export type Layout = readonly [
  dimension: number,
  m: number,
  efConstruction: number,
  nodes: number,
  above: number,
  threads: number,
  thread: number,
];

/** Where the compiled index comes from; every call gives one with a memory of its own. */
export interface KernelSource {
  open(): KernelExports;
  /** So many threads are of use, the first among them; 1 where it is not said. */
  readonly threads?: number;
  /**
   * Starts a thread for each layout, over the kernel's memory: it calls `init` with it, then `work`,
   * which ends when the first thread calls `dismiss`. Absent where there are no threads.
   */
  readonly start?: (kernel: KernelExports, layouts: readonly Layout[]) => Promise<void>;
}
