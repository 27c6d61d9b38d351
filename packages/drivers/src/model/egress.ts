/** The model driver's way out: one POST through egress under the act's own ticket. */
import { OperationError, toHex } from "@ioi/base";
import type { Client } from "@ioi/host/rpc";
import type { pb } from "@ioi/wire";
import { modelFirstByteMsMax, modelIdleMsMax, modelReplyBytesMax } from "../limits.ts";
import { type EgressEnd, egressFetch } from "../net/egress-client.ts";
import type { ModelDriverOptions } from "./driver.ts";

const evidenceOf = (end: EgressEnd | undefined): Readonly<Record<string, string>> =>
  end === undefined
    ? {}
    : {
        address: end.address,
        mode: end.mode,
        ...(end.certificateSha256.length === 0
          ? {}
          : { certificate_sha256: toHex(end.certificateSha256) }),
      };

/** An answer that egress cut at its bound is no answer. */
async function* whole(
  body: AsyncIterable<Uint8Array>,
  end: () => EgressEnd | undefined,
): AsyncGenerator<Uint8Array> {
  yield* body;
  if (end()?.truncated === true) {
    throw new OperationError("E_EGRESS_RESPONSE", "the answer is longer than may come back");
  }
}

export const modelOptions = (
  egress: Client<typeof pb.Egress>,
  wallMsMax: number,
  claims: ModelDriverOptions["claims"],
): ModelDriverOptions => ({
  claims,
  transport: (context) => async (request, signal) => {
    const fetch = egressFetch(egress, context);
    const response = await fetch({ method: "POST", ...request }, signal);
    const { status, headers, body } = response;
    const end = (): EgressEnd | undefined => response.end();
    return { status, headers, body: whole(body, end), evidence: () => evidenceOf(end()) };
  },
  bounds: {
    replyBytesMax: modelReplyBytesMax,
    firstByteMsMax: modelFirstByteMsMax,
    idleMsMax: modelIdleMsMax,
    wallMsMax,
  },
});
