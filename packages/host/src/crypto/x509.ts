/** What the two kinds of certificates that we issue have in common: RFC 5280, section 4.1. */
import { randomBytes } from "node:crypto";
import * as der from "./der.ts";

export const oid = {
  mlDsa65: "2.16.840.1.101.3.4.3.18",
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
  commonName: "2.5.4.3",
  subjectKeyId: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  nameConstraints: "2.5.29.30",
  authorityKeyId: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
} as const;

export const extension = (id: string, critical: boolean, value: Uint8Array): Uint8Array =>
  critical
    ? der.sequence(der.objectId(id), der.boolean(true), der.octets(value))
    : der.sequence(der.objectId(id), der.octets(value));

export const distinguishedName = (name: string): Uint8Array =>
  der.sequence(der.set(der.sequence(der.objectId(oid.commonName), der.utf8Text(name))));

export interface Parts {
  readonly issuer: string;
  readonly subject: string;
  /** SPKI in DER. */
  readonly publicKey: Uint8Array;
  readonly extensions: readonly Uint8Array[];
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Signer {
  readonly algorithm: string;
  sign(body: Uint8Array): Uint8Array;
}

/** In PEM. */
export const certify = (parts: Parts, signer: Signer): string => {
  const algorithm = der.sequence(der.objectId(signer.algorithm));
  const serial = randomBytes(16);
  // Positive, and never zero.
  serial[0] = ((serial[0] as number) & 0x7f) | 0x40;
  const body = der.sequence(
    der.explicit(0, der.integer(Uint8Array.of(2))),
    der.integer(serial),
    algorithm,
    distinguishedName(parts.issuer),
    der.sequence(der.time(parts.fromMs), der.time(parts.toMs)),
    distinguishedName(parts.subject),
    parts.publicKey,
    der.explicit(3, der.sequence(...parts.extensions)),
  );
  return der.pem("CERTIFICATE", der.sequence(body, algorithm, der.bits(signer.sign(body))));
};
