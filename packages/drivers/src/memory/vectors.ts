/**
 * Vectors of the model that a person chose for memories. This driver has no network: in the middle of an
 * act it asks for them, and whoever performs the act has the model's driver make them, by an action of
 * its own that is judged. The answer comes as two lines: the model's name, and what the model's driver
 * found. Any other answer is none.
 *
 * Bounds: one question at a time, `memoryEmbedMs`, `memoryVectorsBytesMax`.
 */
import { OperationError, utf8Decode } from "@ioi/base";
import { type Embedder, embeddedPart, functionEmbedder, indexDimensionMax } from "@ioi/scs";
import { encodeCanonical } from "@ioi/wire";
import type { ActContext } from "../core/driver.ts";
import {
  memoryEmbedCharsMax,
  memoryEmbedMs,
  memoryEmbedTextsMax,
  memoryVectorsBytesMax,
} from "../limits.ts";

/** The model for memories, if one answers; `none`: none was chosen. */
export type Chosen =
  | { readonly type: "embedder"; readonly embedder: Embedder }
  | { readonly type: "unreachable"; readonly why: string }
  | { readonly type: "none" };

interface Vectors {
  readonly name: string;
  readonly vectors: readonly Float32Array[];
}

const noVectors = (why: string): OperationError => new OperationError("E_MEMORY_EMBEDDER", why);

const isObject = (value: unknown): value is { readonly [name: string]: unknown } =>
  typeof value === "object" && value !== null;

const parsed = (line: string | undefined): { readonly [name: string]: unknown } => {
  try {
    const value: unknown = JSON.parse(line ?? "");
    if (isObject(value)) return value;
  } catch {
    // Falls through.
  }
  throw noVectors("what came is no answer");
};

const vectorOf = (value: unknown): Float32Array => {
  const all: readonly unknown[] = Array.isArray(value) ? (value as readonly unknown[]) : [];
  if (all.length > indexDimensionMax) {
    const most = `more than the ${indexDimensionMax} that an index takes`;
    const next = "choose a smaller model: ./ioi models memory ID";
    throw noVectors(`its vectors have ${all.length} numbers, ${most}; ${next}`);
  }
  const isVector = all.length > 0 && all.every((each) => typeof each === "number");
  if (!isVector) throw noVectors("what came is no vector");
  // What is finite, or more than nothing, in 64 bits need not be in 32.
  const vector = Float32Array.from(all as readonly number[]);
  const hasDirection = vector.every(Number.isFinite) && vector.some((each) => each !== 0);
  if (!hasDirection) throw noVectors("a vector without a direction came");
  return vector;
};

const vectorsIn = (answer: string, count: number): Vectors => {
  const [head, found] = answer.split("\n");
  const { name } = parsed(head);
  const { embeddings } = parsed(found);
  if (typeof name !== "string" || !Array.isArray(embeddings) || embeddings.length !== count) {
    throw noVectors(`what came is not ${count} vectors`);
  }
  const vectors = (embeddings as readonly unknown[]).map(vectorOf);
  if (vectors.some(({ length }) => length !== vectors[0]?.length)) {
    throw noVectors("vectors of different lengths came");
  }
  return { name, vectors };
};

interface Question {
  readonly id: number;
  readonly answered: (bytes: Uint8Array | undefined) => void;
  readonly refused: (why: string) => void;
}

/** The questions of one act. */
export class VectorQuestions {
  readonly #context: ActContext;
  #asked = 0;
  #open: Question | undefined;

  constructor(context: ActContext) {
    this.#context = context;
    context.input.read((bytes) => this.#open?.answered(bytes));
  }

  /** A question is not answered; without a reason, because no model was chosen. */
  refuse(id: number, why: string): void {
    if (this.#open?.id === id) this.#open.refused(why);
  }

  /** What the model makes of a text of this act; its dimension and its name come with that. */
  async choose(text: string): Promise<Chosen> {
    const part = embeddedPart(text);
    try {
      const first = await this.#ask([part]);
      return first === undefined
        ? { type: "none" }
        : { type: "embedder", embedder: this.#embedder(first, part) };
    } catch (error) {
      if (!(error instanceof OperationError) || error.code !== "E_MEMORY_EMBEDDER") throw error;
      return { type: "unreachable", why: error.message };
    }
  }

  #embedder(first: Vectors, known: string): Embedder {
    const { name, vectors } = first;
    const [vector = new Float32Array(0)] = vectors;
    const identity = { kind: "openai", name, revision: "" };
    return functionEmbedder({ identity, dimension: vector.length }, async (texts) => {
      const [only] = texts;
      if (texts.length === 1 && only === known) return [vector];
      return await this.#all(first, texts);
    });
  }

  /** In questions of bounded size. */
  async #all(first: Vectors, texts: readonly string[]): Promise<readonly Float32Array[]> {
    const found: Float32Array[] = [];
    let part: string[] = [];
    let chars = 0;
    const ask = async (): Promise<void> => {
      if (part.length === 0) return;
      const answer = await this.#ask(part);
      const isSame =
        answer?.name === first.name && answer.vectors[0]?.length === first.vectors[0]?.length;
      if (!isSame) throw noVectors("another model answers now");
      found.push(...answer.vectors);
      part = [];
      chars = 0;
    };
    for (const text of texts) {
      const isFull =
        part.length >= memoryEmbedTextsMax || chars + text.length > memoryEmbedCharsMax;
      if (isFull) await ask();
      part.push(text);
      chars += text.length;
    }
    await ask();
    return found;
  }

  /** Undefined: no model was chosen. */
  async #ask(texts: readonly string[]): Promise<Vectors | undefined> {
    const { signal } = this.#context;
    signal.throwIfAborted();
    const id = ++this.#asked;
    const answer = await new Promise<string | undefined>((resolve, reject) => {
      const pieces: Uint8Array[] = [];
      let bytes = 0;
      const late = setTimeout(
        () => end(() => reject(noVectors("no answer came in time"))),
        memoryEmbedMs,
      );
      const gone = (): void => end(() => reject(signal.reason as Error));
      const end = (settle: () => void): void => {
        clearTimeout(late);
        signal.removeEventListener("abort", gone);
        this.#open = undefined;
        settle();
      };
      signal.addEventListener("abort", gone, { once: true });
      this.#open = {
        id,
        refused: (why) => end(() => (why === "" ? resolve(undefined) : reject(noVectors(why)))),
        answered: (piece) => {
          bytes += piece?.length ?? 0;
          if (piece === undefined || bytes > memoryVectorsBytesMax) {
            end(() => reject(noVectors("the answer has no end")));
            return;
          }
          pieces.push(piece);
          if (!isWhole(pieces)) return;
          const text = utf8Decode(Buffer.concat(pieces));
          end(() => (text === undefined ? reject(noVectors("it is no text")) : resolve(text)));
        },
      };
      this.#context.want({ id, target: "model::embed", args: encodeCanonical({ texts }) });
    });
    return answer === undefined ? undefined : vectorsIn(answer, texts.length);
  }
}

/** Both lines are there. */
const isWhole = (pieces: readonly Uint8Array[]): boolean => {
  if (pieces.at(-1)?.at(-1) !== 10) return false;
  let lines = 0;
  for (const piece of pieces) {
    for (let at = piece.indexOf(10); at >= 0; at = piece.indexOf(10, at + 1)) lines++;
  }
  return lines >= 2;
};
