/**
 * An embedder from a folder: `model.onnx` and `tokenizer.json` of a model that embeds sentences, as Hugging
 * Face has them. No network. Its identity is the hash of both files, so that another version of a model
 * is another embedder.
 *
 * A text becomes tokens, at most `embedTokensMax`; the model is asked for one text at a time, since padding
 * would change the last digits; the mean over tokens is the vector, where the model gives one a token.
 * Bounds: `localModelBytesMax`, `tokeniserBytesMax`, `embedDimensionsMax`.
 */
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { OperationError, toHex } from "@ioi/base";
import { type Embedder, functionEmbedder } from "@ioi/scs";
import {
  embedDimensionsMax,
  embedTokensMax,
  localModelBytesMax,
  tokeniserBytesMax,
} from "../limits.ts";
import { type ModelLibrary, modelLibrary, type Session, type Tensor } from "./library.ts";

const fail = (message: string, cause?: unknown): OperationError =>
  new OperationError("E_EMBED_MODEL", message, cause === undefined ? {} : { cause });

const readFirst = (folder: string, names: readonly string[], bytesMax: number): Uint8Array => {
  for (const name of names) {
    const stat = statSync(join(folder, name), { throwIfNoEntry: false });
    if (stat?.isFile() !== true) continue;
    if (stat.size > bytesMax) throw fail(`${join(folder, name)} has more than ${bytesMax} bytes`);
    return new Uint8Array(readFileSync(join(folder, name)));
  }
  throw fail(`${folder} has no ${names[0]}`);
};

const jsonOf = (bytes: Uint8Array, name: string): object => {
  try {
    const value = JSON.parse(Buffer.from(bytes).toString("utf8")) as unknown;
    if (typeof value === "object" && value !== null) return value;
  } catch (error) {
    throw fail(`${name} is no JSON`, error);
  }
  throw fail(`${name} is no JSON object`);
};

/** A call into a library that meets a stranger's file: whatever it throws is the file's fault. */
const guarded = async <T>(what: string, call: () => T | Promise<T>): Promise<T> => {
  try {
    return await call();
  } catch (error) {
    throw fail(what, error);
  }
};

const known: ReadonlySet<string> = new Set(["input_ids", "attention_mask", "token_type_ids"]);

const feedsOf = (library: ModelLibrary, session: Session, ids: readonly number[]) => {
  const dims = [1, ids.length];
  const values: Readonly<Record<string, (id: number) => bigint>> = {
    input_ids: BigInt,
    attention_mask: () => 1n,
    token_type_ids: () => 0n,
  };
  return Object.fromEntries(
    session.inputNames.map((name) => {
      const value = values[name];
      if (value === undefined) throw fail(`the model wants ${name}`);
      return [name, library.tensor(BigInt64Array.from(ids, value), dims)];
    }),
  );
};

/** One vector: as it is, or the mean over tokens. */
const pooled = ({ dims, data }: Tensor, tokens: number): Float32Array => {
  const width = dims.at(-1) ?? 0;
  const rows = dims.length === 3 ? tokens : 1;
  const isShaped =
    data instanceof Float32Array &&
    (dims.length === 2 || (dims.length === 3 && dims[1] === tokens)) &&
    dims[0] === 1 &&
    width > 0 &&
    width <= embedDimensionsMax &&
    data.length === rows * width;
  if (!isShaped) throw fail(`the model gives something of shape ${dims.join(" x ")}`);
  const vector = new Float32Array(width);
  for (const [i, value] of data.entries()) {
    vector[i % width] = (vector[i % width] as number) + value / rows;
  }
  return vector;
};

class LocalModel {
  readonly #library: ModelLibrary;
  readonly #session: Session;
  readonly #encode: (text: string) => readonly number[];

  constructor(
    library: ModelLibrary,
    session: Session,
    encode: (text: string) => readonly number[],
  ) {
    this.#library = library;
    this.#session = session;
    this.#encode = encode;
  }

  async embed(text: string): Promise<Float32Array> {
    const ids = await guarded("the tokeniser fails", () => this.#encode(text));
    if (ids.length === 0 || !ids.every(Number.isSafeInteger)) {
      throw fail("the tokeniser gives no tokens");
    }
    // The last token of all ends the text for many models.
    const kept =
      ids.length <= embedTokensMax ? ids : [...ids.slice(0, embedTokensMax - 1), ...ids.slice(-1)];
    const feeds = feedsOf(this.#library, this.#session, kept);
    const outputs = await guarded("the model fails", () => this.#session.run(feeds));
    const name =
      outputs["sentence_embedding"] === undefined
        ? this.#session.outputNames[0]
        : "sentence_embedding";
    const output = outputs[name ?? ""];
    if (output === undefined) throw fail("the model gives nothing");
    return pooled(output, kept.length);
  }
}

export const localEmbedder = async (
  folder: string,
  library: ModelLibrary = modelLibrary(),
): Promise<Embedder> => {
  const model = readFirst(folder, ["model.onnx", "onnx/model.onnx"], localModelBytesMax);
  const tokeniser = readFirst(folder, ["tokenizer.json"], tokeniserBytesMax);
  const session = await guarded("model.onnx is no model", () => library.session(model));
  const unknown = session.inputNames.find((name) => !known.has(name));
  if (unknown !== undefined) throw fail(`the model wants ${unknown}`);
  const definition = jsonOf(tokeniser, "tokenizer.json");
  const { encode } = await guarded("tokenizer.json is no tokeniser", () => {
    const made = library.tokeniser(definition, {});
    return { encode: (text: string): readonly number[] => made.encode(text).ids };
  });
  const local = new LocalModel(library, session, encode);
  const dimension = (await local.embed("dimension")).length;
  const hash = createHash("sha256").update(model).update(tokeniser).digest();
  const identity = { kind: "onnx", name: basename(folder), revision: toHex(hash) };
  return functionEmbedder({ identity, dimension }, async (texts, signal) => {
    const vectors: Float32Array[] = [];
    for (const text of texts) {
      signal?.throwIfAborted();
      vectors.push(await local.embed(text));
    }
    return vectors;
  });
};
