/**
 * Certificates of one boot: the launcher makes an authority, issues one certificate to each process
 * and forgets the authority's key. ML-DSA-65 throughout.
 *
 * Source: RFC 5280 (profile), RFC 9881 (ML-DSA in X.509). The two shapes are written here byte by
 * byte: loading a general X.509 library costs 26 MB and 70 ms in a process that never ends; the
 * tests hold the result to such a library and to OpenSSL.
 * Invariants: a certificate names one process, as CN and as the only dNSName; an authority issues
 * leaves only (path length 0). Bounds: validity of `certificateValidityMs`.
 */
import { generateKeyPairSync, hash, type KeyObject, randomBytes, sign } from "node:crypto";
import { assert } from "@ioi/base";
import * as der from "./der.ts";
import { certificateBackdateMs, certificateValidityMs } from "./limits.ts";

/** What one process needs to prove its name and to check its peers; all PEM. */
export interface Credentials {
  readonly certificate: string;
  /** PKCS #8. */
  readonly privateKey: string;
  readonly authority: string;
}

const oid = {
  mlDsa65: "2.16.840.1.101.3.4.3.18",
  commonName: "2.5.4.3",
  subjectKeyId: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyId: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
} as const;

const namePattern = /^[a-z][a-z0-9-]{0,62}$/;

const extension = (id: string, critical: boolean, value: Uint8Array): Uint8Array =>
  critical
    ? der.sequence(der.objectId(id), der.boolean(true), der.octets(value))
    : der.sequence(der.objectId(id), der.octets(value));

const distinguishedName = (name: string): Uint8Array =>
  der.sequence(der.set(der.sequence(der.objectId(oid.commonName), der.utf8Text(name))));

/** RFC 7093, method 1: SHA-256 over the raw key, cut to 20 bytes. */
const keyId = (publicKey: KeyObject): Uint8Array =>
  hash("sha256", publicKey.export({ format: "raw-public" }), "buffer").subarray(0, 20);

interface Parts {
  readonly issuer: string;
  readonly subject: string;
  readonly publicKey: KeyObject;
  readonly extensions: readonly Uint8Array[];
  readonly nowMs: number;
}

const certify = (parts: Parts, signingKey: KeyObject): string => {
  const algorithm = der.sequence(der.objectId(oid.mlDsa65));
  const serial = randomBytes(16);
  // Positive, and never zero.
  serial[0] = ((serial[0] as number) & 0x7f) | 0x40;
  const body = der.sequence(
    der.explicit(0, der.integer(Uint8Array.of(2))),
    der.integer(serial),
    algorithm,
    distinguishedName(parts.issuer),
    der.sequence(
      der.time(parts.nowMs - certificateBackdateMs),
      der.time(parts.nowMs + certificateValidityMs),
    ),
    distinguishedName(parts.subject),
    parts.publicKey.export({ type: "spki", format: "der" }),
    der.explicit(3, der.sequence(...parts.extensions)),
  );
  return der.pem(
    "CERTIFICATE",
    der.sequence(body, algorithm, der.bits(sign(null, body, signingKey))),
  );
};

/** Issues certificates; holds the authority's key in memory and nowhere else. */
export class CertificateAuthority {
  readonly name: string;
  readonly certificate: string;
  readonly #privateKey: KeyObject;
  readonly #keyId: Uint8Array;

  constructor(name: string, nowMs: number = Date.now()) {
    assert(namePattern.test(name), `not a name for an authority: ${name}`);
    const { publicKey, privateKey } = generateKeyPairSync("ml-dsa-65");
    this.name = name;
    this.#privateKey = privateKey;
    this.#keyId = keyId(publicKey);
    const keyCertSign = der.bits(Uint8Array.of(0x04), 2);
    const pathLength = der.integer(Uint8Array.of(0));
    this.certificate = certify(
      {
        issuer: name,
        subject: name,
        publicKey,
        nowMs,
        extensions: [
          extension(oid.basicConstraints, true, der.sequence(der.boolean(true), pathLength)),
          extension(oid.keyUsage, true, keyCertSign),
          extension(oid.subjectKeyId, false, der.octets(this.#keyId)),
        ],
      },
      privateKey,
    );
  }

  issue(name: string, nowMs: number = Date.now()): Credentials {
    assert(namePattern.test(name), `not a name for a process: ${name}`);
    const { publicKey, privateKey } = generateKeyPairSync("ml-dsa-65");
    const purposes = der.sequence(der.objectId(oid.serverAuth), der.objectId(oid.clientAuth));
    const digitalSignature = der.bits(Uint8Array.of(0x80), 7);
    const certificate = certify(
      {
        issuer: this.name,
        subject: name,
        publicKey,
        nowMs,
        extensions: [
          extension(oid.basicConstraints, true, der.sequence()),
          extension(oid.keyUsage, true, digitalSignature),
          extension(oid.extendedKeyUsage, false, purposes),
          extension(
            oid.subjectAltName,
            false,
            der.sequence(der.implicit(2, Buffer.from(name, "latin1"))),
          ),
          extension(oid.subjectKeyId, false, der.octets(keyId(publicKey))),
          extension(oid.authorityKeyId, false, der.sequence(der.implicit(0, this.#keyId))),
        ],
      },
      this.#privateKey,
    );
    return {
      certificate,
      privateKey: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
      authority: this.certificate,
    };
  }
}

export const makeCertificateAuthority = (name: string): CertificateAuthority =>
  new CertificateAuthority(name);

export const issueCertificate = (authority: CertificateAuthority, name: string): Credentials =>
  authority.issue(name);
