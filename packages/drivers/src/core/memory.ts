/** The memory driver: the folder of the memory file, and nothing else. */
import { OperationError } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { openFiles } from "@ioi/host/ports";
import { type KernelExports, type KernelSource, relaxedKernel } from "@ioi/scs";
import { MemoryDriver } from "../memory/driver.ts";
import { MemoryFolder } from "../memory/file.ts";
import { RequestClaims } from "../net/claims.ts";
import type { Driver } from "./driver.ts";
import type { StartInput } from "./start.ts";

/** As far as it is used here; the language's own types do not have it. */
interface Engine {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
}
const { WebAssembly } = globalThis as unknown as { readonly WebAssembly: Engine };

/** Compiled once; every file gets an instance with a memory of its own. */
const kernelSource = (): KernelSource => {
  const module = new WebAssembly.Module(Buffer.from(relaxedKernel, "base64"));
  const imports = { env: { abort: () => undefined } };
  return { open: () => new WebAssembly.Instance(module, imports).exports as KernelExports };
};

export const openMemory = ({ profile, vault, memory }: StartInput): Driver => {
  if (memory === undefined) {
    throw new OperationError("E_DRIVER_START", "a memory driver without a folder for its file");
  }
  const folder = new MemoryFolder({
    files: openFiles(memory),
    provider: nodeCrypto,
    now: () => Date.now(),
    kernel: kernelSource(),
  });
  return new MemoryDriver(folder, new RequestClaims(vault), nodeCrypto, profile.session);
};
