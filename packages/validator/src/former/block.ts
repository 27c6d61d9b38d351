/**
 * Headers of format 1 of the chain, which the Guardian's identity signed itself. They are read: from files that a
 * former version left, and in proofs that were made then. Nothing makes them any more.
 */
import {
  type CryptoProvider,
  domainBytes,
  domainHash,
  domains,
  type Hashing,
  identityAlgorithm,
} from "@ioi/crypto";
import { headerStatement, schema } from "@ioi/wire";

export interface Seal {
  readonly counter: bigint;
  readonly signature: Uint8Array;
}

export const headerId = (hashing: Hashing, encoded: Uint8Array): Uint8Array =>
  domainHash(hashing, domains.chainHeader, encoded);

export const verifySeal = (
  provider: Pick<CryptoProvider, "verify">,
  identity: Uint8Array,
  header: Uint8Array,
  { counter, signature }: Seal,
): boolean =>
  counter < 1n << 64n &&
  provider.verify(
    identityAlgorithm,
    identity,
    domainBytes(
      domains.headerStatement,
      schema.encode(headerStatement, { version: 1, header, counter }),
    ),
    signature,
  );
