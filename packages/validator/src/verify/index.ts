/**
 * What a stranger checks without the node: that a key of the chain's state has a value, or has none,
 * under a header that the Guardian signed. Pure: a file and the Guardian's public key are enough.
 */
import {
  equalBytes,
  err,
  fromHex,
  ok,
  type Rejection,
  type Result,
  toHex,
  utf8Decode,
  utf8Encode,
} from "@ioi/base";
import type { CryptoProvider } from "@ioi/crypto";
import { jellyfish } from "@ioi/state";
import { type ChainHeader, chainHeader, schema } from "@ioi/wire";
import { headerId, verifySeal } from "../block.ts";

/** As `./ioi chain proof KEY --json` prints it; bytes in hex. */
export interface ChainProof {
  readonly schema: "ioi.chain-proof/1";
  /** As text where it is text; else as hex after `0x`. */
  readonly key: string;
  /** Null: the key is absent. */
  readonly value: string | null;
  readonly proof: string;
  readonly header: string;
  readonly counter: string;
  readonly signature: string;
  /** Whose signature; believed only where it is the key that the verifier trusts. */
  readonly identity: string;
}

export type ChainProofError = Rejection<"E_CHAIN_PROOF">;

const invalid = (message: string): Result<never, ChainProofError> =>
  err({ code: "E_CHAIN_PROOF", message });

/** `0x` and hex, or text. Undefined where it is neither. */
export const keyBytes = (key: string): Uint8Array | undefined => {
  if (key.startsWith("0x")) return fromHex(key.slice(2));
  return key.isWellFormed() ? utf8Encode(key) : undefined;
};

const isPlain = (text: string): boolean => /^[!-~]+$/.test(text) && !text.startsWith("0x");

export const keyText = (key: Uint8Array): string => {
  const text = utf8Decode(key);
  return text !== undefined && isPlain(text) ? text : `0x${toHex(key)}`;
};

const names = [
  "schema",
  "key",
  "value",
  "proof",
  "header",
  "counter",
  "signature",
  "identity",
] as const;

/** Form only; unknown fields are refused. */
export const parseChainProof = (value: unknown): Result<ChainProof, ChainProofError> => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return invalid("not an object");
  }
  const fields = value as Readonly<Record<string, unknown>>;
  if (fields["schema"] !== "ioi.chain-proof/1") return invalid("not a proof of the chain");
  const unknown = Object.keys(fields).find((name) => !names.some((each) => each === name));
  if (unknown !== undefined)
    return invalid(`unknown field ${JSON.stringify(unknown).slice(0, 40)}`);
  for (const name of names) {
    const field = fields[name];
    if (typeof field !== "string" && !(name === "value" && field === null)) {
      return invalid(`the field ${name} is missing or no text`);
    }
  }
  return ok(value as ChainProof);
};

export interface ChainVerdict {
  readonly schema: "ioi.chain-verify/1";
  readonly ok: boolean;
  readonly key: string;
  readonly value: string | null;
  readonly height: number | null;
  readonly header: string | null;
  /** What is wrong; null where nothing is. */
  readonly reason: string | null;
}

interface Opened {
  readonly key: Uint8Array;
  readonly value: Uint8Array | undefined;
  readonly proof: Uint8Array;
  readonly encoded: Uint8Array;
  readonly header: ChainHeader;
  readonly counter: bigint;
  readonly signature: Uint8Array;
  readonly identity: Uint8Array;
}

const open = (proof: ChainProof): Opened | string => {
  const key = keyBytes(proof.key);
  if (key === undefined || keyText(key) !== proof.key) return "the key is not in its one form";
  const value = proof.value === null ? undefined : fromHex(proof.value);
  if (proof.value !== null && value === undefined) return "the value is not hex";
  const [path, encoded, signature, identity] = [
    fromHex(proof.proof),
    fromHex(proof.header),
    fromHex(proof.signature),
    fromHex(proof.identity),
  ];
  if (path === undefined) return "the proof is not hex";
  if (encoded === undefined) return "the header is not hex";
  if (signature === undefined) return "the signature is not hex";
  if (identity === undefined) return "the identity is not hex";
  if (!/^(?:0|[1-9]\d{0,19})$/.test(proof.counter)) return "the counter is not a number";
  const header = schema.decode(chainHeader, encoded);
  if (!header.ok) return `the header is malformed: ${header.error.message}`;
  const counter = BigInt(proof.counter);
  return { key, value, proof: path, encoded, header: header.value, counter, signature, identity };
};

const wrongIn = (
  provider: CryptoProvider,
  opened: Opened,
  trusted: Uint8Array,
  chain: Uint8Array | undefined,
): string | undefined => {
  const { key, value, proof, encoded, header, identity } = opened;
  if (!equalBytes(identity, trusted)) return "it is by another identity than the trusted one";
  if (chain !== undefined && !equalBytes(chain, header.chain)) return "it is of another chain";
  if (!verifySeal(provider, trusted, encoded, opened)) return "the signature does not fit";
  const verdict =
    value === undefined
      ? jellyfish.verifyAbsent(provider, header.stateRoot, key, proof)
      : jellyfish.verifyPresent(provider, header.stateRoot, { key, value }, proof);
  return verdict.ok ? undefined : verdict.error.message;
};

/** Verifies a proof against the key that the caller trusts, and the chain where it names one. */
export const verifyChainProof = (
  provider: CryptoProvider,
  proof: ChainProof,
  trusted: Uint8Array,
  chain?: Uint8Array,
): ChainVerdict => {
  const opened = open(proof);
  const reason =
    typeof opened === "string" ? opened : (wrongIn(provider, opened, trusted, chain) ?? null);
  const header = typeof opened === "string" ? undefined : opened;
  return {
    schema: "ioi.chain-verify/1",
    ok: reason === null,
    key: proof.key,
    value: proof.value,
    height: header === undefined ? null : Number(header.header.height),
    header: header === undefined ? null : toHex(headerId(provider, header.encoded)),
    reason,
  };
};
