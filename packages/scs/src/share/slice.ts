/**
 * A slice of memories for one other agent: sealed to its key (X25519 and ML-KEM-768, `sealed-box.ts`),
 * with the proof that they stand in the log they are said to be from. `specs/scs/share.md`.
 *
 * - Nothing of a slice is given before its proof is verified, and nothing that was altered, is sealed
 *   to another key, or says to be from somebody else than it was sealed by the name of.
 * - What vouches for the sharer is the checkpoint, signed by its Guardian, where the receiver knows
 *   that key; without, the sharer is who the slice says, and the label says so.
 * - A box does not say who sealed it: somebody who was given a slice can seal it anew to a third. The
 *   memories stay those of the log that the checkpoint names.
 */
import {
  assert,
  concatBytes,
  equalBytes,
  err,
  ok,
  type Rejection,
  type Result,
  toHex,
} from "@ioi/base";
import {
  type CryptoProvider,
  domainBytes,
  domainHash,
  domains,
  type Hashing,
  openBox,
  sealBox,
  type SealingKeys,
  sealingPublicKey,
  verifyCheckpoint,
} from "@ioi/crypto";
import { verifyRecall } from "@ioi/verifier";
import { schema } from "@ioi/wire";
import { sliceProofBytesMax } from "../limits.ts";
import type { NewMemory } from "../memory.ts";
import { recallProof } from "../recall-proof.ts";
import { commitHash } from "../walk.ts";
import { type MemorySlice, memorySlice, sharedSlice } from "./messages.ts";

export type SliceError = Rejection<
  "E_SLICE_INVALID" | "E_SLICE_KEY" | "E_SLICE_NEWER" | "E_SLICE_TAKEN"
>;

const refuse = (code: SliceError["code"], message: string): Result<never, SliceError> =>
  err({ code, message });

const originCharsMax = 2048;

/** At most so many characters, without half of one. */
const cut = (text: string, charsMax: number): string => {
  const short = text.slice(0, charsMax);
  return short.isWellFormed() ? short : short.slice(0, -1);
};

/** What names an agent by a public key of it: for sealing, or its Guardian's. */
export const agentId = (hashing: Hashing, publicKey: Uint8Array): Uint8Array =>
  domainHash(hashing, domains.scsShare, publicKey);

const associated = (from: Uint8Array, to: Uint8Array): Uint8Array =>
  domainBytes(domains.scsShare, concatBytes(from, to));

export interface NewSlice {
  /** `agentId` of the sharer's Guardian, 32 bytes. */
  readonly from: Uint8Array;
  /** The receiver's `sealingPublicKey`. */
  readonly recipient: Uint8Array;
  readonly atMs: number;
  /** An `ioi.recall-proof/1`: the memories, and what shows them. */
  readonly proof: Uint8Array;
  /** A signed checkpoint of the log of that proof. */
  readonly checkpoint?: string;
}

/** What travels; refused where the key is none. */
export const sealSlice = (
  provider: CryptoProvider,
  { from, recipient, atMs, proof, checkpoint }: NewSlice,
): Result<Uint8Array, SliceError> => {
  if (proof.length > sliceProofBytesMax) {
    return refuse("E_SLICE_INVALID", `the memories have more than ${sliceProofBytesMax} bytes`);
  }
  assert(from.length === 32, "an agent's id has 32 bytes");
  const to = agentId(provider, recipient);
  const slice = schema.encode(memorySlice, {
    schema: "ioi.memory-slice/1",
    slice: provider.randomBytes(16),
    from,
    to,
    atMs,
    proof,
    ...(checkpoint === undefined ? {} : { checkpoint }),
  });
  const box = sealBox(provider, recipient, slice, associated(from, to));
  if (!box.ok) return refuse("E_SLICE_KEY", box.error.message);
  return ok(schema.encode(sharedSlice, { schema: "ioi.shared-slice/1", from, to, box: box.value }));
};

export interface OpenedSlice {
  readonly slice: Uint8Array;
  readonly from: Uint8Array;
  readonly atMs: number;
  /** Whether a checkpoint that the sharer's Guardian signed covers the memories. */
  readonly isVouched: boolean;
  /** As they are to be stored: with origin "shared". */
  readonly memories: readonly NewMemory[];
}

export interface OpenWith {
  readonly keys: SealingKeys;
  /** The Guardian's key of the agent that the slice must be from; without, nobody vouches. */
  readonly sharer?: Uint8Array;
}

