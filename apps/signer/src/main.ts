/**
 * The program `guardian-signer`: wiring only. It has no network; what it knows stands in its own folder,
 * which it locks. Whoever starts it calls `Signer` on descriptor 3 and configures it on 7; see
 * `@ioi/host/process`.
 */
import type { Log } from "@ioi/base";
import { nodeCrypto } from "@ioi/host/crypto";
import { applyNotDumpable } from "@ioi/host/libc";
import { openFiles } from "@ioi/host/ports";
import { dieOn, type KernelProcess, runKernelProcess } from "@ioi/host/process";
import { SoftwareAnchor } from "./anchor.ts";
import { SignerService } from "./service.ts";

interface Config {
  readonly dir: string;
}

const start = async ({ dir }: Config, log: Log): Promise<KernelProcess> => {
  applyNotDumpable();
  const files = openFiles(dir);
  const lock = await files.lock("lock");
  const anchor = await SoftwareAnchor.open(files, nodeCrypto);
  const service = await SignerService.open(anchor, nodeCrypto, dieOn(log));
  log.log("info", "signer.opened", { anchor: "software", rollbackProtection: "none" });
  return {
    hello: () => ({ name: "signer" }),
    drain: async () => {
      await service.drain();
      await lock[Symbol.asyncDispose]();
    },
    services: [service.implementation],
  };
};

await runKernelProcess<Config>("signer", start);
