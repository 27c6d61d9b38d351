/**
 * The terminal's device key and what it signs.
 *
 * Invariant: nothing is signed but the hash of the very text that the person was shown. The key is
 * made on the first start; it lies in the data folder, readable by its owner only. Any program
 * running as the same user can read it, and so can approve.
 */
import { statSync } from "node:fs";
import { equalBytes, fromHex, type OperationError, utf8Encode } from "@ioi/base";
import {
  type CryptoProvider,
  domainHash,
  domains,
  type PrivateKey,
  signPayload,
} from "@ioi/crypto";
import {
  type DecisionStatement,
  decisionStatement,
  type pb,
  schema,
  scopeStatement,
} from "@ioi/wire";
import { failWith } from "../report.ts";
import { readBounded } from "./folder.ts";

const keyError = (message: string, cause?: unknown): OperationError =>
  failWith({ code: "E_CLI_DEVICE_KEY", message }, cause);

const fieldOf = (value: unknown, name: string): Uint8Array | undefined => {
  if (typeof value !== "object" || value === null) return undefined;
  const field = (value as Readonly<Record<string, unknown>>)[name];
  return typeof field === "string" ? fromHex(field) : undefined;
};

/** The key in `path`, `{publicKey, seed}` in hex. */
export const readDeviceKey = (path: string, provider: CryptoProvider): PrivateKey<"ed25519"> => {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(readBounded(path, 4096)).toString("utf8"));
  } catch (cause) {
    throw keyError(`cannot read ${path}`, cause);
  }
  if ((statSync(path).mode & 0o077) !== 0) throw keyError(`${path} can be read by others`);
  const seed = fieldOf(value, "seed");
  const publicKey = fieldOf(value, "publicKey");
  const key = seed === undefined ? undefined : provider.importPrivate("ed25519", seed);
  if (key?.ok !== true) throw keyError(`${path} holds no Ed25519 seed`);
  if (publicKey === undefined || !equalBytes(publicKey, key.value.publicKey)) {
    throw keyError(`${path}: the seed does not belong to the public key`);
  }
  return key.value;
};

export const cardHash = (provider: CryptoProvider, card: string): Uint8Array =>
  domainHash(provider, domains.card, utf8Encode(card));

export interface Decision {
  readonly decision: "approve" | "deny";
  readonly scope: "once" | "session" | "pattern";
}

/** A signed answer to an approval whose card was shown. */
export const signDecision = (
  provider: CryptoProvider,
  key: PrivateKey<"ed25519">,
  approval: pb.Approval,
  { decision, scope }: Decision,
): {
  readonly statement: Uint8Array;
  readonly signature: Uint8Array;
  readonly device: Uint8Array;
} => {
  const shown = cardHash(provider, approval.card);
  if (!equalBytes(shown, approval.cardHash)) {
    throw failWith({
      code: "E_CLI_CARD_MISMATCH",
      message: `approval ${approval.id} names another card than the one shown`,
    });
  }
  const statement: DecisionStatement = {
    version: 1,
    approval: approval.id,
    session: approval.session,
    actionId: approval.actionId,
    cardHash: shown,
    decision,
    scope,
    discharges: approval.asks.map(({ kind, id }) => ({ kind, id })),
    policyHash: approval.policyHash,
  };
  const encoded = schema.encode(decisionStatement, statement);
  const { payload, signature } = signPayload(provider, key, domains.decision, encoded);
  return { statement: payload, signature, device: key.publicKey };
};

/** A signed scope whose card was shown. */
export const signScope = (
  provider: CryptoProvider,
  key: PrivateKey<"ed25519">,
  { card, canonical }: Pick<pb.ProposeScopeReply, "card" | "canonical">,
): {
  readonly statement: Uint8Array;
  readonly signature: Uint8Array;
  readonly device: Uint8Array;
} => {
  const statement = schema.decode(scopeStatement, canonical);
  if (!statement.ok || !equalBytes(statement.value.cardHash, cardHash(provider, card))) {
    throw failWith({
      code: "E_CLI_CARD_MISMATCH",
      message: "the scope names another card than the one shown",
    });
  }
  const { payload, signature } = signPayload(provider, key, domains.scope, canonical);
  return { statement: payload, signature, device: key.publicKey };
};
