/** What makes vectors of texts: whoever implements it does the work, the file records its identity. */
import type { Signal } from "@ioi/base";

export interface EmbedderIdentity {
  readonly kind: string;
  readonly name: string;
  readonly revision: string;
}

export interface Embedder {
  readonly identity: EmbedderIdentity;
  /** Of what it gives. */
  readonly dimension: number;
  /** Nearly no better than words: its weight in a fusion is near nothing. */
  readonly isWeak: boolean;
  /** One vector a text, in their order. */
  embed(texts: readonly string[], signal?: Signal): Promise<readonly Float32Array[]>;
}
