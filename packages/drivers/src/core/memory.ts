/** The memory driver: the folder of the memory file, and nothing else. */
import { OperationError } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { openFiles } from "@ioi/host/ports";
import { wasmSource } from "@ioi/host/wasm";
import { agentId, HashedEmbedder, type KernelExports, relaxedKernel } from "@ioi/scs";
import { MemoryDriver } from "../memory/driver.ts";
import { MemoryFolder } from "../memory/file.ts";
import { RequestClaims } from "../net/claims.ts";
import type { Driver } from "./driver.ts";
import type { StartInput } from "./start.ts";

export const openMemory = ({ profile, vault, memory, guardian }: StartInput): Driver => {
  if (memory === undefined) {
    throw new OperationError("E_DRIVER_START", "a memory driver without a folder for its file");
  }
  const folder = new MemoryFolder({
    files: openFiles(memory),
    provider: nodeCrypto,
    now: () => Date.now(),
    embedder: new HashedEmbedder(),
    kernel: wasmSource<KernelExports>(relaxedKernel),
  });
  const own = { session: profile.session, agent: agentId(nodeCrypto, guardian) };
  return new MemoryDriver(folder, new RequestClaims(vault), nodeCrypto, own);
};
