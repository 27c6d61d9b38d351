/** From texts and vectors to what is stored and asked: embedding, with what it needs and refuses. */
import type { Signal } from "@ioi/base";
import type { Embedder } from "../embed/embedder.ts";
import { operation, type Place } from "../header.ts";
import type { Parameters } from "../messages.ts";
import { Quantiser } from "../quantise.ts";
import type { RecallQuery } from "./types.ts";

export class Vectoriser {
  readonly #path: string;
  readonly #embedder: Embedder | undefined;
  readonly #quantiser: Quantiser | undefined;

  constructor({ path, provider }: Place, { index }: Parameters, embedder: Embedder | undefined) {
    const { dimension, quantiserSeed } = index;
    this.#path = path;
    this.#embedder = embedder;
    this.#quantiser = dimension > 0 ? new Quantiser(provider, dimension, quantiserSeed) : undefined;
  }

  /** Of the file, whether or not there is an embedder now. */
  get hasVectors(): boolean {
    return this.#quantiser !== undefined;
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
    if (this.#quantiser === undefined) return undefined;
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
    const isEmbedded = this.#quantiser !== undefined && this.#embedder !== undefined;
    if (isEmbedded && text !== undefined && text !== "") {
      return (await this.embed([text], signal))?.[0];
    }
    if (by === "auto") return undefined;
    throw operation("E_SCS_EMBEDDER", this.#path, "no embedder for a search by vectors");
  }
}
