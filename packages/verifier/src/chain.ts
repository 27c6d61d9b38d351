/**
 * Verifies a proof of the chain (`ioi.chain-proof/1`): that a key of its state has a value, or has
 * none, under a header that the Guardian signed.
 *
 * Source: penumbra `jmt` with SHA-256 for the state's tree. A second implementation on purpose; see
 * `receipts.ts`. It does not show that the header is the newest, nor that no other header of its
 * height was signed: with a software anchor the machine's owner can roll back.
 */
import { equalBytes, err, ok, type Result, toHex, utf8Decode, utf8Encode } from "@ioi/base";
import { chainHeader, headerStatement, schema } from "@ioi/wire";
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

const names = ["schema", "key", "value", "proof", "header", "counter", "signature", "identity"];

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
  const fields = objectOf(value, names);
  const isWhole =
    fields?.["schema"] === "ioi.chain-proof/1" &&
    names.every((name) => {
      const field = fields[name];
      return typeof field === "string" || (name === "value" && field === null);
    });
  return fields !== undefined && isWhole
    ? ok(fields)
    : err({ code: "E_VERIFY_FORM", message: "it is no proof of the chain" });
};

/** The height and the header's hash, or what is wrong. */
const judge = (
  fields: Fields,
  trusted: Uint8Array,
  chain: Uint8Array | undefined,
): { readonly header?: Uint8Array; readonly height?: bigint; readonly reason?: string } => {
  const text = (name: string): string => String(fields[name]);
  const key = keyOf(text("key"));
  const value = fields["value"] === null ? undefined : hexOf(fields["value"]);
  const [proof, encoded] = [hexOf(fields["proof"]), hexOf(fields["header"])];
  const [signature, identity] = [hexOf(fields["signature"]), hexOf(fields["identity"])];
  const isNumber = /^(?:0|[1-9]\d{0,19})$/.test(text("counter"));
  if (key === undefined) return { reason: "the key is not in its one form" };
  if (fields["value"] !== null && value === undefined) return { reason: "the value is not hex" };
  if (!proof || !encoded || !signature || !identity || !isNumber) {
    return { reason: "a field is not hex or not a number" };
  }
  const decoded = schema.decode(chainHeader, encoded);
  if (!decoded.ok) return { reason: "the header is malformed" };
  const header = sha256(under("ioi/chain/header/v1", encoded));
  const { height, stateRoot, chain: of } = decoded.value;
  const bad = (reason: string) => ({ header, height, reason });
  if (!equalBytes(identity, trusted)) return bad("it is by another identity than the trusted one");
  if (chain !== undefined && !equalBytes(chain, of)) return bad("it is of another chain");
  const counter = BigInt(text("counter"));
  if (counter >= 1n << 64n) return bad("the counter is too large");
  const statement = schema.encode(headerStatement, { version: 1, header: encoded, counter });
  if (!isSignedBy(trusted, under("ioi/guardian/header/v1", statement), signature)) {
    return bad("the signature does not fit");
  }
  const reason = stateComplaint(stateRoot, key, value, proof);
  return reason === undefined ? { header, height } : bad(reason);
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
