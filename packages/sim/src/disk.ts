/**
 * A simulated disk with a page cache. Every change goes to the cache; a sync makes it durable; a
 * loss of power leaves one state that POSIX allows, picked by a seed.
 *
 * What is allowed (and what is not):
 * - A sector holds one of the contents it had in the cache since it was last durable, whichever
 *   other sectors hold; it never mixes two, except in the one write that the `ordered` loss tears
 *   at a byte.
 * - The size, and with it the cuts of truncation, follow a prefix of the file's changes. Space that
 *   was added but not written back reads as zeros or as garbage.
 * - Names change one operation at a time (a rename is one), each kept or lost by itself until the
 *   directories that it touches are synced. Syncing a file does not make its name durable.
 * - After a failed sync the changes are dropped, while the cache goes on showing them.
 */
import { assert, type SeededRandom } from "@ioi/base";
import { Image } from "./disk-image.ts";

/** A change of a file's content that is in the cache only. */
interface DataChange {
  readonly order: number;
  readonly type: "write" | "truncate";
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly sizeAfter: number;
  /** The touched sectors as the cache has them afterwards. */
  readonly sectors: ReadonlyMap<number, Uint8Array>;
}

export class FileNode {
  readonly type = "file";
  mode: number;
  /** As processes see it. */
  readonly cache: Image;
  readonly durable: Image;
  pending: DataChange[] = [];

  constructor(mode: number, content: Image = new Image()) {
    this.mode = mode;
    this.cache = content.copy();
    this.durable = content;
  }
}

export class DirectoryNode {
  readonly type = "directory";
  readonly mode: number;
  readonly entries = new Map<string, Node>();

  constructor(mode: number) {
    this.mode = mode;
  }
}

export type Node = FileNode | DirectoryNode;

export interface NameChange {
  readonly directory: DirectoryNode;
  readonly name: string;
  readonly node: Node | undefined;
}

interface NameOperation {
  readonly order: number;
  readonly changes: readonly NameChange[];
  /** Directories that were not synced since. */
  readonly unsynced: Set<DirectoryNode>;
}

type Names = Map<DirectoryNode, Map<string, Node>>;

/** How a loss of power treats what was not synced; the richer ways are picked more often. */
const losses = ["lost", "kept", "ordered", "ordered", "random", "random", "random"] as const;

interface Loss {
  readonly type: (typeof losses)[number];
  /** For `ordered`: changes before it are kept, later ones are lost. */
  readonly cut: number;
  readonly random: SeededRandom;
}

export class Disk {
  readonly sectorBytes: number;
  readonly root: DirectoryNode;
  readonly #durableNames: Names = new Map();
  #operations: NameOperation[] = [];
  #order = 0;

  constructor(sectorBytes: number, root: DirectoryNode = new DirectoryNode(0o700)) {
    this.sectorBytes = sectorBytes;
    this.root = root;
    this.#remember(root);
  }

