/**
 * What a program sent and got, request by request, as egress logged it: kept sealed with the outcome
 * whose evidence holds the log's hash, so that a person can read it and nobody can change it.
 *
 * Invariant: what is kept is recomputed to the hash that the driver signed; else nothing is kept.
 * Bounds: `requestsBytesMax`; a longer log has its hash alone.
 */
import { equalBytes, fromHex } from "@ioi/base";
import type { CryptoProvider } from "@ioi/crypto";
import { flowLogHash, flowLogStart } from "@ioi/firewall";
import { decodeCanonical, type Infer, type Leaf, type Outcome, schema } from "@ioi/wire";
import { requestsBytesMax } from "./limits.ts";
import { rejected } from "./rejections.ts";
import type { SealedContent } from "./sealing.ts";

const { array, int, record, text } = schema;

const request = record({
  method: text(64),
  url: text(8192),
  status: int(),
  bytesUp: int(),
  bytesDown: int(),
  mode: text(16),
  want: int(),
});
export type LoggedRequest = Infer<typeof request>;

const requests = array(request, 1_000);

interface Sealing {
  readonly ports: { readonly provider: CryptoProvider };
  open(session: string, content: SealedContent): Uint8Array | undefined;
  seal(session: string, content: Uint8Array): SealedContent;
}

/** The sealed part of an outcome's leaf; undefined where nothing was passed on, or not all of it. */
export const sealedRequests = (
  core: Sealing,
  session: string,
  outcome: Outcome,
  given: Uint8Array | undefined,
): SealedContent | undefined => {
  const committed = fromHex(outcome.evidence["request_log"] ?? "");
  if (given === undefined || given.length === 0 || committed?.length !== 32) return undefined;
  if (given.length > requestsBytesMax) return undefined;
  const decoded = schema.decode(requests, given);
  if (!decoded.ok) throw rejected("E_OUTCOME_INVALID", `requests: ${decoded.error.message}`);
  if (outcome.evidence["net_requests"] !== String(decoded.value.length)) return undefined;
  let log = flowLogStart;
  for (const { method, url, status, bytesDown } of decoded.value) {
    log = flowLogHash(core.ports.provider, log, { method, url, status, bytes: bytesDown });
  }
  if (!equalBytes(log, committed)) {
    throw rejected("E_OUTCOME_INVALID", "the requests are not those that the driver signed");
  }
  return core.seal(session, given);
};

/** One line for each request. */
export const requestLines = (core: Sealing, leaf: Leaf): string => {
  if (leaf.type !== "outcome" || leaf.requests === undefined) return "";
  const plain = core.open(leaf.session, leaf.requests);
  if (plain === undefined || !decodeCanonical(plain).ok) return "";
  const decoded = schema.decode(requests, plain);
  if (!decoded.ok) return "";
  return decoded.value
    .map(
      ({ method, url, status, bytesUp, bytesDown, mode, want }) =>
        `${method} ${url} ${status === 0 ? "no answer" : status}, ${mode}, ${bytesUp} up, ` +
        `${bytesDown} down, ${want === 0 ? "by its ticket" : `by want ${want}`}\n`,
    )
    .join("");
};
