/**
 * Reads a backup into a fresh folder. Everything is checked before the folder may be used: every
 * chunk, every file's hash, the hash over all, the signature. Hostile archives: names that lead
 * elsewhere, links on the way, endless lengths, other modes, all end in one refusal; nothing is
 * written outside the folder, and the caller removes the folder where this throws.
 */
import { createHash } from "node:crypto";
import fs from "node:fs";
import fsp from "node:fs/promises";
import path from "node:path";
import { concatBytes, equalBytes, OperationError } from "@ioi/base";
import { type CryptoProvider, domainBytes, domains } from "@ioi/crypto";
import { schema } from "@ioi/wire";
import {
  type BackupEntry,
  backupEntry,
  type BackupKey,
  type BackupManifest,
  backupManifest,
  corrupt,
  headerBytes,
  nonceOf,
  openHeader,
  readChunkHead,
  tagBytes,
} from "./format.ts";
import {
  backupChunkBytes,
  backupEntriesMax,
  backupEntryBytesMax,
  backupManifestBytesMax,
} from "./limits.ts";

export interface RestoreInput {
  readonly file: string;
  /** Absolute; there and empty. */
  readonly folder: string;
  readonly passphrase: string | undefined;
  /** The Guardian that must have signed it; undefined: whichever the backup names. */
  readonly identity: Uint8Array | undefined;
  readonly signal: AbortSignal;
}

/** Exactly `length` bytes of a file; fewer is a backup cut short. */
const readExactly = async (
  handle: fsp.FileHandle,
  at: number,
  length: number,
): Promise<Uint8Array> => {
  const bytes = new Uint8Array(length);
  let have = 0;
  while (have < length) {
    const { bytesRead } = await handle.read(bytes, have, length - have, at + have);
    if (bytesRead === 0) throw corrupt("it ends too early");
    have += bytesRead;
  }
  return bytes;
};

class Pieces {
  readonly #handle: fsp.FileHandle;
  readonly #provider: CryptoProvider;
  readonly #key: BackupKey;
  readonly #hash = createHash("sha256");
  #at = headerBytes;
  #index = 0;
  #last = false;
  #piece: Uint8Array = new Uint8Array(0);

  constructor(handle: fsp.FileHandle, provider: CryptoProvider, key: BackupKey) {
    this.#handle = handle;
    this.#provider = provider;
    this.#key = key;
  }

  /** SHA-256 over everything taken so far. */
  digest(): Uint8Array {
    return this.#hash.copy().digest();
  }

