/** What a ticket binds a driver to beside the action itself, where every driver keeps it alike. */
import { toHex } from "@ioi/base";
import type { CryptoProvider } from "@ioi/crypto";
import type { Obligation } from "@ioi/wire";
import type { DriverRejection } from "../fs/roots.ts";
import type { ActContext, ActReport } from "./driver.ts";

/** What a rule of the policy refuses about these very bytes; loaded where a ticket speaks of it. */
export const contentRefusal = async (
  obligations: readonly Obligation[],
  content: Uint8Array,
): Promise<DriverRejection | undefined> => {
  if (!obligations.some(({ type }) => type === "content")) return undefined;
  const { checkContents } = await import("@ioi/firewall/content");
  return checkContents(obligations, content);
};

/**
 * Where values of an answer come from, beside it, with a commitment in what is signed. Loaded where
 * there is an answer; without the obligation only addresses are told.
 */
export const withOrigins = async (
  provider: CryptoProvider,
  { answer, ...report }: ActReport,
  obligations: readonly Obligation[],
): Promise<ActReport> => {
  if (answer === undefined) return report;
  const wanted = obligations.find(({ type }) => type === "origins");
  const { encodeOrigins, originsOf } = await import("@ioi/firewall/origins");
  const found = originsOf(answer, wanted?.type === "origins" ? wanted.trusted : []);
  if (found.trusted.length === 0 && found.seen.length === 0) return report;
  const origins = encodeOrigins(found);
  return {
    ...report,
    result: { ...report.result, origins },
    evidence: { ...report.evidence, origins: toHex(provider.sha256(origins)) },
  };
};

export const restrictedBy = (
  obligations: readonly Obligation[],
): Pick<ActContext, "restricted"> => {
  const found = obligations.find(({ type }) => type === "sandbox");
  return found?.type === "sandbox"
    ? { restricted: { hidden: found.hidden, readOnly: found.readOnly } }
    : {};
};

export const memoryKeyIn = (
  obligations: readonly Obligation[],
): Pick<ActContext, "memoryKey" | "checkpoint"> => {
  const found = obligations.find(({ type }) => type === "memory");
  if (found?.type !== "memory") return {};
  const { key, checkpoint } = found;
  return { memoryKey: key, ...(checkpoint === undefined ? {} : { checkpoint }) };
};