  #remember(directory: DirectoryNode): void {
    this.#durableNames.set(directory, new Map(directory.entries));
    for (const node of directory.entries.values()) {
      if (node.type === "directory") this.#remember(node);
    }
  }

  write(file: FileNode, offset: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    file.cache.write(offset, bytes);
    this.#changed(file, "write", offset, bytes, offset, offset + bytes.length);
  }

  truncate(file: FileNode, size: number): void {
    if (size === file.cache.size) return;
    file.cache.resize(size);
    this.#changed(file, "truncate", size, new Uint8Array(), size, size + 1);
  }

  #changed(
    file: FileNode,
    type: DataChange["type"],
    offset: number,
    bytes: Uint8Array,
    from: number,
    to: number,
  ): void {
    const sectors = new Map<number, Uint8Array>();
    for (let i = Math.floor(from / this.sectorBytes); i * this.sectorBytes < to; i++) {
      sectors.set(i, file.cache.sector(i, this.sectorBytes));
    }
    const sizeAfter = file.cache.size;
    file.pending.push({
      order: this.#order++,
      type,
      offset,
      bytes: bytes.slice(),
      sizeAfter,
      sectors,
    });
  }

  sync(file: FileNode): void {
    applyAll(file.durable, file.pending);
    file.pending = [];
  }

  /** A sync that fails: what it should have stored never will be. */
  drop(file: FileNode): void {
    file.pending = [];
  }

  /** One operation on names, atomic. */
  changeNames(changes: readonly NameChange[]): void {
    for (const { directory, name, node } of changes) {
      if (node === undefined) directory.entries.delete(name);
      else directory.entries.set(name, node);
    }
    const unsynced = new Set(changes.map(({ directory }) => directory));
    this.#operations.push({ order: this.#order++, changes, unsynced });
  }

  syncNames(directory: DirectoryNode): void {
    for (const { unsynced } of this.#operations) unsynced.delete(directory);
    while (this.#operations[0]?.unsynced.size === 0) {
      const operation = this.#operations.shift();
      assert(operation !== undefined, "an operation");
      applyNames(this.#durableNames, operation);
    }
  }

  /** The disk as it is found after a loss of power. */
  survivor(random: SeededRandom): Disk {
    const orders = [...this.#pendingOrders()].sort((a, b) => a - b);
    const loss: Loss = {
      type: random.pick(losses),
      cut: orders.length === 0 ? 0 : random.pick(orders),
      random,
    };
    const names: Names = new Map();
    for (const [directory, entries] of this.#durableNames) names.set(directory, new Map(entries));
    for (const operation of this.#operations) {
      if (operation.unsynced.size === 0 || isKept(loss, operation.order)) {
        applyNames(names, operation);
      }
    }
    const copies = new Map<Node, Node>();
    return new Disk(this.sectorBytes, this.#copy(this.root, names, loss, copies) as DirectoryNode);
  }

  *#pendingOrders(): Generator<number> {
    for (const { order } of this.#operations) yield order;
    const seen = new Set<Node>();
    const stack: Node[] = [this.root];
    for (const { changes } of this.#operations) {
      for (const { node } of changes) if (node !== undefined) stack.push(node);
    }
    for (const entries of this.#durableNames.values()) stack.push(...entries.values());
    for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
      if (seen.has(node)) continue;
      seen.add(node);
      if (node.type === "directory") stack.push(...node.entries.values());
      else for (const { order } of node.pending) yield order;
    }
  }

  #copy(node: Node, names: Names, loss: Loss, copies: Map<Node, Node>): Node {
    const before = copies.get(node);
    if (before !== undefined) return before;
    if (node.type === "file") {
      const copy = new FileNode(node.mode, this.#survivingContent(node, loss));
      copies.set(node, copy);
      return copy;
    }
    const copy = new DirectoryNode(node.mode);
    copies.set(node, copy);
    for (const [name, child] of names.get(node) ?? []) {
      copy.entries.set(name, this.#copy(child, names, loss, copies));
    }
    return copy;
  }

  #survivingContent(file: FileNode, loss: Loss): Image {
    const image = file.durable.copy();
    switch (loss.type) {
      case "lost":
        return image;
      case "kept":
        applyAll(image, file.pending);
        return image;
      case "ordered":
        this.#applyUntil(image, file.pending, loss);
        return image;
      case "random":
        return this.#randomContent(file, loss.random);
    }
  }

  /** The changes before the cut, and a beginning of the write at the cut. */
  #applyUntil(image: Image, pending: readonly DataChange[], loss: Loss): void {
    applyAll(
      image,
      pending.filter(({ order }) => order < loss.cut),
    );
    const torn = pending.find(({ order, type }) => order === loss.cut && type === "write");
    if (torn === undefined) return;
    image.write(torn.offset, torn.bytes.subarray(0, loss.random.below(torn.bytes.length + 1)));
  }

  #randomContent(file: FileNode, random: SeededRandom): Image {
    const { pending, durable } = file;
    const committed = random.below(pending.length + 1);
    const size = pending[committed - 1]?.sizeAfter ?? durable.size;
    // What was written after a cut that is lost went to new space, which is lost with it.
    const next = pending.findIndex(({ type }, i) => i >= committed && type === "truncate");
    const visible = next < 0 ? pending : pending.slice(0, next);
    const image = new Image();
    image.resize(size);
    for (let i = 0; i * this.sectorBytes < size; i++) {
      image.setSector(i, this.#randomSector(i, durable, visible, random));
    }
    return image;
  }

  #randomSector(
    index: number,
    durable: Image,
    changes: readonly DataChange[],
    random: SeededRandom,
  ): Uint8Array {
    const start = index * this.sectorBytes;
    let versions = [durable.sector(index, this.sectorBytes)];
    let fresh = start >= durable.size;
    for (const { type, sizeAfter, sectors } of changes) {
      if (type === "truncate" && sizeAfter < start + this.sectorBytes) {
        if (sizeAfter <= start) fresh = true;
        for (const version of versions) version.fill(0, Math.max(0, sizeAfter - start));
        if (sizeAfter <= start) versions = [new Uint8Array(this.sectorBytes)];
      }
      const version = sectors.get(index);
      if (type === "write" && version !== undefined) versions.push(version.slice());
    }
    const at = random.below(versions.length);
    const version = versions[at] ?? new Uint8Array(this.sectorBytes);
    return at === 0 && fresh && random.chance(1, 4) ? random.fill(version) : version;
  }
}

const isKept = (loss: Loss, order: number): boolean => {
  switch (loss.type) {
    case "lost":
      return false;
    case "kept":
      return true;
    case "ordered":
      return order < loss.cut;
    case "random":
      return loss.random.chance(1, 2);
  }
};

const applyAll = (image: Image, changes: readonly DataChange[]): void => {
  for (const { sizeAfter, sectors } of changes) {
    image.resize(sizeAfter);
    for (const [index, sector] of sectors) image.setSector(index, sector);
  }
};

/** A node has one name: where an earlier move of it was lost, a later one still takes it along. */
const applyNames = (names: Names, operation: NameOperation): void => {
  for (const { directory, name, node } of operation.changes) {
    if (node === undefined) {
      names.get(directory)?.delete(name);
      continue;
    }
    for (const entries of names.values()) {
      for (const [other, linked] of entries) if (linked === node) entries.delete(other);
    }
    if (node.type === "directory" && !names.has(node)) names.set(node, new Map());
    const entries = names.get(directory) ?? new Map<string, Node>();
    entries.set(name, node);
    names.set(directory, entries);
  }
};
