/**
 * The `Files` port on a simulated disk, with the whole catalogue of faults:
 *
 * - `stopAt(k)`: the process and the machine stop in the middle of the k-th change (every write,
 *   sync, name change and directory sync is one; a run without a stop counts them in `points`).
 *   Every later call rejects with {@link SimStopped}.
 * - `crash(seed)`: the view after a loss of power: one legal state, see disk.ts. `kill()`: the view
 *   after the end of the process alone, which the page cache survives.
 * - `failSync(n)`: a failing sync, with fsyncgate. `setBytesMax`: a full disk, with the partial
 *   write before the error. `setReadOnly`: a disk that the kernel made read-only.
 */
import type { FileHandle, FileInfo, Files, FilesErrorCode } from "@ioi/base";
import {
  assert,
  compareText,
  InvariantError,
  isReplacementName,
  OperationError,
  parentPath,
  pathSegments,
  replacementPath,
  SeededRandom,
} from "@ioi/base";
import { DirectoryNode, Disk, FileNode, type NameChange, type Node } from "./disk.ts";

/** The end of the simulated process; nothing can be done about it. */
export class SimStopped extends Error {
  override readonly name = "SimStopped";
}

export interface SimFilesOptions {
  readonly seed: string;
  readonly sectorBytes?: 512 | 4096;
}

const fail = (code: FilesErrorCode, what: string): OperationError =>
  new OperationError(code, `${what}: simulated`, { retryable: code === "E_FILES_FULL" });

interface Place {
  readonly directory: DirectoryNode;
  readonly name: string;
  readonly node: Node | undefined;
}

export class SimFiles implements Files {
  readonly #seed: string;
  readonly #disk: Disk;
  readonly #locked = new Set<FileNode>();
  readonly #replacing = new Map<string, Promise<void>>();
  #points = 0;
  #stopAt: number | undefined;
  #state: "running" | "stopped" | "killed" = "running";
  #syncsToFailure: number | undefined;
  #readOnly = false;
  #bytesMax = Number.POSITIVE_INFINITY;

  constructor(options: SimFilesOptions, disk?: Disk) {
    this.#seed = options.seed;
    this.#disk = disk ?? new Disk(options.sectorBytes ?? 512);
  }

  /** Changes so far: the points at which a run can be stopped. */
  get points(): number {
    return this.#points;
  }

  get stopped(): boolean {
    return this.#state === "stopped";
  }

  stopAt(point: number): void {
    this.#stopAt = point;
  }

  /** The sync after `skip` others fails. */
  failSync(skip = 0): void {
    this.#syncsToFailure = skip;
  }

  setReadOnly(readOnly: boolean): void {
    this.#readOnly = readOnly;
  }

  /** Room for the content of all files together. */
  setBytesMax(bytesMax: number): void {
    this.#bytesMax = bytesMax;
  }

