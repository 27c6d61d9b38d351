/**
 * This browser's key. Either WebCrypto's, which no script can read but every program of the person
 * that reads the browser's profile can, or an authenticator's, which signs when it is touched. It
 * lives in this origin's own storage; the page around never meets it.
 */
import { type Offer, offerDevice, type Signed } from "./api.ts";
import { type Bytes, concat, encodeAssertion, inDomain, sha256 } from "./bytes.ts";

export interface StoredKey {
  readonly kind: "webcrypto" | "webauthn";
  readonly publicKey: Bytes;
  /** Of WebCrypto; cannot be exported. */
  readonly privateKey?: CryptoKey;
  readonly credentialId: Bytes;
  /** The Guardian's name of it. */
  readonly device: Bytes;
}

const done = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("storage failed"));
  });

const open = (): Promise<IDBDatabase> => {
  const request = indexedDB.open("ioi", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("keys");
  return done(request);
};

const withStore = async <T>(
  mode: IDBTransactionMode,
  run: (store: IDBObjectStore) => IDBRequest<T>,
): Promise<T> => {
  const database = await open();
  try {
    return await done(run(database.transaction("keys", mode).objectStore("keys")));
  } finally {
    database.close();
  }
};

export const storedKey = (): Promise<StoredKey | undefined> =>
  withStore("readonly", (store) => store.get("own") as IDBRequest<StoredKey | undefined>);

const store = (key: StoredKey): Promise<IDBValidKey> =>
  withStore("readwrite", (keys) => keys.put(key, "own"));

export const hasAuthenticators = (): boolean => typeof PublicKeyCredential === "function";

const browserName = (): string => {
  const brand = /(?:Firefox|Edg|Chrome|Safari)\/[\d]+/.exec(navigator.userAgent)?.[0] ?? "browser";
  return brand.replace("/", " ").replace("Edg ", "Edge ");
};

const nothing: Bytes = new Uint8Array(0);

const makeWebCrypto = async (): Promise<Omit<StoredKey, "device">> => {
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const pair = await crypto.subtle.generateKey(algorithm, false, ["sign", "verify"]);
  const publicKey = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  return { kind: "webcrypto", publicKey, privateKey: pair.privateKey, credentialId: nothing };
};

/** Where a P-256 key stands in the browser's encoding of it (SubjectPublicKeyInfo): at the end. */
const pointOf = (spki: Bytes): Bytes => spki.slice(-65);

const makeWebAuthn = async (): Promise<Omit<StoredKey, "device">> => {
  const made = await navigator.credentials.create({
    publicKey: {
      // Nothing is proved by making the key; what it signs later is.
      challenge: crypto.getRandomValues(new Uint8Array(32)),
      rp: { id: location.hostname, name: "IOI" },
      user: {
        id: crypto.getRandomValues(new Uint8Array(16)),
        name: "IOI approvals",
        displayName: "IOI approvals",
      },
      pubKeyCredParams: [{ type: "public-key", alg: -7 }],
      authenticatorSelection: { residentKey: "discouraged", userVerification: "preferred" },
      attestation: "none",
      timeout: 120_000,
    },
  });
  const response = (made as PublicKeyCredential | null)?.response;
  if (!(response instanceof AuthenticatorAttestationResponse)) throw new Error("no key was made");
  const spki = response.getPublicKey();
  if (spki === null) throw new Error("the authenticator made a key of another kind");
  const credentialId = new Uint8Array((made as PublicKeyCredential).rawId);
  return { kind: "webauthn", publicKey: pointOf(new Uint8Array(spki)), credentialId };
};

export interface Offered {
  readonly key: StoredKey;
  readonly code: string;
  readonly expiresMs: number;
}

/** Offers a key for pairing; made anew, or the one that is there. */
export const offerKey = async (
  kind: StoredKey["kind"],
  known: StoredKey | undefined,
): Promise<Offered> => {
  const made =
    known?.kind === kind
      ? known
      : kind === "webauthn"
        ? await makeWebAuthn()
        : await makeWebCrypto();
  const offer: Offer = {
    kind,
    name: browserName(),
    publicKey: made.publicKey,
    credentialId: made.credentialId,
  };
  const { device, code, expiresMs } = await offerDevice(offer);
  const key = { ...made, device };
  await store(key);
  return { key, code, expiresMs };
};

const assertion = async (key: StoredKey, signedBytes: Bytes): Promise<Bytes> => {
  const given = await navigator.credentials.get({
    publicKey: {
      challenge: await sha256(signedBytes),
      rpId: location.hostname,
      allowCredentials: [{ type: "public-key", id: key.credentialId }],
      userVerification: "preferred",
      timeout: 120_000,
    },
  });
  const response = (given as PublicKeyCredential | null)?.response;
  if (!(response instanceof AuthenticatorAssertionResponse)) throw new Error("nothing was signed");
  return encodeAssertion({
    authenticatorData: new Uint8Array(response.authenticatorData),
    clientDataJson: new Uint8Array(response.clientDataJSON),
    signature: new Uint8Array(response.signature),
  });
};

/** The statement, signed under its domain. */
export const sign = async (key: StoredKey, domain: string, statement: Bytes): Promise<Signed> => {
  const signedBytes = inDomain(domain, statement);
  if (key.kind === "webauthn") {
    return { statement, signature: await assertion(key, signedBytes), device: key.device };
  }
  if (key.privateKey === undefined) throw new Error("this browser has no key");
  const algorithm = { name: "ECDSA", hash: "SHA-256" };
  const signature = await crypto.subtle.sign(algorithm, key.privateKey, signedBytes);
  return { statement, signature: concat(new Uint8Array(signature)), device: key.device };
};
