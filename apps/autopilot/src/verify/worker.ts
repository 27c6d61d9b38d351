/**
 * Verification beside the page: hashing a long log takes seconds, in which the page must answer.
 * One request, one answer, then the worker is ended by who started it.
 */
import { checkExport, type Checked, keyFingerprint, type Seen } from "./check.ts";
import { browserVerifying } from "./provider.ts";

export interface VerifyRequest {
  readonly text: string;
  readonly identity: string;
  readonly seen: Seen | undefined;
}

export type VerifyAnswer =
  | { readonly type: "checked"; readonly checked: Checked; readonly fingerprint: string }
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

addEventListener("message", (event: MessageEvent<VerifyRequest>) => {
  postMessage(answer(event.data));
});
