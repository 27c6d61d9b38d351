/**
 * The embedder that is built in: no model, no download. A text is its terms, the pairs of terms that follow
 * each other and the threes of characters within a term, each added with a sign at a place; both are from
 * a hash. Texts that share few words lie together a little better than by chance.
 *
 * Weak on purpose and said so (`isWeak`): where there are words to go by, a fusion goes by them. Source:
 * Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", 2009. The same on every engine.
 */
import { utf8Encode } from "@ioi/base";
import { eachTerm } from "../words/tokenise.ts";
import type { Embedder } from "./embedder.ts";

const dimension = 256;
const charactersOfPart = 3;
/** Weight of a whole term beside that of each of its parts. */
const wholeTerm = 4;
const pairOfTerms = 2;

/** FNV-1a in 32 bits, mixed once more so that its low bits are as good as its high ones. */
const hashOf = (feature: string): number => {
  let hash = 0x811c9dc5;
  for (const byte of utf8Encode(feature)) hash = Math.imul(hash ^ byte, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
};

const embedOne = (text: string): Float32Array => {
  const vector = new Float32Array(dimension);
  const add = (feature: string, weight: number): void => {
    const hash = hashOf(feature);
    const at = hash % dimension;
    const sign = hash >= 0x80000000 ? -1 : 1;
    vector[at] = (vector[at] as number) + sign * weight;
  };
  let last = "";
  eachTerm(text, (term) => {
    add(`t${term}`, wholeTerm);
    if (last !== "") add(`p${last} ${term}`, pairOfTerms);
    last = term;
    const around = `<${term}>`;
    for (let i = 0; i + charactersOfPart <= around.length; i++) {
      add(`c${around.slice(i, i + charactersOfPart)}`, 1);
    }
  });
  // What says nothing still has a direction, the same for all of it.
  if (vector.every((component) => component === 0)) vector[0] = 1;
  return vector;
};

export class HashedEmbedder implements Embedder {
  readonly identity = { kind: "hashed", name: "terms-pairs-threes", revision: "1" };
  readonly dimension = dimension;
  readonly isWeak = true;

  embed(texts: readonly string[]): Promise<readonly Float32Array[]> {
    return Promise.resolve(texts.map(embedOne));
  }
}
