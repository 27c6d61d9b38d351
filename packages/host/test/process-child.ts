/** A process of the kernel for `process.test.ts`: its configuration says how it behaves. */
import { OperationError } from "@ioi/base";
import { type KernelProcess, runKernelProcess, startMetrics } from "@ioi/host/process";

interface Config {
  readonly name: string;
  readonly start?: "operation" | "bug";
  readonly hello?: "bug" | "later-bug" | "rejection";
  readonly secret?: string;
}

const kernelProcess = (config: Config): KernelProcess => ({
  hello: () => {
    if (config.hello === "bug") throw new TypeError(config.secret);
    if (config.hello === "later-bug") void Promise.reject(new RangeError(config.secret));
    if (config.hello === "rejection") void Promise.reject({ secret: config.secret });
    return { name: config.name };
  },
  drain: async () => {
    process.stderr.write(`${JSON.stringify({ event: "test.drained" })}\n`);
  },
});

await runKernelProcess<Config>("test", async (config) => {
  startMetrics("test");
  if (config.start === "operation") throw new OperationError("E_DATA_LOCKED", "taken by 42");
  if (config.start === "bug") throw new TypeError(config.secret);
  return kernelProcess(config);
});
