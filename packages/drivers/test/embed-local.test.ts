/** A model from a folder: what is asked of it, what is made of its answers, and what it cannot do. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { OperationError } from "@ioi/base";
import {
  type ModelLibrary,
  modelLibrary,
  type Session,
  type Tensor,
} from "../src/embed/library.ts";
import { localEmbedder } from "../src/embed/local.ts";
import { embedTokensMax } from "../src/limits.ts";

const folder = mkdtempSync(join(tmpdir(), "ioi-onnx-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Fields of protobuf, as far as a model needs them. */
const varint = (value: number): readonly number[] =>
  value < 128 ? [value] : [(value & 127) | 128, ...varint(value >> 7)];
const bytes = (field: number, value: readonly number[]): readonly number[] => [
  ...varint((field << 3) | 2),
  ...varint(value.length),
  ...value,
];
const text = (field: number, value: string): readonly number[] =>
  bytes(field, [...Buffer.from(value)]);
const int = (field: number, value: number): readonly number[] => [
  ...varint(field << 3),
  ...varint(value),
];

const width = 3;
const rows = 8;
const table = Float32Array.from({ length: rows * width }, (_, i) => i * i);

const valueInfo = (name: string, type: number, dims: readonly (string | number)[]) => [
  ...text(1, name),
  ...bytes(
    2,
    bytes(1, [
      ...int(1, type),
      ...bytes(
        2,
        dims.flatMap((dim) => bytes(1, typeof dim === "string" ? text(2, dim) : int(1, dim))),
      ),
    ]),
  ),
];

/** A model that gives for each token its row of the table. */
const tinyModel = (): Uint8Array => {
  const node = [
    text(1, "table"),
    text(1, "input_ids"),
    text(2, "last_hidden_state"),
    text(4, "Gather"),
  ].flat();
  const values = [
    int(1, rows),
    int(1, width),
    int(2, 1),
    text(8, "table"),
    bytes(9, [...new Uint8Array(table.buffer)]),
  ].flat();
  const graph = [
    bytes(1, node),
    text(2, "tiny"),
    bytes(5, values),
    bytes(11, valueInfo("input_ids", 7, ["batch", "tokens"])),
    bytes(12, valueInfo("last_hidden_state", 1, ["batch", "tokens", width])),
  ].flat();
  return Uint8Array.from(
    [int(1, 8), bytes(7, graph), bytes(8, [...text(1, ""), ...int(2, 13)])].flat(),
  );
};

const special = (name: string, id: number) => ({ id, content: name, special: true });
const wordPiece = {
  version: "1.0",
  added_tokens: [special("[UNK]", 0), special("[CLS]", 1), special("[SEP]", 2)],
  normalizer: {
    type: "BertNormalizer",
    clean_text: true,
    handle_chinese_chars: true,
    lowercase: true,
  },
  pre_tokenizer: { type: "BertPreTokenizer" },
  post_processor: {
    type: "TemplateProcessing",
    single: [
      { SpecialToken: { id: "[CLS]", type_id: 0 } },
      { Sequence: { id: "A", type_id: 0 } },
      { SpecialToken: { id: "[SEP]", type_id: 0 } },
    ],
    pair: [],
    special_tokens: {
      "[CLS]": { id: "[CLS]", ids: [1], tokens: ["[CLS]"] },
      "[SEP]": { id: "[SEP]", ids: [2], tokens: ["[SEP]"] },
    },
  },
  decoder: { type: "WordPiece", prefix: "##", cleanup: true },
  model: {
    type: "WordPiece",
    unk_token: "[UNK]",
    continuing_subword_prefix: "##",
    max_input_chars_per_word: 100,
    vocab: { "[UNK]": 0, "[CLS]": 1, "[SEP]": 2, key: 3, "##s": 4, mat: 5 },
  },
};

const write = (tokeniser: unknown = wordPiece): void => {
  writeFileSync(join(folder, "model.onnx"), tinyModel());
  writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(tokeniser));
};

const meanOfRows = (ids: readonly number[]): readonly number[] =>
  Array.from(
    { length: width },
    (_, at) => ids.reduce((sum, id) => sum + (table[id * width + at] ?? 0), 0) / ids.length,
  );

const tokensOf = (input: Tensor | undefined): readonly number[] =>
  input?.data instanceof BigInt64Array ? [...input.data].map(Number) : [];

