/**
 * Checkpoints of a log as signed notes: text that a person can read and any C2SP tool can parse.
 *
 * Source: c2sp.org/tlog-checkpoint over c2sp.org/signed-note. The note's text is the origin, the
 * decimal size, the base64 root and extension lines, each ended by a newline; then an empty line
 * and signature lines `— <key name> <base64(key id || signature)>`.
 *
 * Our signature type, since C2SP assigns none to ML-DSA-65, is 0xff with a long identifier:
 *   key id    = first 4 bytes of SHA-256(key name || 0x0A || 0xff || IDENTIFIER || public key)
 *   signature = ML-DSA-65 over domainBytes("ioi/guardian/checkpoint/v1", note text)
 * where IDENTIFIER = "ioi/guardian/checkpoint/v1/ml-dsa-65" and the public key is raw (FIPS 204).
 *
 * As C2SP has it: lines of unknown keys are ignored; a line of the known key that does not verify
 * spoils the whole note. Bounds: `checkpointBytesMax`, `checkpointSignaturesMax`.
 */
import {
  assert,
  concatBytes,
  equalBytes,
  err,
  fromBase64,
  ok,
  type Rejection,
  type Result,
  toBase64,
  utf8Encode,
} from "@ioi/base";
import { domainBytes, domains } from "./domains.ts";
import { checkpointBytesMax, checkpointExtensionsMax, checkpointSignaturesMax } from "./limits.ts";
import { hashBytes } from "./merkle-tree.ts";
import type { CryptoProvider, Hashing, PrivateKey, Verifying } from "./provider.ts";

export interface Checkpoint {
  /** Names the log; equal to the key name of its own signature line. */
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
  readonly extensions: readonly string[];
}

export interface CheckpointSignature {
  readonly name: string;
  /** 4 bytes. */
  readonly keyId: Uint8Array;
  readonly signature: Uint8Array;
}

export interface ParsedCheckpoint {
  readonly checkpoint: Checkpoint;
  /** What the signatures cover, up to the algorithm's domain. */
  readonly text: string;
  readonly signatures: readonly CheckpointSignature[];
}

export interface CheckpointKey {
  readonly name: string;
  /** Raw ML-DSA-65. */
  readonly publicKey: Uint8Array;
}

export type CheckpointError = Rejection<"E_CHECKPOINT_INVALID">;

const keyIdBytes = 4;
const signatureType = concatBytes(
  Uint8Array.of(0xff),
  utf8Encode(`${domains.checkpoint}/ml-dsa-65`),
);

const invalid = (message: string): Result<never, CheckpointError> =>
  err({ code: "E_CHECKPOINT_INVALID", message });

/** A line of a note: no control characters, well-formed, not empty. */
const isLine = (text: string): boolean => text.isWellFormed() && /^[ -\u{10ffff}]+$/u.test(text);

const isKeyName = (text: string): boolean => isLine(text) && !/[\s+]/u.test(text);

export const checkpointKeyId = (provider: Hashing, key: CheckpointKey): Uint8Array =>
  provider
    .sha256(concatBytes(utf8Encode(`${key.name}\n`), signatureType, key.publicKey))
    .slice(0, keyIdBytes);

/** The text that is signed. */
export const checkpointText = (checkpoint: Checkpoint): string => {
  const { origin, size, root, extensions } = checkpoint;
  assert(isLine(origin) && extensions.every(isLine), "a checkpoint's line is malformed");
  assert(Number.isSafeInteger(size) && size >= 0, `a checkpoint of ${size} leaves`);
  assert(root.length === hashBytes, "a checkpoint's root is no hash");
  assert(extensions.length <= checkpointExtensionsMax, "too many extension lines");
  return [origin, size, toBase64(root), ...extensions].map((line) => `${line}\n`).join("");
};

export const formatCheckpoint = (
  checkpoint: Checkpoint,
  signatures: readonly CheckpointSignature[],
): string => {
  const lines = signatures.map(({ name, keyId, signature }) => {
    assert(isKeyName(name) && keyId.length === keyIdBytes, "a malformed checkpoint signature");
    return `\u2014 ${name} ${toBase64(concatBytes(keyId, signature))}\n`;
  });
  return `${checkpointText(checkpoint)}\n${lines.join("")}`;
};

