/**
 * The log of a flow's requests as a hash chain: each link is SHA-256 over the domain, the link before and
 * the canonical entry. Egress makes it, an outcome holds it, anybody recomputes it from the entries.
 */
import { concatBytes } from "@ioi/base";
import { type CryptoProvider, domainHash, domains } from "@ioi/crypto";
import { encodeCanonical } from "@ioi/wire";

export interface FlowLogEntry {
  readonly method: string;
  readonly url: string;
  /** 0 where no answer came. */
  readonly status: number;
  /** Of the answer's body, as far as it was passed on. */
  readonly bytes: number;
}

export const flowLogStart: Uint8Array = new Uint8Array(32);

export const flowLogHash = (
  provider: CryptoProvider,
  before: Uint8Array,
  { method, url, status, bytes }: FlowLogEntry,
): Uint8Array =>
  domainHash(
    provider,
    domains.flowLog,
    concatBytes(before, encodeCanonical({ method, url, status, bytes })),
  );
