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
import { generateKeyPairSync, hash, type KeyObject, sign } from "node:crypto";
import { assert } from "@ioi/base";
import * as der from "./der.ts";
import { certificateBackdateMs, certificateValidityMs } from "./limits.ts";
import { certify, extension, oid } from "./x509.ts";

/** What one process needs to prove its name and to check its peers; all PEM. */
export interface Credentials {
  readonly certificate: string;
  /** PKCS #8. */
  readonly privateKey: string;
  readonly authority: string;
}

const namePattern = /^[a-z][a-z0-9-]{0,62}$/;

/** RFC 7093, method 1: SHA-256 over the raw key, cut to 20 bytes. */
const keyId = (publicKey: KeyObject): Uint8Array =>
  hash("sha256", publicKey.export({ format: "raw-public" }), "buffer").subarray(0, 20);

interface Named {
  readonly issuer: string;
  readonly subject: string;
  readonly publicKey: KeyObject;
  readonly extensions: readonly Uint8Array[];
  readonly nowMs: number;
}

const issued = ({ publicKey, nowMs, ...named }: Named, signingKey: KeyObject): string =>
  certify(
    {
      ...named,
      publicKey: publicKey.export({ type: "spki", format: "der" }),
      fromMs: nowMs - certificateBackdateMs,
      toMs: nowMs + certificateValidityMs,
    },
    { algorithm: oid.mlDsa65, sign: (body) => sign(null, body, signingKey) },
  );

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
    this.certificate = issued(
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
    const certificate = issued(
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
