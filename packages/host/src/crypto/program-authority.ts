/**
 * The authority that one program believes, and nobody else: its key is made here, in memory, and goes
 * nowhere; it certifies the hosts that it was made for and no other.
 *
 * Source: RFC 5280 (profile; name constraints in 4.2.1.10), RFC 5758 (ECDSA with SHA-256): what every
 * client of TLS knows. Invariants: leaves only (path length 0), for named hosts only.
 * Bounds: validity of `programCertificateMs`; one leaf for each host.
 */
import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { isIP } from "node:net";
import { assert } from "@ioi/base";
import * as der from "./der.ts";
import { programCertificateMs } from "./limits.ts";
import { certify, extension, oid, type Signer } from "./x509.ts";

export interface ServerCredentials {
  /** PEM. */
  readonly certificate: string;
  /** PKCS #8 in PEM. */
  readonly privateKey: string;
}

const addressBytes = (host: string): Uint8Array | undefined => {
  if (isIP(host) === 4) return Uint8Array.from(host.split(".").map(Number));
  if (isIP(host) !== 6) return undefined;
  const [head = "", tail] = host.split("::");
  const groups = (text: string): readonly number[] =>
    text === "" ? [] : text.split(":").map((each) => Number.parseInt(each, 16));
  const first = groups(head);
  const last = groups(tail ?? "");
  const all = [...first, ...Array<number>(8 - first.length - last.length).fill(0), ...last];
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 0xff]));
};

/** A GeneralName; as a constraint an address has its mask. */
const generalName = (host: string, constraint = false): Uint8Array => {
  const address = addressBytes(host);
  if (address === undefined) return der.implicit(2, Buffer.from(host, "latin1"));
  const mask = new Uint8Array(constraint ? address.length : 0).fill(0xff);
  return der.implicit(7, Uint8Array.from([...address, ...mask]));
};

const keyId = (publicKey: Uint8Array): Uint8Array =>
  createHash("sha256").update(publicKey).digest().subarray(0, 20);

const newKey = (): { readonly privateKey: KeyObject; readonly spki: Uint8Array } => {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { privateKey, spki: publicKey.export({ type: "spki", format: "der" }) };
};

export class ProgramAuthority {
  readonly name: string;
  /** PEM; all of it that leaves this object. */
  readonly certificate: string;
  readonly #signer: Signer;
  readonly #keyId: Uint8Array;
  readonly #hosts: ReadonlySet<string>;
  readonly #fromMs: number;
  readonly #leaves: Map<string, ServerCredentials> = new Map();

  /** `hosts`: canonical names and addresses. */
  constructor(name: string, hosts: readonly string[], nowMs: number = Date.now()) {
    assert(hosts.length > 0, "an authority for no host");
    const { privateKey, spki } = newKey();
    this.name = name;
    this.#hosts = new Set(hosts);
    this.#fromMs = nowMs - programCertificateMs;
    this.#keyId = keyId(spki);
    this.#signer = {
      algorithm: oid.ecdsaWithSha256,
      sign: (body) => sign("sha256", body, privateKey),
    };
    const permitted = [...this.#hosts].map((host) => der.sequence(generalName(host, true)));
    const pathLength = der.integer(Uint8Array.of(0));
    this.certificate = this.#certify(name, spki, [
      extension(oid.basicConstraints, true, der.sequence(der.boolean(true), pathLength)),
      extension(oid.keyUsage, true, der.bits(Uint8Array.of(0x04), 2)),
      extension(oid.nameConstraints, true, der.sequence(der.explicit(0, Buffer.concat(permitted)))),
      extension(oid.subjectKeyId, false, der.octets(this.#keyId)),
    ]);
  }

  #certify(subject: string, publicKey: Uint8Array, extensions: readonly Uint8Array[]): string {
    const fromMs = this.#fromMs;
    const toMs = fromMs + 2 * programCertificateMs;
    return certify(
      { issuer: this.name, subject, publicKey, extensions, fromMs, toMs },
      this.#signer,
    );
  }

  /** Undefined: the authority is not for this host. */
  credentialsFor(host: string): ServerCredentials | undefined {
    if (!this.#hosts.has(host)) return undefined;
    const known = this.#leaves.get(host);
    if (known !== undefined) return known;
    const { privateKey, spki } = newKey();
    const certificate = this.#certify("a server as egress shows it", spki, [
      extension(oid.basicConstraints, true, der.sequence()),
      extension(oid.keyUsage, true, der.bits(Uint8Array.of(0x80), 7)),
      extension(oid.extendedKeyUsage, false, der.sequence(der.objectId(oid.serverAuth))),
      extension(oid.subjectAltName, false, der.sequence(generalName(host))),
      extension(oid.subjectKeyId, false, der.octets(keyId(spki))),
      extension(oid.authorityKeyId, false, der.sequence(der.implicit(0, this.#keyId))),
    ]);
    const made = {
      certificate,
      privateKey: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    };
    this.#leaves.set(host, made);
    return made;
  }
}
