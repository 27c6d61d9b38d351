/**
 * The key store: named secrets in one authenticated file.
 *
 * Layout, version 1, big-endian:
 *
 *   offset  length
 *        0       8  "IOIKEYS" and NUL
 *        8       2  version, 1
 *       10       1  anchor: 1 software (a key file beside the store), 2 passphrase
 *       11       3  scrypt log2(N), r, p; zero for the software anchor
 *       14      16  salt, new for every write
 *       30       2  number of records
 *       32      32  HMAC-SHA256 under the header key over bytes 0..31
 *       64       8  first bytes of SHA-256 over bytes 0..63
 *   then each record:
 *            1 + n  length of the name, name (UTF-8)
 *                1  kind: 0 secret, 1 ed25519, 2 ml-dsa-44, 3 ml-dsa-65, 4 x25519, 5 ml-kem-768
 *                2  length of the secret
 *               12  nonce
 *           m + 16  AES-256-GCM under the record key
 *
 *   store key  = the key file's 32 bytes, or scrypt(passphrase, salt)
 *   header key = HKDF-SHA256(store key, salt, "ioi/crypto/key-store/v1" 0x00 "header")
 *   record key = HKDF-SHA256(store key, salt, "ioi/crypto/key-store/v1" 0x00 "record")
 *   associated data of a record = header (72 bytes) || index (2) || the record up to its nonce
 *
 * The checksum tells damage (E_KEYSTORE_CORRUPT) from a wrong key (E_KEYSTORE_LOCKED). Records
 * cannot be moved, dropped, renamed or mixed from two writes; a record that does not open is named.
 * A store replaced whole by an older one opens: only a hardware anchor can tell.
 */
import {
  assert,
  concatBytes,
  equalBytes,
  err,
  ok,
  type Rejection,
  type Result,
  uintBE,
  utf8Decode,
  utf8Encode,
} from "@ioi/base";
import { domainBytes, domains } from "./domains.ts";
import {
  keyNameBytesMax,
  keySecretBytesMax,
  keyStoreRecordsMax,
  scryptLog2CostMax,
} from "./limits.ts";
import type { CryptoProvider, Hashing, KeyAlgorithm, ScryptParams } from "./provider.ts";

export interface KeyStoreRecord {
  readonly name: string;
  /** `secret` is a symmetric key. */
  readonly kind: KeyAlgorithm | "secret";
  /** The seed of a private key, or the bytes of a secret. */
  readonly secret: Uint8Array;
}

export type KeyStoreAnchor =
  | { readonly type: "software"; readonly salt: Uint8Array }
  | { readonly type: "passphrase"; readonly salt: Uint8Array; readonly scrypt: ScryptParams };

export type KeyStoreError = Rejection<
  "E_KEYSTORE_CORRUPT" | "E_KEYSTORE_VERSION" | "E_KEYSTORE_LOCKED"
>;

const magic = utf8Encode("IOIKEYS\0");
const version = 1;
const saltFrom = 14;
const countFrom = 30;
const macFrom = 32;
const checksumFrom = 64;
const headerBytes = 72;
const nonceBytes = 12;
const tagBytes = 16;
export const storeKeyBytes = 32;
export const keyStoreSaltBytes = 16;

const kinds = ["secret", "ed25519", "ml-dsa-44", "ml-dsa-65", "x25519", "ml-kem-768"] as const;

const corrupt = (what: string): Result<never, KeyStoreError> =>
  err({ code: "E_KEYSTORE_CORRUPT", message: `the key store is damaged: ${what}` });

const deriveKey = (
  provider: CryptoProvider,
  storeKey: Uint8Array,
  salt: Uint8Array,
  use: "header" | "record",
): Uint8Array =>
  provider.hkdfSha256(storeKey, salt, domainBytes(domains.keyStore, utf8Encode(use)), 32);

