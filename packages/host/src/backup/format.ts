/**
 * The form of a backup, version 1, big-endian:
 *
 *   offset  length
 *        0       8  "IOIBACK" and NUL
 *        8       2  version, 1
 *       10       1  0 plain, 1 sealed under a passphrase
 *       11       3  scrypt log2(N), r, p; zero where plain
 *       14      16  salt
 *       30      32  HMAC-SHA256 under the header key over bytes 0..29; zero where plain
 *       62       8  first bytes of SHA-256 over bytes 0..61
 *   then chunks: 4 bytes (bit 31: the last one; the rest: length), then the chunk, which is plain
 *   or AES-256-GCM with nonce = index (12 bytes), associated data = header || those 4 bytes.
 *
 * The chunks joined are entries, each 4 bytes of length, a canonical `backupEntry`, the content of a
 * file and its SHA-256; then four zero bytes, a canonical `backupManifest` and its signature, each
 * after 4 bytes of length. The manifest's hash covers every byte before it, so that no entry can be
 * moved, changed, dropped or added; the signature is the Guardian's identity's.
 */
import { concatBytes, equalBytes, OperationError, uintBE, utf8Encode } from "@ioi/base";
import {
  type CryptoProvider,
  domainBytes,
  domains,
  type ScryptParams,
  scryptLog2CostMax,
} from "@ioi/crypto";
import { schema } from "@ioi/wire";

const { int, oneOf, optional, record, text, bytes } = schema;

export const backupEntry = record({
  /** Relative, `/`-separated, normal. */
  path: text(4096),
  type: oneOf("file", "folder", "link"),
  mode: int(0, 0o777),
  mtimeMs: int(),
  /** Bytes of a file. */
  size: int(),
  /** Of a link. */
  target: optional(text(4096)),
});
export type BackupEntry = schema.Infer<typeof backupEntry>;

export const backupManifest = record({
  version: int(1, 1),
  createdMs: int(),
  /** Format of the data folder. */
  format: int(1),
  entries: int(),
  bytes: int(),
  /** Raw ML-DSA-65 key of the Guardian whose folder it is. */
  identity: bytes(1952),
  /** The receipt log: leaves and root. */
  receipts: record({ size: int(), root: bytes(32) }),
  /** SHA-256 over everything before. */
  content: bytes(32),
});
export type BackupManifest = schema.Infer<typeof backupManifest>;

export const magic: Uint8Array = utf8Encode("IOIBACK\0");
export const headerBytes = 70;
const plainBytes = 30;
const macEnd = 62;
const scrypt: ScryptParams = { log2Cost: 16, blockSize: 8, parallel: 1 };

export const corrupt = (what: string): OperationError =>
  new OperationError("E_BACKUP_CORRUPT", `the backup is damaged: ${what}`);

export interface BackupKey {
  readonly header: Uint8Array;
  /** Undefined: the chunks are plain. */
  readonly key: Uint8Array | undefined;
}

const derive = (
  provider: CryptoProvider,
  secret: Uint8Array,
  salt: Uint8Array,
  use: string,
): Uint8Array =>
  provider.hkdfSha256(secret, salt, domainBytes(domains.backup, utf8Encode(use)), 32);

const secretOf = (
  provider: CryptoProvider,
  passphrase: string,
  salt: Uint8Array,
  params: ScryptParams,
): Uint8Array => provider.scrypt(utf8Encode(passphrase.normalize("NFC")), salt, params);

export const newHeader = (provider: CryptoProvider, passphrase: string | undefined): BackupKey => {
  const salt = provider.randomBytes(16);
  const sealed = passphrase !== undefined;
  const plain = concatBytes(
    magic,
    uintBE(1, 2),
    sealed
      ? Uint8Array.of(1, scrypt.log2Cost, scrypt.blockSize, scrypt.parallel)
      : new Uint8Array(4),
    salt,
  );
  const secret = sealed ? secretOf(provider, passphrase, salt, scrypt) : undefined;
  const mac =
    secret === undefined
      ? new Uint8Array(32)
      : provider.hmacSha256(derive(provider, secret, salt, "header"), plain);
  const authenticated = concatBytes(plain, mac);
  const header = concatBytes(authenticated, provider.sha256(authenticated).subarray(0, 8));
  return {
    header,
    key: secret === undefined ? undefined : derive(provider, secret, salt, "chunk"),
  };
};

export const openHeader = (
  provider: CryptoProvider,
  header: Uint8Array,
  passphrase: string | undefined,
): BackupKey => {
  if (header.length < magic.length + 2 || !magic.every((byte, at) => header[at] === byte)) {
    throw corrupt("its first bytes are not those of a backup");
  }
  const version = ((header[8] as number) << 8) | (header[9] as number);
  if (version > 1) {
    throw new OperationError(
      "E_BACKUP_VERSION",
      `the backup has version ${version}; this program knows up to 1`,
    );
  }
  if (version !== 1 || header.length !== headerBytes) throw corrupt("its header");
  const sum = provider.sha256(header.subarray(0, macEnd)).subarray(0, 8);
  if (!equalBytes(sum, header.subarray(macEnd))) throw corrupt("its header");
  const [kind, log2Cost = 0, blockSize = 0, parallel = 0] = header.subarray(10, 14);
  if (kind === 0) return { header, key: undefined };
  const sane =
    kind === 1 &&
    log2Cost >= 1 &&
    log2Cost <= scryptLog2CostMax &&
    blockSize >= 1 &&
    blockSize <= 16 &&
    parallel >= 1 &&
    parallel <= 4;
  if (!sane) throw corrupt("its header");
  if (passphrase === undefined) {
    throw new OperationError("E_BACKUP_LOCKED", "the backup is sealed under a passphrase");
  }
  const salt = header.subarray(14, plainBytes);
  const secret = secretOf(provider, passphrase, salt, { log2Cost, blockSize, parallel });
  const mac = provider.hmacSha256(
    derive(provider, secret, salt, "header"),
    header.subarray(0, plainBytes),
  );
  if (!provider.equalSecret(mac, header.subarray(plainBytes, macEnd))) {
    throw new OperationError("E_BACKUP_LOCKED", "the passphrase is not the one of this backup");
  }
  return { header, key: derive(provider, secret, salt, "chunk") };
};

const lastBit = 0x8000_0000;
export const tagBytes = 16;

export const chunkHead = (length: number, last: boolean): Uint8Array =>
  uintBE(last ? length + lastBit : length, 4);

export const readChunkHead = (
  head: Uint8Array,
): { readonly length: number; readonly last: boolean } => {
  const value = Buffer.from(head).readUInt32BE();
  return value >= lastBit
    ? { length: value - lastBit, last: true }
    : { length: value, last: false };
};

/** A key is used for one archive: the index is a nonce that never comes again. */
export const nonceOf = (index: number): Uint8Array => uintBE(index, 12);