const unseal = (
  provider: CryptoProvider,
  keys: SealingKeys,
  bytes: Uint8Array,
): Result<MemorySlice, SliceError> => {
  const outer = schema.decode(sharedSlice, bytes);
  if (!outer.ok) return refuse("E_SLICE_INVALID", `it is no shared slice: ${outer.error.message}`);
  const { from, to, box } = outer.value;
  if (!equalBytes(to, agentId(provider, sealingPublicKey(keys)))) {
    return refuse("E_SLICE_KEY", "it is sealed to another key");
  }
  const opened = openBox(provider, keys, box, associated(from, to));
  if (!opened.ok) {
    const isNewer = opened.error.code === "E_SEALED_VERSION";
    return refuse(isNewer ? "E_SLICE_NEWER" : "E_SLICE_INVALID", opened.error.message);
  }
  const inner = schema.decode(memorySlice, opened.value);
  if (!inner.ok) return refuse("E_SLICE_INVALID", `what is sealed: ${inner.error.message}`);
  return equalBytes(inner.value.from, from) && equalBytes(inner.value.to, to)
    ? inner
    : refuse("E_SLICE_INVALID", "what is sealed is from somebody else");
};

/** Root and size of the log, if the sharer's Guardian signed them. */
const vouchedRoot = (
  provider: CryptoProvider,
  { from, checkpoint }: MemorySlice,
  sharer: Uint8Array,
  store: Uint8Array,
): Result<{ readonly size: number; readonly root: Uint8Array }, SliceError> => {
  if (!equalBytes(from, agentId(provider, sharer))) {
    return refuse("E_SLICE_INVALID", "it is from another agent");
  }
  if (checkpoint === undefined) return refuse("E_SLICE_INVALID", "it has no checkpoint");
  const key = { name: `ioi/scs/${toHex(store)}`, publicKey: sharer };
  const verified = verifyCheckpoint(provider, key, checkpoint);
  return verified.ok ? verified : refuse("E_SLICE_INVALID", verified.error.message);
};

/**
 * The root that the proof itself names: it shows that the memories belong together, and no more. Taken
 * where nobody vouches for the sharer.
 */
const ownRoot = (proof: Uint8Array, hashing: Hashing): ReturnType<typeof verifyRecall> => {
  const named = schema.decode(recallProof, proof);
  if (!named.ok) return { ok: false, reason: named.error.message };
  const { commit, seal } = named.value;
  return verifyRecall(proof, { commit: commitHash(hashing, concatBytes(commit, seal)) });
};

/** The slice, once its proof is verified; refused for every other reason. */
export const openSlice = (
  provider: CryptoProvider,
  bytes: Uint8Array,
  { keys, sharer }: OpenWith,
): Result<OpenedSlice, SliceError> => {
  const unsealed = unseal(provider, keys, bytes);
  if (!unsealed.ok) return unsealed;
  const { slice, from, atMs, proof } = unsealed.value;
  const verdict = ownRoot(proof, provider);
  if (!verdict.ok) return refuse("E_SLICE_INVALID", `its proof: ${verdict.reason}`);
  const { answers, commit, store } = verdict;
  if (answers.length === 0) return refuse("E_SLICE_INVALID", "it holds no memory");
  if (sharer !== undefined) {
    const vouched = vouchedRoot(provider, unsealed.value, sharer, store);
    if (!vouched.ok) return vouched;
    const { size, root } = vouched.value;
    if (size !== commit.logSize || !equalBytes(root, commit.logRoot)) {
      return refuse("E_SLICE_INVALID", "its checkpoint is of another log");
    }
  }
  const isVouched = sharer !== undefined;
  const name = `${isVouched ? "" : "unverified "}${toHex(from)}`;
  const memories = answers.map(({ memory, content }): NewMemory => {
    const { text, mediaType, saidMs, origin, tags } = content;
    const said = `${name}: ${origin.kind} ${origin.from}`;
    return {
      text,
      mediaType,
      ...(saidMs === undefined ? {} : { saidMs }),
      // Whatever it was to the sharer, here it is what somebody else said.
      origin: { kind: "shared", from: cut(said, originCharsMax) },
      source: `ioi-scs:${toHex(store)}/${memory}`,
      tags,
    };
  });
  return ok({ slice, from, atMs, isVouched, memories });
};