/** The whole note, signed by the log itself: the key's name is the origin. */
export const signCheckpoint = (
  provider: CryptoProvider,
  key: PrivateKey<"ml-dsa-65">,
  checkpoint: Checkpoint,
): string => {
  const name = checkpoint.origin;
  const text = utf8Encode(checkpointText(checkpoint));
  const keyId = checkpointKeyId(provider, { name, publicKey: key.publicKey });
  const signature = provider.sign(key, domainBytes(domains.checkpoint, text));
  return formatCheckpoint(checkpoint, [{ name, keyId, signature }]);
};

const parseBody = (body: string): Result<Checkpoint, CheckpointError> => {
  const [origin, sizeText, rootText, ...extensions] = body.slice(0, -1).split("\n");
  if (origin === undefined || sizeText === undefined || rootText === undefined) {
    return invalid("a checkpoint has an origin, a size and a root");
  }
  if (!isLine(origin)) return invalid("the origin is malformed");
  if (!/^(?:0|[1-9][0-9]{0,15})$/.test(sizeText)) return invalid("the size is malformed");
  const size = Number(sizeText);
  if (!Number.isSafeInteger(size)) return invalid("the size is beyond 2^53 - 1");
  const root = fromBase64(rootText);
  if (root?.length !== hashBytes) return invalid("the root is malformed");
  if (extensions.length > checkpointExtensionsMax || !extensions.every(isLine)) {
    return invalid("the extension lines are malformed");
  }
  return ok({ origin, size, root, extensions });
};

const parseSignature = (line: string): CheckpointSignature | undefined => {
  const [dash, name, encoded, ...rest] = line.split(" ");
  if (dash !== "\u2014" || name === undefined || encoded === undefined || rest.length > 0) {
    return undefined;
  }
  const bytes = fromBase64(encoded);
  if (!isKeyName(name) || bytes === undefined || bytes.length <= keyIdBytes) return undefined;
  return { name, keyId: bytes.slice(0, keyIdBytes), signature: bytes.slice(keyIdBytes) };
};

/** Form only: nothing is verified. */
export const parseCheckpoint = (note: string): Result<ParsedCheckpoint, CheckpointError> => {
  if (note.length > checkpointBytesMax) return invalid(`more than ${checkpointBytesMax} bytes`);
  const end = note.lastIndexOf("\n\n");
  if (end < 0 || !note.endsWith("\n")) return invalid("there are no signature lines");
  const text = note.slice(0, end + 1);
  const checkpoint = parseBody(text);
  if (!checkpoint.ok) return checkpoint;
  const lines = note.slice(end + 2, -1).split("\n");
  if (lines.length > checkpointSignaturesMax) return invalid("too many signature lines");
  const signatures: CheckpointSignature[] = [];
  for (const line of lines) {
    const signature = parseSignature(line);
    if (signature === undefined) return invalid("a signature line is malformed");
    signatures.push(signature);
  }
  return ok({ checkpoint: checkpoint.value, text, signatures });
};

/** The checkpoint, if `key` signed it and the log that it names is the key's. */
export const verifyCheckpoint = (
  provider: Verifying,
  key: CheckpointKey,
  note: string,
): Result<Checkpoint, CheckpointError> => {
  const parsed = parseCheckpoint(note);
  if (!parsed.ok) return parsed;
  const { checkpoint, text, signatures } = parsed.value;
  if (checkpoint.origin !== key.name) {
    return invalid(`it is of ${checkpoint.origin}, not of ${key.name}`);
  }
  const keyId = checkpointKeyId(provider, key);
  const signed = domainBytes(domains.checkpoint, utf8Encode(text));
  const ours = signatures.filter((line) => line.name === key.name && equalBytes(line.keyId, keyId));
  if (ours.length === 0) return invalid(`no signature by ${key.name}`);
  for (const { signature } of ours) {
    if (!provider.verify("ml-dsa-65", key.publicKey, signed, signature)) {
      return invalid(`the signature by ${key.name} does not fit`);
    }
  }
  return ok(checkpoint);
};
