/**
 * Starts the verifier in a worker. The page's policy lets a script be loaded only from an address
 * that a Trusted Types policy vouches for; ours vouches for this one worker and nothing else.
 */
import { fromHex } from "@ioi/base";
import type { Checked, Seen } from "./check.ts";
import type { RecallVerdict } from "@ioi/verifier";
import type { RecallRequest, VerifyAnswer, VerifyRequest } from "./worker.ts";
// oxlint-disable-next-line import/default -- the bundler makes it
import workerUrl from "./worker.ts?worker&url";

interface TrustedTypes {
  createPolicy(
    name: string,
    rules: { createScriptURL: (url: string) => string },
  ): { createScriptURL(url: string): string };
}

/** The name that the console's `trusted-types` directive lists. */
const policyName = "ioi";

const onlyTheWorker = (url: string): string => {
  if (url === workerUrl) return url;
  throw new TypeError("not the verifier");
};

const trustedUrl = ((): (() => string) => {
  const { trustedTypes } = globalThis as { readonly trustedTypes?: TrustedTypes };
  const policy = trustedTypes?.createPolicy(policyName, { createScriptURL: onlyTheWorker });
  return () => policy?.createScriptURL(workerUrl) ?? workerUrl;
})();

const storageKey = "ioi.verified";

const isSeen = (value: unknown): value is Seen => {
  const { size, root, key, atMs } = (value ?? {}) as Partial<Record<keyof Seen, unknown>>;
  return (
    Number.isSafeInteger(size) &&
    typeof root === "string" &&
    typeof key === "string" &&
    typeof atMs === "number"
  );
};

/** What this browser verified last; undefined where it never did, or storage is off. */
export const lastSeen = (): Seen | undefined => {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(storageKey) ?? "null");
    return isSeen(value) ? value : undefined;
  } catch {
    return undefined;
  }
};

const remember = (seen: Seen): void => {
  try {
    localStorage.setItem(storageKey, JSON.stringify(seen));
  } catch {
    // Storage is off: the next look has nothing to compare with, and says so.
  }
};

const ask = (request: VerifyRequest | RecallRequest, signal: AbortSignal): Promise<VerifyAnswer> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(trustedUrl(), { type: "module", name: "verify" });
    const end = (): void => worker.terminate();
    signal.addEventListener(
      "abort",
      () => {
        end();
        reject(signal.reason as Error);
      },
      { once: true },
    );
    worker.addEventListener("message", (event: MessageEvent<VerifyAnswer>) => {
      end();
      resolve(event.data);
    });
    worker.addEventListener("error", (event) => {
      end();
      reject(new Error(event.message || "the verifier did not start"));
    });
    worker.postMessage(request);
  });

export interface Verified {
  readonly checked: Checked;
  readonly fingerprint: string;
  /** What was remembered before. */
  readonly before: Seen | undefined;
}

/** Verifies an export; a log that is good becomes what the next one is compared with. */
export const verifyExport = async (
  exported: { readonly bytes: Uint8Array; readonly identity: string },
  signal: AbortSignal,
): Promise<Verified> => {
  const seen = lastSeen();
  const text = new TextDecoder().decode(exported.bytes);
  const { identity } = exported;
  const answer = await ask({ type: "receipts", text, identity, seen }, signal);
  if (answer.type === "failed") throw new Error(answer.message);
  if (answer.type === "recall") throw new Error("the verifier answered something else");
  const { checked, fingerprint } = answer;
  const { report, history } = checked;
  if (report.ok && report.root !== null && (history === "first" || history === "extends")) {
    remember({ size: report.size, root: report.root, key: report.key ?? "", atMs: Date.now() });
  }
  return { checked, fingerprint, before: seen };
};

export interface RecallChecked {
  readonly verdict: RecallVerdict;
  /** What verifying took. */
  readonly ms: number;
}

/** Verifies what shows an answer of recall, against the roots that its receipt names. */
export const verifyRecalled = async (
  proof: Uint8Array,
  roots: { readonly logRoot: string; readonly indexRoot: string | undefined },
  signal: AbortSignal,
): Promise<RecallChecked> => {
  const logRoot = fromHex(roots.logRoot);
  const indexRoot = roots.indexRoot === undefined ? undefined : fromHex(roots.indexRoot);
  if (logRoot === undefined) throw new Error("the receipt names no root");
  const answer = await ask({ type: "recall", proof, logRoot, indexRoot }, signal);
  if (answer.type !== "recall") throw new Error("the verifier answered something else");
  return { verdict: answer.verdict, ms: answer.ms };
};