  /** What is found after a loss of power now; each seed gives one state, always the same. */
  crash(seed: string): SimFiles {
    const random = new SeededRandom(`${this.#seed}/crash/${seed}`);
    return new SimFiles({ seed: `${this.#seed}/${seed}` }, this.#disk.survivor(random));
  }

  /** What the next process finds after the end of this one: the page cache has everything. */
  kill(): SimFiles {
    this.#state = "killed";
    return new SimFiles({ seed: this.#seed }, this.#disk);
  }

  #alive(): void {
    if (this.#state !== "running") throw new SimStopped(`the process is ${this.#state}`);
  }

  /** One change: counted, refused on a read-only disk, and where a stop is due, the last one. */
  #change<T>(what: string, effect: () => T): T {
    this.#alive();
    if (this.#readOnly) throw fail("E_FILES_READ_ONLY", what);
    const point = this.#points++;
    if (point !== this.#stopAt) return effect();
    this.#state = "stopped";
    // The change is in the cache or on its way; whether anything of it lasts is for the seed.
    try {
      effect();
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
    }
    throw new SimStopped(`stopped at point ${point}: ${what}`);
  }

  /** A sync that is stopped has stored nothing yet. */
  #sync(what: string, store: () => void, drop: () => void): void {
    this.#alive();
    const point = this.#points++;
    if (point === this.#stopAt) {
      this.#state = "stopped";
      throw new SimStopped(`stopped at point ${point}: ${what}`);
    }
    if (this.#syncsToFailure === 0) {
      this.#syncsToFailure = undefined;
      drop();
      throw fail("E_FILES_SYNC_FAILED", what);
    }
    if (this.#syncsToFailure !== undefined) this.#syncsToFailure -= 1;
    store();
  }

  #directory(segments: readonly string[], what: string): DirectoryNode {
    let node: Node = this.#disk.root;
    for (const segment of segments) {
      if (node.type !== "directory") throw fail("E_FILES_NOT_A_DIRECTORY", what);
      const next: Node | undefined = node.entries.get(segment);
      if (next === undefined) throw fail("E_FILES_NOT_FOUND", what);
      node = next;
    }
    if (node.type !== "directory") throw fail("E_FILES_NOT_A_DIRECTORY", what);
    return node;
  }

  #place(path: string, what: string): Place {
    const segments = pathSegments(path);
    const name = segments.at(-1);
    assert(name !== undefined, "the root has no name to work on");
    const directory = this.#directory(segments.slice(0, -1), what);
    return { directory, name, node: directory.entries.get(name) };
  }

  #create(place: Place, mode: number, what: string): FileNode {
    return this.#change(what, () => {
      const node = new FileNode(mode);
      this.#disk.changeNames([{ directory: place.directory, name: place.name, node }]);
      return node;
    });
  }

  async open(path: string, mode: "read" | "write" | "create"): Promise<FileHandle> {
    this.#alive();
    const what = `open ${path}`;
    const place = this.#place(path, what);
    if (mode === "create") {
      if (place.node !== undefined) throw fail("E_FILES_EXISTS", what);
      return this.#handle(this.#create(place, 0o600, what), path, true);
    }
    return this.#handle(onlyFile(place.node, what), path, mode === "write");
  }

  #handle(node: FileNode, path: string, writable: boolean): FileHandle {
    return new SimFileHandle(node, path, writable, {
      alive: () => this.#alive(),
      write: (offset, bytes) => this.#write(node, path, offset, bytes),
      truncate: (size) => this.#change(`truncate ${path}`, () => this.#disk.truncate(node, size)),
      sync: () =>
        this.#sync(
          `sync ${path}`,
          () => this.#disk.sync(node),
          () => this.#disk.drop(node),
        ),
    });
  }

  #write(node: FileNode, path: string, offset: number, bytes: Uint8Array): void {
    const what = `write ${path}`;
    this.#change(what, () => {
      const growth = Math.max(0, offset + bytes.length - node.cache.size);
      const room = Math.max(0, this.#bytesMax - bytesOf(this.#disk.root));
      const fitting = growth > room ? Math.max(0, bytes.length - (growth - room)) : bytes.length;
      this.#disk.write(node, offset, bytes.subarray(0, fitting));
      if (fitting < bytes.length) throw fail("E_FILES_FULL", what);
    });
  }

  async readFile(path: string, bytesMax: number): Promise<Uint8Array> {
    this.#alive();
    const what = `read ${path}`;
    const node = onlyFile(this.#place(path, what).node, what);
    if (node.cache.size > bytesMax) {
      throw new OperationError("E_FILES_IO", `${path} is larger than ${bytesMax} bytes`);
    }
    return node.cache.read(0, node.cache.size);
  }

  async replaceFile(path: string, bytes: Uint8Array, mode = 0o600): Promise<void> {
    assert(path !== "", "the root is no file");
    const before = this.#replacing.get(path) ?? Promise.resolve();
    const own = before.catch(() => undefined).then(() => this.#replace(path, bytes, mode));
    this.#replacing.set(path, own);
    try {
      await own;
    } finally {
      if (this.#replacing.get(path) === own) this.#replacing.delete(path);
    }
  }

  async #replace(path: string, bytes: Uint8Array, mode: number): Promise<void> {
    const temporary = replacementPath(path);
    const what = `replace ${path}`;
    if (this.#place(temporary, what).node !== undefined) await this.remove(temporary);
    try {
      const node = this.#create(this.#place(temporary, what), mode, what);
      await using handle = this.#handle(node, path, true);
      await handle.write(0, bytes);
      await handle.sync();
      await this.rename(temporary, path);
    } catch (error) {
      if (this.#state === "running") await this.remove(temporary).catch(() => undefined);
      throw error;
    }
    await this.syncDirectory(parentPath(path));
  }

  async stat(path: string): Promise<FileInfo | undefined> {
    this.#alive();
    let node: Node | undefined = this.#disk.root;
    for (const segment of pathSegments(path)) {
      node = node?.type === "directory" ? node.entries.get(segment) : undefined;
    }
    if (node === undefined) return undefined;
    const size = node.type === "file" ? node.cache.size : 0;
    return { kind: node.type, size, mode: node.mode };
  }

  async list(path: string): Promise<readonly string[]> {
    this.#alive();
    const { entries } = this.#directory(pathSegments(path), `list ${path}`);
    return [...entries.keys()].filter((name) => !isReplacementName(name)).sort(compareText);
  }

  async makeDirectory(path: string, mode = 0o700): Promise<void> {
    this.#alive();
    const what = `make directory ${path}`;
    const { directory, name, node } = this.#place(path, what);
    if (node !== undefined) throw fail("E_FILES_EXISTS", what);
    this.#change(what, () => {
      this.#disk.changeNames([{ directory, name, node: new DirectoryNode(mode) }]);
    });
  }

  async rename(from: string, to: string): Promise<void> {
    this.#alive();
    const what = `rename ${from} to ${to}`;
    const source = this.#place(from, what);
    if (source.node === undefined) throw fail("E_FILES_NOT_FOUND", what);
    if (to.startsWith(`${from}/`)) throw fail("E_FILES_IO", what);
    const target = this.#place(to, what);
    if (target.node === source.node) return;
    checkReplaceable(source.node, target.node, what);
    const changes: readonly NameChange[] = [
      { directory: source.directory, name: source.name, node: undefined },
      { directory: target.directory, name: target.name, node: source.node },
    ];
    this.#change(what, () => this.#disk.changeNames(changes));
  }

  async remove(path: string): Promise<void> {
    this.#alive();
    const what = `remove ${path}`;
    const { directory, name, node } = this.#place(path, what);
    if (node === undefined) throw fail("E_FILES_NOT_FOUND", what);
    if (node.type === "directory" && node.entries.size > 0) throw fail("E_FILES_NOT_EMPTY", what);
    this.#change(what, () => this.#disk.changeNames([{ directory, name, node: undefined }]));
  }

  async syncDirectory(path: string): Promise<void> {
    this.#alive();
    const what = `sync directory ${path}`;
    const directory = this.#directory(pathSegments(path), what);
    this.#sync(
      what,
      () => this.#disk.syncNames(directory),
      () => undefined,
    );
  }

  async lock(path: string): Promise<AsyncDisposable> {
    this.#alive();
    const what = `lock ${path}`;
    const place = this.#place(path, what);
    const node =
      place.node === undefined ? this.#create(place, 0o600, what) : onlyFile(place.node, what);
    if (this.#locked.has(node)) {
      throw new OperationError("E_FILES_LOCKED", `${path} is locked by this process`);
    }
    this.#locked.add(node);
    let held = true;
    return {
      [Symbol.asyncDispose]: async () => {
        if (held) this.#locked.delete(node);
        held = false;
      },
    };
  }
}

