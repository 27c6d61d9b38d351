/**
 * What a data folder needs before a kernel can run on it: its sub-folders, the terminal's device
 * key, the shipped policy and prices, and afterwards the genesis that names the Guardian.
 *
 * Every file is written whole (temporary, sync, rename), so that a first run which is interrupted
 * is simply continued by the next one.
 */
import fs from "node:fs";
import path from "node:path";
import { fromHex, OperationError, toHex, utf8Encode } from "@ioi/base";
import { defaultPolicy, defaultPrices } from "@ioi/firewall";
import { nodeCrypto } from "@ioi/host/crypto";
import type { DataFolder } from "@ioi/host/ports";
import { jcsBytes } from "@ioi/wire";

const folders = [
  "device",
  "guardian",
  "identity",
  "logs",
  "orchestrator",
  "run",
  "vault",
  "workload",
] as const;

const deviceKeyPath = "device/terminal.key";
const policyPath = "guardian/policy.toml";
const pricesPath = "guardian/prices.toml";
export const identityPath = "identity/guardian.pub";
const genesisPath = "identity/genesis.json";
const smallBytesMax = 65_536;

const readDevice = async (data: DataFolder): Promise<Uint8Array> => {
  const bytes = await data.files.readFile(deviceKeyPath, smallBytesMax);
  try {
    const { publicKey } = JSON.parse(Buffer.from(bytes).toString("utf8")) as {
      publicKey?: unknown;
    };
    const raw = typeof publicKey === "string" ? fromHex(publicKey) : undefined;
    if (raw?.length === 32) return raw;
  } catch {
    // Reported below, like any other damage.
  }
  throw new OperationError("E_DATA_CORRUPT", `${deviceKeyPath} is damaged`, {
    next: `remove ${path.join(data.path, deviceKeyPath)}; the next start makes a new key`,
  });
};

/** Makes what is missing. Returns the device keys that may approve. */
export const prepareDataFolder = async (data: DataFolder): Promise<readonly Uint8Array[]> => {
  for (const folder of folders) {
    fs.mkdirSync(path.join(data.path, folder), { mode: 0o700, recursive: true });
  }
  if ((await data.files.stat(deviceKeyPath)) === undefined) {
    const key = nodeCrypto.generate("ed25519");
    const text = JSON.stringify({
      publicKey: toHex(key.publicKey),
      seed: toHex(nodeCrypto.exportPrivate(key)),
    });
    await data.files.replaceFile(deviceKeyPath, utf8Encode(`${text}\n`), 0o600);
  }
  if ((await data.files.stat(policyPath)) === undefined) {
    await data.files.replaceFile(policyPath, utf8Encode(defaultPolicy), 0o600);
  }
  if ((await data.files.stat(pricesPath)) === undefined) {
    await data.files.replaceFile(pricesPath, utf8Encode(defaultPrices), 0o600);
  }
  return [await readDevice(data)];
};

export interface Genesis {
  readonly format: 1;
  readonly chainId: string;
  readonly mode: "mode-0";
  readonly createdMs: number;
  readonly guardian: string;
  readonly anchor: "software";
}

/** The chain's id commits to everything else in its genesis. */
const chainIdOf = ({
  guardian,
  createdMs,
  mode,
  anchor,
}: Omit<Genesis, "chainId" | "format">): string =>
  toHex(nodeCrypto.sha256(jcsBytes({ anchor, createdMs, guardian, mode })));

/** The chain's identity: made once from the Guardian's, and never again. */
export const chainOf = async (data: DataFolder, identity: Uint8Array): Promise<string> => {
  if ((await data.files.stat(genesisPath)) === undefined) {
    const createdMs = Date.now();
    const seed = {
      guardian: toHex(identity),
      createdMs,
      mode: "mode-0",
      anchor: "software",
    } as const;
    const genesis: Genesis = { format: 1, chainId: chainIdOf(seed), ...seed };
    await data.files.replaceFile(identityPath, utf8Encode(`${toHex(identity)}\n`), 0o600);
    await data.files.replaceFile(genesisPath, utf8Encode(`${JSON.stringify(genesis)}\n`), 0o600);
    return genesis.chainId;
  }
  const text = Buffer.from(await data.files.readFile(genesisPath, smallBytesMax)).toString("utf8");
  try {
    const genesis = JSON.parse(text) as Genesis;
    if (
      genesis.format === 1 &&
      genesis.guardian === toHex(identity) &&
      genesis.chainId === chainIdOf(genesis)
    ) {
      return genesis.chainId;
    }
  } catch {
    // Reported below.
  }
  throw new OperationError(
    "E_DATA_CORRUPT",
    `${genesisPath} does not name this Guardian; identity/ and guardian/ are of different folders`,
    { next: "restore both from one backup of the data folder" },
  );
};
