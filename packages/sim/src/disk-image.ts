/** Bytes that grow and shrink, cut into sectors: what a file holds in memory or on the disk. */

export class Image {
  #bytes: Uint8Array;
  #size: number;

  constructor(content: Uint8Array = new Uint8Array()) {
    this.#bytes = content.slice();
    this.#size = content.length;
  }

  get size(): number {
    return this.#size;
  }

  copy(): Image {
    return new Image(this.#bytes.subarray(0, this.#size));
  }

  read(offset: number, length: number): Uint8Array {
    return this.#bytes.slice(Math.min(offset, this.#size), Math.min(offset + length, this.#size));
  }

  write(offset: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.resize(Math.max(this.#size, offset + bytes.length));
    this.#bytes.set(bytes, offset);
  }

  /** What is cut off is forgotten; what is added is zero. */
  resize(size: number): void {
    if (size > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(size, 2 * this.#bytes.length));
      larger.set(this.#bytes.subarray(0, this.#size));
      this.#bytes = larger;
    }
    if (size < this.#size) this.#bytes.fill(0, size, this.#size);
    this.#size = size;
  }

  /** One sector, filled up with zeros at the end of the file. */
  sector(index: number, sectorBytes: number): Uint8Array {
    const sector = new Uint8Array(sectorBytes);
    sector.set(this.read(index * sectorBytes, sectorBytes));
    return sector;
  }

  /** Puts a sector back, as far as it lies within the file. */
  setSector(index: number, sector: Uint8Array): void {
    const offset = index * sector.length;
    const length = Math.min(sector.length, this.#size - offset);
    if (length > 0) this.#bytes.set(sector.subarray(0, length), offset);
  }
}