const onlyFile = (node: Node | undefined, what: string): FileNode => {
  if (node === undefined) throw fail("E_FILES_NOT_FOUND", what);
  if (node.type === "directory") throw fail("E_FILES_IS_A_DIRECTORY", what);
  return node;
};

const checkReplaceable = (source: Node, target: Node | undefined, what: string): void => {
  if (target === undefined) return;
  if (source.type === "file" && target.type === "directory") {
    throw fail("E_FILES_IS_A_DIRECTORY", what);
  }
  if (source.type === "directory" && target.type === "file") {
    throw fail("E_FILES_NOT_A_DIRECTORY", what);
  }
  if (target.type === "directory" && target.entries.size > 0) {
    throw fail("E_FILES_NOT_EMPTY", what);
  }
};

const bytesOf = (node: Node): number => {
  if (node.type === "file") return node.cache.size;
  let sum = 0;
  for (const child of node.entries.values()) sum += bytesOf(child);
  return sum;
};

interface HandleCalls {
  readonly alive: () => void;
  readonly write: (offset: number, bytes: Uint8Array) => void;
  readonly truncate: (size: number) => void;
  readonly sync: () => void;
}

class SimFileHandle implements FileHandle {
  readonly #node: FileNode;
  readonly #path: string;
  readonly #writable: boolean;
  readonly #calls: HandleCalls;
  #syncFailure: OperationError | undefined;
  #closed = false;

  constructor(node: FileNode, path: string, writable: boolean, calls: HandleCalls) {
    this.#node = node;
    this.#path = path;
    this.#writable = writable;
    this.#calls = calls;
  }

  #checkOpen(): void {
    if (this.#closed) throw new InvariantError(`${this.#path}: the handle is closed`);
    this.#calls.alive();
  }

  #checkWritable(): void {
    this.#checkOpen();
    if (!this.#writable) throw fail("E_FILES_IO", `write ${this.#path}`);
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    this.#checkOpen();
    return this.#node.cache.read(offset, length);
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#checkWritable();
    this.#calls.write(offset, bytes);
  }

  async writeDurable(offset: number, bytes: Uint8Array): Promise<void> {
    this.#checkWritable();
    if (this.#syncFailure !== undefined) throw this.#syncFailure;
    this.#calls.write(offset, bytes);
    this.#sync();
  }

  async sync(): Promise<void> {
    this.#checkOpen();
    if (this.#syncFailure !== undefined) throw this.#syncFailure;
    this.#sync();
  }

  #sync(): void {
    try {
      this.#calls.sync();
    } catch (error) {
      if (error instanceof OperationError) this.#syncFailure = error;
      throw error;
    }
  }

  async truncate(length: number): Promise<void> {
    this.#checkWritable();
    this.#calls.truncate(length);
  }

  async size(): Promise<number> {
    this.#checkOpen();
    return this.#node.cache.size;
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
