/**
 * Verifies a proof of the chain (`ioi.chain-proof/2`): that a key of its state has a value, or has none, in
 * a state that a committed block shows, under a start that the Guardian signed; and one of format 1,
 * under a header that the Guardian signed itself.
 *
 * Source: penumbra `jmt` with SHA-256 for the state's tree. A second implementation on purpose; see
 * `receipts.ts`. It does not show that the header is the newest, nor that no other header of its
 * height was signed: with a software anchor the machine's owner can roll back.
 */
import { equalBytes, err, ok, type Result, toHex, utf8Decode, utf8Encode } from "@ioi/base";
import { blockProof, chainHeader, consensusStart, headerStatement, schema } from "@ioi/wire";
import { commitComplaint, headerHash } from "./commit.ts";
import { type Fields, hexOf, objectOf } from "./form.ts";
import { stateProofBytesMax } from "./limits.ts";
import { hashBytes, isSignedBy, sha256, under } from "./primitives.ts";
import type { FormError } from "./receipts.ts";

export interface ChainReport {
  readonly schema: "ioi.chain-verify/1";
  readonly ok: boolean;
  readonly key: string;
  /** Hex; null: shown to be absent. */
  readonly value: string | null;
  readonly height: number | null;
  /** Hash of the header, in hex. */
  readonly header: string | null;
  readonly reason: string | null;
}

const common = ["schema", "key", "value", "proof", "signature", "identity"];
const namesOf: ReadonlyMap<unknown, readonly string[]> = new Map([
  ["ioi.chain-proof/1", [...common, "header", "counter"]],
  ["ioi.chain-proof/2", [...common, "block"]],
]);

const stateProof = schema.record({
  leaf: schema.optional(
    schema.record({ keyHash: schema.bytes(hashBytes), valueHash: schema.bytes(hashBytes) }),
  ),
  siblings: schema.array(schema.bytes(hashBytes), 8 * hashBytes),
});
type StateProof = schema.Infer<typeof stateProof>;

const placeholder = utf8Encode("SPARSE_MERKLE_PLACEHOLDER_HASH__");

/** Bits of a hash as a text of 0 and 1: a path from the root down. */
const pathOf = (hash: Uint8Array): string =>
  [...hash].map((byte) => byte.toString(2).padStart(8, "0")).join("");

const leafNode = ({ keyHash, valueHash }: NonNullable<StateProof["leaf"]>): Uint8Array =>
  sha256(utf8Encode("JMT::LeafNode"), keyHash, valueHash);

/** The root above `bottom`: siblings come from the bottom up, the path is read backwards. */
const rootAbove = (bottom: Uint8Array, path: string, siblings: readonly Uint8Array[]): Uint8Array =>
  siblings.reduce((below, sibling, climbed) => {
    const isRight = path[siblings.length - 1 - climbed] === "1";
    const [left, right] = isRight ? [sibling, below] : [below, sibling];
    return sha256(utf8Encode("JMT::IntrnalNode"), left, right);
  }, bottom);

/** What is wrong with the claim that `key` has `value` (undefined: none) under `root`. */
const stateComplaint = (
  root: Uint8Array,
  key: Uint8Array,
  value: Uint8Array | undefined,
  bytes: Uint8Array,
): string | undefined => {
  const decoded = bytes.length <= stateProofBytesMax ? schema.decode(stateProof, bytes) : undefined;
  if (decoded?.ok !== true) return "the proof is malformed";
  const { leaf, siblings } = decoded.value;
  const keyHash = sha256(key);
  const path = pathOf(keyHash);
  const ours = leaf !== undefined && equalBytes(leaf.keyHash, keyHash);
  if (value === undefined) {
    if (ours) return "the key is there";
    const beside =
      leaf !== undefined && !pathOf(leaf.keyHash).startsWith(path.slice(0, siblings.length));
    if (beside) return "the proof ends beside the key's path";
  } else if (!ours || !equalBytes(leaf.valueHash, sha256(value))) {
    return "the proof is of another key or value";
  }
  const bottom = leaf === undefined ? placeholder : leafNode(leaf);
  return equalBytes(rootAbove(bottom, path, siblings), root)
    ? undefined
    : "the proof leads to another root";
};

/** `0x` and hex, or plain text; each key has one form. */
const keyOf = (text: string): Uint8Array | undefined => {
  const key = text.startsWith("0x")
    ? hexOf(text.slice(2))
    : text.isWellFormed()
      ? utf8Encode(text)
      : undefined;
  if (key === undefined) return undefined;
  const plain = utf8Decode(key) ?? "";
  const only = /^[!-~]+$/.test(plain) && !plain.startsWith("0x") ? plain : `0x${toHex(key)}`;
  return only === text ? key : undefined;
};

