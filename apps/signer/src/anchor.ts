/**
 * The software anchor: a record in a folder that is locked, and the keys of sessions beside it. No
 * rollback protection: the record is whatever stands in the folder.
 *
 * Invariant: after a crash the record is the old one or the new one, whole; `persist` returns when the
 * new one is durable.
 */
import { type Files, OperationError, toHex } from "@ioi/base";
import { emptyStore, sessionAlgorithm, sessionId, type SignerStore } from "@ioi/consensus";
import type { CryptoProvider, SigningKey } from "@ioi/crypto";
import { schema, signerRecord } from "@ioi/wire";
import { recordBytesMax } from "./limits.ts";

const recordPath = "anchor";
const keyEnding = ".key";
const keyPath = (session: Uint8Array): string => `${toHex(session)}${keyEnding}`;

export class SoftwareAnchor {
  readonly #files: Files;
  readonly #provider: CryptoProvider;
  readonly gid: Uint8Array;
  readonly store: SignerStore;
  readonly #keys: ReadonlyMap<string, SigningKey>;

  private constructor(
    files: Files,
    provider: CryptoProvider,
    gid: Uint8Array,
    store: SignerStore,
    keys: ReadonlyMap<string, SigningKey>,
  ) {
    this.#files = files;
    this.#provider = provider;
    this.gid = gid;
    this.store = store;
    this.#keys = keys;
  }

  /** The caller holds the folder's lock. */
  static async open(files: Files, provider: CryptoProvider): Promise<SoftwareAnchor> {
    const names = await files.list("");
    const keys = new Map<string, SigningKey>();
    for (const name of names.filter((each) => each.endsWith(keyEnding))) {
      const key = provider.importPrivate(sessionAlgorithm, await files.readFile(name, 32));
      if (!key.ok) throw new OperationError("E_SIGNER_SEAL", `${name} is no session's key`);
      keys.set(toHex(sessionId(provider, key.value.publicKey)), key.value);
    }
    if (!names.includes(recordPath)) {
      // A folder with keys and no record lost it: a new Guardian there would be another one.
      if (keys.size > 0) throw new OperationError("E_SIGNER_SEAL", "there are keys and no record");
      return new SoftwareAnchor(files, provider, provider.randomBytes(32), emptyStore, keys);
    }
    const record = schema.decode(signerRecord, await files.readFile(recordPath, recordBytesMax));
    if (!record.ok) throw new OperationError("E_SIGNER_SEAL", record.error.message);
    const { gid, counter, leaseEnd, seal } = record.value;
    return new SoftwareAnchor(files, provider, gid, { anchor: { counter, leaseEnd }, seal }, keys);
  }

  keyOf(session: Uint8Array): SigningKey | undefined {
    return this.#keys.get(toHex(session));
  }

  async persist({ anchor, seal }: SignerStore): Promise<void> {
    const record = {
      version: 1,
      gid: this.gid,
      ...anchor,
      ...(seal === undefined ? {} : { seal }),
    };
    await this.#files.replaceFile(recordPath, schema.encode(signerRecord, record));
  }

  /** Durable before it is used. */
  async newKey(): Promise<SigningKey> {
    const key = this.#provider.generate(sessionAlgorithm);
    const session = sessionId(this.#provider, key.publicKey);
    await this.#files.replaceFile(keyPath(session), this.#provider.exportPrivate(key));
    return key;
  }

  /** Of sessions that were given up. */
  async forgetKeysBut(session: Uint8Array): Promise<void> {
    const kept = keyPath(session);
    for (const name of await this.#files.list("")) {
      if (name.endsWith(keyEnding) && name !== kept) await this.#files.remove(name);
    }
    await this.#files.syncDirectory("");
  }
}
