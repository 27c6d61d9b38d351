/**
 * What runs a local model: ONNX Runtime in WebAssembly and the tokenisers of Hugging Face. Both are large
 * and few need them, so they stand in a manifest of their own (`packages/drivers/onnx`, with its lockfile)
 * and are installed by one command. Here is what of them is used, as far as it is used.
 */
import { createRequire } from "node:module";
import { OperationError } from "@ioi/base";

export interface Tensor {
  readonly dims: readonly number[];
  readonly data: unknown;
}

export interface Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  run(feeds: Readonly<Record<string, Tensor>>): Promise<Readonly<Record<string, Tensor>>>;
}

export interface Tokeniser {
  readonly encode: (text: string) => { readonly ids: readonly number[] };
}

export interface ModelLibrary {
  session(model: Uint8Array): Promise<Session>;
  tensor(values: BigInt64Array, dims: readonly number[]): Tensor;
  tokeniser(definition: object, config: object): Tokeniser;
}

interface Runtime {
  readonly env: { readonly wasm: { numThreads: number }; logLevel: string };
  readonly InferenceSession: {
    create(model: Uint8Array, options: object): Promise<Session>;
  };
  readonly Tensor: new (type: string, data: BigInt64Array, dims: readonly number[]) => Tensor;
}

interface Tokenisers {
  readonly Tokenizer: new (definition: object, config: object) => Tokeniser;
}

const folder = new URL("../../onnx/package.json", import.meta.url);
const command = "pnpm -C packages/drivers/onnx install --ignore-workspace --ignore-scripts";

/** Both libraries, or E_EMBED_LIBRARY with the command that installs them. */
export const modelLibrary = (): ModelLibrary => {
  const require = createRequire(folder);
  const load = (name: string): unknown => {
    try {
      const module = require(name) as { readonly default?: unknown };
      return module.default ?? module;
    } catch (error) {
      throw new OperationError("E_EMBED_LIBRARY", `${name} is not installed`, {
        cause: error,
        next: `.runtime/bin/${command}`,
      });
    }
  };
  const runtime = load("onnxruntime-web") as Runtime;
  const { Tokenizer } = load("@huggingface/tokenizers") as Tokenisers;
  // More threads would need memory that is shared, and give sums in another order.
  runtime.env.wasm.numThreads = 1;
  runtime.env.logLevel = "error";
  return {
    session: (model) => runtime.InferenceSession.create(model, { executionProviders: ["wasm"] }),
    tensor: (values, dims) => new runtime.Tensor("int64", values, dims),
    tokeniser: (definition, config) => new Tokenizer(definition, config),
  };
};
