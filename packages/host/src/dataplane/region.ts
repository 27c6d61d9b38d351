/**
 * A piece of memory that two processes share: an anonymous file (memfd_create(2)) that is handed
 * over as a descriptor and mapped over the pages of a shared buffer, so that atomics reach across.
 *
 * Invariants: nobody can shrink a region that is mapped (a read beyond its end would kill the
 * reader); a released region reads as zeros and holds no memory. It has no name in any folder: it is
 * gone when both ends have let go of it, however they ended.
 */
import fs from "node:fs";
import { OperationError } from "@ioi/base";
import { cString, nr, pointerTo, syscall, type SyscallResult } from "../libc/index.ts";

const pageBytes = 65_536;
const MFD_CLOEXEC_ALLOW_SEALING = 1 | 2;
const F_ADD_SEALS = 1033;
const F_GET_SEALS = 1034;
/** No further seals, no shrinking, no growing. */
const seals = 1 | 2 | 4;
const PROT_READ_WRITE = 1 | 2;
const MAP_SHARED_FIXED = 0x01 | 0x10;
const MAP_PRIVATE_FIXED_ANONYMOUS = 0x02 | 0x10 | 0x20;

/** The one buffer of the platform that begins on a page; its types come with browsers only. */
interface SharedMemory {
  readonly buffer: SharedArrayBuffer;
}
const { Memory } = (
  globalThis as unknown as {
    readonly WebAssembly: {
      readonly Memory: new (shape: {
        readonly initial: number;
        readonly maximum: number;
        readonly shared: true;
      }) => SharedMemory;
    };
  }
).WebAssembly;

const need = (answer: SyscallResult, what: string): bigint => {
  if (answer.ok) return answer.value;
  throw new OperationError("E_DATAPLANE_REGION", `${what}: errno ${answer.errno}`);
};

const checkSize = (bytes: number): void => {
  if (!Number.isSafeInteger(bytes) || bytes < pageBytes || bytes % pageBytes !== 0) {
    throw new OperationError("E_DATAPLANE_REGION", `${bytes} bytes are no whole pages`);
  }
};

export class SharedRegion implements Disposable {
  /** Keeps its pages reserved for as long as somebody can look at them. */
  readonly #memory: SharedMemory;
  readonly #address: bigint;
  #descriptor: number;
  readonly bytes: Uint8Array;
  readonly words: Int32Array;

  private constructor(descriptor: number, bytes: number) {
    const pages = bytes / pageBytes;
    this.#memory = new Memory({ initial: pages, maximum: pages, shared: true });
    this.bytes = new Uint8Array(this.#memory.buffer);
    this.words = new Int32Array(this.#memory.buffer);
    this.#address = pointerTo(this.bytes);
    this.#descriptor = descriptor;
    this.#map(MAP_SHARED_FIXED, descriptor);
  }

  #map(flags: number, descriptor: number): void {
    const { length } = this.bytes;
    const mapped = syscall(nr.mmap, this.#address, length, PROT_READ_WRITE, flags, descriptor, 0);
    need(mapped, "mmap");
  }

  /** The descriptor of new memory, all zeros, sealed, for two others to share. */
  static allocate(name: string, bytes: number): number {
    checkSize(bytes);
    const made = syscall(nr.memfd_create, cString(name), MFD_CLOEXEC_ALLOW_SEALING);
    const descriptor = Number(need(made, "memfd_create"));
    try {
      fs.ftruncateSync(descriptor, bytes);
      need(syscall(nr.fcntl, descriptor, F_ADD_SEALS, seals), "sealing");
      return descriptor;
    } catch (error) {
      fs.closeSync(descriptor);
      throw error;
    }
  }

  /** New memory, all zeros; `name` is what the system's lists call it. */
  static create(name: string, bytes: number): SharedRegion {
    const descriptor = SharedRegion.allocate(name, bytes);
    try {
      return new SharedRegion(descriptor, bytes);
    } catch (error) {
      fs.closeSync(descriptor);
      throw error;
    }
  }

  /** Memory that somebody else made; the descriptor is taken over. */
  static open(descriptor: number, bytes: number): SharedRegion {
    checkSize(bytes);
    const held = syscall(nr.fcntl, descriptor, F_GET_SEALS, 0);
    const sealed = held.ok && (Number(held.value) & seals) === seals;
    if (!sealed || fs.fstatSync(descriptor).size !== bytes) {
      throw new OperationError(
        "E_DATAPLANE_REGION",
        "the descriptor is no sealed region of that size",
      );
    }
    return new SharedRegion(descriptor, bytes);
  }

  /** For the `stdio` of the process that shares it; -1 after the release. */
  get descriptor(): number {
    return this.#descriptor;
  }

  /** Gives the memory back. Views stay usable and show zeros. */
  release(): void {
    if (this.#descriptor === -1) return;
    fs.closeSync(this.#descriptor);
    this.#descriptor = -1;
    this.#map(MAP_PRIVATE_FIXED_ANONYMOUS, -1);
  }

  [Symbol.dispose](): void {
    this.release();
  }
}
