/**
 * What is kept of every memory, a row each, in pages: a column of a page in which all rows say the same is
 * one number. A row of a memory that nothing was said of takes about 16 bytes. Rows are given out as
 * copies and changed by `set`. Bounds: 2^32 - 2 memories, and numbers of 32 bits but for the offset.
 */
import { assert } from "@ioi/base";
import type { Kept } from "./kept.ts";

const pageRows = 256;
/** Of a memory in a table: nine numbers of 4 bytes behind one of 8. */
export const rowBytes = 44;
const leafColumn = 2;
type Numbers = [number, number, number, number, number, number, number, number, number];
/** Says that there is none: commits and memories are fewer. */
export const none = 0xffff_ffff;
const flags = { forgotten: 1, damaged: 2, keyless: 4 } as const;

type Page = Uint32Array | Float64Array;

class Column<P extends Page> {
  readonly #make: (rows: number) => P;
  readonly #pages: (number | P)[] = [];

  constructor(make: (rows: number) => P) {
    this.#make = make;
  }

  get(row: number): number {
    const page = this.#pages[Math.floor(row / pageRows)];
    return typeof page === "number" ? page : (page?.[row % pageRows] as number);
  }

  set(row: number, value: number): void {
    const at = Math.floor(row / pageRows);
    let page = this.#pages[at];
    if (page === undefined || page === value) {
      this.#pages[at] = value;
      return;
    }
    if (typeof page === "number") {
      const same = page;
      page = this.#make(pageRows);
      page.fill(same);
      this.#pages[at] = page;
    }
    page[row % pageRows] = value;
  }
}

const orNone = (value: number): number | undefined => (value === none ? undefined : value);

export class Rows {
  #length = 0;
  readonly #offset = new Column((rows) => new Float64Array(rows));
  /**
   * Numbers of 4 bytes, as the table has them: how far before the frame its key stands, length, leaf (less
   * the memory's number), class, commit, tombed, superseded in and by, flags.
   */
  readonly #numbers = Array.from({ length: 9 }, () => new Column((rows) => new Uint32Array(rows)));

  get length(): number {
    return this.#length;
  }

  get(id: number): Kept | undefined {
    if (!(id >= 0 && id < this.#length && Number.isInteger(id))) return undefined;
    const [back, length, ahead, kept, commit, tombedIn, supersededIn, by, bits] = this.#numbers.map(
      (column) => column.get(id),
    ) as Numbers;
    const offset = this.#offset.get(id);
    return {
      class: kept,
      leaf: (ahead + id) >>> 0,
      offset,
      length,
      keyOffset: (bits & flags.keyless) === 0 ? offset - back : 0,
      isKeyDamaged: (bits & flags.damaged) !== 0,
      commit,
      tombedIn: orNone(tombedIn),
      supersededIn: orNone(supersededIn),
      supersededBy: orNone(by),
      forgotten: (bits & flags.forgotten) !== 0,
    };
  }

  push(kept: Kept): void {
    this.#put(this.#length++, kept);
  }

  set(id: number, kept: Kept): void {
    assert(id < this.#length, `no memory ${id}`);
    this.#put(id, kept);
  }

  #put(id: number, kept: Kept): void {
    this.#offset.set(id, kept.offset);
    const isKeyless = kept.keyOffset === 0;
    const numbers: Numbers = [
      isKeyless ? 0 : kept.offset - kept.keyOffset,
      kept.length,
      (kept.leaf - id) >>> 0,
      kept.class,
      kept.commit,
      kept.tombedIn ?? none,
      kept.supersededIn ?? none,
      kept.supersededBy ?? none,
      (kept.forgotten ? flags.forgotten : 0) |
        (kept.isKeyDamaged ? flags.damaged : 0) |
        (isKeyless ? flags.keyless : 0),
    ];
    for (const [i, column] of this.#numbers.entries()) column.set(id, numbers[i] as number);
  }

  /** As a table has them, into `rows`: section 7.1 of `specs/scs/format.md`. */
  encode(rows = new Uint8Array(this.#length * rowBytes)): Uint8Array {
    const view = new DataView(rows.buffer, rows.byteOffset, rows.byteLength);
    for (let id = 0, at = 0; id < this.#length; id++, at += rowBytes) {
      view.setFloat64(at, this.#offset.get(id), true);
      for (const [i, column] of this.#numbers.entries()) {
        const value = i === leafColumn ? column.get(id) + id : column.get(id);
        view.setUint32(at + 8 + 4 * i, value, true);
      }
    }
    return rows;
  }

  /** `bytes`: a whole number of rows. */
  static decode(bytes: Uint8Array): Rows {
    const rows = new Rows();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    rows.#length = bytes.length / rowBytes;
    for (let id = 0, at = 0; id < rows.#length; id++, at += rowBytes) {
      rows.#offset.set(id, view.getFloat64(at, true));
      for (const [i, column] of rows.#numbers.entries()) {
        const value = view.getUint32(at + 8 + 4 * i, true);
        column.set(id, i === leafColumn ? (value - id) >>> 0 : value);
      }
    }
    return rows;
  }
}
