/**
 * Verification beside the page: hashing a long log takes seconds, in which the page must answer.
 * One request, one answer, then the worker is ended by who started it.
 */
import { checkExport, type Checked, keyFingerprint, type Seen } from "./check.ts";
import { type RecallVerdict, verifyRecall } from "@ioi/verifier";
import { browserVerifying } from "./provider.ts";

export interface VerifyRequest {
  readonly type: "receipts";
  readonly text: string;
  readonly identity: string;
  readonly seen: Seen | undefined;
}

/** A proof of recall, with the roots that a receipt names. */
export interface RecallRequest {
  readonly type: "recall";
  readonly proof: Uint8Array;
  readonly logRoot: Uint8Array;
  readonly indexRoot: Uint8Array | undefined;
}

export type VerifyAnswer =
  | { readonly type: "checked"; readonly checked: Checked; readonly fingerprint: string }
  | { readonly type: "recall"; readonly verdict: RecallVerdict; readonly ms: number }
  | { readonly type: "failed"; readonly message: string };

const answer = (request: VerifyRequest): VerifyAnswer => {
  const result = checkExport(browserVerifying, request, request.seen);
  return "failure" in result
    ? { type: "failed", message: result.failure }
    : {
        type: "checked",
        checked: result,
        fingerprint: keyFingerprint(browserVerifying, request.identity),
      };
};

const recalled = ({ proof, logRoot, indexRoot }: RecallRequest): VerifyAnswer => {
  const before = performance.now();
  const trust = indexRoot === undefined ? { logRoot } : { logRoot, indexRoot };
  const verdict = verifyRecall(proof, trust);
  return { type: "recall", verdict, ms: performance.now() - before };
};

addEventListener("message", ({ data }: MessageEvent<VerifyRequest | RecallRequest>) => {
  postMessage(data.type === "recall" ? recalled(data) : answer(data));
});
