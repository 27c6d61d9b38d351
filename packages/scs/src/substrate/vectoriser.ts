/** From texts and vectors to what is stored and asked: embedding, with what it needs and refuses. */
import type { Signal } from "@ioi/base";
import type { Embedder } from "../embed/embedder.ts";
import { operation, type Place } from "../header.ts";
import type { KernelSource } from "../kernel/exports.ts";
import type { Parameters } from "../messages.ts";
import { Quantiser } from "../quantise.ts";
import type { RecallQuery } from "./types.ts";

export class Vectoriser {
  readonly #place: Place;
  readonly #index: Parameters["index"];
  readonly #embedder: Embedder | undefined;
  readonly #kernel: KernelSource;
  /** Made by the first vector. */
  #made: Quantiser | undefined;

  constructor(
    place: Place,
    { index }: Parameters,
    embedder: Embedder | undefined,
    kernel: KernelSource,
  ) {
    this.#place = place;
    this.#index = index;
    this.#embedder = embedder;
    this.#kernel = kernel;
  }

  /** Of the file, whether or not there is an embedder now. */
  get hasVectors(): boolean {
    return this.#index.dimension > 0;
  }

  get #path(): string {
    return this.#place.path;
  }

  get #quantiser(): Quantiser | undefined {
    if (!this.hasVectors) return undefined;
    const { dimension, quantiserSeed } = this.#index;
    const kernel = this.#kernel;
    return (this.#made ??= new Quantiser(
      this.#place.provider,
      dimension,
      quantiserSeed,
      kernel.open(),
    ));
  }

  get isWeak(): boolean {
    return this.#embedder?.isWeak === true;
  }

  #components(vector: Float32Array): Int16Array {
    const components = this.#quantiser?.components(vector);
    if (components === undefined) throw operation("E_SCS_VECTOR", this.#path, "it has no vectors");
    if (!components.ok) throw operation("E_SCS_VECTOR", this.#path, components.error.message);
    return components.value;
  }

  /** Of texts that are stored; undefined where the file has no vectors. */
  async embed(
    texts: readonly string[],
    signal: Signal | undefined,
  ): Promise<readonly Int16Array[] | undefined> {
    if (!this.hasVectors) return undefined;
    if (this.#embedder === undefined) {
      throw operation("E_SCS_EMBEDDER", this.#path, "it has vectors, and no embedder was given");
    }
    const vectors = await this.#embedder.embed(texts, signal);
    if (vectors.length !== texts.length) {
      throw operation("E_SCS_VECTOR", this.#path, "the embedder gave another number of vectors");
    }
    return vectors.map((vector) => this.#components(vector));
  }

  /** Of a question; undefined where it is asked by words alone. */
  async query(
    { by = "auto", text, vector }: RecallQuery,
    signal: Signal | undefined,
  ): Promise<Int16Array | undefined> {
    if (by === "words") return undefined;
    if (vector !== undefined) return this.#components(vector);
    const isEmbedded = this.hasVectors && this.#embedder !== undefined;
    if (isEmbedded && text !== undefined && text !== "") {
      return (await this.embed([text], signal))?.[0];
    }
    if (by === "auto") return undefined;
    throw operation("E_SCS_EMBEDDER", this.#path, "no embedder for a search by vectors");
  }
}