const readFields = (value: unknown): Result<Fields, FormError> => {
  const form = objectOf(value, [...common, "header", "counter", "block"]);
  const names = namesOf.get(form?.["schema"]);
  const fields = names === undefined ? undefined : objectOf(value, names);
  const isWhole = names?.every((name) => {
    const field = fields?.[name];
    return typeof field === "string" || (name === "value" && field === null);
  });
  return fields !== undefined && isWhole === true
    ? ok(fields)
    : err({ code: "E_VERIFY_FORM", message: "it is no proof of the chain" });
};

/** What a signed header says of the state, or what is wrong with it. */
interface Shown {
  readonly chain: Uint8Array;
  readonly header: Uint8Array;
  readonly height: bigint;
  readonly stateRoot: Uint8Array;
}

const byBlock = (fields: Fields, trusted: Uint8Array): Shown | string => {
  const [bytes, signature] = [hexOf(fields["block"]), hexOf(fields["signature"])];
  const decoded = bytes === undefined ? undefined : schema.decode(blockProof, bytes);
  if (decoded?.ok !== true || signature === undefined) return "the block's proof is malformed";
  const { start, commit } = decoded.value;
  const statement = under("ioi/guardian/start/v1", schema.encode(consensusStart, start));
  if (!isSignedBy(trusted, statement, signature)) return "the signature does not fit the start";
  const wrong = commitComplaint(decoded.value);
  if (wrong !== undefined) return wrong;
  const { stateHeight: height, stateRoot, chain } = commit.block;
  return { chain, header: headerHash(commit.block), height, stateRoot };
};

const byHeader = (fields: Fields, trusted: Uint8Array): Shown | string => {
  const [encoded, signature] = [hexOf(fields["header"]), hexOf(fields["signature"])];
  const counter = String(fields["counter"]);
  if (!encoded || !signature || !/^(?:0|[1-9]\d{0,19})$/.test(counter)) {
    return "a field is not hex or not a number";
  }
  const decoded = schema.decode(chainHeader, encoded);
  if (!decoded.ok) return "the header is malformed";
  if (BigInt(counter) >= 1n << 64n) return "the counter is too large";
  const signed = { version: 1, header: encoded, counter: BigInt(counter) };
  const statement = schema.encode(headerStatement, signed);
  if (!isSignedBy(trusted, under("ioi/guardian/header/v1", statement), signature)) {
    return "the signature does not fit";
  }
  const { chain, height, stateRoot } = decoded.value;
  return { chain, header: sha256(under("ioi/chain/header/v1", encoded)), height, stateRoot };
};

/** The height and the header's hash, or what is wrong. */
const judge = (
  fields: Fields,
  trusted: Uint8Array,
  chain: Uint8Array | undefined,
): { readonly header?: Uint8Array; readonly height?: bigint; readonly reason?: string } => {
  const key = keyOf(String(fields["key"]));
  const value = fields["value"] === null ? undefined : hexOf(fields["value"]);
  const [proof, identity] = [hexOf(fields["proof"]), hexOf(fields["identity"])];
  if (key === undefined) return { reason: "the key is not in its one form" };
  if (fields["value"] !== null && value === undefined) return { reason: "the value is not hex" };
  if (!proof || !identity) return { reason: "a field is not hex" };
  if (!equalBytes(identity, trusted)) {
    return { reason: "it is by another identity than the trusted one" };
  }
  const isFormer = fields["schema"] === "ioi.chain-proof/1";
  const shown = isFormer ? byHeader(fields, trusted) : byBlock(fields, trusted);
  if (typeof shown === "string") return { reason: shown };
  const { header, height } = shown;
  if (chain !== undefined && !equalBytes(chain, shown.chain)) {
    return { header, height, reason: "it is of another chain" };
  }
  const reason = stateComplaint(shown.stateRoot, key, value, proof);
  return reason === undefined ? { header, height } : { header, height, reason };
};

/** The report on parsed JSON, or that it has not the form of a proof. Total. */
export const verifyChain = (
  value: unknown,
  trusted: Uint8Array,
  chain?: Uint8Array,
): Result<ChainReport, FormError> => {
  const fields = readFields(value);
  if (!fields.ok) return fields;
  const { header, height, reason } = judge(fields.value, trusted, chain);
  return ok({
    schema: "ioi.chain-verify/1",
    ok: reason === undefined,
    key: String(fields.value["key"]),
    value: fields.value["value"] as string | null,
    height: height === undefined ? null : Number(height),
    header: header === undefined ? null : toHex(header),
    reason: reason ?? null,
  });
};