/** As the libraries are, for a model that gives rows of the table; tokens are lengths of words. */
const standIn = (
  session: Partial<Session> = {},
  ids?: (text: string) => readonly number[],
): ModelLibrary => ({
  session: () =>
    Promise.resolve({
      inputNames: ["input_ids", "attention_mask", "token_type_ids"],
      outputNames: ["last_hidden_state"],
      run: ({ input_ids: input }) => {
        const tokens = tokensOf(input);
        const data = Float32Array.from(
          tokens.flatMap((id) => [...table.subarray(id * width, (id + 1) * width)]),
        );
        return Promise.resolve({ last_hidden_state: { dims: [1, tokens.length, width], data } });
      },
      ...session,
    }),
  tensor: (data, dims) => ({ data, dims }),
  tokeniser: () => ({
    encode: (given) => ({
      ids: ids?.(given) ?? given.split(" ").map((word) => word.length % rows),
    }),
  }),
});

test("the mean over tokens is the vector, and the files are the identity", async () => {
  write();
  const embedder = await localEmbedder(folder, standIn());
  assert.equal(embedder.dimension, width);
  assert.deepEqual(await embedder.embed(["a bb ccc"]), [Float32Array.from(meanOfRows([1, 2, 3]))]);
  const again = await localEmbedder(folder, standIn());
  assert.deepEqual(again.identity, embedder.identity);
  write({ ...wordPiece, version: "1.1" });
  assert.notEqual(
    (await localEmbedder(folder, standIn())).identity.revision,
    embedder.identity.revision,
  );
});

test("a long text is its first tokens and its last", async () => {
  write();
  let seen: readonly number[] = [];
  const library = standIn(
    {
      run: ({ input_ids: input }) => {
        seen = tokensOf(input);
        return Promise.resolve({
          last_hidden_state: { dims: [1, width], data: new Float32Array(width).fill(1) },
        });
      },
    },
    (given) => given.split(" ").map((word) => Number(word) || 0),
  );
  const embedder = await localEmbedder(folder, library);
  await embedder.embed([Array.from({ length: 2000 }, (_, i) => i).join(" ")]);
  assert.deepEqual(seen, [...Array.from({ length: embedTokensMax - 1 }, (_, i) => i), 1999]);
});

test("files and answers that are none are errors with a code", async () => {
  const refused = async (library: ModelLibrary): Promise<void> => {
    await assert.rejects(localEmbedder(folder, library), { code: "E_EMBED_MODEL" });
  };
  rmSync(join(folder, "tokenizer.json"), { force: true });
  await refused(standIn());
  mkdirSync(join(folder, "tokenizer.json"));
  await refused(standIn());
  rmSync(join(folder, "tokenizer.json"), { recursive: true });
  writeFileSync(join(folder, "tokenizer.json"), "[");
  await refused(standIn());
  write();
  await refused(standIn({ inputNames: ["pixel_values"] }));
  await refused(standIn({}, () => []));
  await refused(standIn({}, () => [NaN]));
  await refused({ ...standIn(), session: () => Promise.reject(new Error("no model")) });
  await refused({
    ...standIn(),
    tokeniser: () => {
      throw new TypeError("no model");
    },
  });
  const outputs: readonly unknown[] = [
    {},
    { last_hidden_state: { dims: [1, 9, 3], data: new Float32Array(3) } },
    { last_hidden_state: { dims: [], data: new Float32Array() } },
    { last_hidden_state: { dims: [1, 1e9], data: new Float32Array(3) } },
    { last_hidden_state: { dims: [1, 3], data: [1, 2, 3] } },
  ];
  for (const output of outputs) {
    await refused(
      standIn({ run: () => Promise.resolve(output as Awaited<ReturnType<Session["run"]>>) }),
    );
  }
  const infinite = { last_hidden_state: { dims: [1, 3], data: Float32Array.of(1, Infinity, 0) } };
  const embedder = await localEmbedder(folder, standIn({ run: () => Promise.resolve(infinite) }));
  await assert.rejects(embedder.embed(["a"]), { code: "E_SCS_VECTOR" });
});

const installed = (() => {
  try {
    return modelLibrary();
  } catch (error) {
    if (error instanceof OperationError && error.code === "E_EMBED_LIBRARY") return undefined;
    throw error;
  }
})();

test(
  "a real model with a real tokeniser",
  { skip: installed === undefined && "local models are not installed" },
  async () => {
    write();
    const embedder = await localEmbedder(folder);
    const [given] = await embedder.embed(["Keys, mat!"]);
    const due = meanOfRows([1, 3, 4, 0, 5, 0, 2]);
    for (const [i, value] of (given ?? new Float32Array()).entries()) {
      assert.ok(Math.abs(value - (due[i] ?? 0)) < 1e-3, `${value} for ${due[i]}`);
    }
    writeFileSync(join(folder, "model.onnx"), Buffer.alloc(100, 7));
    await assert.rejects(localEmbedder(folder), { code: "E_EMBED_MODEL" });
  },
);

test(
  "without the libraries, the message is the command that installs them",
  { skip: installed !== undefined && "local models are installed" },
  () => {
    assert.throws(modelLibrary, {
      code: "E_EMBED_LIBRARY",
      next: /packages\/drivers\/onnx install/,
    });
  },
);
