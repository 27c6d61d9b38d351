/**
 * The keys that may answer for the person: the terminal's own, given at start, and those that were
 * paired, as a fold over the leaves of the log. Pure: nothing is stored anywhere else.
 *
 * What a signature of each kind proves. `terminal`: whoever can read the key's file. `webcrypto`: a
 * program that runs as the person, for a browser's profile can be read like that file. `webauthn`:
 * somebody touched an authenticator that holds the key, for this very statement, on the approval
 * page. Source of its checks: Web Authentication Level 3, 7.2, steps 11 to 22.
 */
import { concatBytes, equalBytes, toBase64, toHex, utf8Encode } from "@ioi/base";
import { type CryptoProvider, type Domain, domainBytes, domainHash, domains } from "@ioi/crypto";
import {
  deviceKey,
  type DeviceKind,
  type Leaf,
  parseJson,
  schema,
  webauthnAssertion,
  type WebauthnAssertion,
} from "@ioi/wire";

export interface PairedDevice {
  readonly id: Uint8Array;
  readonly kind: DeviceKind;
  readonly name: string;
  readonly publicKey: Uint8Array;
  readonly credentialId: Uint8Array;
  readonly pairedMs: number;
  /** WebAuthn: the highest count that the authenticator gave; 0 where it counts nothing. */
  readonly signCount: number;
}

export type AnyDeviceKind = "terminal" | DeviceKind;

export interface DeviceSigned {
  readonly statement: Uint8Array;
  readonly signature: Uint8Array;
  readonly device: Uint8Array;
}

export type DeviceVerdict =
  | { readonly ok: true; readonly kind: AnyDeviceKind }
  | { readonly ok: false; readonly why: string };

export interface VerifyContext {
  readonly provider: CryptoProvider;
  /** Raw Ed25519 keys; a terminal's key is its own id. */
  readonly terminals: readonly Uint8Array[];
  /** Where cards are answered; none where no page is served. */
  readonly approveOrigins: readonly string[];
}

/** Identity of a paired device: a hash over what kind of key it is and the key. */
export const deviceIdOf = (
  provider: Pick<CryptoProvider, "sha256">,
  kind: DeviceKind,
  publicKey: Uint8Array,
): Uint8Array =>
  domainHash(provider, domains.deviceKey, schema.encode(deviceKey, { kind, publicKey }));

/** The name that WebAuthn binds a key to: the host of an origin, without its port. */
const relyingParty = (origin: string): string =>
  origin.slice("http://".length, origin.lastIndexOf(":"));

/** The one page that may show the approval page in a frame. */
const framerOf = (origin: string): string =>
  `http://app.localhost${origin.slice(origin.lastIndexOf(":"))}`;

/** Without padding, as browsers write a challenge. */
const toBase64url = (bytes: Uint8Array): string =>
  toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

const refuse = (why: string): DeviceVerdict => ({ ok: false, why });

/** The origin that the browser vouches for, or what is wrong with its account. */
const clientOrigin = (
  client: Uint8Array,
  challenge: string,
  approveOrigins: readonly string[],
): { readonly origin: string } | { readonly complaint: string } => {
  const wrong = (complaint: string): { readonly complaint: string } => ({ complaint });
  const parsed = parseJson(client);
  const data = parsed.ok ? parsed.value : null;
  if (typeof data !== "object" || data === null || Array.isArray(data)) {
    return wrong("the client data is not an object");
  }
  const field = (name: string): unknown => (data as Readonly<Record<string, unknown>>)[name];
  if (field("type") !== "webauthn.get") return wrong("the client data is of another ceremony");
  if (field("challenge") !== challenge) return wrong("the challenge is of another statement");
  const origin = approveOrigins.find((each) => each === field("origin"));
  if (origin === undefined) return wrong("the assertion was made on another page");
  const top = field("topOrigin");
  if (top !== undefined && top !== framerOf(origin)) {
    return wrong("the approval page was shown inside a foreign one");
  }
  return { origin };
};

const flagUserPresent = 1;
/** Hash of the relying party, flags, counter. */
const authenticatorBytesMin = 37;

