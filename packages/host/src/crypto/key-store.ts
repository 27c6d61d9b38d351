/**
 * Key stores as files. The store key lies in a file of mode 0600 beside the store (the `software`
 * anchor: it keeps the store unreadable in a copy or a backup of the store alone, and protects from
 * nobody who reads as this user), or is derived from a passphrase by scrypt.
 *
 * Writes are temporary file, sync, rename, sync of the folder: the old or the new store after any
 * crash. Every write has a new salt. The key file is made once and never rewritten.
 */
import {
  closeSync,
  fchmodSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { OperationError } from "@ioi/base";
import {
  type KeyStoreAnchor,
  type KeyStoreError,
  keyStoreSaltBytes,
  type KeyStoreRecord,
  openKeyStore,
  passphraseStoreKey,
  readKeyStoreAnchor,
  sealKeyStore,
  storeKeyBytes,
} from "@ioi/crypto";
import { keyStoreFileBytesMax, scryptLog2CostNew } from "./limits.ts";
import { nodeCrypto } from "./provider.ts";

export interface KeyStoreFile {
  readonly path: string;
  /** Where the `software` anchor's key lies; `<path>.key` if not given. */
  readonly keyPath?: string;
  /** With a passphrase there is no key file. */
  readonly passphrase?: string;
  /** log2 of the scrypt cost of a new write. */
  readonly log2Cost?: number;
}

const io = (path: string, cause: unknown): OperationError =>
  new OperationError("E_KEYSTORE_IO", `${path}: ${(cause as Error).message}`, { cause });

const rejected = (path: string, error: KeyStoreError): OperationError =>
  new OperationError(error.code, `${path}: ${error.message}`);

/** The bytes, or undefined where there is no such file. */
const readPrivate = (path: string, bytesMax: number): Uint8Array | undefined => {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    if ((error as { readonly code?: string }).code === "ENOENT") return undefined;
    throw io(path, error);
  }
  try {
    const { mode, size } = fstatSync(fd);
    if ((mode & 0o077) !== 0) {
      throw new OperationError(
        "E_KEYSTORE_OPEN_TO_OTHERS",
        `${path} has mode ${(mode & 0o777).toString(8)}`,
        { next: `chmod 600 ${path}` },
      );
    }
    if (size > bytesMax) {
      throw new OperationError("E_KEYSTORE_CORRUPT", `${path}: ${size} bytes are no key store`);
    }
    return new Uint8Array(readFileSync(fd));
  } catch (error) {
    throw error instanceof OperationError ? error : io(path, error);
  } finally {
    closeSync(fd);
  }
};

const writePrivate = (path: string, bytes: Uint8Array): void => {
  const temporary = `${path}.new`;
  try {
    // One left by a crash; nothing else has this name.
    rmSync(temporary, { force: true });
    const fd = openSync(temporary, "wx", 0o600);
    try {
      fchmodSync(fd, 0o600);
      for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
    const folder = openSync(dirname(path), "r");
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  } catch (error) {
    throw io(path, error);
  }
};

const keyPathOf = (file: KeyStoreFile): string => file.keyPath ?? `${file.path}.key`;

const readStoreKey = (path: string): Uint8Array | undefined => {
  const key = readPrivate(path, storeKeyBytes);
  if (key !== undefined && key.length !== storeKeyBytes) {
    throw new OperationError(
      "E_KEYSTORE_CORRUPT",
      `${path}: the key file has ${key.length} bytes instead of ${storeKeyBytes}`,
    );
  }
  return key;
};

const storeKeyFor = (file: KeyStoreFile, anchor: KeyStoreAnchor): Uint8Array => {
  if (anchor.type === "passphrase") {
    if (file.passphrase === undefined) {
      throw new OperationError("E_KEYSTORE_LOCKED", `${file.path} needs its passphrase`);
    }
    return passphraseStoreKey(nodeCrypto, anchor, file.passphrase);
  }
  const key = readStoreKey(keyPathOf(file));
  if (key === undefined) {
    throw new OperationError("E_KEYSTORE_LOCKED", `${keyPathOf(file)} is missing`);
  }
  return key;
};

/** The records; undefined where there is no key store yet. Throws with the code of what is wrong. */
export const loadKeyStore = (
  file: KeyStoreFile,
):
  | { readonly anchor: KeyStoreAnchor["type"]; readonly records: readonly KeyStoreRecord[] }
  | undefined => {
  const bytes = readPrivate(file.path, keyStoreFileBytesMax);
  if (bytes === undefined) return undefined;
  const anchor = readKeyStoreAnchor(nodeCrypto, bytes);
  if (!anchor.ok) throw rejected(file.path, anchor.error);
  const storeKey = storeKeyFor(file, anchor.value);
  const records = openKeyStore(nodeCrypto, storeKey, bytes);
  storeKey.fill(0);
  if (!records.ok) throw rejected(file.path, records.error);
  return { anchor: anchor.value.type, records: records.value };
};

/** Replaces the whole store; makes the key file of the `software` anchor if there is none. */
export const saveKeyStore = (file: KeyStoreFile, records: readonly KeyStoreRecord[]): void => {
  const salt = nodeCrypto.randomBytes(keyStoreSaltBytes);
  let anchor: KeyStoreAnchor;
  let storeKey: Uint8Array;
  if (file.passphrase === undefined) {
    anchor = { type: "software", salt };
    const existing = readStoreKey(keyPathOf(file));
    storeKey = existing ?? nodeCrypto.randomBytes(storeKeyBytes);
    if (existing === undefined) writePrivate(keyPathOf(file), storeKey);
  } else {
    const log2Cost = file.log2Cost ?? scryptLog2CostNew;
    anchor = { type: "passphrase", salt, scrypt: { log2Cost, blockSize: 8, parallel: 1 } };
    storeKey = passphraseStoreKey(nodeCrypto, anchor, file.passphrase);
  }
  const bytes = sealKeyStore(nodeCrypto, anchor, storeKey, records);
  storeKey.fill(0);
  writePrivate(file.path, bytes);
};
