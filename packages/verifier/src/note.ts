/**
 * A checkpoint: a signed note that says how many receipts a log has and which root they lead to.
 *
 * Source: c2sp.org/tlog-checkpoint over c2sp.org/signed-note. Origin, size and root a line each,
 * then extension lines; an empty line; lines of `— name base64(key id || signature)`. The Guardian's
 * signature type is 0xff with the long identifier "ioi/guardian/checkpoint/v1/ml-dsa-65"; its name
 * is the origin. Lines of other keys are passed over, a bad line of this key spoils the note.
 */
import { concatBytes, equalBytes, err, fromBase64, ok, type Result, utf8Encode } from "@ioi/base";
import { noteCharsMax, noteExtensionsMax, noteSignaturesMax } from "./limits.ts";
import { hashBytes, isSignedBy, sha256, under } from "./primitives.ts";

export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
}

const purpose = "ioi/guardian/checkpoint/v1";
const keyIdBytes = 4;

const line = String.raw`[ -\u{10ffff}]+`;
const form = new RegExp(
  String.raw`^(?<body>(?<origin>${line})\n(?<size>0|[1-9][0-9]{0,15})\n(?<root>[A-Za-z0-9+/=]{44})\n` +
    String.raw`(?<extensions>(?:${line}\n){0,${noteExtensionsMax}}))\n(?<signatures>(?:${line}\n){1,${noteSignaturesMax}})$`,
  "u",
);

const keyIdOf = (name: string, publicKey: Uint8Array): Uint8Array =>
  sha256(
    utf8Encode(`${name}\n`),
    Uint8Array.of(0xff),
    utf8Encode(`${purpose}/ml-dsa-65`),
    publicKey,
  ).slice(0, keyIdBytes);

/** Every signature of the log's own key, or what is malformed. */
const signaturesOf = (
  lines: readonly string[],
  name: string,
  keyId: Uint8Array,
): Result<readonly Uint8Array[], string> => {
  const found: Uint8Array[] = [];
  for (const each of lines) {
    const parts = /^\u2014 ([^\s+]+) ([^ ]+)$/u.exec(each);
    const bytes = fromBase64(parts?.[2] ?? "?");
    if (bytes === undefined || bytes.length <= keyIdBytes) return err("a signature is malformed");
    if (parts?.[1] === name && equalBytes(bytes.subarray(0, keyIdBytes), keyId)) {
      found.push(bytes.subarray(keyIdBytes));
    }
  }
  return ok(found);
};

/** What the note says, if the key signed it; else the reason. `origin`: the log it must be of. */
export const openNote = (
  note: string,
  publicKey: Uint8Array,
  origin?: string,
): Result<Checkpoint, string> => {
  if (note.length > noteCharsMax || !note.isWellFormed()) return err("it is too long or no text");
  const groups = form.exec(note)?.groups;
  const root = fromBase64(groups?.["root"] ?? "");
  const size = Number(groups?.["size"]);
  if (groups === undefined || root?.length !== hashBytes || !Number.isSafeInteger(size)) {
    return err("it is malformed");
  }
  const name = groups["origin"] ?? "";
  if (origin !== undefined && name !== origin) return err("it is of another log");
  const lines = (groups["signatures"] ?? "").slice(0, -1).split("\n");
  const signatures = signaturesOf(lines, name, keyIdOf(name, publicKey));
  if (!signatures.ok) return signatures;
  if (signatures.value.length === 0) return err("this key did not sign it");
  const signed = under(purpose, utf8Encode(groups["body"] ?? ""));
  return signatures.value.every((signature) => isSignedBy(publicKey, signed, signature))
    ? ok({ origin: name, size, root: concatBytes(root) })
    : err("the signature does not fit");
};
