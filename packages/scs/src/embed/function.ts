/**
 * An embedder from a function: it is called with few texts at a time, and what it gives is looked at
 * before anybody stores it. Every embedder that asks somebody else is made of this.
 */
import { OperationError, type Signal } from "@ioi/base";
import { embedTextCharsMax, embedTextsPerCall } from "../limits.ts";
import type { Embedder, EmbedderIdentity } from "./embedder.ts";

export type EmbedFunction = (
  texts: readonly string[],
  signal: Signal | undefined,
) => Promise<readonly (Float32Array | readonly number[])[]>;

export interface FunctionEmbedderOptions {
  readonly identity: EmbedderIdentity;
  readonly dimension: number;
  readonly isWeak?: boolean;
}

/** As much as is given to an embedder of a long text: its beginning. */
export const embeddedPart = (text: string): string => {
  if (text.length <= embedTextCharsMax) return text;
  const cut = text.slice(0, embedTextCharsMax);
  // Not through a pair.
  return cut.isWellFormed() ? cut : cut.slice(0, -1);
};

export const functionEmbedder = (
  { identity, dimension, isWeak = false }: FunctionEmbedderOptions,
  call: EmbedFunction,
): Embedder => {
  const fail = (message: string): OperationError =>
    new OperationError("E_SCS_VECTOR", `${identity.kind} ${identity.name}: ${message}`);
  const ask = async (
    texts: readonly string[],
    signal: Signal | undefined,
  ): Promise<readonly Float32Array[]> => {
    signal?.throwIfAborted();
    const given = await call(texts.map(embeddedPart), signal);
    if (given.length !== texts.length) {
      throw fail(`${given.length} vectors for ${texts.length} texts`);
    }
    return given.map((vector) => {
      if (vector.length !== dimension) {
        throw fail(`a vector of ${vector.length} components where ${dimension} are due`);
      }
      const checked = Float32Array.from(vector);
      if (!checked.every(Number.isFinite)) throw fail("a component that is no number");
      return checked;
    });
  };
  return {
    identity,
    dimension,
    isWeak,
    embed: async (texts, signal) => {
      const vectors: Float32Array[] = [];
      for (let at = 0; at < texts.length; at += embedTextsPerCall) {
        const part = texts.slice(at, at + embedTextsPerCall);
        for (const vector of await ask(part, signal)) vectors.push(vector);
      }
      return vectors;
    },
  };
};
