/**
 * Writes a backup of a folder. The caller holds the folder's lock, so that nothing changes
 * meanwhile; what changes all the same is an error, never a backup that lies.
 */
import { createHash } from "node:crypto";
import fs from "node:fs";
import fsp from "node:fs/promises";
import path from "node:path";
import { concatBytes, OperationError, uintBE } from "@ioi/base";
import type { CryptoProvider } from "@ioi/crypto";
import { schema } from "@ioi/wire";
import {
  type BackupEntry,
  backupEntry,
  type BackupKey,
  type BackupManifest,
  backupManifest,
  chunkHead,
  newHeader,
  nonceOf,
} from "./format.ts";
import { backupChunkBytes, backupEntriesMax, passphraseCharsMax } from "./limits.ts";

/** Not part of a folder's state: sockets, the lock of who has it, earlier backups. */
const leftOut: ReadonlySet<string> = new Set(["run", "lock", "backups"]);

export interface BackupInput {
  /** Absolute. */
  readonly folder: string;
  /** A file that must not exist; readable by its owner alone. */
  readonly file: string;
  /** Undefined: the archive is not sealed, keys included. */
  readonly passphrase: string | undefined;
  readonly about: Pick<BackupManifest, "createdMs" | "format" | "identity" | "receipts">;
  /** By the Guardian's identity. */
  readonly sign: (manifest: Uint8Array) => Uint8Array;
  readonly signal: AbortSignal;
}

class Chunks {
  readonly #out: fsp.FileHandle;
  readonly #provider: CryptoProvider;
  readonly #key: BackupKey;
  readonly #hash = createHash("sha256");
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #index = 0;

  constructor(out: fsp.FileHandle, provider: CryptoProvider, key: BackupKey) {
    this.#out = out;
    this.#provider = provider;
    this.#key = key;
  }

  /** SHA-256 over everything so far. */
  digest(): Uint8Array {
    return this.#hash.copy().digest();
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#hash.update(bytes);
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    while (this.#waitingBytes > backupChunkBytes) await this.#flush(backupChunkBytes, false);
  }

  async end(): Promise<void> {
    await this.#flush(this.#waitingBytes, true);
  }

  async #flush(length: number, last: boolean): Promise<void> {
    const all = Buffer.concat(this.#waiting);
    this.#waiting = [all.subarray(length)];
    this.#waitingBytes = all.length - length;
    const head = chunkHead(length, last);
    const { header, key } = this.#key;
    const plain = all.subarray(0, length);
    const body =
      key === undefined
        ? plain
        : this.#provider.seal(key, nonceOf(this.#index), plain, concatBytes(header, head));
    this.#index += 1;
    await this.#out.writeFile(concatBytes(head, body));
  }
}

const entryOf = (name: string, stat: fs.Stats, target?: string): BackupEntry => ({
  path: name,
  type: stat.isFile() ? "file" : stat.isDirectory() ? "folder" : "link",
  mode: stat.mode & 0o777,
  mtimeMs: Math.trunc(stat.mtimeMs),
  size: stat.isFile() ? stat.size : 0,
  ...(target === undefined ? {} : { target }),
});

const changed = (name: string): OperationError =>
  new OperationError("E_BACKUP_ENTRY", `${name} changed while it was read`);

/** The content as long as it was found to be, and its hash. */
const writeContent = async (chunks: Chunks, full: string, entry: BackupEntry): Promise<void> => {
  await using handle = await fsp.open(full, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
  const hash = createHash("sha256");
  let left = entry.size;
  while (left > 0) {
    const piece = new Uint8Array(Math.min(left, backupChunkBytes));
    const { bytesRead } = await handle.read(piece, 0, piece.length, entry.size - left);
    if (bytesRead === 0) throw changed(entry.path);
    left -= bytesRead;
    hash.update(piece.subarray(0, bytesRead));
    await chunks.write(piece.subarray(0, bytesRead));
  }
  if ((await handle.stat()).size !== entry.size) throw changed(entry.path);
  await chunks.write(hash.digest());
};

const writeTree = async (input: BackupInput, chunks: Chunks) => {
  let entries = 0;
  let bytes = 0;
  const visit = async (below: string): Promise<void> => {
    const names = await fsp.readdir(path.join(input.folder, below));
    for (const name of names.toSorted((a, b) => (a < b ? -1 : 1))) {
      if (below === "" && leftOut.has(name)) continue;
      input.signal.throwIfAborted();
      if ((entries += 1) > backupEntriesMax) {
        throw new OperationError("E_BACKUP_ENTRY", `more than ${backupEntriesMax} entries`);
      }
      const relative = below === "" ? name : `${below}/${name}`;
      const full = path.join(input.folder, relative);
      const stat = await fsp.lstat(full);
      if (!stat.isFile() && !stat.isDirectory() && !stat.isSymbolicLink()) {
        throw new OperationError("E_BACKUP_ENTRY", `${relative} is a device, socket or pipe`);
      }
      const target = stat.isSymbolicLink() ? await fsp.readlink(full) : undefined;
      const entry = entryOf(relative, stat, target);
      const encoded = schema.encode(backupEntry, entry);
      await chunks.write(concatBytes(uintBE(encoded.length, 4), encoded));
      if (entry.type === "file") await writeContent(chunks, full, entry);
      bytes += entry.size;
      if (entry.type === "folder") await visit(relative);
    }
  };
  await visit("");
  await chunks.write(new Uint8Array(4));
  return { entries, bytes };
};

/** Writes the archive and makes it durable; leaves nothing behind where it fails. */
export const writeBackup = async (
  provider: CryptoProvider,
  input: BackupInput,
): Promise<BackupManifest> => {
  if ((input.passphrase ?? "x").length > passphraseCharsMax || input.passphrase === "") {
    throw new OperationError("E_BACKUP_LOCKED", "a passphrase has 1 to 1024 characters");
  }
  const handle = await fsp.open(input.file, "wx", 0o600);
  try {
    const key = newHeader(provider, input.passphrase);
    await handle.writeFile(key.header);
    const chunks = new Chunks(handle, provider, key);
    const counted = await writeTree(input, chunks);
    const manifest: BackupManifest = {
      version: 1,
      ...input.about,
      ...counted,
      content: chunks.digest(),
    };
    const encoded = schema.encode(backupManifest, manifest);
    const signature = input.sign(encoded);
    await chunks.write(concatBytes(uintBE(encoded.length, 4), encoded));
    await chunks.write(concatBytes(uintBE(signature.length, 4), signature));
    await chunks.end();
    await handle.sync();
    await handle.close();
    return manifest;
  } catch (error) {
    await handle.close().catch(() => undefined);
    await fsp.rm(input.file, { force: true });
    throw error;
  }
};