const countOf = (data: Uint8Array): number =>
  new DataView(data.buffer, data.byteOffset, data.byteLength).getUint32(33);

const assertionOf = (signature: Uint8Array): WebauthnAssertion | undefined => {
  const decoded = schema.decode(webauthnAssertion, signature);
  const value = decoded.ok ? decoded.value : undefined;
  return value !== undefined && value.authenticatorData.length >= authenticatorBytesMin
    ? value
    : undefined;
};

const verifyAssertion = (
  { provider, approveOrigins }: VerifyContext,
  device: PairedDevice,
  signedBytes: Uint8Array,
  signature: Uint8Array,
): DeviceVerdict => {
  const assertion = assertionOf(signature);
  if (assertion === undefined) return refuse("the assertion does not decode");
  const { authenticatorData: data, clientDataJson, signature: raw } = assertion;
  const challenge = toBase64url(provider.sha256(signedBytes));
  const client = clientOrigin(clientDataJson, challenge, approveOrigins);
  if ("complaint" in client) return refuse(client.complaint);
  const madeFor = provider.sha256(utf8Encode(relyingParty(client.origin)));
  if (!equalBytes(data.subarray(0, 32), madeFor)) {
    return refuse("the key was made for another page");
  }
  if (((data[32] ?? 0) & flagUserPresent) === 0) return refuse("nobody touched the authenticator");
  const count = countOf(data);
  if ((count !== 0 || device.signCount !== 0) && count <= device.signCount) {
    return refuse("the authenticator's counter did not rise: it may have been copied");
  }
  const over = concatBytes(data, provider.sha256(clientDataJson));
  return provider.verifyP256(device.publicKey, over, raw, "der")
    ? { ok: true, kind: "webauthn" }
    : refuse("the signature does not fit");
};

export class DeviceBook {
  readonly #paired: Map<string, PairedDevice> = new Map();

  get paired(): readonly PairedDevice[] {
    return [...this.#paired.values()];
  }

  get(id: Uint8Array): PairedDevice | undefined {
    return this.#paired.get(toHex(id));
  }

  apply(leaf: Leaf): void {
    switch (leaf.type) {
      case "device": {
        const { atMs, device: id, kind, name, publicKey, credentialId } = leaf;
        if (leaf.change === "revoke") this.#paired.delete(toHex(id));
        else {
          const paired = { id, kind, name, publicKey, credentialId, pairedMs: atMs, signCount: 0 };
          this.#paired.set(toHex(id), paired);
        }
        this.#counted(leaf.by, leaf.signature);
        return;
      }
      case "decision":
      case "scope":
      case "policy-change":
        this.#counted(leaf.device, leaf.signature);
        return;
      default:
        return;
    }
  }

  /** The counter of an assertion that counted. */
  #counted(id: Uint8Array, signature: Uint8Array): void {
    const device = this.get(id);
    const assertion = device?.kind === "webauthn" ? assertionOf(signature) : undefined;
    if (device === undefined || assertion === undefined) return;
    const signCount = Math.max(device.signCount, countOf(assertion.authenticatorData));
    this.#paired.set(toHex(id), { ...device, signCount });
  }

  /** Whether a device that counts signed the statement for this purpose. */
  verify(context: VerifyContext, domain: Domain, signed: DeviceSigned): DeviceVerdict {
    const { provider, terminals } = context;
    const signedBytes = domainBytes(domain, signed.statement);
    const { device: id, signature } = signed;
    if (terminals.some((each) => equalBytes(each, id))) {
      return provider.verify("ed25519", id, signedBytes, signature)
        ? { ok: true, kind: "terminal" }
        : refuse("the signature does not fit");
    }
    const device = this.get(id);
    if (device === undefined) return refuse("it is not signed by a paired device");
    if (device.kind === "webauthn") {
      return verifyAssertion(context, device, signedBytes, signature);
    }
    return provider.verifyP256(device.publicKey, signedBytes, signature, "raw")
      ? { ok: true, kind: "webcrypto" }
      : refuse("the signature does not fit");
  }
}