/** The store key behind a passphrase. Slow by intent. */
export const passphraseStoreKey = (
  provider: CryptoProvider,
  anchor: Extract<KeyStoreAnchor, { type: "passphrase" }>,
  passphrase: string,
): Uint8Array =>
  provider.scrypt(utf8Encode(passphrase.normalize("NFC")), anchor.salt, anchor.scrypt);

const encodeHeader = (
  provider: CryptoProvider,
  anchor: KeyStoreAnchor,
  storeKey: Uint8Array,
  count: number,
): Uint8Array => {
  const scrypt = anchor.type === "passphrase" ? anchor.scrypt : undefined;
  const plain = concatBytes(
    magic,
    uintBE(version, 2),
    Uint8Array.of(
      anchor.type === "software" ? 1 : 2,
      scrypt?.log2Cost ?? 0,
      scrypt?.blockSize ?? 0,
      scrypt?.parallel ?? 0,
    ),
    anchor.salt,
    uintBE(count, 2),
  );
  const mac = provider.hmacSha256(deriveKey(provider, storeKey, anchor.salt, "header"), plain);
  const authenticated = concatBytes(plain, mac);
  const checksum = provider.sha256(authenticated).subarray(0, headerBytes - checksumFrom);
  return concatBytes(authenticated, checksum);
};

const associated = (header: Uint8Array, index: number, prefix: Uint8Array): Uint8Array =>
  concatBytes(header, uintBE(index, 2), prefix);

/** Fresh nonces from the provider; give a fresh salt for every write. */
export const sealKeyStore = (
  provider: CryptoProvider,
  anchor: KeyStoreAnchor,
  storeKey: Uint8Array,
  records: readonly KeyStoreRecord[],
): Uint8Array => {
  assert(storeKey.length === storeKeyBytes, "a store key has 32 bytes");
  assert(anchor.salt.length === keyStoreSaltBytes, "a key store's salt has 16 bytes");
  assert(records.length <= keyStoreRecordsMax, `more than ${keyStoreRecordsMax} keys`);
  const names = new Set(records.map(({ name }) => name));
  assert(names.size === records.length, "two keys of one name");
  const header = encodeHeader(provider, anchor, storeKey, records.length);
  const recordKey = deriveKey(provider, storeKey, anchor.salt, "record");
  const sealed = records.map(({ name, kind, secret }, index) => {
    const encodedName = utf8Encode(name);
    assert(
      encodedName.length > 0 && encodedName.length <= keyNameBytesMax && isKeyName(name),
      `not a name for a key: ${name}`,
    );
    assert(secret.length <= keySecretBytesMax, "a secret is too long");
    const prefix = concatBytes(
      Uint8Array.of(encodedName.length),
      encodedName,
      Uint8Array.of(kinds.indexOf(kind)),
      uintBE(secret.length, 2),
    );
    const nonce = provider.randomBytes(nonceBytes);
    const body = provider.seal(recordKey, nonce, secret, associated(header, index, prefix));
    return concatBytes(prefix, nonce, body);
  });
  recordKey.fill(0);
  return concatBytes(header, ...sealed);
};

const isKeyName = (name: string): boolean => /^[\u0021-\u007e]+$/.test(name);

