/** A thread over the memory of a module that another thread leads: laid out like it, it works. */
import { parentPort, workerData } from "node:worker_threads";
import { memoryImports, type ThreadStart, wasmEngine } from "./index.ts";

interface Threaded {
  init(...layout: readonly number[]): void;
  work(): void;
}

const { module, memory, layout } = workerData as ThreadStart;
const kernel = new wasmEngine.Instance(module, memoryImports(memory)).exports as Threaded;
kernel.init(...layout);
parentPort?.postMessage("ready");
kernel.work();
