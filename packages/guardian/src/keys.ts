/**
 * The Guardian's own keys: an identity (ML-DSA-65, for life), a root secret from which every
 * session's data key is derived, and a ticket key that lives one boot.
 *
 * At rest they stand in `guardian/keystore`, sealed under the key in `guardian/keystore.key`
 * (anchor `software`: it protects a copied key store, not against a program that reads both).
 */
import {
  type Files,
  fromHex,
  OperationError,
  toHex,
  unwrap,
  utf8Decode,
  utf8Encode,
  type WallMs,
} from "@ioi/base";
import {
  type CryptoProvider,
  domainBytes,
  domains,
  keyStoreSaltBytes,
  openKeyStore,
  type PrivateKey,
  sealKeyStore,
  signPayload,
  storeKeyBytes,
} from "@ioi/crypto";
import { bootKey, schema, signed } from "@ioi/wire";

export interface GuardianKeys {
  readonly identity: PrivateKey<"ml-dsa-65">;
  readonly bootId: Uint8Array;
  readonly ticketKey: PrivateKey<"ed25519">;
  /** Canonical `signed` bootKey. */
  readonly bootCertificate: Uint8Array;
  sessionKey(session: string): Uint8Array;
  /** What the key of a session of the chain is made from. */
  chainSession(nonce: Uint8Array): Uint8Array;
  /** Of the file of secrets. */
  readonly secretsKey: Uint8Array;
  /** Of the memory file. */
  readonly memoryKey: Uint8Array;
}

const storePath = "keystore";
const keyPath = "keystore.key";
const keystoreBytesMax = 65_536;

const keysError = (message: string, cause?: unknown): OperationError =>
  new OperationError("E_GUARDIAN_KEYS", message, cause === undefined ? {} : { cause });

const createStore = async (files: Files, provider: CryptoProvider): Promise<void> => {
  const storeKey = provider.randomBytes(storeKeyBytes);
  const identity = provider.generate("ml-dsa-65");
  const sealed = sealKeyStore(
    provider,
    { type: "software", salt: provider.randomBytes(keyStoreSaltBytes) },
    storeKey,
    [
      { name: "identity", kind: "ml-dsa-65", secret: provider.exportPrivate(identity) },
      { name: "sessions", kind: "secret", secret: provider.randomBytes(32) },
    ],
  );
  // The key first: a crash in between leaves no store, and the next start makes both anew.
  await files.replaceFile(keyPath, utf8Encode(`${toHex(storeKey)}\n`), 0o600);
  await files.replaceFile(storePath, sealed, 0o600);
};

/** A file that is too large, or that the disk does not give back, is as damaged as any other. */
const readWhole = async (files: Files, path: string, bytesMax: number): Promise<Uint8Array> => {
  try {
    return await files.readFile(path, bytesMax);
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    throw keysError(`guardian/${path}: ${error.message}`, error);
  }
};

const readStore = async (files: Files, provider: CryptoProvider) => {
  const sealed = await readWhole(files, storePath, keystoreBytesMax);
  if ((await files.stat(keyPath)) === undefined)
    throw keysError("guardian/keystore.key is missing");
  const text = utf8Decode(await readWhole(files, keyPath, 256))?.trim();
  const storeKey = text === undefined ? undefined : fromHex(text);
  if (storeKey?.length !== storeKeyBytes) throw keysError("guardian/keystore.key is damaged");
  const records = openKeyStore(provider, storeKey, sealed);
  if (!records.ok) throw keysError(`guardian/keystore: ${records.error.message}`, records.error);
  const named = (name: string): Uint8Array => {
    const record = records.value.find((each) => each.name === name);
    if (record === undefined) throw keysError(`guardian/keystore holds no key named ${name}`);
    return record.secret;
  };
  return { identity: named("identity"), sessions: named("sessions") };
};

/** Opens the keys, or makes them where neither key store nor log exists yet. */
export const openGuardianKeys = async (
  files: Files,
  provider: CryptoProvider,
  nowMs: WallMs,
  mayCreate: boolean,
): Promise<GuardianKeys> => {
  if ((await files.stat(storePath)) === undefined) {
    if (!mayCreate) throw keysError("guardian/keystore is missing although receipts exist");
    await createStore(files, provider);
  }
  const store = await readStore(files, provider);
  const identity = unwrap(provider.importPrivate("ml-dsa-65", store.identity), "identity");
  const ticketKey = provider.generate("ed25519");
  const bootId = provider.randomBytes(16);
  const certificate = signPayload(
    provider,
    identity,
    domains.bootKey,
    schema.encode(bootKey, {
      version: 1,
      bootId,
      publicKey: ticketKey.publicKey,
      notBeforeMs: nowMs,
    }),
  );
  return {
    identity,
    bootId,
    ticketKey,
    bootCertificate: schema.encode(signed, certificate),
    secretsKey: provider.hkdfSha256(
      store.sessions,
      new Uint8Array(32),
      domainBytes(domains.secrets, new Uint8Array(0)),
      32,
    ),
    memoryKey: provider.hkdfSha256(
      store.sessions,
      new Uint8Array(32),
      domainBytes(domains.memoryKey, new Uint8Array(0)),
      32,
    ),
    chainSession: (nonce) =>
      provider.hkdfSha256(
        store.sessions,
        new Uint8Array(32),
        domainBytes(domains.chainSession, nonce),
        32,
      ),
    sessionKey: (session) =>
      provider.hkdfSha256(
        store.sessions,
        new Uint8Array(32),
        domainBytes(domains.sessionKey, utf8Encode(session)),
        32,
      ),
  };
};
