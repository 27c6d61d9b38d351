/**
 * Keys that stood in the environment when the kernel was started. They come in a file without a name
 * that every life of this process reads again; no other process reads it.
 */
import fs from "node:fs";
import { type Log, OperationError } from "@ioi/base";
import { knownKeys, type SecretStore } from "@ioi/guardian";
import { descriptors } from "@ioi/host/process";
import { offeredBytesMax } from "./limits.ts";

const readInPlace = (): string => {
  const { size } = fs.fstatSync(descriptors.offered);
  if (size > offeredBytesMax) throw new OperationError("E_PROCESS_CONFIG", "too many keys offered");
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size;) {
    const got = fs.readSync(descriptors.offered, bytes, at, size - at, at);
    if (got === 0) break;
    at += got;
  }
  const text = bytes.toString("utf8");
  bytes.fill(0);
  fs.closeSync(descriptors.offered);
  return text;
};

/** How many of the offered keys are secrets now. */
export const takeOffered = (secrets: SecretStore, log: Log): number => {
  const offered = JSON.parse(readInPlace()) as Readonly<Record<string, unknown>>;
  let taken = 0;
  for (const [name, value] of Object.entries(offered)) {
    const binding = knownKeys.get(name);
    if (binding === undefined || typeof value !== "string") continue;
    if (secrets.offer(name, value.trim(), binding)) taken++;
    else log.log("warn", "secrets.offer-refused", { name });
  }
  if (taken > 0) log.log("info", "secrets.offered", { taken });
  return taken;
};
