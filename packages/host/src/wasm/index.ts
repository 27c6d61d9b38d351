/**
 * WebAssembly over shared memory, in this thread and in others: what a package that names no engine is
 * given. A module imports `env.memory` and exports it, `init` and `work`.
 *
 * Bounds: each memory reserves 4 GiB of addresses and takes what it uses. A thread does not keep the
 * process alive, and ends when `work` returns.
 */
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { InvariantError } from "@ioi/base";

/** As far as it is used; the language's own types do not have it. */
export interface WasmEngine {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
  readonly Memory: new (kind: object) => { readonly buffer: ArrayBufferLike };
}
export const { WebAssembly: wasmEngine } = globalThis as unknown as {
  readonly WebAssembly: WasmEngine;
};

/** 4 GiB, which is what addresses of 32 bits reach. */
const pagesMax = 65_536;
const threadsMax = 4;

export interface ThreadStart {
  readonly module: object;
  readonly memory: object;
  readonly layout: readonly number[];
}

export interface WasmSource<Exports> {
  open(): Exports;
  /** As many as there are processors, at most four. */
  readonly threads: number;
  start(kernel: Exports, layouts: readonly (readonly number[])[]): Promise<void>;
}

const startThread = async (data: ThreadStart): Promise<void> => {
  const worker = new Worker(new URL("./thread.ts", import.meta.url), { workerData: data });
  await once(worker, "message");
  worker.unref();
};

export const memoryImports = (memory: object): object => ({
  env: {
    memory,
    abort: (): void => {
      throw new InvariantError("a kernel gave up");
    },
  },
});

/** Compiled once, when it is first opened; every `open` has a memory of its own. */
export const wasmSource = <Exports extends { readonly memory: object }>(
  base64: string,
): WasmSource<Exports> => {
  let compiled: object | undefined;
  const compile = (): object => (compiled ??= new wasmEngine.Module(Buffer.from(base64, "base64")));
  return {
    threads: Math.min(threadsMax, availableParallelism()),
    open: () => {
      const memory = new wasmEngine.Memory({ initial: 1, maximum: pagesMax, shared: true });
      return new wasmEngine.Instance(compile(), memoryImports(memory)).exports as Exports;
    },
    start: async ({ memory }, layouts) => {
      const module = compile();
      await Promise.all(layouts.map((layout) => startThread({ module, memory, layout })));
    },
  };
};
