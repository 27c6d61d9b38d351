/**
 * The rotation of `quantise.ts` in a kernel: the same operations in the same order, two numbers at a
 * time, so the same components on every machine. The kernel may hold a graph besides.
 */
import type { RotationExports } from "./exports.ts";

export class KernelRotation {
  readonly #kernel: RotationExports;
  readonly #given: Float32Array;
  readonly #components: Int16Array;

  /** `signs`: of the three rounds, each as long as what is stored. */
  constructor(kernel: RotationExports, signs: readonly Float64Array[]) {
    const stored = signs[0]?.length ?? 0;
    kernel.layRotation(stored);
    this.#kernel = kernel;
    // Memory is shared, so what grows it later leaves these where they are.
    const { buffer } = kernel.memory;
    this.#given = new Float32Array(buffer, kernel.givenAt() >>> 0, stored);
    this.#components = new Int16Array(buffer, kernel.componentsAt() >>> 0, stored);
    for (const [round, of] of signs.entries()) {
      const at = (kernel.signsAt() >>> 0) + round * stored * Float64Array.BYTES_PER_ELEMENT;
      new Float64Array(buffer, at, stored).set(of);
    }
  }

  /** Undefined: a vector without a direction. It is no longer than what is stored. */
  components(vector: Float32Array, scale: number): Int16Array | undefined {
    this.#given.set(vector);
    return this.#kernel.rotate(scale) === 0 ? undefined : new Int16Array(this.#components);
  }
}