  /** At most `most` of the bytes that come next; at least one. */
  async some(most: number): Promise<Uint8Array> {
    while (this.#piece.length === 0) await this.#next();
    const part = this.#piece.subarray(0, most);
    this.#piece = this.#piece.subarray(part.length);
    this.#hash.update(part);
    return part;
  }

  async exactly(length: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let left = length;
    while (left > 0) {
      const part = await this.some(left);
      parts.push(part);
      left -= part.length;
    }
    return concatBytes(...parts);
  }

  async length(max: number): Promise<number> {
    const value = Buffer.from(await this.exactly(4)).readUInt32BE();
    if (value > max) throw corrupt("a part of it is too long");
    return value;
  }

  /** Nothing may follow. */
  async end(): Promise<void> {
    while (!this.#last && this.#piece.length === 0) await this.#next();
    const { size } = await this.#handle.stat();
    if (this.#piece.length > 0 || this.#at !== size) throw corrupt("more follows its end");
  }

  async #next(): Promise<void> {
    if (this.#last) throw corrupt("it ends too early");
    const head = await readExactly(this.#handle, this.#at, 4);
    const { length, last } = readChunkHead(head);
    if (length > backupChunkBytes) throw corrupt("a part of it is too long");
    const { header, key } = this.#key;
    const stored = key === undefined ? length : length + tagBytes;
    const body = await readExactly(this.#handle, this.#at + 4, stored);
    this.#at += 4 + stored;
    const plain =
      key === undefined
        ? body
        : this.#provider.open(key, nonceOf(this.#index), body, concatBytes(header, head));
    if (plain === undefined) throw corrupt(`piece ${this.#index + 1} was changed`);
    this.#index += 1;
    this.#last = last;
    this.#piece = plain;
  }
}

/** Why an entry's name cannot be taken; undefined where it can. */
const nameComplaint = ({ path: name }: BackupEntry, folders: ReadonlyMap<string, unknown>) => {
  const segments = name.split("/");
  const bad = segments.some(
    (each) => each === "" || each === "." || each === ".." || each.includes("\0"),
  );
  if (bad || Buffer.byteLength(name) > 4096) return "it leads elsewhere";
  const parent = segments.slice(0, -1).join("/");
  return parent === "" || folders.has(parent) ? undefined : "no folder holds it";
};

const writeFile = async (pieces: Pieces, full: string, entry: BackupEntry): Promise<void> => {
  await using handle = await fsp.open(full, "wx", 0o600);
  const hash = createHash("sha256");
  let left = entry.size;
  while (left > 0) {
    const part = await pieces.some(left);
    left -= part.length;
    hash.update(part);
    await handle.writeFile(part);
  }
  if (!equalBytes(hash.digest(), await pieces.exactly(32))) {
    throw corrupt(`${JSON.stringify(entry.path)} was changed`);
  }
  await handle.chmod(entry.mode);
  await handle.utimes(entry.mtimeMs / 1000, entry.mtimeMs / 1000);
  await handle.sync();
};

const readTree = async (input: RestoreInput, pieces: Pieces) => {
  const folders = new Map<string, BackupEntry>();
  const seen = new Set<string>();
  let bytes = 0;
  for (;;) {
    input.signal.throwIfAborted();
    const length = await pieces.length(backupEntryBytesMax);
    if (length === 0) break;
    const decoded = schema.decode(backupEntry, await pieces.exactly(length));
    if (!decoded.ok) throw corrupt("an entry does not decode");
    const entry = decoded.value;
    const complaint = nameComplaint(entry, folders);
    if (complaint !== undefined || seen.has(entry.path) || seen.size >= backupEntriesMax) {
      throw corrupt(`${JSON.stringify(entry.path)}: ${complaint ?? "it is there twice"}`);
    }
    seen.add(entry.path);
    bytes += entry.size;
    const full = path.join(input.folder, entry.path);
    if (entry.type === "file") await writeFile(pieces, full, entry);
    else if (entry.type === "folder") {
      await fsp.mkdir(full, { mode: 0o700 });
      folders.set(entry.path, entry);
    } else await fsp.symlink(entry.target ?? "", full);
  }
  return { folders, entries: seen.size, bytes };
};

/** Modes and times of folders last, the innermost first: writing into one changes them. */
const finishFolders = async (
  folder: string,
  folders: ReadonlyMap<string, BackupEntry>,
): Promise<void> => {
  for (const [name, { mode, mtimeMs }] of [...folders].toReversed()) {
    const full = path.join(folder, name);
    await fsp.utimes(full, mtimeMs / 1000, mtimeMs / 1000);
    await fsp.chmod(full, mode);
  }
};

/** Restores the archive; what it says of itself is checked. */
export const readBackup = async (
  provider: CryptoProvider,
  input: RestoreInput,
): Promise<BackupManifest> => {
  await using handle = await fsp.open(input.file, fs.constants.O_RDONLY);
  const stat = await handle.stat();
  if (!stat.isFile()) throw corrupt("it is not a file");
  const header = await readExactly(handle, 0, Math.min(stat.size, headerBytes));
  const key = openHeader(provider, header, input.passphrase);
  const pieces = new Pieces(handle, provider, key);
  const { folders, entries, bytes } = await readTree(input, pieces);
  const content = pieces.digest();
  const encoded = await pieces.exactly(await pieces.length(backupManifestBytesMax));
  const signature = await pieces.exactly(await pieces.length(8192));
  await pieces.end();
  const manifest = schema.decode(backupManifest, encoded);
  if (!manifest.ok) throw corrupt("its manifest does not decode");
  const { identity } = manifest.value;
  const signed = domainBytes(domains.backup, encoded);
  const whole =
    equalBytes(manifest.value.content, content) &&
    manifest.value.entries === entries &&
    manifest.value.bytes === bytes &&
    provider.verify("ml-dsa-65", identity, signed, signature);
  if (!whole) throw corrupt("its manifest does not fit what it holds");
  if (input.identity !== undefined && !equalBytes(input.identity, identity)) {
    throw new OperationError("E_BACKUP_FOREIGN", "another Guardian signed this backup");
  }
  await finishFolders(input.folder, folders);
  return manifest.value;
};
