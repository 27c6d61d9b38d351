/**
 * What a stranger checks without the node: that a key of the chain's state has a value, or has none, in a
 * state that a committed block shows. Pure: a file and the Guardian's public key are enough, since the
 * Guardian's identity signs the start that the block's proof begins at. Proofs of format 1, of headers
 * that the identity signed itself, are checked as well.
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
import { startHash, verifyBlockProof } from "@ioi/consensus";
import { type CryptoProvider, domainBytes, domains, identityAlgorithm } from "@ioi/crypto";
import { jellyfish } from "@ioi/state";
import { blockProof, chainHeader, consensusStart, schema } from "@ioi/wire";
import { headerId, verifySeal } from "../former/block.ts";

interface Claim {
  /** As text where it is text; else as hex after `0x`. */
  readonly key: string;
  /** Null: the key is absent. */
  readonly value: string | null;
  readonly proof: string;
  /** Whose signature; believed only where it is the key that the verifier trusts. */
  readonly identity: string;
  readonly signature: string;
}

/** As `./ioi chain proof KEY --json` prints it; bytes in hex. */
export interface StateProofFile extends Claim {
  readonly schema: "ioi.chain-proof/2";
  /** Canonical `blockProof`; `signature` is over its start. */
  readonly block: string;
}

export interface FormerProofFile extends Claim {
  readonly schema: "ioi.chain-proof/1";
  readonly header: string;
  readonly counter: string;
}

export type ChainProof = StateProofFile | FormerProofFile;

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

const common = ["schema", "key", "value", "proof", "identity", "signature"];
const fieldsOf: ReadonlyMap<unknown, readonly string[]> = new Map([
  ["ioi.chain-proof/1", [...common, "header", "counter"]],
  ["ioi.chain-proof/2", [...common, "block"]],
]);

/** Form only; unknown fields are refused. */
export const parseChainProof = (value: unknown): Result<ChainProof, ChainProofError> => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return invalid("not an object");
  }
  const fields = value as Readonly<Record<string, unknown>>;
  const names = fieldsOf.get(fields["schema"]);
  if (names === undefined) return invalid("not a proof of the chain");
  const unknown = Object.keys(fields).find((name) => !names.includes(name));
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
  /** After which the state is. */
  readonly height: number | null;
  /** Hash of the header that shows it. */
  readonly header: string | null;
  /** What is wrong; null where nothing is. */
  readonly reason: string | null;
}

/** What a signed header says of the state. */
interface Shown {
  readonly chain: Uint8Array;
  readonly height: bigint;
  readonly id: Uint8Array;
  readonly stateRoot: Uint8Array;
}

type Trusting = Pick<CryptoProvider, "sha256" | "verify">;

/** Of a block under the start that the identity signed. */
const shownByBlock = (
  provider: Trusting,
  { block, signature }: StateProofFile,
  trusted: Uint8Array,
): Shown | string => {
  const [bytes, signed] = [fromHex(block), fromHex(signature)];
  if (bytes === undefined) return "the block is not hex";
  if (signed === undefined) return "the signature is not hex";
  const decoded = schema.decode(blockProof, bytes);
  if (!decoded.ok) return `the block's proof is malformed: ${decoded.error.message}`;
  const { start } = decoded.value;
  const statement = domainBytes(domains.chainStart, schema.encode(consensusStart, start));
  if (!provider.verify(identityAlgorithm, trusted, statement, signed)) {
    return "the signature does not fit the start";
  }
  const verified = verifyBlockProof(provider, bytes, startHash(provider, start));
  if (!verified.ok) return verified.error.message;
  const { header, digest, chain } = verified.value;
  return { chain, height: header.stateHeight, id: digest, stateRoot: header.stateRoot };
};

const shownByHeader = (
  provider: Trusting,
  { header: text, counter, signature }: FormerProofFile,
  trusted: Uint8Array,
): Shown | string => {
  const [encoded, signed] = [fromHex(text), fromHex(signature)];
  if (encoded === undefined) return "the header is not hex";
  if (signed === undefined) return "the signature is not hex";
  if (!/^(?:0|[1-9]\d{0,19})$/.test(counter)) return "the counter is not a number";
  const decoded = schema.decode(chainHeader, encoded);
  if (!decoded.ok) return `the header is malformed: ${decoded.error.message}`;
  const seal = { counter: BigInt(counter), signature: signed };
  if (!verifySeal(provider, trusted, encoded, seal)) return "the signature does not fit";
  const { chain, height, stateRoot } = decoded.value;
  return { chain, height, id: headerId(provider, encoded), stateRoot };
};

const stateComplaint = (
  provider: Trusting,
  { key: text, value: given, proof: path }: Claim,
  stateRoot: Uint8Array,
): string | undefined => {
  const key = keyBytes(text);
  const value = given === null ? undefined : fromHex(given);
  const proof = fromHex(path);
  if (key === undefined || keyText(key) !== text) return "the key is not in its one form";
  if (given !== null && value === undefined) return "the value is not hex";
  if (proof === undefined) return "the proof is not hex";
  const verdict =
    value === undefined
      ? jellyfish.verifyAbsent(provider, stateRoot, key, proof)
      : jellyfish.verifyPresent(provider, stateRoot, { key, value }, proof);
  return verdict.ok ? undefined : verdict.error.message;
};

/** Verifies a proof against the key that the caller trusts, and the chain where it names one. */
export const verifyChainProof = (
  provider: Trusting,
  proof: ChainProof,
  trusted: Uint8Array,
  chain?: Uint8Array,
): ChainVerdict => {
  const verdict = (reason: string | undefined, shown?: Shown): ChainVerdict => ({
    schema: "ioi.chain-verify/1",
    ok: reason === undefined,
    key: proof.key,
    value: proof.value,
    height: shown === undefined ? null : Number(shown.height),
    header: shown === undefined ? null : toHex(shown.id),
    reason: reason ?? null,
  });
  const identity = fromHex(proof.identity);
  if (identity === undefined) return verdict("the identity is not hex");
  if (!equalBytes(identity, trusted)) {
    return verdict("it is by another identity than the trusted one");
  }
  const shown =
    proof.schema === "ioi.chain-proof/2"
      ? shownByBlock(provider, proof, trusted)
      : shownByHeader(provider, proof, trusted);
  if (typeof shown === "string") return verdict(shown);
  if (chain !== undefined && !equalBytes(chain, shown.chain)) {
    return verdict("it is of another chain", shown);
  }
  return verdict(stateComplaint(provider, proof, shown.stateRoot), shown);
};