/** What the header says; needed to get the store key. Not yet authenticated. */
export const readKeyStoreAnchor = (
  provider: Hashing,
  bytes: Uint8Array,
): Result<KeyStoreAnchor, KeyStoreError> => {
  if (bytes.length < magic.length + 2 || !magic.every((byte, i) => bytes[i] === byte)) {
    return corrupt("its first bytes are not those of a key store");
  }
  const found = ((bytes[8] as number) << 8) | (bytes[9] as number);
  if (found > version) {
    return err({
      code: "E_KEYSTORE_VERSION",
      message: `the key store has version ${found}; this program knows up to ${version}`,
    });
  }
  if (found !== version || bytes.length < headerBytes) return corrupt("its header");
  const checksum = provider.sha256(bytes.subarray(0, checksumFrom));
  const stored = bytes.subarray(checksumFrom, headerBytes);
  if (!equalBytes(checksum.subarray(0, stored.length), stored)) return corrupt("its header");
  const [type, log2Cost, blockSize, parallel] = bytes.subarray(10, saltFrom);
  const salt = bytes.slice(saltFrom, countFrom);
  if (type === 1) return ok({ type: "software", salt });
  const scrypt = {
    log2Cost: log2Cost as number,
    blockSize: blockSize as number,
    parallel: parallel as number,
  };
  const sane =
    type === 2 &&
    scrypt.log2Cost >= 1 &&
    scrypt.log2Cost <= scryptLog2CostMax &&
    scrypt.blockSize >= 1 &&
    scrypt.blockSize <= 16 &&
    scrypt.parallel >= 1 &&
    scrypt.parallel <= 4;
  return sane ? ok({ type: "passphrase", salt, scrypt }) : corrupt("its header");
};

interface RawRecord {
  readonly name: string;
  readonly kind: KeyStoreRecord["kind"];
  readonly prefix: Uint8Array;
  readonly nonce: Uint8Array;
  readonly body: Uint8Array;
  readonly end: number;
}

const readRecord = (bytes: Uint8Array, from: number): RawRecord | undefined => {
  const nameFrom = from + 1;
  const nameEnd = nameFrom + (bytes[from] ?? 0);
  const prefixEnd = nameEnd + 3;
  if (prefixEnd > bytes.length) return undefined;
  const name = utf8Decode(bytes.subarray(nameFrom, nameEnd));
  const kind = kinds[bytes[nameEnd] as number];
  const length = ((bytes[nameEnd + 1] as number) << 8) | (bytes[nameEnd + 2] as number);
  const bodyFrom = prefixEnd + nonceBytes;
  const end = bodyFrom + length + tagBytes;
  if (name === undefined || !isKeyName(name) || kind === undefined) return undefined;
  if (length > keySecretBytesMax || end > bytes.length) return undefined;
  return {
    name,
    kind,
    prefix: bytes.subarray(from, prefixEnd),
    nonce: bytes.subarray(prefixEnd, bodyFrom),
    body: bytes.subarray(bodyFrom, end),
    end,
  };
};

/** All records or a complaint that names the first bad one. */
export const openKeyStore = (
  provider: CryptoProvider,
  storeKey: Uint8Array,
  bytes: Uint8Array,
): Result<readonly KeyStoreRecord[], KeyStoreError> => {
  const anchor = readKeyStoreAnchor(provider, bytes);
  if (!anchor.ok) return anchor;
  const { salt } = anchor.value;
  const header = bytes.subarray(0, headerBytes);
  const mac = provider.hmacSha256(
    deriveKey(provider, storeKey, salt, "header"),
    header.subarray(0, macFrom),
  );
  if (!provider.equalSecret(mac, header.subarray(macFrom, checksumFrom))) {
    return err({
      code: "E_KEYSTORE_LOCKED",
      message:
        anchor.value.type === "software"
          ? "the key file does not belong to this key store"
          : "the passphrase is not the one of this key store",
    });
  }
  const count = ((bytes[countFrom] as number) << 8) | (bytes[countFrom + 1] as number);
  const recordKey = deriveKey(provider, storeKey, salt, "record");
  const records: KeyStoreRecord[] = [];
  let at = headerBytes;
  for (let index = 0; index < count; index++) {
    const raw = readRecord(bytes, at);
    if (raw === undefined) return corrupt(`record ${index + 1} of ${count} has no valid form`);
    const { name, kind, prefix, nonce, body, end } = raw;
    const secret = provider.open(recordKey, nonce, body, associated(header, index, prefix));
    if (secret === undefined) return corrupt(`record ${index + 1} of ${count} (${name})`);
    records.push({ name, kind, secret });
    at = end;
  }
  recordKey.fill(0);
  return at === bytes.length
    ? ok(records)
    : corrupt(`${bytes.length - at} bytes after the last record`);
};
