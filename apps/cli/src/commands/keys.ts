/** `ioi keys`: public keys in full, private ones by their place only. */
import { createHash } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { exitCodes, fromHex } from "@ioi/base";
import type { Handler } from "../context.ts";
import { type FolderPaths, readBounded, requireFolder } from "../kernel/folder.ts";

interface KeyRow {
  readonly name: string;
  readonly algorithm: string;
  /** In hex; null where it is not there or not readable. */
  readonly publicKey: string | null;
  /** SHA-256 of the raw public key. */
  readonly fingerprint: string | null;
  readonly publicFile: string;
  readonly privateFile: string;
  /** Octal permission bits of the private file; null where it is not there. */
  readonly privateMode: string | null;
}

const hexIn = (path: string): string | undefined => {
  if (!existsSync(path)) return undefined;
  const text = Buffer.from(readBounded(path)).toString("utf8").trim();
  return fromHex(text) === undefined || text === "" ? undefined : text;
};

const devicePublicKey = (path: string): string | undefined => {
  if (!existsSync(path)) return undefined;
  try {
    const value = JSON.parse(Buffer.from(readBounded(path)).toString("utf8")) as {
      readonly publicKey?: unknown;
    };
    return typeof value.publicKey === "string" ? value.publicKey : undefined;
  } catch {
    // A malformed key is reported where it is used; here it is one that is not there.
    return undefined;
  }
};

const row = (
  name: string,
  algorithm: string,
  publicKey: string | undefined,
  publicFile: string,
  privateFile: string,
): KeyRow => {
  const bytes = publicKey === undefined ? undefined : fromHex(publicKey);
  const mode = existsSync(privateFile) ? statSync(privateFile).mode & 0o777 : undefined;
  return {
    name,
    algorithm,
    publicKey: publicKey ?? null,
    fingerprint: bytes === undefined ? null : createHash("sha256").update(bytes).digest("hex"),
    publicFile,
    privateFile,
    privateMode: mode === undefined ? null : `0${mode.toString(8)}`,
  };
};

export const keyRows = (paths: FolderPaths): readonly KeyRow[] => [
  row(
    "guardian identity",
    "ml-dsa-65",
    hexIn(paths.identityKey),
    paths.identityKey,
    join(paths.root, "guardian/keystore"),
  ),
  row(
    "terminal device",
    "ed25519",
    devicePublicKey(paths.deviceKey),
    paths.deviceKey,
    paths.deviceKey,
  ),
];

export const keys: Handler<object> = async (context) => {
  const rows = keyRows(requireFolder(context.dataFolder));
  const { output } = context;
  output.value({ schema: "ioi.keys/1", keys: rows });
  for (const key of rows) {
    output.line(`${key.name} (${key.algorithm})`);
    output.line(`  fingerprint ${key.fingerprint ?? "not there"}`);
    output.line(`  public key  ${key.publicFile}`);
    const mode = key.privateMode === null ? "not there" : `mode ${key.privateMode}`;
    output.line(`  private key ${key.privateFile}, ${mode}`);
  }
  return exitCodes.done;
};
