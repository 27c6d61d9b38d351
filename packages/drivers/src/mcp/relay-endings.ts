/** How a permitted message of a relay came to its end, and what its act reports of it. Pure. */
import type { ActReport } from "../core/driver.ts";
import type { ErrorCode } from "../errors.ts";
import { mcpCallMsMax } from "../limits.ts";
import { nothingLeft } from "../net/egress-client.ts";

export interface Answered {
  readonly type: "answered";
  readonly ok: boolean;
  readonly bytes: number;
  readonly evidence?: Readonly<Record<string, string>>;
}

/** How a permitted message came to its end. */
export type Ending =
  | Answered
  /** By a redirect: what it leads to is another action. */
  | { readonly type: "moved"; readonly evidence: Readonly<Record<string, string>> }
  | { readonly type: "dropped" }
  | { readonly type: "failed"; readonly code: string; readonly message: string }
  | { readonly type: "ended" }
  | { readonly type: "time" };

const nothing = { result: {}, bytes: 0, reversible: false } as const;

export const reportOf = (end: Ending, ms: number): ActReport => {
  const evidence = { ms: String(ms), ...("evidence" in end ? end.evidence : {}) };
  switch (end.type) {
    case "answered":
      return {
        ...nothing,
        status: "confirmed",
        bytes: end.bytes,
        evidence: { ...evidence, answer: end.ok ? "result" : "error" },
      };
    case "moved":
      return { ...nothing, status: "confirmed", evidence: { ...evidence, answer: "redirect" } };
    case "failed":
      return {
        ...nothing,
        status: nothingLeft.has(end.code) ? "no-effect" : "unknown",
        code: end.code as ErrorCode,
        message: end.message,
        evidence,
      };
    case "dropped":
      return {
        ...nothing,
        status: "unknown",
        code: "E_MCP_CANCELLED",
        message: "it was sent, and cancelled before there was an answer",
        evidence,
      };
    case "ended":
      return {
        ...nothing,
        status: "unknown",
        code: "E_MCP_ENDED",
        message: "the server ended before it answered",
        evidence,
      };
    case "time":
      return {
        ...nothing,
        status: "unknown",
        code: "E_MCP_TIMEOUT",
        message: `no answer came within ${mcpCallMsMax / 1000} s`,
        evidence,
      };
  }
};
